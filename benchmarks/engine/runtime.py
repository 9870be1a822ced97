"""What a benchmark needs to know of, and to tell, the machine it runs on."""

import os
import pathlib
import platform

import jax
import optax

CACHE = pathlib.Path("results") / ".cache"


def configure() -> None:
    """Keeps compiled programs between runs, unless the user already chose a place for them."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(CACHE.absolute()))


def machine() -> str:
    """The kind of machine, as tables should name it."""
    device = jax.devices()[0]
    processor = {"x86_64": "x86", "AMD64": "x86", "aarch64": "Arm"}.get(
        platform.machine(), platform.machine()
    )
    cores = f"{len(os.sched_getaffinity(0))}-core" if hasattr(os, "sched_getaffinity") else ""
    host = f"{cores} {processor} CPU".strip()
    return host if device.platform == "cpu" else f"{device.device_kind}, {host}"


def versions() -> str:
    """The libraries that decide the numbers."""
    return f"jax {jax.__version__}, optax {optax.__version__}, Python {platform.python_version()}"
