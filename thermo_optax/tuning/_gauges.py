"""What a warm-up measures: how stiff, how hot, how uneven and how slow a chain is.

All of it follows from gradients along the chain. In a harmonic mode of frequency w the positions
of a splitting with step h turn by an angle a with cos a = 1 - (h w)^2 / 2 at each step. So the
correlations of gradients one and two steps apart tell (h w)^2, whatever the temperature and the
noise of mini-batches, whose mean is in neither of them. Noise makes them less certain.
"""

import functools
import operator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._noise import over_shards, size

Tree = Any
_MEMORY = 60.0  # steps over which the correlations are averaged while the step still moves
_SPIKE = 10.0  # typical steps that one step counts as, at most
_LEFT = 0.01  # of the mean of g . g: below it that is the mean of a place which the chain has left
_OPPOSED = 0.3  # of g . g: the correlation with the last gradient is a turn only if it is larger
_SURE = 2.0  # standard errors by which a mode may be stiffer than noise lets it be seen
_NOISY = 0.25  # share of noise in g . g from which on it may look like stiffness
_MODES = 0.02, 0.03  # share that motions of many frequencies leave out of the correlations
_AGAIN = 7.0  # steps in which a momentum is nearly the same one, at the friction of a warm-up
_MANY = 20.0  # coordinates from which on the spread of g . g in a well is no measure any more


class Gauges(NamedTuple):
    """Scalars that a warm-up measures, float32[] each; they begin anew at each of its stages."""

    square: jax.Array  # sum of g_t . g_t / m, the old terms fading
    lag: jax.Array  # of g_t . g_(t-1) / m
    lag_loss: jax.Array  # of g_t . (g_(t-1) - g_(t-2)) / m: what another step takes from it
    loss_squares: jax.Array  # of the squares of these terms
    heat: jax.Array  # running mean of the kinetic temperature, in units of the bath's
    log_step: jax.Array  # sum of log h, while it settles
    log_steps: jax.Array  # number of its terms
    force: jax.Array  # mean of g . g / m while the step stands still
    force_squares: jax.Array  # sum of the squares of its deviations
    last: jax.Array  # f_t = g_t . g_(t-1) / m of the last step
    before: jax.Array  # of the step before that
    lags: jax.Array  # sum of f_t while the step stands still
    lag_products: jax.Array  # of f_t f_(t-2), in which no mini-batch is twice
    faults: jax.Array  # gradients with a coordinate that is not sound


def fresh() -> Gauges:
    """Before anything is measured."""
    nothing = Gauges(*[jnp.zeros([], jnp.float32) for _ in Gauges._fields])
    return nothing._replace(heat=jnp.ones([], jnp.float32))


def inner(first: Tree, second: Tree, mass: Tree) -> jax.Array:
    """The inner product over all coordinates, each divided by its mass."""

    def leaf(a, b, m):
        return over_shards(jnp.sum((a * b / m).astype(jnp.float32)))

    return total(jax.tree.map(leaf, first, second, mass))


def total(tree: Tree) -> jax.Array:
    """The sum of the scalars of a tree."""
    return functools.reduce(operator.add, jax.tree.leaves(tree), jnp.zeros([], jnp.float32))


def degrees(tree: Tree) -> float:
    """The number of coordinates of a tree, which may be more than an int32 holds."""
    return float(sum(map(size, jax.tree.leaves(tree))))


def correlated(gauges: Gauges, square: Any, lag: Any, loss: Any, age: Any, steady: Any) -> Gauges:
    """With the products of this step. Old ones fade, unless the step size stands still.

    While it moves, one step counts as `_SPIKE` typical ones at most: a place that is a thousand
    times stiffer would else be all that is seen for the rest of the window. Such a place is
    forgotten in some ten steps once the chain has left it, for it tells nothing of the next steps.
    """
    number = _remembered(age)
    left = jnp.maximum(square, jnp.abs(gauges.last)) < _LEFT * gauges.square / number
    keep = jnp.where(steady, 1.0, jnp.where(left, 0.5, 1 - 1 / number))
    most = jnp.where(steady | (gauges.square <= 0), jnp.inf, _SPIKE * gauges.square / number)
    size = jnp.maximum(square, jnp.maximum(jnp.abs(lag), jnp.abs(loss)))
    share = jnp.minimum(1, most / jnp.maximum(size, 1e-37))
    square, lag, loss = share * square, share * lag, share * loss
    return gauges._replace(
        square=keep * gauges.square + square,
        lag=keep * gauges.lag + lag,
        lag_loss=keep * gauges.lag_loss + loss,
        loss_squares=jnp.square(keep) * gauges.loss_squares + jnp.square(_bounded(loss)),
        last=lag,
        before=gauges.last,
        lags=gauges.lags + jnp.where(steady, lag, 0),
        lag_products=gauges.lag_products
        + jnp.where(steady, _bounded(lag) * _bounded(gauges.before), 0),
    )


