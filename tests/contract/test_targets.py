"""At a low temperature every method finds the minima on which optax tests its own optimizers."""

import jax
import jax.numpy as jnp
import optax
import pytest

from tests.compiling import quick_jit
from tests.registry import COLD, METHODS, TURNS

from .programs import assert_close

# The four targets of optax's suite, minimised as one tree: one program for each method, not four.
START = {
    "matrix_parabola": jnp.zeros((2, 2)),
    "mixed": (jnp.zeros(3), jnp.zeros((2, 2))),
    "parabola": jnp.array([-1.0, 10.0, 1.0]),
    "rosenbrock": jnp.zeros(2),
}
MINIMUM = {
    "matrix_parabola": jnp.array([[3.0, -2.0], [1.0, 4.0]]),
    "mixed": (jnp.array([1.0, -1.0, 2.0]), jnp.array([[1.0, 0.0], [-1.0, 1.0]])),
    "parabola": jnp.array([1.0, -1.0, 1.0]),
    "rosenbrock": jnp.ones(2),
}
STEPS = 30_000


def loss(params):
    parabolas = {name: params[name] for name in START if name != "rosenbrock"}
    minima = {name: MINIMUM[name] for name in parabolas}
    x, y = params["rosenbrock"]
    return (
        optax.tree.norm(optax.tree.sub(parabolas, minima), squared=True)
        + (1 - x) ** 2
        + 100 * (y - x**2) ** 2
    )


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", METHODS)
def test_minima_are_found(name):
    tx = METHODS[name](COLD, **METHODS[name].cold)

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(jax.grad(loss)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    @quick_jit
    def descend(start):
        return jax.lax.scan(step, (start, tx.init(start)), length=STEPS)[0][0]

    assert_close(descend(START), MINIMUM, rtol=3e-2, atol=3e-2)
