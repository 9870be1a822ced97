"""Splitting words: "BAOAB" and its relatives, turned into one update per gradient.

A word names the flows of one step in their order; a letter that occurs k times runs for 1/k of the
step each time. Repeating a word gives a cycle, and optax hands out one gradient per update, so a
word can be used when all its kicks B stand at the same position of the parameters: between two
kicks, on one side of the cycle, there is no drift A. The update starts where the gradient is
known, runs once around the cycle and ends at the next position:

    BAOAB, repeated:   ...A B|B A O A B|B A O...   one update:  B A O A   (B for the whole step)
    OBABO, repeated:   ...B O|O B A B O|O B A...   one update:  B O B A   (O for the whole step)

The parameters are seen where the gradient is, and the momentum in the state is the one just
before the first kick.

On its way around the cycle the state passes through linear flows only. The whole update is
therefore one affine map, and a word of any length costs a single pass over the parameters.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import root

from . import _flows

_LETTERS = {"A": "drift", "B": "kick", "O": "bath", "U": "drift and bath at once"}
_NEEDED = {"A": "AU", "B": "B", "O": "OU"}  # any of these letters
_NOISES = {"O": 1, "U": 2}  # normal numbers that a flow draws for each coordinate
_EXAMPLES = "BAOAB, ABOBA, OBABO, OABAO, AOBOA, BOAOB, BAOA, OBA, BAO, UBU"


class Leg(NamedTuple):
    """One flow of the cycle."""

    letter: str
    share: float  # of the step size


def cycle(word: str) -> tuple[Leg, ...]:
    """The legs of a word, rotated to start at its gradient; raises for a word that has none."""
    if not isinstance(word, str) or not word:
        raise ValueError(
            f"`splitting` must be a word over the letters A, B, O, got {word!r}. U is a letter "
            "too, for drift and bath at once."
        )
    for letter in word:
        if letter not in _LETTERS:
            raise ValueError(
                f"`splitting`={word!r} has the unknown letter {letter!r}. The letters are "
                f"{_LETTERS}; supported words are, for instance, {_EXAMPLES}."
            )
    missing = [need for need, letters in _NEEDED.items() if not set(letters) & set(word)]
    if missing:
        raise ValueError(
            f"`splitting`={word!r} lacks {missing}: every word needs a drift A, a kick B and a "
            "bath O, or U for drift and bath at once. Supported words are, for instance, "
            f"{_EXAMPLES}."
        )
    start = _first_kick(word)
    rotated = word[start:] + word[:start]
    legs: list[Leg] = []
    for letter in rotated:
        leg = Leg(letter, 1 / word.count(letter))
        if legs and legs[-1].letter == letter:  # two flows of one kind in a row are one flow
            leg = Leg(letter, legs.pop().share + leg.share)
        legs.append(leg)
    return tuple(legs)


def _first_kick(word: str) -> int:
    """Where the cycle's run of kicks begins; drifts must not stand between kicks twice."""
    moves = [(i, letter) for i, letter in enumerate(word) if letter != "O"]
    starts = [i for n, (i, letter) in enumerate(moves) if letter == "B" and moves[n - 1][1] != "B"]
    if len(starts) != 1:
        raise ValueError(
            f"`splitting`={word!r} needs {len(starts)} gradients per step, because drifts separate "
            "its kicks in more than one place, and an optax update receives one. Use a word whose "
            f"kicks share a position; supported are, for instance, {_EXAMPLES}."
        )
    return starts[0]


class AffineStep(NamedTuple):
    """One update of a linear splitting; every field is a scalar.

        p' = retain p - kick g + noise z
        dx = from_new p' - from_gradient g + from_old p + own_noise y

    Since dx is written with the new momentum p', the noise z enters one formula only: a compiler
    never needs to draw it twice. y is a second noise, needed when a word has two separate baths.
    A term that is None is absent: multiplying by 0 would read the array all the same. `brought` is
    a variance that the gradient's own noise adds to p', for steps that then draw less.
    """

    retain: jax.Array
    kick: jax.Array
    noise: jax.Array
    from_new: jax.Array
    from_gradient: jax.Array
    from_old: jax.Array | None = None
    own_noise: jax.Array | None = None
    brought: jax.Array | None = None


class Settings(NamedTuple):
    """What the flows of a step need to know; every field is a scalar."""

    step_size: jax.typing.ArrayLike
    friction: jax.typing.ArrayLike
    variance: jax.typing.ArrayLike  # m T, of the momenta
    mass: Any


def num_draws(legs: tuple[Leg, ...]) -> int:
    """Normal numbers that one update needs per coordinate: 1, or 2 if its flows draw more."""
    return min(2, _drawn(legs))


def _drawn(legs: tuple[Leg, ...]) -> int:
    return sum(_NOISES.get(leg.letter, 0) for leg in legs)


