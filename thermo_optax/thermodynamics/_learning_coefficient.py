"""The local learning coefficient of trained weights."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._base import (
    at,
    check_integer,
    check_leaves,
    check_nonnegative,
    check_not_empty,
    check_positive,
    compute_dtype,
    tree_size,
)
from thermo_optax._noise import KeyLike, stream_key
from thermo_optax.integrators import langevin, leimkuhler_matthews

from ._chains import Plan, center_of, run_chains
from ._report import LearningCoefficient, summary

DAMPING = 0.05  # friction times step of the default sampler: inertia crosses flat valleys


def learning_coefficient(
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
) -> LearningCoefficient:
    r"""The local learning coefficient of trained weights, with its error and its checks.

    .. math::
        \hat\lambda = \frac{\langle L \rangle - L(w^*)}{T}, \qquad
        w \sim e^{-L(w) / T} \, e^{-\rho \|w - w^*\|^2 / 2}, \qquad T = \frac{\ln n}{n}

    It counts the effective parameters of a model: d/2 for d parameters that all matter, and less
    where many weights give the same function. Chains run around w* on a `tether`, and measure how
    much heat raises the loss. Temperature, precision and number of steps belong to the value, so
    compare only values of the same ones.

    Without `batches` the chains are `langevin` with little friction. With them they are
    `leimkuhler_matthews`, and the gradient is that of a batch at w, minus that of the same batch at
    w*, plus the full one at w*. Without this difference the noise of minibatches heats the chains.
    The rise of the loss, too, is that between w and w* on the same batch, without its slope at w*.

    The step size follows from the largest curvature that the chains meet, because curvature grows
    away from w*. It is measured in every step of the burn-in, and in every eighth step after it.

    Args:
        loss: ``loss(params)``, or ``loss(params, batch)`` with `batches`: the mean loss of the
            examples, which params minimise.
        params: w*, a tree of real floating-point arrays.
        num_examples: n >= 2, the number of examples over which the loss is a mean.
        key: an int, a typed key or a raw uint32 key.
        batches: ``batches(step)``, a function of the number of the step (int32[]) that jit can
            trace, which returns a batch of equal size each time; None: the loss is that of all
            data.
        sampler: ``sampler(step_size, temperature, key)``, which builds the sampler of a chain. The
            means of an `adaptive_step` are weighted by time.
        free: a tree of bools like params or a prefix of them; arrays at False rest at w*. None
            frees all.
        temperature: T > 0, in units of the loss; None is ln(n) / n.
        precision: rho >= 0, of the tether, in units of 1 / parameter^2.
        step_size: h > 0, in units of time; None follows the curvature. `leimkuhler_matthews` has
            the learning rate h^2 / 2.
        num_chains: at least 2, since one chain cannot show that it is stuck.
        num_steps: steps of each chain that are measured, one gradient each (two with `batches`).
        num_burn_in: steps before those.
        num_center_batches: with `batches`, number of first batches over which loss and gradient at
            w* are averaged. Take those of a whole epoch if you can.

    Returns:
        A :class:`LearningCoefficient`, which prints. Its `warnings` say in words what is wrong:
        chains that left, a measured temperature that is not the set one, a variance of the loss
        that does not fit, a gradient at params that is not 0.

    Raises:
        ValueError: for a loss that is not finite at params or not a single number, fewer than two
            examples or chains, and other numbers that are out of range.
        TypeError: for params that are not real floating-point arrays.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> loss = lambda w: jnp.sum(w[:10] ** 2) / 2  # of 20 weights, of which 10 matter
        >>> found = to.learning_coefficient(loss, jnp.zeros(20), num_examples=1_000, key=0)
        >>> print(round(found.value), found.warnings)
        5 ()

    References:
        Lau et al., `The Local Learning Coefficient: A Singularity-Aware Complexity Measure
        <https://arxiv.org/abs/2308.12108>`_, 2023.
    """
    two = "A learning coefficient is measured at the temperature ln(n) / n of n examples."
    check_integer(2, two, num_examples=num_examples)
    check_integer(2, "One chain cannot show that it is stuck.", num_chains=num_chains)
    check_integer(100, "The error needs a trace.", num_steps=num_steps)
    check_integer(1, "The curvature is measured there.", num_burn_in=num_burn_in)
    check_integer(1, "Pass the batches of an epoch.", num_center_batches=num_center_batches)
    heat = math.log(num_examples) / num_examples if temperature is None else temperature
    check_positive(temperature=heat)
    check_nonnegative(precision=precision)
    if step_size is not None:
        check_positive(step_size=step_size)
    check_leaves("params", params)
    check_not_empty("params", params)
    moving, frozen, together = _split(params, free)
    plan = Plan(
        loss=_Joined(loss, together, batches is not None),
        batches=batches,
        sampler=sampler or (_inertial if batches is None else _overdamped),
        num_steps=num_steps,
        num_burn_in=num_burn_in,
        num_center_batches=num_center_batches,
    )
    _check_loss(plan, moving, frozen)
    center = center_of(plan, moving, frozen)
    base = float(center.loss)
    if not math.isfinite(base):
        raise ValueError(
            f"`loss` must be finite at `params`, got {base}. Pass trained parameters, and check "
            "the loss there."
        )
    words = stream_key(key, "learning_coefficient", ())
    keys = jax.random.split(jax.random.wrap_key_data(words, impl="threefry2x32"), num_chains)
    numbers = [at(number, 0) for number in (heat, precision, step_size or 0.0)]
    traces = run_chains(plan, center, frozen, *numbers, keys)
    settings = {
        "temperature": float(heat),
        "precision": float(precision),
        "num_examples": int(num_examples),
        "num_steps": num_steps,
        "num_burn_in": num_burn_in,
        "num_weights": tree_size(moving),
        "loss": base,
        "gradient_norm": float(center.gradient_norm),
        "curvature": float(np.nanmin(np.asarray(traces.curvature))),
        "paired_batches": batches is not None,
    }
    seen, heats, weights = (
        np.asarray(trace) for trace in (traces.rises, traces.temperatures, traces.weights)
    )
    return summary(seen, heats, heat, settings, weights)


def _inertial(step_size, temperature, key):
    return langevin(step_size, temperature, friction=DAMPING / step_size, key=key)


def _overdamped(step_size, temperature, key):
    return leimkuhler_matthews(jnp.square(step_size) / 2, temperature, key=key)


class _Together:
    """How free and frozen arrays make a tree; equal for equal splits, so that programs serve again.

    Calls of the same loss then share one compiled program.
    """

    def __init__(self, structure: Any, flags: tuple[bool, ...]) -> None:
        """From the structure of the parameters, and which of their arrays are free."""
        self.facts = structure, flags

    def __call__(self, moving: list[Any], frozen: list[Any]) -> Any:
        """The whole tree."""
        structure, flags = self.facts
        parts = iter(moving), iter(frozen)
        return structure.unflatten([next(parts[0] if flag else parts[1]) for flag in flags])

    def __eq__(self, other: object) -> bool:
        """By what they do."""
        return isinstance(other, _Together) and self.facts == other.facts

    def __hash__(self) -> int:
        """By what they do."""
        return hash(self.facts)


class _Joined:
    """The loss as a function of free arrays, frozen arrays and a batch; equal for equal losses."""

    def __init__(self, loss: Callable[..., jax.Array], together: _Together, batched: bool) -> None:
        """From the user's loss."""
        self.facts = loss, together, batched

    def __call__(self, moving: list[Any], frozen: list[Any], batch: Any) -> jax.Array:
        """The loss of one batch, or of all data."""
        loss, together, batched = self.facts
        params = together(moving, frozen)
        return loss(params, batch) if batched else loss(params)

    def __eq__(self, other: object) -> bool:
        """By what they compute."""
        return isinstance(other, _Joined) and self.facts == other.facts

    def __hash__(self) -> int:
        """By what they compute."""
        return hash(self.facts)


