"""Which cases of a test are slow."""

from collections.abc import Iterable

import pytest


def each(names: Iterable[str], *slow: str) -> pytest.MarkDecorator:
    """One test for each name, given as `name`; some only among the slow tests."""
    cases = [pytest.param(name, marks=[pytest.mark.slow] * (name in slow)) for name in names]
    return pytest.mark.parametrize("name", cases)
