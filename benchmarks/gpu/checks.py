"""The contract and the physics, in short: a machine with nothing but jax has no pytest."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from thermo_optax._noise import GENERATORS, map_with_noise

STEPS = 3
LARGEST_ERROR = 5.0  # of statistics, in standard errors
RATE, HEAT = 0.1, 0.5

Make = Callable[[Any], optax.GradientTransformation]
SAMPLERS: dict[str, Make] = {
    "sgld": lambda key: to.sgld(RATE, HEAT, key=key),
    "sgld, ternary": lambda key: to.sgld(RATE, HEAT, generator="ternary", key=key),
    "langevin": lambda key: to.langevin(0.3, HEAT, friction=1.0, key=key),
    "adaptive_langevin": lambda key: to.adaptive_langevin(
        0.2, HEAT, noise_amplitude=1.0, coupling=0.5, initial_friction=1.0, key=key
    ),
    "psgld": lambda key: to.psgld(RATE, HEAT, key=key),
    "adlala": lambda key: to.adlala(RATE, key=key),
    "local_entropy": lambda key: to.local_entropy(
        to.sgld(RATE, HEAT, key=key), optax.sgd(1.0), num_inner_steps=2
    ),
}
# Of `to.validate`: what is sampled at temperature 1, and the bias of the step size.
LAWS: dict[str, tuple[Make, float]] = {
    "langevin": (lambda key: to.langevin(0.5, 1.0, friction=1.0, key=key), 0.0),
    "sgld": (lambda key: to.sgld(0.05, 1.0, key=key), 0.025),
    "leimkuhler_matthews": (lambda key: to.leimkuhler_matthews(0.05, 1.0, key=key), 0.0),
    "sghmc": (lambda key: to.sghmc(0.01, 1.0, momentum=0.9, key=key), 0.01),
}


class Check(NamedTuple):
    """One statement, and what it rests on."""

    name: str
    passed: bool
    detail: str


def contract(names: list[str]) -> Iterator[Check]:
    """Types stay, and numbers are those of the CPU."""
    for name in names:
        tx, tree = SAMPLERS[name](0), _params()
        state = jax.eval_shape(tx.init, tree)
        _, new = jax.eval_shape(tx.update, tree, state, tree)
        yield Check(f"{name}: the state keeps its types", new == state, "")
        here = jax.device_get(_trajectory(name, tree))
        with jax.default_device(jax.devices("cpu")[0]):
            there = jax.device_get(_trajectory(name, _params()))
        errors = jax.tree.map(lambda a, b: np.max(np.abs(a - b), initial=0), here, there)
        error = max(map(float, jax.tree.leaves(errors)))
        yield Check(f"{name}: the numbers are those of the CPU", error < 1e-4, f"{error:.1e} apart")


def _params() -> dict[str, Any]:
    return {
        "first": {"w": jnp.full((33, 65), -0.5), "b": jnp.ones(65)},
        "last": {"w": jnp.full((65, 2), 0.5)},
    }


@functools.partial(jax.jit, static_argnums=0)
def _trajectory(name, tree):
    """The parameters after some steps in a harmonic well, whose gradients they are."""
    tx = SAMPLERS[name](0)

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(params, state, params)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (tree, tx.init(tree)), length=STEPS)[0][0]


def cold() -> Check:
    """Without heat SGLD is SGD."""
    tree = _params()
    tx, sgd = to.sgld(RATE, 0.0, key=0), optax.sgd(RATE)
    updates, _ = jax.jit(tx.update)(tree, tx.init(tree), tree)
    expected, _ = sgd.update(tree, sgd.init(tree))
    errors = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b))), updates, expected)
    error = max(jax.tree.leaves(errors))
    return Check("sgld at temperature 0 is optax.sgd", error < 1e-7, f"{error:.1e} apart")


def moments(size: int) -> Iterator[Check]:
    """The moments 1 to 4 of each generator, in standard errors."""
    for name in GENERATORS:
        draw = jax.jit(functools.partial(_powers, name, size))
        powers = jax.device_get(draw(jnp.array([1, 2], jnp.uint32)))
        errors = [
            (mean - exact) / max(deviation / size**0.5, 1e-12)
            for (mean, deviation), exact in zip(powers, (0, 1, 0, 3), strict=True)
        ]
        worst = max(map(abs, errors))
        passed = bool(worst < LARGEST_ERROR)
        yield Check(f"noise {name}: moments 1 to 4", passed, f"{worst:.1f} standard errors")


def _powers(generator, size, key):
    (noise,) = map_with_noise(lambda z, x: z, key, (0,), [jnp.zeros(size)], generator=generator)
    return [(jnp.mean(noise**n), jnp.std(noise**n)) for n in range(1, 5)]


def laws(names: list[str], chains: int) -> Iterator[Check]:
    """Samplers leave their law invariant."""
    for name in names:
        make, tolerance = LAWS[name]
        found = to.validate(make, num_chains=chains, num_steps=300, tolerance=tolerance)
        said = f"{len(found.checks)} statistics, {len(found.failures)} off"
        yield Check(f"{name}: the law is invariant", bool(found.passed), said)
