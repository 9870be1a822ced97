"""What the package needs to know of the machine."""

import jax


def on_one_cpu() -> bool:
    """Whether there is one CPU, and no other device: nothing is sharded, and loops need help.

    XLA's compiler for CPUs joins fewer loops than that for GPUs, and adds up number by number.
    """
    return jax.default_backend() == "cpu" and jax.device_count() == 1