def cleared(gauges: Gauges, due: jax.Array) -> Gauges:
    """The gauges with correlations that begin anew."""
    zeros = {
        name: jnp.where(due, 0, getattr(gauges, name))
        for name in ("square", "lag", "lag_loss", "loss_squares")
    }
    return gauges._replace(**zeros)


def _remembered(age: Any) -> jax.Array:
    """The number of steps in the correlations while the step still moves."""
    return jnp.minimum(age / 2 + 4, _MEMORY)


def at_step(gauges: Gauges, ratio: jax.Array, near: jax.Array) -> Gauges:
    """As if all steps had been longer by a ratio, since the loss is in proportion to (h w)^2.

    Else what was measured at longer steps would go on to shorten the step long after it is short.
    What overturned tells nothing of a shorter step, and is forgotten. Of a longer step nothing is
    foretold by a loss below 0, which is that of a chain that leaves a stiff place; nor far from the
    posterior, where gradients change for other reasons than the step. `near` is whether the chain
    has come near it.
    """
    told = jnp.where(_overturns(gauges) & (ratio < 1), 0.0, 1.0)
    foretells = near & (gauges.lag_loss > 0)
    ratio = jnp.where(foretells, ratio, jnp.minimum(ratio, 1))
    return gauges._replace(
        square=told * gauges.square,
        lag=told * gauges.lag,
        lag_loss=told * gauges.lag_loss * jnp.square(ratio),
        loss_squares=told * gauges.loss_squares * jnp.square(jnp.square(ratio)),
    )


def _bounded(product: jax.Array) -> jax.Array:
    """Where float32 holds the square: far from the posterior, gradients may be 1e10 and more."""
    return jnp.clip(product, -1e17, 1e17)


def turn(gauges: Gauges, error: jax.typing.ArrayLike = 0.0) -> jax.Array:
    """(h w)^2 of the one mode with these correlations; 3, near the limit 4, if it overturns.

    With c = cos a the correlations are c and 2 c^2 - 1. Solved for 1 - c by the loss e from one to
    the next, as a share of the first, without a difference of near numbers. Of many modes the stiff
    ones count most: each counts by its curvature times temperature, as in the squared gradient.
    `error` is added to the loss, to see what it may be as well. Where noise hides the motion the
    first correlation may have any small value, so it counts as `_OPPOSED` at least: then the turn
    is known too low, and what limits the step is its noise.
    """
    tiny = jnp.finfo(jnp.float32).tiny
    first = jnp.maximum(gauges.lag, jnp.maximum(_OPPOSED * gauges.square, tiny))
    turned = jnp.clip(_solved((gauges.lag_loss + error) / first), 1e-8, 4.0)
    return jnp.where(_overturns(gauges), 3.0, turned)


def turn_at_most(
    gauges: Gauges, steps_per_epoch: Any, degrees: float, number: jax.typing.ArrayLike
) -> jax.Array:
    """(h w)^2 that the mode may have where the noise of an epoch of B mini-batches adds up to 0.

    There noise opposes that of the last step by 1 / B of its square, and that of the step before by
    1 / (B (B - 1)) less, which is taken out. Of `number` steps noise may hide a loss of two
    standard errors more; a loss below 0 tells nothing.
    """
    opposed = jnp.maximum(gauges.square - gauges.lag, 0) / (steps_per_epoch + 1)
    loss = gauges.lag_loss + opposed / jnp.maximum(steps_per_epoch - 1, 1)
    loss = jnp.maximum(loss, 0) + _SURE * loss_error(gauges, degrees, number)
    chance = jnp.minimum(_OPPOSED, 3 * jnp.sqrt(2 / jnp.float32(degrees * number)))
    tiny = jnp.finfo(jnp.float32).tiny
    first = jnp.maximum(gauges.lag + opposed, jnp.maximum(chance * gauges.square, tiny))
    return jnp.clip(_solved(loss / first), 1e-8, 4.0)


def _solved(e: jax.Array) -> jax.Array:
    """(h w)^2 = 2 (1 - c), of which 1 + c - 2 c^2 = e c is known."""
    return 4 * e / (3 + e + jnp.sqrt(9 - 2 * e + jnp.square(e)))


def _overturns(gauges: Gauges) -> jax.Array:
    """Whether gradients point against the last ones, by more than the order of batches can do.

    Of B mini-batches that are not put back, each is opposed to the others by a share 1 / (B - 1).
    """
    return gauges.lag < -_OPPOSED * gauges.square


def stiffest(gauges: Gauges, kept: jax.Array) -> jax.Array:
    """(h w)^2 of the stiff modes: the mean over modes, each counted by its curvature squared.

    `kept` is the share e of a momentum that friction leaves after a step. With
    b = (h w)^2 (1 + e) / 4 the positions of BAOAB have the correlations 1 - b one step apart, and
    1 - (3 + e) b + 2 b^2 two apart. The sums over modes of k b and of k b^2 follow from them.
    """
    missing = jnp.maximum(gauges.square - gauges.lag, jnp.finfo(jnp.float32).tiny)  # sum of k b
    turned = 2 * (2 + kept - gauges.lag_loss / missing) / (1 + kept)
    return jnp.clip(turned, 1e-8, 4.0)


