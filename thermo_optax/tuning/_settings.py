"""What a warm-up chooses from its measurements: the rules, each with its number and its reason."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import like

from . import _gauges as gauges_of
from ._gauges import Gauges
from ._stages import Stages

_TURN = 0.6  # h w while the warm-up lasts: calm enough to measure
_STIFF_TURN = 1.7  # h w of the chosen step for the stiff modes; the limit is 2
_MEAN_TURN = 1.0  # h w of the mean mode at most, where stiff ones come later or are not seen
_MASSES_TURN = 0.9  # where masses are learnt: parameters change their roles, and are then stiffer
_UNEVEN, _RARE = 3.0, 30.0  # unevenness before any is measured, and the steps it is worth
_TOLERANCE = 0.03  # of the kinetic temperature above the bath's, before the step gives way
_GIVES = 3.0  # the turn is divided by at most this while the chain is hot
_TOO_HOT = 1.5  # heat at which even a step that stands still gives way, beside that by chance
_PRIOR = 5.0  # gradients that the pull to the typical mass is worth
_FIRST_KICK, _LAST_KICK = 0.3, 1.4  # largest kick at first and later, in thermal momenta
_TRIED_KICK = 2.5  # of the final step
_DAMPING = 0.3, 0.15  # friction times step: while masses are learnt, and then
_BLIND = 0.5  # share of noise from which on, far from the posterior, noise alone sets the step
_HIDES = 0.05  # share of noise in g . g that hides the stiff modes
_NOISE = 0.05  # heat that the noise of gradients may add, in units of the bath's
_WARMS = 0.06  # h^2 of the noise while the step settles, in units of m T: a fifth of heat
_FAR_WARMS = 0.45  # at first, in units of m times the heat of the chain: three quarters of it
_CRITICAL = 0.6  # friction over the slowest frequency
_LEAST = 0.004  # friction times step: with less, rare kicks heat a chain faster than it cools
_FLOOR = 0.01  # of the typical mass: a parameter that is soft now may not stay so
_LONGEST = 8.0  # half a window, in units of 1 / frequency, that shows a motion well
_SHORTEST = 1e-18  # step, whose inverse still has a square in float32
_RARELY = 10.0  # -ln of the chance that a force within the law is taken for one beyond it
_COOLS = 1.5  # friction times step there: a momentum is forgotten in a step


class Settings(NamedTuple):
    """What is tuned, float32[] each."""

    step_size: jax.Array
    friction: jax.Array


class Findings(NamedTuple):
    """What the settings were chosen from, float32[] each; for the report."""

    heat: jax.Array  # kinetic temperature in units of the bath's, at the steady step
    heat_error: jax.Array  # its standard error
    fastest: jax.Array  # mean frequency of the gradient, 1 / time
    slowest: jax.Array  # frequency of the slowest motion seen, 1 / time
    span: jax.Array  # half of the window in which that was looked for, in units of 1 / slowest
    unevenness: jax.Array  # how much stiffer the chain is at times; 1 in a harmonic well
    noise: jax.Array  # heat of the noise of gradients, times friction, in units of the bath's
    cancels: jax.Array  # 1 / h^2 of the step below which it cancels in an epoch; 0 for never
    wanted: jax.Array  # the step, before it was tried
    temperature: jax.Array  # of the bath


def damping(plan: Stages, count: jax.Array) -> jax.Array:
    """Friction times step during the warm-up: strong, so that the heat of a bad start leaves."""
    return jnp.where(count < plan.windows[-1], *_DAMPING)


def masses(squares: Any, number: jax.Array, temperature: jax.Array) -> Any:
    """The mass of each coordinate: the square root of its curvature times the typical one.

    The curvature is <g^2> / T. All coordinates would move alike if it was the mass. But a soft one
    may become stiff later, and far from the minimum g is the curvature times the distance: with the
    square root both do half of the harm, and the spread of frequencies is that of a fourth root.

    Without the pull a coordinate that has not been pushed yet would have no mass at all. The
    typical mass is the geometric mean, so that a few stiff coordinates do not slow all others.
    """
    tiny = jnp.finfo(jnp.float32).tiny
    sums = jax.tree.map(lambda x: gauges_of.over_shards(jnp.sum(x).astype(jnp.float32)), squares)
    least = jnp.maximum(1e-12 * gauges_of.total(sums), tiny)

    def logs(x):
        lifted = jnp.maximum(x.astype(jnp.float32), least)
        return gauges_of.over_shards(jnp.sum(jnp.log(lifted)))

    degrees = max(gauges_of.degrees(squares), 1)
    typical = jnp.exp(gauges_of.total(jax.tree.map(logs, squares)) / degrees) / number
    own = number / (number + _PRIOR)

    def mass(x):
        ratio = x.astype(jnp.float32) / jnp.maximum(number * typical, tiny)
        ratio = jnp.maximum(ratio, _FLOOR)
        pulled = own * jnp.sqrt(ratio) + (1 - own)
        return (pulled * typical / temperature).astype(x.dtype)

    return jax.tree.map(mass, squares)


def measured(
    plan: Stages,
    count: jax.Array,
    gauges: Gauges,
    heat: jax.Array,
    force: jax.Array,
    lag: jax.Array,
    loss: jax.Array,
) -> Gauges:
    """The gauges with what this step shows; those steps that are judged count alike."""
    age, judged = plan.age(count), count >= plan.judged
    gauges = gauges_of.cleared(gauges, count == plan.judged)
    gauges = gauges_of.correlated(gauges, force, lag, loss, age, judged)
    gauges = gauges_of.heated(gauges, heat, age)
    return gauges_of.forced(gauges, force, plan.number_judged(count), judged)


def moved_step(
    plan: Stages,
    count: jax.Array,
    step_size: jax.Array,
    gauges: Gauges,
    heat: jax.Array,
    temperature: jax.Array,
    degrees: float,
) -> tuple[jax.Array, Gauges]:
    """The step on the way to its turn, which is smaller while the chain is hot.

    Where noise hides the turn, it goes to the step at which that noise heats little. At first that
    is compared with the heat of the chain, since far from the posterior batches disagree much, and
    a chain that comes down a slope is hot: the step grows as long as the slope heats it, too.
    While it is judged or tried it stands still. If the chain becomes too hot even so it gives way
    after all, and is measured anew.
    """
    age, judged = plan.age(count), count >= plan.judged
    hot = jnp.where(age > 20, gauges.heat / (1 + _TOLERANCE), 1)
    aim = 2 * jnp.log(_TURN / jnp.clip(hot, 1, _GIVES))
    gain = 0.3 / (1 + age / 30) ** 0.6
    # It moves as far as what is known of the turn demands: noise must not drive it to and fro.
    error = gauges_of.loss_error(gauges, degrees)
    low, high = (jnp.log(gauges_of.turn(gauges, sign * error)) for sign in (-1, 1))
    force, noise = gauges_of.recent_force(gauges, age, degrees)
    kick = 2 * jnp.log(step_size) + jnp.log(jnp.maximum(force, 1e-30) / temperature)
    # A mode turns so far only by a force: w^2 T of the g . g / m are its own.
    least = jnp.clip(aim - kick, -3, 0)
    far = plan.far(count)
    warms = _WARMS + far * _FAR_WARMS * jnp.maximum(jnp.maximum(gauges.heat, heat), 1)
    heated = jnp.log(warms * degrees / jnp.maximum(noise, 1e-30)) - kick
    longer = jnp.maximum(aim - high, jnp.where((far > 0) & (noise > _BLIND), heated, 0))
    turned = jnp.clip(longer, 0, 1) + jnp.clip(aim - low, least, 0)
    towards = gain * jnp.minimum(turned, jnp.maximum(heated, -3))
    settling = jnp.where((age < 2) | (force <= 0), 0, jnp.clip(towards, -0.5, 0.2))
    gives = judged & (gauges.heat > _TOO_HOT + gauges_of.heat_by_chance(degrees))
    change = jnp.where(judged, jnp.where(gives, jnp.log(0.7), 0), settling)
    gauges = gauges_of.cleared(gauges, gives)
    gauges = gauges._replace(heat=jnp.where(gives, 1, gauges.heat))
    return jnp.maximum(step_size * jnp.exp(change), _SHORTEST), gauges


def settling(plan: Stages, count: jax.Array, step_size: jax.Array, gauges: Gauges) -> Gauges:
    """The gauges with the step in their mean, while it settles."""
    on = (count >= plan.windows[-1]) & (count < plan.judged) & (plan.age(count) > 15)
    log_step = gauges.log_step + jnp.where(on, jnp.log(step_size), 0)
    return gauges._replace(log_step=log_step, log_steps=gauges.log_steps + on.astype(jnp.float32))


def largest_step(plan: Stages, force: jax.Array, thermal: jax.Array, count: jax.Array) -> Any:
    """The step whose kick is so many thermal momenta: a start that is far too hot is no harm.

    Nor is a final step that is too large for a mode: as this grows, so does the force.
    """
    kick = jnp.minimum(_FIRST_KICK + 0.05 * count.astype(jnp.float32), _LAST_KICK)
    kick = jnp.where(count >= plan.tried, _TRIED_KICK, kick)
    return jnp.maximum(kick * jnp.sqrt(thermal / jnp.maximum(force, 1e-30)), _SHORTEST)


def calmer(
    settings: Settings, force: jax.Array, temperature: jax.Array, degrees: float
) -> tuple[Settings, jax.Array]:
    """The settings for a place where the force is beyond the law, and whether it is.

    In a Gaussian law with h w = 1 in every mode, the most that the chosen step has on average,
    h^2 g . g / (m T) would be a chi-squared number of N degrees of freedom. That is above
    N + 2 sqrt(N x) + 2 x with a probability of exp(-x) at most. A larger force is that of a place
    that is far stiffer than what the warm-up has seen. With the step for good a chain gains heat
    there, and is lost; with a shorter one, and momenta that are drawn anew, it comes back.
    """
    largest = degrees + 2 * (degrees * _RARELY) ** 0.5 + 2 * _RARELY
    h = jnp.sqrt(largest * temperature / jnp.clip(force, 1e-30, 1e37))
    return Settings(h, _COOLS / h), h < settings.step_size


def wanted(
    plan: Stages,
    step_size: jax.Array,
    gauges: Gauges,
    temperature: jax.Array,
    degrees: float,
    kept: jax.Array,
    has_learnt_masses: bool,
    steps_per_epoch: Any,
) -> Findings:
    """The step that what was judged asks for, and what else was found by then.

    The step suits the stiff modes, at the stiffest places that were seen. It is no longer than the
    mean mode allows, because stiffer ones come later, and noise may hide them. `kept` is what
    friction leaves of a momentum.
    """
    number = plan.tried - plan.judged
    turned = gauges_of.turn(gauges)
    squared = turned / jnp.square(step_size)
    uneven = gauges_of.unevenness(gauges, number, degrees, temperature, squared)
    likely = (number * uneven + _RARE * _UNEVEN) / (number + _RARE)
    heating = gauges_of.noise(gauges, number, degrees) / (2 * degrees * temperature)
    settled = jnp.exp(gauges.log_step / jnp.maximum(gauges.log_steps, 1)) / _TURN
    one_turn = jnp.minimum(step_size / jnp.sqrt(turned), settled)  # h with h w = 1 for the mean
    stiff = gauges_of.stiffest(gauges, kept)
    hidden = gauges_of.noise_share(gauges, number, degrees) > _HIDES  # for noise looks stiff
    stiff = jnp.where(hidden, turned, jnp.maximum(stiff, turned))
    final = _STIFF_TURN * one_turn * jnp.sqrt(turned / stiff) / likely
    mean_turn = _MASSES_TURN if has_learnt_masses else _MEAN_TURN
    final = jnp.minimum(final, mean_turn * one_turn / jnp.sqrt(likely))

    # Noise heats by h s^2 / (2 gamma). More friction takes that away; above 1 / h a smaller step.
    cancels = jnp.zeros([], jnp.float32)
    if steps_per_epoch is not None:
        steps = like(steps_per_epoch, jnp.float32)
        at_most = gauges_of.turn_at_most(gauges, steps, degrees, number)
        cancels = at_most / jnp.square(step_size) * steps * (steps + 1) / 12
    final = jnp.minimum(final, longest_in_noise(heating, cancels, damping=1.0))
    final = jnp.where(gauges.force > 0, final, step_size)  # without a gradient nothing is known
    error = jnp.sqrt(2 / jnp.float32(degrees * number * _DAMPING[1]))
    nothing = jnp.zeros([], jnp.float32)
    return Findings(
        heat=gauges.heat,
        heat_error=error,
        fastest=jnp.sqrt(squared),
        slowest=nothing,
        span=nothing,
        unevenness=uneven,
        noise=heating,
        cancels=cancels,
        wanted=final,
        temperature=temperature,
    )


def longest_in_noise(
    noise: jax.Array, cancels: jax.Array, *, damping: float, friction: Any = 0.0
) -> jax.Array:
    """The step at which noise heats by `_NOISE`.

    The friction is the given one, and at least `damping` / h.

    Batches that are drawn anew give a mode the heat h s^2 / (2 gamma). Those of an epoch of B
    steps, whose errors add up to 0, give a mode of frequency w at most the share
    (h w)^2 B (B + 1) / 12 of that, whatever the friction. The share is `cancels` times h^2.
    """
    quiet = _NOISE / jnp.maximum(noise, 1e-30)
    anew = jnp.maximum(friction * quiet, jnp.sqrt(damping * quiet))
    quiet = jnp.where(cancels > 0, quiet / jnp.maximum(cancels, 1e-8), 0)
    return jnp.maximum(anew, jnp.maximum(jnp.cbrt(friction * quiet), (damping * quiet) ** 0.25))


def chosen(
    plan: Stages, step_size: jax.Array, findings: Findings, slow: jax.Array, fixed: Any
) -> tuple[Settings, Findings]:
    """The settings for good. `slow` is the squared frequency of the slowest motion.

    The friction suits it, and takes away the heat of noisy gradients. Where noise cancels within an
    epoch a shorter step does that, because friction slows the chain. `fixed` is a friction that was
    given, or None: under a given one the step is shortened, too.
    """
    # A frequency whose period is not shorter than the window looks too high: it is pulled down.
    half = (plan.end - plan.windows[-1]) / 2 * jnp.minimum(step_size, _TURN / findings.fastest)
    slow = jnp.maximum(slow, jnp.square(1 / (plan.end * step_size)))
    span = jnp.sqrt(slow) * half
    seen = jnp.square(span) / (jnp.square(span) + _LONGEST**2)
    friction = _CRITICAL * jnp.sqrt(slow) * seen if fixed is None else fixed
    calm = longest_in_noise(findings.noise, findings.cancels, damping=_LEAST, friction=friction)
    shorter = (findings.cancels > 0) | (fixed is not None)
    h = jnp.where(shorter, jnp.minimum(step_size, calm), step_size)
    left = jnp.where(findings.cancels > 0, jnp.minimum(findings.cancels * jnp.square(h), 1), 1)
    noise = h * findings.noise * left
    if fixed is None:
        least = jnp.maximum(noise / _NOISE, _LEAST / h)
        friction = jnp.clip(friction, least, 1 / h)
    wanted = findings.wanted * h / step_size
    found = findings._replace(slowest=jnp.sqrt(slow), span=span, noise=noise, wanted=wanted)
    return Settings(h, friction), found
