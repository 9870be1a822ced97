"""The invariance test: start from exact draws of a known law, run, and compare."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax

from thermo_optax._base import (
    KeyLike,
    check_leaves,
    check_nonnegative,
    check_not_empty,
    check_positive,
    stream_key,
    tree_size,
)

from ._chains import Settings, leaf_slices, run_chains
from ._laws import DoubleWell, Gaussian
from ._report import ValidationReport
from ._statistics import double_well_checks, gaussian_checks

MakeTransformation = Callable[[jax.Array], optax.GradientTransformation]


def validate(
    make_transformation: MakeTransformation,
    *,
    temperature: float = 1.0,
    curvature: float = 1.0,
    params: Any = None,
    num_chains: int = 2**14,
    num_steps: int = 400,
    burn_in: int = 0,
    gradient_noise: float = 0.0,
    tolerance: float = 0.02,
    update_kwargs: Mapping[str, Any] | None = None,
    key: KeyLike = 0,
) -> ValidationReport:
    r"""Tests whether a transformation, ours or yours, leaves exp(-L / temperature) invariant.

    .. math::
        x_0 \sim e^{-L / T} \quad \Longrightarrow \quad x_n \sim e^{-L / T}

    Many independent chains start from exact draws of laws that are known: a Gaussian whose modes
    lie across all coordinates, and a tilted double well. After `num_steps` updates their law must
    be the same. A wrong scale of the noise, noise shared between leaves or between chains, a
    missing drift or a wrong temperature are all seen, and so is a chain that hardly moves: it
    leaves any law invariant, but remembers its start.

    Every statistic is compared with its exact value; a deviation of five standard errors beyond
    `tolerance` is a failure. By chance that happens in one run of 20,000 at most.

    Args:
        make_transformation: makes the transformation of one chain from a random key (a scalar typed
            key, traced). It must use this key for all its randomness.
        temperature: T > 0, in units of the loss.
        curvature: the largest curvature of the test losses, in units of loss / parameter^2. With a
            learning rate of 1e-3, say, 50 gives the product that is stable and quick at once.
        params: tree of arrays that gives structure and shapes, up to 256 coordinates; its values do
            not matter. The default has two layers, ``{"first": zeros(3), "last": zeros(3)}``.
        num_chains: independent chains for each law; the standard errors go as its inverse root.
        num_steps: steps, enough to forget the start: some 10 / (learning rate * curvature).
        burn_in: steps before those, for what the transformation keeps in its state (an adaptive
            friction, the mean of squared gradients) to settle. Then the parameters, and they only,
            are drawn afresh.
        gradient_noise: standard deviation of normal noise on every gradient, as mini-batches give
            it, in units of loss / parameter.
        tolerance: the bias of a finite step size that is forgiven: a share of the variance for a
            variance, of the standard deviation for a mean, an absolute number for a probability.
            The bias of ``sgld(lr, T)``, for instance, is lr * curvature / 2.
        update_kwargs: more arguments for ``update``; the loss is always passed on as ``value``.
        key: an int, a typed key or a raw uint32 key.

    Returns:
        A :class:`ValidationReport`: `passed` (also its truth value), `checks`, `failures`, and a
        table when printed. Numbers are in units of sqrt(T / curvature), and those of modes in units
        of each mode's own standard deviation.

    Raises:
        ValueError: for a number that is out of range, or params without or with too many
            coordinates.
        TypeError: if `make_transformation` does not return a gradient transformation.

    Examples:
        >>> import optax
        >>> import thermo_optax as to
        >>> report = to.validate(lambda key: to.langevin(0.5, 1.0, friction=1.0, key=key))
        >>> report.passed
        True
        >>> wrong = to.validate(lambda key: optax.noisy_sgd(0.1, key=key), num_chains=1_000)
        >>> sorted({check.statistic for check in wrong.failures if check.law == "gaussian"})
        ['energy', 'variance']

    References:
        Geweke, `Getting It Right: Joint Distribution Tests of Posterior Simulators
        <https://doi.org/10.1198/016214504000001132>`_, 2004; the exact invariance test of
        Pigeons.jl (Surjanovic et al., `Pigeons.jl: Distributed sampling from intractable
        distributions <https://arxiv.org/abs/2308.09769>`_, 2023).
    """
    check_positive(temperature=temperature, curvature=curvature, num_steps=num_steps)
    check_nonnegative(burn_in=burn_in, gradient_noise=gradient_noise, tolerance=tolerance)
    if num_chains < 100:
        raise ValueError(
            f"`num_chains` must be at least 100, got {num_chains}: fewer tell nothing about a law."
        )
    if params is None:
        params = {"first": np.zeros(3), "last": np.zeros(3)}
    check_leaves("params", params)
    check_not_empty("params", params)
    size = tree_size(params)
    if not 1 <= size <= 256:
        raise ValueError(
            f"`params` must have 1 to 256 coordinates, got {size}: the laws are made for few. Pass "
            "small arrays with the tree structure of your model."
        )
    settings = Settings(
        temperature,
        float(np.sqrt(temperature / curvature)),
        num_steps,
        burn_in,
        gradient_noise,
        dict(update_kwargs or {}),
    )
    gaussian, double_well = Gaussian(size), DoubleWell(size)
    chain_key = jax.random.wrap_key_data(stream_key(key, "validate", ()), impl="threefry2x32")
    begin, end = run_chains(
        make_transformation, (gaussian, double_well), params, settings, chain_key, num_chains
    )
    leaves = leaf_slices(params)
    checks = (
        *gaussian_checks(gaussian, begin[0], end[0], tolerance),
        *double_well_checks(double_well, begin[1], end[1], tolerance, leaves),
    )
    return ValidationReport(float(temperature), num_chains, num_steps, checks)