def loss_error(gauges: Gauges, degrees: float, number: Any = _MEMORY) -> jax.Array:
    """The standard error of the loss from one correlation to the next that mini-batches cause.

    The correlations are those of so many steps; while the step moves, of `_MEMORY`.
    """
    return noise_share(gauges, number, degrees) * jnp.sqrt(gauges.loss_squares)


def heated(gauges: Gauges, heat: jax.Array, age: Any) -> Gauges:
    """With the kinetic temperature of this step in the mean.

    In the first ten steps of a window only the latest counts: older ones belong to other settings.
    """
    share = 1 / (1 + jnp.clip(age - 10, 0, _MEMORY))
    return gauges._replace(heat=gauges.heat + (heat - gauges.heat) * share)


def heat_by_chance(degrees: float) -> float:
    """Three standard errors of that mean, for so many coordinates."""
    return 3 * (2 * _AGAIN / (_MEMORY * degrees)) ** 0.5


def forced(gauges: Gauges, force: jax.Array, number: jax.Array, on: Any) -> Gauges:
    """With g . g / m of this step in the mean and the squares; `number` counts from 1."""
    force = _bounded(force)
    deviation = force - gauges.force
    mean = gauges.force + jnp.where(on, deviation / number, 0)
    squares = jnp.where(on, deviation * (force - mean), 0)
    return gauges._replace(force=mean, force_squares=gauges.force_squares + squares)


def unevenness(
    gauges: Gauges, number: Any, degrees: float, temperature: jax.Array, squared: jax.Array
) -> jax.Array:
    """How much stiffer a chain is at times than on average: 1 in a harmonic well.

    There the variance of g . g / m over twice its mean times T is the same mean of w^2 that the
    turn gives. `squared` is that one. With many coordinates g . g hardly varies in a well, so that
    a small change of its size would count for much: what counts is at most `_MANY` / 2 times its
    relative variance. Noise of mini-batches makes g . g vary, too. Where there is much, the
    products of f_t = g_t . g_(t-1) with f_(t-2) tell, which have no batch in common; about half of
    the variance survives two steps. What they would show by chance does not count.
    """
    force = jnp.maximum(gauges.force, 1e-37)
    stiff = gauges.force_squares / number / (2 * temperature * force)
    excess = 2 * temperature * (stiff - squared) / force
    mean = _bounded(gauges.lags / number)
    chance = 3 * gauges.loss_squares / number**1.5
    steady = 2 * ((gauges.lag_products / number - chance) / jnp.maximum(mean**2, 1e-37) - 1)
    noisy = noise_share(gauges, number, degrees) > _NOISY
    relative = jnp.where(noisy, jnp.minimum(excess, steady), excess)
    above = jnp.minimum(stiff / squared - 1, _MANY / 2 * relative)
    return jnp.where(gauges.force > 0, 1 + jnp.clip(above, 0.0, 99.0), 1)


def noise(gauges: Gauges, number: Any, degrees: float) -> jax.Array:
    """The part of the mean of g . g / m that mini-batches make, over so many steps.

    Little noise heats a chain of low friction much. So what is well above chance counts in full,
    and chance is taken for less than in `noise_share`: a chain without noise shows no more than
    its own standard error, and what its modes leave out.
    """
    error = jnp.sqrt(2 / jnp.float32(degrees * number))
    least, usual = _MODES
    chance = jnp.maximum(jnp.minimum(3 * error, usual + error), least)
    share = _uncorrelated(gauges)
    shrunk = share * (1 - jnp.square(chance / jnp.maximum(share, chance)))
    return jnp.clip(shrunk, 0, 1) * gauges.square / number


def recent_force(gauges: Gauges, age: Any, degrees: float) -> tuple[jax.Array, jax.Array]:
    """The mean of g . g / m while the step still moves, and the share of noise in it."""
    number = _remembered(age)
    return gauges.square / number, noise_share(gauges, number, degrees)


def noise_share(gauges: Gauges, number: Any, degrees: float) -> jax.Array:
    """The share of g . g / m that is in no correlation, in [0, 1].

    What a chain without noise would show by chance, three standard errors, does not count.
    """
    chance = 3 * jnp.sqrt(2 / jnp.float32(degrees * number))
    return jnp.clip(_uncorrelated(gauges) - chance, 0, 1)


def _uncorrelated(gauges: Gauges) -> jax.Array:
    signal = gauges.lag / jnp.maximum(1 - turn(gauges) / 2, 0.1)
    moves = gauges.square > 0  # gradients may all be 0 for a while
    return jnp.where(moves, 1 - signal / jnp.where(moves, gauges.square, 1), 0)
