"""Ctrl-C that loses nothing: it ends a run between two chunks, and never within a report."""

import signal
import sys


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
