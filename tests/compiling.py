"""Programs whose structure is tested, and not what the compiler makes of their numbers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

# XLA compiles four times as fast without its newest code generator and without LLVM's passes. What
# programs compute is tested elsewhere, with the options that users have; here, what they are.
QUICK = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 0}


def _supported() -> dict[str, Any]:
    try:
        jax.jit(lambda: jnp.zeros(1), compiler_options=QUICK)()
    except jax.errors.JaxRuntimeError as error:
        if "No such compile option" not in str(error):
            raise
        return {}  # of another version of JAX
    return QUICK


OPTIONS = _supported()


def quick_jit(fn: Callable, **options: Any) -> Any:
    """`jax.jit`, with less time for the compiler."""
    return jax.jit(fn, compiler_options=OPTIONS, **options)


def users_jit(fn: Callable, **options: Any) -> Any:
    """`jax.jit` with XLA's newest code generator, also in `make test`: for bits, and long runs."""
    newest = {"xla_cpu_use_fusion_emitters": True} if OPTIONS else {}
    return jax.jit(fn, compiler_options=newest, **options)


def quick(tx: optax.GradientTransformation) -> Any:
    """The same transformation in programs that compile quickly.

    Without them each of its hundreds of operations is a program. Callables cannot be passed to it.
    """
    tx = optax.with_extra_args_support(tx)
    return optax.GradientTransformationExtraArgs(quick_jit(tx.init), quick_jit(tx.update))
