"""Bars of progress where `tqdm` is installed, and none where it is not."""

from collections.abc import Iterable, Iterator
from typing import Any


class Silent:
    """What is used of `tqdm`, without a bar."""

    def __init__(self, items: Iterable = (), **_: Any):
        """The items to go through, if any."""
        self._items = items

    def __iter__(self) -> Iterator:
        """The items as they are."""
        return iter(self._items)

    def __enter__(self) -> "Silent":
        """Nothing is drawn."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing was drawn."""

    def update(self, *_: Any) -> None:
        """One more is done."""

    def set_postfix_str(self, *_: Any, **__: Any) -> None:
        """Words at the end of the bar."""


def bar(*arguments: Any, **options: Any) -> Any:
    """`tqdm(...)`, or nothing to see: a machine with nothing but jax has none."""
    try:
        from tqdm import tqdm
    except ImportError:
        return Silent(*arguments, **options)
    return tqdm(*arguments, **options)
