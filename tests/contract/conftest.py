"""The contract is tested as users meet it: on one device."""

import jax
import pytest


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    """Hides the eight simulated devices, because noise is computed in another way on one CPU.

    The tests of sharding show them again.
    """
    monkeypatch.setattr(jax, "device_count", lambda: 1)
