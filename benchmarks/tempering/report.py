"""What is said of CTLD below the table."""

from collections.abc import Sequence

import numpy as np

from benchmarks.engine.comparison import Result
from benchmarks.engine.problem import Problem
from benchmarks.tempering.methods import CTLD_LIKE_SGD, SGD

TOLERANCE = 0.1  # of CTLD against SGD with momentum, at its learning rate


def comparison_with_sgd(problem: Problem, results: Sequence[Result]) -> str:
    """How CTLD ends next to SGD with momentum at the same learning rate; empty without both."""
    sgd = next((result for result in results if result.name == SGD), None)
    ctld = next((result for result in results if result.label == CTLD_LIKE_SGD), None)
    if sgd is None or ctld is None or not (sgd.finished(problem) and ctld.finished(problem)):
        return ""
    sentences = []
    for column in problem.columns:
        rival = sgd.final(column.split, column.metric).mean()
        change = ctld.final(column.split, column.metric).mean() / rival - 1
        verdict = "within" if abs(change) <= TOLERANCE else "not within"
        if np.isfinite(change) and column.transform is np.asarray:
            sentences.append(f"{column.heading} {change:+.1%} ({verdict} {TOLERANCE:.0%})")
    rate = f"learning rate {sgd.learning_rate:g}"
    return f"CTLD against SGD with momentum, both at {rate}: {'; '.join(sentences)}."
