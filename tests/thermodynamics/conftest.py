"""The laws are tested as users meet them: on one device, where noise is drawn in another way."""

import jax
import pytest

from tests.contract.conftest import one_device as one_device


@pytest.fixture(autouse=True)
def chains_on_one_device(monkeypatch):
    """Hides the eight simulated devices, over which chains would be spread."""
    (first, *_) = jax.devices()
    monkeypatch.setattr(jax, "local_devices", lambda **_: [first])
