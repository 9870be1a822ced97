"""Tests: a package, so that `tests.statistics` cannot be taken for the standard library's."""
