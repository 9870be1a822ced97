"""Learning coefficients over step sizes and precisions: where do they not matter?"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._noise import KeyLike

from ._around import TURN, Numbers
from ._report import NEAR_ONE, LearningCoefficient, results_of
from ._task import check_numbers, measured, task_of, temperature_of

SHARES = (0.25, 0.5, 1.0, 1.5)  # of the step that the curvature gives
PRECISIONS = (1.0, 10.0, 100.0)
EQUAL = 0.05  # a relative difference that does not end a plateau


@dataclasses.dataclass(frozen=True, eq=False)
class Plateau:
    """The largest rectangle of settings that agree; the ends of both ranges belong to it."""

    steps: tuple[float, float]  # smallest and largest, as in `steps` of the sweep
    precisions: tuple[float, float]
    value: float  # mean of the values inside
    spread: float  # half of the difference between the largest and the smallest one
    num_settings: int


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCoefficientSweep:
    """The results of `sweep_learning_coefficient`; prints as a table with the plateau in words."""

    steps: np.ndarray  # float[num_steps], step sizes, or shares of the one from the curvature
    precisions: np.ndarray  # float[num_precisions]
    settings: tuple[tuple[LearningCoefficient, ...], ...]  # [step][precision]
    steps_are_shares: bool

    @property
    def values(self) -> np.ndarray:
        """float[num_steps, num_precisions], nan where there is none."""
        return np.array(
            [[one.value if one.is_minimum else np.nan for one in row] for row in self.settings]
        )

    @property
    def standard_errors(self) -> np.ndarray:
        """float[num_steps, num_precisions], of the values."""
        return np.array([[one.standard_error for one in row] for row in self.settings])

    @property
    def is_hot(self) -> np.ndarray:
        """bool[num_steps, num_precisions]: measured above the set temperature; too long a step."""
        return np.array([[one.temperature > NEAR_ONE[1] for one in row] for row in self.settings])

    @property
    def plateau(self) -> Plateau | None:
        """Where the value depends on neither; None if no two neighbouring settings agree.

        Inside, every value is within 5 %, or two standard errors, of the mean, and none is hot.
        """
        values, errors, hot = self.values, self.standard_errors, self.is_hot
        best = None
        for rows, columns in itertools.product(*map(_ranges, values.shape)):
            inside = values[rows, columns]
            mean, spread = np.mean(inside), float(np.ptp(inside) / 2)
            near = np.abs(inside - mean) <= np.maximum(
                EQUAL * np.abs(mean), 2 * errors[rows, columns]
            )
            if inside.size < 2 or hot[rows, columns].any() or not near.all():
                continue
            if best is None or (inside.size, -spread) > (best.num_settings, -best.spread):
                ends = (_ends(self.steps[rows]), _ends(self.precisions[columns]))
                best = Plateau(*ends, float(mean), spread, inside.size)
        return best

    def __str__(self) -> str:
        """A line for each step, a column for each precision, and the plateau below."""
        name = "step, share" if self.steps_are_shares else "step"
        lines = [f"{name:>12}" + "".join(f"{f'precision {p:.4g}':>22}" for p in self.precisions)]
        for step, row, hot in zip(self.steps, self.settings, self.is_hot, strict=True):
            cells = (
                f"{one.in_words} (hot)" if warm else one.in_words
                for one, warm in zip(row, hot, strict=True)
            )
            lines.append(f"{step:12.4g}" + "".join(f"{cell:>22}" for cell in cells))
        found = self.plateau
        if found is None:
            lines.append("no plateau: no two neighbouring settings agree. Take more steps.")
            return "\n".join(lines)
        lines.append(
            f"plateau: {found.value:.4g}, within {found.spread:.2g}, at steps from "
            f"{found.steps[0]:.4g} to {found.steps[1]:.4g} and precisions from "
            f"{found.precisions[0]:.4g} to {found.precisions[1]:.4g}"
        )
        if len(self.steps) > 1 and found.steps[0] == found.steps[1]:
            lines.append("The value depends on the step.")
        if len(self.precisions) > 1 and found.precisions[0] == found.precisions[1]:
            lines.append("The value depends on the precision, a part of what is measured.")
        return "\n".join(lines)


def sweep_learning_coefficient(
    loss: Callable[..., jax.Array],
    params: Any,
    *,
    num_examples: int,
    key: KeyLike,
    step_sizes: Sequence[float] | None = None,
    precisions: Sequence[float] = PRECISIONS,
    batches: Callable[[jax.Array], Any] | None = None,
    sampler: Callable[..., Any] | None = None,
    free: Any = None,
    temperature: float | None = None,
    num_chains: int = 4,
    num_steps: int = 4_000,
    num_burn_in: int = 1_000,
    num_center_batches: int = 100,
    devices: Sequence[Any] | None = None,
) -> LearningCoefficientSweep:
    r"""The learning coefficient at several step sizes and precisions, in one compiled program.

    A value can be trusted where it depends on neither: then it is the model's and not that of the
    settings. The largest rectangle of settings whose values agree is the plateau, and the result
    prints it. A step that is too long heats; the table marks these settings, and they never belong
    to it. The precision :math:`\rho` of the tether decides how far the chains may go, and often no
    plateau spans all of them: then say which precision a value is for.

    Args:
        loss: ``loss(params)``, or ``loss(params, batch)`` with `batches`: the mean loss of the
            examples, which params minimise. A pure function: calls with the same one share a
            compiled program, so the data that it reads must not change between them.
        params: w*, a tree of real floating-point arrays.
        num_examples: n >= 2, the number of examples over which the loss is a mean.
        key: an int, a typed key or a raw uint32 key.
        step_sizes: each > 0, in units of time, in increasing order; None takes a quarter, a half,
            the whole and one and a half of the step that the curvature gives.
        precisions: each >= 0, of the tether, in units of 1 / parameter^2, in increasing order.
        batches: ``batches(step)``, a function of the number of the step (int32[]) that jit can
            trace, which returns a batch of equal size each time; None: the loss is that of all
            data.
        sampler: ``sampler(step_size, temperature, key)``, which builds the sampler of a chain; None
            is `langevin` with little friction, or `leimkuhler_matthews` with `batches`.
        free: a tree of bools like params or a prefix of them; arrays at False rest at w*. None
            frees all.
        temperature: T > 0, in units of the loss; None is ln(n) / n.
        num_chains: at each setting, at least 2.
        num_steps: steps of each chain that are measured, one gradient each (two with `batches`).
        num_burn_in: steps before those.
        num_center_batches: with `batches`, number of first batches over which loss and gradient at
            w* are averaged.
        devices: over which chains and settings are spread, as many as divide their numbers. None:
            all devices of this process, or where params lie if they were put there by
            `jax.device_put`.

    Returns:
        The :class:`LearningCoefficientSweep`, which prints as a table.

    Raises:
        ValueError: for step sizes or precisions that do not increase, a loss that is not finite at
            params or not a single number, and other numbers that are out of range.
        TypeError: for params that are not real floating-point arrays.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> loss = lambda w: jnp.sum(w[:10] ** 2) / 2  # of 20 weights, of which 10 matter
        >>> found = to.sweep_learning_coefficient(
        ...     loss, jnp.zeros(20), num_examples=1_000, key=0, precisions=[0.1, 1.0]
        ... )
        >>> print(abs(found.plateau.value - 5) < 0.2)
        True

    References:
        Lau et al., `The Local Learning Coefficient: A Singularity-Aware Complexity Measure
        <https://arxiv.org/abs/2308.12108>`_, 2023.
    """
    heat = temperature_of(num_examples, temperature)
    given = SHARES if step_sizes is None else step_sizes
    steps, ties = _increasing("step_sizes", given), _increasing("precisions", precisions)
    for step, precision in itertools.product(steps, ties):
        check_numbers(precision, step)
    task = task_of(
        loss,
        params,
        num_examples=num_examples,
        key=key,
        batches=batches,
        sampler=sampler,
        free=free,
        num_chains=num_chains,
        num_steps=num_steps,
        num_burn_in=num_burn_in,
        num_center_batches=num_center_batches,
        devices=devices,
        num_rows=len(steps) * len(ties),
    )
    step, precision = (x.ravel() for x in np.meshgrid(steps, ties, indexing="ij"))
    follows = step_sizes is None
    columns = (
        np.full_like(step, heat),
        precision,
        np.zeros_like(step) if follows else step,
        TURN * step if follows else np.full_like(step, TURN),
    )
    numbers = Numbers(*(jnp.asarray(column, jnp.result_type(float)) for column in columns))
    center, traces = measured(task, "numbers", numbers, looks=follows)
    found = results_of(task, center, traces, heat, precision.tolist())
    rows = tuple(tuple(found[i : i + len(ties)]) for i in range(0, len(found), len(ties)))
    return LearningCoefficientSweep(steps, ties, rows, follows)


def _increasing(name: str, numbers: Sequence[float]) -> np.ndarray:
    found = np.asarray(numbers, float)
    if found.ndim != 1 or not len(found) or not np.all(np.diff(found) > 0):
        raise ValueError(f"`{name}` must be a list of increasing numbers, got {numbers!r}.")
    return found


def _ranges(length: int) -> list[slice]:
    pairs = itertools.combinations(range(length + 1), 2)
    return [slice(first, last) for first, last in pairs]


def _ends(numbers: np.ndarray) -> tuple[float, float]:
    return float(numbers[0]), float(numbers[-1])
