"""Energies, heat capacities and free energies along a ladder, read off its record."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from ._energies_by_rung import LossSums, unit_of
from ._readers import only_exchange

_FEWEST = 4  # blocks that a standard error is made of


class LadderThermodynamics(NamedTuple):
    """Thermodynamics of a ladder by rung, all float64[num_rungs]; prints as a table.

    States of vmapped exchanges have their axes before. Sums of the partition function Z are
    compared with the first rung: ln Z_k / Z_0, which is 0 there.
    """

    beta: np.ndarray  # C beta of the swaps, 1 / T on a ladder of temperatures
    count: np.ndarray  # int64[num_rungs], losses that were used
    energy: np.ndarray  # mean loss
    heat_capacity: np.ndarray  # (C beta)^2 Var(L)
    learning_coefficient: np.ndarray  # C beta (mean loss - loss at the minimum)
    log_partition: np.ndarray  # ln Z_k / Z_0 by stepping stones, the mean of both ways
    upwards: np.ndarray  # the same from the losses of the colder rung of each pair
    downwards: np.ndarray  # and from those of the hotter one
    bridge: np.ndarray  # ln Z_k / Z_0 by the geometric bridge, from both rungs of each pair
    integral: np.ndarray  # ln Z_k / Z_0 by thermodynamic integration
    standard_error: dict[str, np.ndarray]  # of each float field by name; NaN from too few blocks

    def __str__(self) -> str:
        """A table with one line for each rung."""
        columns = {
            "energy": "mean loss",
            "heat_capacity": "heat capacity",
            "learning_coefficient": "learning coeff.",
            "log_partition": "ln Z/Z_0",
            "bridge": "by a bridge",
            "integral": "by integration",
        }
        if self.beta.ndim > 1:
            size = self.beta.shape[:-1]
            return f"Thermodynamics of {size} exchanges: index them to print one."
        lines = ["      C beta" + "".join(f"{title:>22}" for title in columns.values())]
        for k, beta in enumerate(self.beta):
            cells = [
                f"{getattr(self, name)[k]:.5g} +- {self.standard_error[name][k]:.2g}"
                for name in columns
            ]
            lines.append(f"{beta:12.5g}" + "".join(f"{cell:>22}" for cell in cells))
        return "\n".join(lines)


def ladder_thermodynamics(
    state: Any, *, burn_in: float = 0.1, loss_at_minimum: float | None = None
) -> LadderThermodynamics:
    r"""Mean loss, heat capacity and free energy at each rung, from one run of `replica_exchange`.

    .. math::
        \ln \frac{Z_{k+1}}{Z_k} = \ln \langle e^{D L} \rangle_k
        = -\ln \langle e^{-D L} \rangle_{k+1}, \qquad D = C (\beta_k - \beta_{k+1})

    are the two ways of stepping stones, and `log_partition` adds up their mean. Beside it stand the
    geometric bridge, ln (<exp(D L / 2)>_k / <exp(-D L / 2)>_{k+1}), and thermodynamic integration,
    D (E_k + E_{k+1}) / 2 + D^2 (V_k - V_{k+1}) / 12, with the mean E and the variance V of the
    loss. Where they differ by more than their errors, neighbours overlap too little: take more
    rungs. (Bennett's ratio has the least error of all bridges, but solves an equation that holds
    every loss of the run, which the state does not keep.)

    The losses are those that decide on swaps. On a ladder of temperatures with C = 1 the heat
    capacity is Var(L) / T^2, half the number of parameters in a harmonic well. On a ladder of
    powers of a likelihood, with L = -ln likelihood, from 1 to the prior at 0,
    ``-log_partition[-1]`` is the log marginal likelihood. Losses of minibatches add the variance of
    their noise.

    Args:
        state: of `replica_exchange`, or of a chain with it, of one run or of several that were
            vmapped. Concrete, not traced.
        burn_in: in [0, 1), the share of the record that is left out at its beginning, in whole
            blocks (the record has 16 to 32 of equal length once it has seen 32 updates). The record
            begins anew when the ladder or the `temperature_scale` changes.
        loss_at_minimum: the loss that the learning coefficient is measured from. None extrapolates
            from the two coldest rungs to T = 0, by a line in T: right where the loss is a power of
            the distance near its minimum, or where both rungs are cold enough for that.

    Returns:
        The :class:`LadderThermodynamics`, NaN at rungs without finite losses, with standard
        errors by the jackknife over blocks. They hold if a block is longer than the memory of the
        chain.

    Raises:
        ValueError: if there is no `replica_exchange` in the state, for a `burn_in` outside [0, 1),
            or if no rung has finite losses.
        TypeError: for a traced state.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> sampler = to.langevin(0.8, temperature=1.0, friction=1.0, key=0)
        >>> tx = to.replica_exchange(sampler, {"temperature": [1.0, 1.5, 2.0]}, key=1)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     losses = jnp.sum(x**2, axis=1) / 2
        ...     updates, state = tx.update(x, state, x, value=losses)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros((3, 10))  # ten parameters
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=10_000)
        >>> found = to.ladder_thermodynamics(state)
        >>> print(abs(found.heat_capacity - 5).max() < 0.5)
        True
        >>> print(abs(found.log_partition[-1] - 5 * jnp.log(2)) < 0.2)
        True

    References:
        Xie, Lewis, Fan, Kuo and Chen, `Improving Marginal Likelihood Estimation for Bayesian
        Phylogenetic Model Selection <https://doi.org/10.1093/sysbio/syq085>`_, 2011, for stepping
        stones; Bennett, `Efficient Estimation of Free Energy Differences from Monte Carlo Data
        <https://doi.org/10.1016/0021-9991(76)90078-4>`_, 1976, for bridges; Friel, Hurn and Wyse,
        `Improving Power Posterior Estimation of Statistical Evidence
        <https://arxiv.org/abs/1209.3198>`_, 2014, for integration with variances; Lau et al., `The
        Local Learning Coefficient <https://arxiv.org/abs/2308.12108>`_, 2023.
    """
    if not 0 <= burn_in < 1:
        raise ValueError(
            f"`burn_in` must be a share of the record in [0, 1), got {burn_in}: 0.1 leaves out the "
            "first tenth."
        )
    record = only_exchange(state).energies_by_rung
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(record)):
        raise TypeError(
            "`state` must be concrete, but is traced: call `ladder_thermodynamics` on what the "
            "jitted run returns."
        )
    beta = np.asarray(record.beta, np.float64)
    sums = LossSums(*np.moveaxis(np.asarray(record.blocks, np.float64), -2, 0))
    unit = np.asarray(unit_of(record.beta), np.float64)[..., None, None]
    sums = sums._replace(squares=sums.squares / unit**2)
    updates, size = np.asarray(record.updates)[..., None], np.asarray(record.block_size)[..., None]
    used = -(-updates // size)
    block = np.arange(sums.count.shape[-2])
    kept = (block < used) & (block >= np.ceil(burn_in * used).astype(int).clip(0, used - 1))
    whole = _estimates(sums, beta, kept, loss_at_minimum)
    if not np.any(whole["count"]):
        raise ValueError(
            "`state` has no finite losses at any rung yet: run more updates with `value`. "
            "`state.energies.faults` counts losses that were not finite."
        )
    errors = _jackknife(sums, beta, kept, loss_at_minimum)
    return LadderThermodynamics(beta=beta, **whole, standard_error=errors)


def _jackknife(sums: LossSums, beta: np.ndarray, kept: np.ndarray, minimum: float | None) -> Any:
    """Standard errors from estimates that each leave out one block."""
    without = [kept & (np.arange(kept.shape[-1]) != b) for b in range(kept.shape[-1])]
    each = [_estimates(sums, beta, keep, minimum) for keep in without]
    number = np.sum(kept, -1)[..., None]
    # What leaves out a block that is not in use is the estimate from all.
    used = np.moveaxis(kept, -1, 0)[..., None]
    errors = {}
    for name in [name for name in each[0] if name != "count"]:
        values = np.stack([one[name] for one in each])
        mean = np.sum(np.where(used, values, 0), 0) / number
        squares = np.sum(np.where(used, (values - mean) ** 2, 0), 0)
        error = np.sqrt(squares * (number - 1) / number)
        errors[name] = np.where(number >= _FEWEST, error, np.nan)
    return errors


def _estimates(
    sums: LossSums, beta: np.ndarray, kept: np.ndarray, minimum: float | None
) -> dict[str, np.ndarray]:
    """Name -> estimate by rung, from the blocks that are kept."""
    count = np.where(kept[..., None], sums.count, 0).astype(np.int64)
    total = count.sum(-2)
    share = count / np.maximum(total, 1)[..., None, :]
    means = sums.mean + sums.mean_rest
    energy = np.where(total > 0, np.sum(share * means, -2), np.nan)
    within = np.where(count > 0, sums.squares / np.maximum(sums.count, 1), 0.0)
    variance = np.sum(share * (within + (means - energy[..., None, :]) ** 2), -2)
    gap = beta[..., :-1] - beta[..., 1:]
    highest = sums.highest + sums.highest_rest
    lowest = sums.lowest + sums.lowest_rest
    cold, hot = np.s_[..., :-1], np.s_[..., 1:]
    step = gap[..., None, :]
    upwards = _log_mean(share[cold], step * highest[cold], sums.up[cold])
    downwards = -_log_mean(share[hot], -step * lowest[hot], sums.down[hot])
    bridge = _log_mean(share[cold], step * highest[cold] / 2, sums.half_up[cold])
    bridge = bridge - _log_mean(share[hot], -step * lowest[hot] / 2, sums.half_down[hot])
    trapezoid = gap * (energy[cold] + energy[hot]) / 2
    integral = trapezoid + gap**2 * (variance[cold] - variance[hot]) / 12

    # A line in T = 1 / beta through the two coldest rungs, read at 0.
    rise = (energy[..., 1] - energy[..., 0]) / np.where(gap[..., 0] == 0, np.nan, gap[..., 0])
    at_zero = (energy[..., 0] - beta[..., 1] * rise)[..., None]
    lowest_energy = at_zero if minimum is None else minimum

    def from_first(ratios):
        return np.concatenate([np.zeros_like(ratios[..., :1]), np.cumsum(ratios, -1)], -1)

    return {
        "count": total,
        "energy": energy,
        "heat_capacity": beta**2 * variance,
        "learning_coefficient": beta * (energy - lowest_energy),
        "log_partition": from_first((upwards + downwards) / 2),
        "upwards": from_first(upwards),
        "downwards": from_first(downwards),
        "bridge": from_first(bridge),
        "integral": from_first(integral),
    }


def _log_mean(share: np.ndarray, anchor: np.ndarray, mean: Any) -> np.ndarray:
    """Logarithm of a mean exponential over all blocks, each of which has its own anchor."""
    there = share > 0
    exponent = np.where(there, anchor + np.log(np.where(there, share * mean, 1)), -np.inf)
    top = np.max(exponent, -2, keepdims=True)
    total = np.sum(np.exp(exponent - np.where(np.isfinite(top), top, 0)), -2)
    return np.log(np.where(total > 0, total, np.nan)) + top[..., 0, :]
