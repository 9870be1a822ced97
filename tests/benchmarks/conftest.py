"""What the tests of several benchmarks share."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def _not_for_other_tests() -> Iterator[None]:
    """Programs are compiled in a hurry here; other tests may compile as users do."""
    yield
    jax.clear_caches()


@pytest.fixture
def interrupt_after_adam(monkeypatch):
    """Ctrl-C once the runs of Adam that are reported are done, those of its search apart."""
    from benchmarks.engine import comparison
    from benchmarks.engine.training import Trainer

    train = Trainer.train

    def interrupted(self, rows, seeds, **arguments):
        yield from train(self, rows, seeds, **arguments)
        if self.method.label == "Adam" and comparison.SEARCH_SEED not in seeds:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train", interrupted)
