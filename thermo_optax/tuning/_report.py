"""What a warm-up chose, and why."""

from typing import Any, NamedTuple

import jax
import numpy as np

from thermo_optax._base import states_of

from ._settings import _LONGEST, _NOISE, _TOLERANCE
from ._warm_up import WarmUpState


class WarmUpReport(NamedTuple):
    """What a warm-up chose and what it was chosen from; prints as a few lines."""

    done: bool  # whether the warm-up is over
    step_size: float  # h, in units of time
    friction: float  # gamma, 1 / time
    mass: Any  # the tree of masses, or 1.0 where they were not learnt
    temperature: float  # measured over set kinetic temperature, at the end of the warm-up
    temperature_error: float  # its standard error
    fastest: float  # mean frequency of the gradients, 1 / time
    slowest: float  # of the slowest motion seen, 1 / time
    unevenness: float  # how much stiffer the chain is at times; 1 in a harmonic well
    noise: float  # heat that the noise of gradients adds, in units of the bath's
    faults: int  # gradients with a coordinate that was not finite
    calmed: int  # steps after the warm-up made shorter by a force beyond the law
    warnings: tuple[str, ...]  # what did not work, in words; empty if all is well

    def __str__(self) -> str:
        """One line for each setting, with its reason, and one for each warning."""
        if not self.done:
            return "The warm-up is not over: nothing is chosen yet."
        masses = np.concatenate([np.ravel(m) for m in jax.tree.leaves(self.mass)])
        percent = 100 * (self.temperature - 1)
        lines = [
            f"step_size {self.step_size:.3g}: gradients turn at a frequency of {self.fastest:.3g}, "
            f"and are up to {self.unevenness:.1f} times stiffer at times; the kinetic temperature "
            f"was {percent:+.0f} +- {100 * self.temperature_error:.0f} % off",
            f"friction {self.friction:.3g}: the slowest motion has a frequency of "
            f"{self.slowest:.3g}, {self.slowest * self.step_size:.2g} in units of 1 / step; noise "
            f"of gradients adds {100 * self.noise:.0f} % heat",
            f"mass {masses.min():.3g} to {masses.max():.3g}, median {np.median(masses):.3g}",
        ]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


def warm_up_report(state: Any) -> WarmUpReport:
    """What a `warm_up` chose, why, and what did not work.

    Args:
        state: of `warm_up`, or of anything that holds one, of one chain. Concrete, not traced.

    Returns:
        A `WarmUpReport`; `print` shows it in words. Its `warnings` say in words where the warm-up
        did not find what it looked for.

    Raises:
        ValueError: for a state without a `warm_up`, with several (of a partition pass the state of
            one group, ``state.inner_states[group]``), or of several chains: `jax.tree.map` one
            chain out of them, as in ``jax.tree.map(lambda leaf: leaf[0], state)``. Of `run_chains`
            pass ``chains.state`` to that.

    Examples:
        >>> import functools
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.warm_up(functools.partial(to.langevin, temperature=1.0, key=0), num_steps=400)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(x, state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros(30)
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=401)
        >>> report = to.warm_up_report(state)
        >>> print(report.done, report.warnings, 0.5 < report.step_size < 1.5)
        True () True

    References:
        The rules are those of `warm_up`.
    """
    found, *others = states_of(state, WarmUpState, "warm_up")
    if others:
        raise ValueError(
            f"`state` has {1 + len(others)} warm-ups in it, each of which chose for its group. "
            "Pass the state of one: of a partition, `state.inner_states[group]`."
        )
    if np.ndim(found.count):
        raise ValueError(
            f"`state` is of {np.size(found.count)} chains, which chose for themselves. Pass one of "
            "them: `jax.tree.map(lambda leaf: leaf[0], state)`; of `run_chains`, of `chains.state`."
        )
    findings = jax.tree.map(float, found.findings)
    done = not bool(found.warming) and findings.fastest > 0
    step_size = float(found.settings.step_size)
    warnings: list[str] = []
    if done:
        error = findings.heat_error
        if findings.noise == 0 and abs(findings.heat - 1) > _TOLERANCE + 3 * error:
            warnings.append(
                f"the kinetic temperature was {findings.heat:.2f} times the set one: the chain has "
                "not come to rest. Take more steps."
            )
        if findings.span < _LONGEST:
            warnings.append(
                "the slowest motion is longer than the warm-up could see, so the friction is a "
                "guess. Take more steps."
            )
        if step_size < 0.9 * findings.wanted:
            warnings.append(
                f"the step that was found, {findings.wanted:.2g}, heated the chain when it was "
                "tried, and gave way: some modes are far stiffer than the others."
            )
        if findings.unevenness > 4:
            warnings.append(
                f"the chain is {findings.unevenness:.0f} times stiffer at times than on average, "
                "as in a funnel: a fixed step is small for most of it. Reparametrise if you can."
            )
        if findings.noise > _NOISE / 2 and float(found.settings.friction) * step_size > 0.9:
            warnings.append(
                "the noise of the batches hides the motion, so that it alone sets the step: the "
                "chain is slow. Pass the `batch_order`, one without replacement; or take larger "
                "batches."
            )
        if found.gauges.faults > 0:
            warnings.append(f"{int(found.gauges.faults)} gradients were not finite.")
        if found.calmed > 0:
            warnings.append(
                f"{int(found.calmed)} of {int(found.count)} steps were made shorter, because the "
                "force was beyond the law: the chain came to places that are far stiffer than "
                "those of the warm-up. If these are many, take a smaller step or reparametrise."
            )
    return WarmUpReport(
        done=done,
        step_size=step_size,
        friction=float(found.settings.friction),
        mass=jax.tree.map(np.asarray, found.mass),
        temperature=findings.heat,
        temperature_error=findings.heat_error,
        fastest=findings.fastest,
        slowest=findings.slowest,
        unevenness=findings.unevenness,
        noise=findings.noise / max(float(found.settings.friction), 1e-30),
        faults=int(found.gauges.faults),
        calmed=int(found.calmed),
        warnings=tuple(warnings),
    )
