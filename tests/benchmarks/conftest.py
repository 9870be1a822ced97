"""What the tests of several benchmarks share."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def _quick_to_compile() -> Iterator[None]:
    """Trainings of a few steps need no good machine code, and most of their time made it."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()  # other tests compile as users do


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
