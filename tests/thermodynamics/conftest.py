"""The laws are tested as users meet them: on one device, where noise is drawn in another way."""

from tests.contract.conftest import one_device as one_device