def run(legs: tuple[Leg, ...], position, momentum, gradient, noises, settings: Settings):
    """One update of a word as it reads, flow after flow: the new position and momentum."""
    h, gamma, variance, m = settings
    noises = iter(noises)
    for letter, share in legs:
        time = share * h
        if letter == "A":
            position = _flows.drift(position, momentum, time, m)
        elif letter == "B":
            momentum = _flows.kick(momentum, gradient, time)
        elif letter == "O":
            momentum = _flows.bath(momentum, next(noises), gamma, variance, time)
        else:  # U
            pair = next(noises), next(noises)
            position, momentum = _flows.drift_in_bath(
                position, momentum, pair, gamma, variance, time, m
            )
    return position, momentum


def compose(legs: tuple[Leg, ...], settings: Settings) -> AffineStep:
    """Runs the word on linear forms in (p, g, z1, z2, ...) and reads off the update."""
    draws = _drawn(legs)
    p, g, *noises = jnp.eye(2 + draws, dtype=jnp.result_type(float))
    # At unit variance, since all noises share the bath's temperature.
    unit = settings._replace(variance=1.0)
    displacement, momentum = run(legs, jnp.zeros_like(p), p, g, noises, unit)

    # The noises only matter through the covariance of (p', dx): at most two are independent.
    p_noise, x_noise = momentum[2:], displacement[2:]
    p_variance = jnp.sum(p_noise**2)
    from_new = jnp.sum(p_noise * x_noise) / jnp.where(p_variance > 0, p_variance, 1)
    heat = root(settings.variance)
    return AffineStep(
        retain=momentum[0],
        kick=-momentum[1],
        noise=heat * root(p_variance),
        from_new=from_new,
        from_gradient=from_new * momentum[1] - displacement[1],
        from_old=displacement[0] - from_new * momentum[0],
        own_noise=heat * _norm(x_noise - from_new * p_noise) if draws > 1 else None,
    )


def at_rest(affine: AffineStep, resting) -> AffineStep:
    """The update, or one of no time if the step rests: then all stays as it is."""
    # Done here and not before, so that the compiler still knows the numbers of a usual step.
    rest = resting.astype(affine.retain.dtype)
    moved = jax.tree.map(lambda number: number * (1 - rest), affine)
    return moved._replace(retain=moved.retain + rest)


def rescaled_first(affine: AffineStep, swap, time) -> AffineStep:
    """The update of a momentum to which `_flows.rescale` is done before the step."""
    factor, owed, ahead = (number.astype(affine.retain.dtype) for number in swap)
    of_gradient = (ahead - factor * owed) * (time / 2)
    rescaled = affine._replace(
        retain=affine.retain * factor, kick=affine.kick - affine.retain * of_gradient
    )
    if affine.from_old is None:
        return rescaled
    return rescaled._replace(
        from_old=affine.from_old * factor,
        from_gradient=affine.from_gradient - affine.from_old * of_gradient,
    )


def weighted(affine: AffineStep, mass: jax.Array) -> AffineStep:
    """The update at masses, one for an array or for each coordinate, from that at mass 1.

    It is the same update in the coordinates sqrt(m) x, p / sqrt(m) and g / sqrt(m).
    """
    noise = jnp.sqrt(mass) * affine.noise
    if affine.brought is not None:  # by the gradient, which knows of no mass
        noise = root(jnp.maximum(jnp.square(noise) - affine.brought, 0))
    old, own = affine.from_old, affine.own_noise
    return affine._replace(
        noise=noise,
        from_new=affine.from_new / mass,
        from_gradient=affine.from_gradient / mass,
        from_old=None if old is None else old / mass,
        own_noise=None if own is None else own / jnp.sqrt(mass),
    )


def _norm(vector):
    return root(jnp.sum(vector**2))


def thermometer(legs: tuple[Leg, ...], step_size) -> jax.Array:
    """(r, k) such that the mean of p (r p - k g) / m is the temperature right at the bath.

    p is the stored momentum and g the gradient at the parameters that go with it. If only drifts
    follow the last bath, p itself is read. If a kick follows it, p is hotter by that kick, which
    the product with g takes away. In a harmonic well this is exact at any step size for the two
    symmetric cycles with one bath (BAOAB: E[p^2] / m = T; OBABO: E[p (p - h/2 g)] / m = T), and off
    by a share of order (h omega)^2 for the other words.
    """
    letters = "".join("O" if leg.letter == "U" else leg.letter for leg in legs)  # baths alike
    if letters.rindex("O") > letters.rindex("B"):
        kicked = jnp.zeros_like(step_size)
    else:
        kicked = (
            sum(leg.share for leg in legs[: letters.index("O")] if leg.letter == "B") * step_size
        )
    return jnp.stack([jnp.ones_like(kicked), kicked])
