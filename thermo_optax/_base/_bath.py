"""What a wrapper may ask of the samplers inside it: the temperatures that they were built with."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

_FOUND: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("baths", default=None)


@contextlib.contextmanager
def baths() -> Iterator[list[Any]]:
    """A list that holds, after some `init` was called within, the temperature of each sampler.

    A temperature is a number, a traced value or a schedule. It is in the closure of the sampler, at
    any depth of optax's wrappers, whose `init` has no other way to tell of it.
    """
    found: list[Any] = []
    token = _FOUND.set(found)
    try:
        yield found
    finally:
        _FOUND.reset(token)


def declare_bath(temperature: Any) -> None:
    """Says in `init` at which temperature a sampler was built."""
    found = _FOUND.get()
    if found is not None:
        found.append(temperature)
