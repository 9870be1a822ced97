"""The samplers of posteriors, in torch, as turns of the clock."""

# The peers are optional: where they are not installed, the types of their names are unknown.
# pyright: reportMissingImports=false

import itertools
import warnings

import jax

from benchmarks.updates import clock
from benchmarks.updates.problems import Problem

POSTERIORS = "posteriors.sgmcmc"
METHODS = ("sgld", "sghmc", "baoa")


def torch_turns(task: Problem) -> dict[str, clock.Turn]:
    """Single steps in place: on the GPU if jax uses one, else with one thread and with all."""
    import torch

    device = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
    counts = [1] if device == "cuda" else sorted({1, torch.get_num_threads()})
    return {
        f"posteriors.{method}, {_words(count, device)}": _turn(task, method, count, device)
        for method in METHODS
        for count in counts
    }


def _words(threads: int, device: str) -> str:
    if device == "cuda":
        return "GPU"
    return f"{threads} thread{'s' * (threads > 1)}"


def _turn(task: Problem, method: str, threads: int, device: str) -> clock.Turn:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its own dependency, at import
        # pyright looks into the folders above this file too, and finds our own `posteriors` there.
        from posteriors import sgmcmc  # pyright: ignore[reportAttributeAccessIssue]
    import torch

    def tensors(arrays):
        return {name: torch.tensor(array, device=device) for name, array in arrays.items()}

    data = tensors(task.batches)
    rows = zip(*data.values(), strict=True)
    batches = itertools.cycle([dict(zip(data, row, strict=True)) for row in rows])

    def log_posterior(params, batch):
        return -task.torch_loss(torch, params, batch), torch.empty(0)

    # The parametrisation of the contenders in jax: a friction of 0.1 per step.
    rate = task.learning_rate
    step_size = rate if method == "sgld" else rate**0.5
    friction = {} if method == "sgld" else {"alpha": 0.1 / step_size}
    transform = getattr(sgmcmc, method).build(
        log_posterior, lr=step_size, temperature=task.temperature, **friction
    )

    def advance(state):
        return (transform.update(state, next(batches), inplace=True)[0],)

    def wait(carry):
        del carry
        if device == "cuda":
            torch.cuda.synchronize()

    turn = clock.advancing(advance, (transform.init(tensors(task.params)),), wait=wait)

    def threaded():
        torch.set_num_threads(threads)
        return turn()

    return threaded
