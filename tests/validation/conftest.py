"""`validate` runs as users meet it: on one device, where noise is drawn in another way."""

from tests.contract.conftest import one_device as one_device
