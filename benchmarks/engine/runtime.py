"""What a run needs of its machine, and tells of it; Ctrl-C that loses nothing."""

import contextlib
import os
import pathlib
import platform
import shlex
import signal
import sys
from collections.abc import Callable, Iterator

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


def command() -> str:
    """The command that is running."""
    return shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])


@contextlib.contextmanager
def interruptible(report: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Ctrl-C ends what runs within at the next call of what it yields; then `report` is called.

    It is called too where there was no Ctrl-C, and after errors: on what there is.
    """
    with Interruption() as interruption:
        try:
            yield interruption.check
        finally:
            report()
        interruption.check()


class Interruption:
    """While active, Ctrl-C is only noted, until `check` raises `KeyboardInterrupt` for it.

    A `KeyboardInterrupt` at any other moment could come in the middle of a file being written, or
    inside a callback of jax, which prints it as a traceback and drops it. A second Ctrl-C stops
    the program at once, for anyone who does not want to wait for the chunk to end.
    """

    def __init__(self):
        """Not active before `with`."""
        self.requested = False

    def check(self) -> None:
        """Raises `KeyboardInterrupt` if the user asked to stop."""
        if self.requested:
            raise KeyboardInterrupt

    def __enter__(self) -> "Interruption":
        """Takes over Ctrl-C."""
        self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_) -> None:
        """Gives Ctrl-C back."""
        signal.signal(signal.SIGINT, self._previous)

    def _note(self, *_) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print("\nstopping soon; what is done is kept (Ctrl-C again: at once)", file=sys.stderr)
