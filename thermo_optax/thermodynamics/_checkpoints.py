"""Learning coefficients along a training."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from thermo_optax._noise import KeyLike

from ._report import LearningCoefficient, results_of
from ._task import measured, numbers_of, task_of, temperature_of


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCoefficients:
    """The results of `learning_coefficients`, one for each checkpoint; prints as a table.

    Iterate over it or index it for each :class:`LearningCoefficient`.
    """

    checkpoints: tuple[LearningCoefficient, ...]

    @property
    def values(self) -> np.ndarray:
        """float[num_checkpoints], nan where the weights are not a minimum or all chains left."""
        return np.array([one.value if one.is_minimum else np.nan for one in self.checkpoints])

    @property
    def standard_errors(self) -> np.ndarray:
        """float[num_checkpoints], of the values."""
        errors = [one.standard_error if one.is_minimum else np.nan for one in self.checkpoints]
        return np.array(errors)

    @property
    def losses(self) -> np.ndarray:
        """float[num_checkpoints], the loss at each checkpoint."""
        return np.array([one.settings["loss"] for one in self.checkpoints])

    def __len__(self) -> int:
        """The number of checkpoints."""
        return len(self.checkpoints)

    def __getitem__(self, number: int) -> LearningCoefficient:
        """That of one checkpoint."""
        return self.checkpoints[number]

    def __iter__(self) -> Iterator[LearningCoefficient]:
        """One after the other."""
        return iter(self.checkpoints)

    def __str__(self) -> str:
        """A line for each checkpoint, with the first warning if there are any."""
        lines = ["checkpoint       loss  learning coefficient"]
        for number, one in enumerate(self.checkpoints):
            line = f"{number:10d} {one.settings['loss']:10.4g}  {one.in_words}"
            if one.warnings and one.is_minimum:
                said, *others = one.warnings
                line += f"  warning: {said}" + (f" (and {len(others)} more)" if others else "")
            lines.append(line)
        first = self[0].settings
        lines.append(
            f"temperature {first['temperature']:.4g}, precision {first['precision']:.4g}, "
            f"{len(self.checkpoints[0].chains)} chains of {first['num_steps']} steps"
        )
        return "\n".join(lines)


def learning_coefficients(
    loss: Callable[..., jax.Array],
    params: Any,
    *,
    num_examples: int,
    key: KeyLike,
    batches: Callable[[jax.Array], Any] | None = None,
    sampler: Callable[..., Any] | None = None,
    free: Any = None,
    temperature: float | None = None,
    precision: float = 1.0,
    step_size: float | None = None,
    num_chains: int = 4,
    num_steps: int = 8_000,
    num_burn_in: int = 2_000,
    num_center_batches: int = 100,
    devices: Sequence[Any] | None = None,
) -> LearningCoefficients:
    r"""The learning coefficient of each of several checkpoints, in one compiled program.

    .. math::
        \hat\lambda_t = \frac{\langle L \rangle_t - L(w_t)}{T}

    at the weights w_t of every checkpoint t, each with chains, a tether and a step size of its own.
    Early in a training the weights are no minimum yet: chains find lower losses, and the estimate
    is a large negative number. The table says so in words, and `values` are nan there.

    Args:
        loss: ``loss(params)``, or ``loss(params, batch)`` with `batches`: the mean loss of the
            examples, of one checkpoint. A pure function: calls with the same one share a compiled
            program, so the data that it reads must not change between them.
        params: the checkpoints, stacked: a tree of real floating-point arrays whose first axis
            counts them.
        num_examples: n >= 2, the number of examples over which the loss is a mean.
        key: an int, a typed key or a raw uint32 key.
        batches: ``batches(step)``, a function of the number of the step (int32[]) that jit can
            trace, which returns a batch of equal size each time; None: the loss is that of all
            data.
        sampler: ``sampler(step_size, temperature, key)``, which builds the sampler of a chain; None
            is `langevin` with little friction, or `leimkuhler_matthews` with `batches`.
        free: a tree of bools like params or a prefix of them; arrays at False rest at w_t. None
            frees all.
        temperature: T > 0, in units of the loss; None is ln(n) / n.
        precision: rho >= 0, of the tether, in units of 1 / parameter^2.
        step_size: h > 0, in units of time, for all checkpoints; None follows the curvature around
            each.
        num_chains: of each checkpoint, at least 2.
        num_steps: steps of each chain that are measured, one gradient each (two with `batches`).
        num_burn_in: steps before those.
        num_center_batches: with `batches`, number of first batches over which loss and gradient at
            w_t are averaged.
        devices: over which chains and checkpoints are spread, as many as divide their numbers.
            None: all devices of this process, or where params lie if they were put there by
            `jax.device_put`.

    Returns:
        The :class:`LearningCoefficients`, which print as a table.

    Raises:
        ValueError: for params that are not stacked, a loss that is not finite at a checkpoint or
            not a single number, fewer than two examples or chains, and other numbers that are out
            of range.
        TypeError: for params that are not real floating-point arrays, or a schedule where a number
            belongs.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(w):  # two wells at +1 and -1, and a saddle at 0
        ...     return jnp.sum((w**2 - 1) ** 2)
        >>> params = jnp.array([[0.0], [1.0]])  # two checkpoints
        >>> found = to.learning_coefficients(loss, params, num_examples=1_000, key=0)
        >>> print([one.is_minimum for one in found], abs(found.values[1] - 0.5) < 0.05)
        [False, True] True

    References:
        Lau et al., `The Local Learning Coefficient: A Singularity-Aware Complexity Measure
        <https://arxiv.org/abs/2308.12108>`_, 2023; Hoogland et al., `The Developmental Landscape of
        In-Context Learning <https://arxiv.org/abs/2402.02364>`_, 2024, which follows it through
        training.
    """
    heat = temperature_of(num_examples, temperature)
    numbers = numbers_of(heat, precision, step_size)
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
        stacked=True,
    )
    center, traces = measured(task, "centers", numbers, looks=step_size is None)
    found = results_of(task, center, traces, heat, [float(precision)] * task.num_rows)
    return LearningCoefficients(tuple(found))