def _split(params: Any, free: Any) -> tuple[list[Any], list[Any], _Together]:
    """Free and frozen arrays, in at least float32."""
    leaves, structure = jax.tree.flatten(params)
    leaves = [jnp.asarray(leaf, compute_dtype(leaf.dtype)) for leaf in leaves]
    free = True if free is None else free
    try:
        flags = tuple(bool(flag) for flag in jax.tree.leaves(jax.tree.broadcast(free, params)))
    except ValueError as error:
        raise ValueError(
            f"`free` must be a tree of bools like `params` or a prefix of it, got {free!r}: "
            "write True for the arrays that may move."
        ) from error
    if not any(flags):
        raise ValueError("`free` must leave some array of `params` free, got False for all.")
    pairs = list(zip(leaves, flags, strict=True))
    moving, frozen = ([x for x, flag in pairs if flag is kind] for kind in (True, False))
    return moving, frozen, _Together(structure, flags)


def _check_loss(plan: Plan, moving: list[Any], frozen: list[Any]) -> None:
    def first():
        batch = None if plan.batches is None else plan.batches(jnp.zeros([], jnp.int32))
        return plan.loss(moving, frozen, batch)

    value = jax.eval_shape(first)
    if not isinstance(value, jax.ShapeDtypeStruct) or value.shape != ():
        shown = value.shape if isinstance(value, jax.ShapeDtypeStruct) else type(value).__name__
        raise ValueError(
            f"`loss` must return a single number, got {shown}: average over the examples, and "
            "leave out what else it returns."
        )
