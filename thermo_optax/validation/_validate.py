"""The invariance test: start from exact draws of a known law, run, and compare."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax

from thermo_optax._base import (
    check_integer,
    check_leaves,
    check_nonnegative,
    check_not_empty,
    check_number,
    check_positive,
    check_steps,
    tree_size,
)
from thermo_optax._noise import KeyLike, stream_key

from ._chains import Settings, blank, checked, leaf_slices, run_chains
from ._kinds import kind_of
from ._laws import DoubleWell, Gaussian, StiffGaussian
from ._report import ValidationReport
from ._statistics import double_well_checks, gaussian_checks, stiff_checks

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
    collect_if: Callable[[Any], Any] | None = None,
    key: KeyLike = 0,
) -> ValidationReport:
    r"""Tests whether a transformation, ours or yours, leaves exp(-L / temperature) invariant.

    .. math::
        x_0 \sim e^{-L / T} \quad \Longrightarrow \quad x_n \sim e^{-L / T}

    Many independent chains start from exact draws of laws that are known: a Gaussian whose modes
    lie across all coordinates, a stiff one whose coordinates have curvatures from 1/100 of the
    largest to the largest, and a tilted double well. After `num_steps` updates their law must be
    the same. A wrong scale of the noise, noise shared between leaves or between chains, a
    missing drift or a wrong temperature are all seen, and so is a chain that hardly moves: it
    leaves any law invariant, but remembers its start.

    A slow coordinate of the stiff Gaussian need not forget its start; its law has to stay.

    Of `continuous_tempering` and `ctld` the chains count whose alpha is on the cold plateau at the
    end. They start there, and with a `burn_in` they are not drawn afresh; the stiff Gaussian is
    left out, since alpha would have to wait for its slow coordinates. Of `replica_exchange` a chain
    is all replicas, each started from the exact law of its rung, and the first rung is compared: it
    must be at `temperature`.

    Every statistic is compared with its exact value; a deviation of five standard errors beyond
    `tolerance` is a failure. With the default `num_chains` and `tolerance` that does not happen by
    chance. With 100 chains it does in one run of 8,000, and for 256 coordinates in one of 40.

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
        update_kwargs: more arguments for ``update``; the loss is always passed on as ``value``, of
            replicas the loss of each.
        collect_if: a function of the state of a chain at the end that returns a bool: whether it
            counts. None: all, but of tempered chains those with \|alpha\| < 0.4, the default
            `plateau` of `continuous_tempering`.
        key: an int, a typed key or a raw uint32 key.

    Returns:
        A :class:`ValidationReport`: `passed` (also its truth value), `checks`, `failures`, and a
        table when printed. Numbers are in units of sqrt(T / curvature), and those of modes in units
        of each mode's own standard deviation.

    Raises:
        ValueError: for a number that is out of range, or params without or with too many
            coordinates; if fewer than 100 chains count.
        TypeError: if `make_transformation` is no function, or does not return a gradient
            transformation, and for a schedule where a number belongs.

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
    check_number(temperature=temperature, curvature=curvature)
    check_number(gradient_noise=gradient_noise, tolerance=tolerance)
    check_positive(temperature=temperature, curvature=curvature)
    check_nonnegative(gradient_noise=gradient_noise, tolerance=tolerance)
    check_steps(1, "After none the chains are where they began.", num_steps=num_steps)
    check_steps(0, "Pass 0 for none.", burn_in=burn_in)
    check_integer(100, "Fewer tell nothing about a law.", num_chains=num_chains)
    if collect_if is not None and not callable(collect_if):
        raise TypeError(f"`collect_if` must be a function of a state, got {collect_if!r}.")
    if not callable(make_transformation):
        raise TypeError(
            f"`make_transformation` must be a function of a key, got {make_transformation!r}: pass "
            "one such as `lambda key: sgld(0.1, 1.0, key=key)`, since each chain has a key."
        )
    num_chains, num_steps, burn_in = map(int, (num_chains, num_steps, burn_in))
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
        collect_if,
    )
    chain_key = jax.random.wrap_key_data(stream_key(key, "validate", ()), impl="threefry2x32")
    kind = kind_of(checked(make_transformation(chain_key)), blank(params))
    gaussian, double_well, stiff = Gaussian(size), DoubleWell(size), StiffGaussian(size)
    laws = (gaussian, double_well) if kind.tempered else (gaussian, double_well, stiff)
    runs = run_chains(make_transformation, kind, laws, params, settings, chain_key, num_chains)
    fewest = min(len(end) for _, end in runs)
    if fewest < 100:
        raise ValueError(
            f"only {fewest} of {num_chains} chains count at the end, those with a cold alpha or "
            "for which `collect_if` is true. Raise `num_chains`, or see whether alpha comes back."
        )
    checks = (
        *gaussian_checks(gaussian, *runs[0], tolerance),
        *double_well_checks(double_well, *runs[1], tolerance, leaf_slices(params)),
        *(check for run in runs[2:] for check in stiff_checks(stiff, *run, tolerance)),
    )
    return ValidationReport(float(temperature), num_chains, num_steps, checks)
