"""The local learning coefficient of trained weights."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from thermo_optax._noise import KeyLike

from ._report import LearningCoefficient, results_of
from ._task import measured, numbers_of, task_of, temperature_of


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
    devices: Sequence[Any] | None = None,
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

    From 100,000 weights on a CPU, and 100 million elsewhere, chains make their steps one after
    another. The memory is then that of parameters and sampler's state for each chain, and of a few
    copies more for all; these chains share the direction in which the curvature is measured.

    Args:
        loss: ``loss(params)``, or ``loss(params, batch)`` with `batches`: the mean loss of the
            examples, which params minimise. A pure function: calls with the same one share a
            compiled program, so the data that it reads must not change between them.
        params: w*, a tree of real floating-point arrays.
        num_examples: n >= 2, the number of examples over which the loss is a mean.
        key: an int, a typed key or a raw uint32 key.
        batches: ``batches(step)``, a function of the number of the step (int32[]) that jit can
            trace, which returns a batch of equal size each time; None: the loss is that of all
            data. All chains have the same batch in a step, which the error takes into account.
        sampler: ``sampler(step_size, temperature, key)``, which builds the sampler of a chain, with
            this key. It moves the free arrays as a list, in the order of `jax.tree.leaves`, so
            names of layers are unknown to it. The means of an `adaptive_step` are weighted by time.
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
        devices: over which chains are spread, as many as divide `num_chains`. None: all devices of
            this process, or where params lie if they were put there by `jax.device_put`. The
            numbers do not depend on it, except by rounding.

    Returns:
        A :class:`LearningCoefficient`, which prints. Its `warnings` say in words what is wrong:
        chains that left or are all the same, a measured temperature that is not the set one, a
        variance of the loss that does not fit, a gradient at params that is not 0.

    Raises:
        ValueError: for a loss that is not finite at params or not a single number, fewer than two
            examples or chains, and other numbers that are out of range.
        TypeError: for params that are not real floating-point arrays, or a schedule where a number
            belongs.

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
    )
    center, traces = measured(task, "one", numbers, looks=step_size is None)
    traces = jax.tree.map(lambda trace: trace[None], traces)
    return results_of(task, center, traces, heat, [float(precision)])[0]
