"""How flat the solutions are: Hessians at a training loss that all runs reached, and at the end.

With a cross-entropy the Hessian shrinks along with the loss, so eigenvalues at the end of a budget
mostly rank methods by their training loss. A run is therefore looked at a second time, at its
first checkpoint below the lowest loss that every run reached.
"""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import thermo_optax as to
from benchmarks.engine import figures, report, runtime
from benchmarks.engine.comparison import Tuned
from benchmarks.engine.problem import Problem
from benchmarks.entropy.problems import ERROR, LOSS

LANCZOS, PROBES = 80, 2  # steps of Lanczos for each of so many random vectors
MOST_PRODUCTS = 150  # with the Hessian, for its outermost eigenvalues
NOISE = (0.003, 0.01, 0.03, 0.1)  # standard deviations, on every weight
DRAWS = 8
NEAR_ZERO = 1e-2  # eigenvalues within +- this count as near zero, as in the paper's Figure 1
MATCHED, LAST = "at matched loss", "at the end"


class Solution(NamedTuple):
    """What was found at one network."""

    label: str
    place: str
    seed: int  # its number among the runs
    step: int
    error: float  # on the first block of the test data, in percent
    flatness: to.diagnostics.Flatness
    lowest: float  # eigenvalue
    spectrum: to.diagnostics.HessianSpectrum
    noise: to.diagnostics.NoiseRise

    @property
    def near_zero(self) -> float:
        """The share of eigenvalues within +-NEAR_ZERO."""
        near = np.abs(self.spectrum.nodes) <= NEAR_ZERO
        return float(np.mean(np.sum(np.where(near, self.spectrum.weights, 0), axis=1)))


class Solutions:
    """The networks of all runs at all measurements; results have kept all of them."""

    def __init__(self, problem: Problem, results: Sequence[Tuned]):
        """Of these methods."""
        self.problem = problem
        self.results = {result.label: result for result in results}

    def losses(self, label: str) -> np.ndarray:
        """The training losses of a method's runs, [chunks, runs]."""
        return self.results[label].curve("train", LOSS)

    def level(self) -> float:
        """The lowest training loss that every run reached."""
        return max(float(self.losses(label).min(axis=0).max()) for label in self.results)

    def choice(self) -> list[tuple[str, str, int, int]]:
        """Label, place, run and chunk of the networks to look at."""
        level, chosen = self.level(), []
        for label in self.results:
            losses = self.losses(label)
            first = np.argmax(losses <= level, axis=0)
            for place, chunks in ((MATCHED, first), (LAST, [len(losses) - 1] * len(first))):
                chosen += [(label, place, run, int(chunk)) for run, chunk in enumerate(chunks)]
        return chosen


def examine(solutions: Solutions, output: pathlib.Path) -> None:
    """Looks at all solutions, then reports; after Ctrl-C, on what there is."""
    found: list[Solution] = []
    look = _look(solutions.problem)
    with runtime.interruptible(lambda: _report(solutions, found, output)) as check:
        for label, place, run, chunk in tqdm(solutions.choice(), desc="Hessians"):
            result = solutions.results[label]
            params = jax.tree.map(lambda leaf, run=run: leaf[run], result.networks[chunk])
            flatness, lowest, spectrum, noise = jax.tree.map(np.asarray, look(params))
            error = result.curve("test", ERROR)[chunk, run]
            found.append(
                Solution(
                    *(label, place, run, result.chunks[chunk].step, float(error)),
                    *(flatness, float(lowest), spectrum, noise),
                )
            )
            check()


def _look(problem: Problem) -> Callable:
    """A program that finds all that is reported of one network."""
    (stage,), (pictures, labels) = problem.stages, problem.splits["train"][0]
    batches = jnp.asarray(pictures)[None], jnp.asarray(labels)[None]

    def loss(params, batch):
        return stage.loss(params, (), batch, None)

    @jax.jit
    def look(params):
        spectrum = to.diagnostics.hessian_spectrum(
            loss, params, batches, num_lanczos=LANCZOS, num_probes=PROBES, key=0
        )
        ends = to.diagnostics.hessian_eigenvalues(
            loss, params, batches, bottom=1, tolerance=1e-3, max_products=MOST_PRODUCTS
        )
        noise = to.diagnostics.loss_under_noise(
            loss, params, batches, scales=NOISE, num_draws=DRAWS, key=0
        )
        flatness = to.diagnostics.Flatness(
            noise.loss, ends.top[0], ends.top_residuals[0], spectrum.trace
        )
        return flatness, ends.bottom[0], spectrum, noise

    return look


