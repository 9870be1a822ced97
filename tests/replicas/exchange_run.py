"""A short run of an exchange, the same in one process and in several; prints what came out.

python tests/replicas/exchange_run.py [PROCESS NUM_PROCESSES PORT]
"""

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402

import thermo_optax as to  # noqa: E402

SIZE, STEPS = 4, 40


def main(arguments: list[str]) -> None:
    if arguments:
        process, count, port = (int(argument) for argument in arguments)
        jax.distributed.initialize(f"localhost:{port}", count, process)
    devices = np.array(jax.devices())
    mesh = jax.sharding.Mesh(devices, ("replica",))
    spread = jax.NamedSharding(mesh, jax.P("replica"))
    whole = jax.NamedSharding(mesh, jax.P())

    sampler = to.langevin(0.3, 1.0, friction=1.0, key=0)
    tx = to.replica_exchange(sampler, {"temperature": [1.0, 2.0, 3.0, 4.0]}, swap_period=2, key=1)

    def run(params):
        def step(carry, _):
            params, state = carry
            losses = jnp.sum(params**2, axis=1) / 2
            updates, state = tx.update(params, state, params, value=losses)
            return (optax.apply_updates(params, updates), state), state.rung

        return jax.lax.scan(step, (params, tx.init(params)), length=STEPS)

    start = np.random.default_rng(0).normal(size=(SIZE, 16)).astype(np.float32)
    params = jax.make_array_from_callback(start.shape, spread, lambda index: start[index])
    (params, _), rungs = jax.jit(run)(params)
    gathered = jax.jit(lambda tree: tree, out_shardings=whole)((params, rungs))
    params, rungs = jax.tree.map(lambda leaf: np.asarray(leaf.addressable_data(0)), gathered)
    print("rungs", rungs.ravel().tolist())
    print("params", params.ravel().tolist())


if __name__ == "__main__":
    main(sys.argv[1:])
