"""What the tests of several benchmarks share."""

import pytest


@pytest.fixture
def interrupt_after_adam(monkeypatch):
    """Ctrl-C once the runs of Adam that are reported are done, those of its search apart."""
    from benchmarks.tuned import comparison
    from benchmarks.tuned.engine import Trainer

    train = Trainer.train

    def interrupted(self, rows, seeds, **arguments):
        yield from train(self, rows, seeds, **arguments)
        if self.method.label == "Adam" and comparison.SEARCH_SEED not in seeds:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train", interrupted)