def _report(solutions: Solutions, found: Sequence[Solution], output) -> None:
    if not found:
        print("Hessians: nothing was finished")
        return
    images, tested = (len(solutions.problem.splits[split][0][1]) for split in ("train", "test"))
    seeds = len({one.seed for one in found})
    parts = (
        report.heading(f"Curvature of {solutions.problem.title}", seeds, "standard deviation"),
        f"Hessians of the loss on {images:,} training images, by {PROBES} x {LANCZOS} steps of "
        "Lanczos; matched: the first measurement of each run at which its loss on these images "
        f"was at most {solutions.level():.3g}, which all runs reached. Near zero: within "
        f"±{NEAR_ZERO:g}. Rises of the loss are under Gaussian noise on all weights. Test "
        f"errors here are those of the first {tested:,} test images.",
        *(table(found, place) for place in (MATCHED, LAST)),
    )
    report.save(output, parts, [_summary(one) for one in found], name="curvature")
    picture(found, solutions.problem.title, output / "curvature.png")


def table(found: Sequence[Solution], place: str) -> str:
    """A markdown table, one line per method."""
    labels = dict.fromkeys(one.label for one in found if one.place == place)
    rows = []
    for label in labels:
        own = [one for one in found if (one.label, one.place) == (label, place)]
        rows.append((label, *(_cell(own, *column) for column in _COLUMNS.values())))
    return report.table((f"method, {place}", *_COLUMNS), rows)


def _cell(own: Sequence[Solution], read: Callable[[Solution], Any], decimals: int) -> str:
    values = np.array([float(read(one)) for one in own])
    return report.with_spread(values, decimals, deviation=True)


_COLUMNS: dict[str, tuple[Callable[[Solution], Any], int]] = {
    "step": (lambda one: one.step, 0),
    "test error %": (lambda one: one.error, 2),
    "loss": (lambda one: one.flatness.loss, 5),
    "top eigenvalue": (lambda one: one.flatness.top_eigenvalue, 3),
    "lowest": (lambda one: one.lowest, 4),
    "trace": (lambda one: one.flatness.trace.value, 2),
    "top / loss": (lambda one: one.flatness.top_eigenvalue_per_loss, 0),
    "trace / loss": (lambda one: one.flatness.trace_per_loss.value, 0),
    "near zero %": (lambda one: 100 * one.near_zero, 1),
    **{
        f"rise, noise {scale:g}": (
            lambda one, number=number: one.noise.rise.value[number],
            5,
        )
        for number, scale in enumerate(NOISE[:3])
    },
}


def _summary(one: Solution) -> dict:
    """What `curvature.json` says of one network."""
    numbers = {name: float(read(one)) for name, (read, _) in _COLUMNS.items()}
    return {
        **{"method": one.label, "place": one.place, "run": one.seed, **numbers},
        "top residual": float(one.flatness.top_residual),
        "trace error": float(one.flatness.trace.error),
        "spectrum": {
            "nodes": np.asarray(one.spectrum.nodes).tolist(),
            "weights": np.asarray(one.spectrum.weights).tolist(),
        },
    }


def picture(found: Sequence[Solution], title: str, path: pathlib.Path) -> None:
    """Spectra of the first runs, and the rise under noise, at matched loss; eigenvalues at both."""
    matched = [one for one in found if one.place == MATCHED]
    figure, (spectra, eigenvalues, rises) = plt.subplots(
        1, 3, figsize=(15, 4.4), layout="constrained"
    )
    noise = _by_label(matched, lambda one: one.noise)
    means = {
        label: jax.tree.map(lambda leaf: leaf.mean(axis=0), seeds) for label, seeds in noise.items()
    }
    to.plot.loss_under_noise(means, ax=rises)
    lines, labels = rises.get_legend_handles_labels()
    colours = {label: line[0].get_color() for line, label in zip(lines, labels, strict=True)}
    first = [one for one in matched if one.seed == 0]
    width = 0.005 * max(float(one.flatness.top_eigenvalue) for one in first)  # the same for all
    for one in first:
        to.plot.spectrum(
            one.spectrum, width=width, label=one.label, color=colours[one.label], ax=spectra
        )
    to.plot.flatness(_by_label(found, lambda one: one.flatness), ax=eigenvalues)
    spectra.set_title("spectra at matched loss, first seed", fontsize=10)
    eigenvalues.set_title("every seed, at matched loss and at the end", fontsize=10)
    rises.set_title("at matched loss, mean over seeds", fontsize=10)
    figure.suptitle(title)
    figures.save(figure, path)


def _by_label(found: Sequence[Solution], read: Callable[[Solution], Any]) -> dict[str, Any]:
    """A part of the solutions of each method, stacked."""
    labels = dict.fromkeys(one.label for one in found)
    groups = {label: [read(one) for one in found if one.label == label] for label in labels}
    return {
        label: jax.tree.map(lambda *leaves: np.stack(leaves), *group)
        for label, group in groups.items()
    }
