"""Samples are collected as users collect them: on one device, where noise is drawn another way."""

from tests.contract.conftest import one_device as one_device
