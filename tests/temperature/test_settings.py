"""Settings live in the closure and win; a state that does not fit them is refused, by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit

X = jnp.ones(2)
T = 1.0


def tempered(bias, **options):
    sampler = to.sgld(0.01, T, key=0)
    return to.continuous_tempering(sampler, T, bias=bias, alpha_step=0.3, key=1, **options)


def trained(tx, steps=200):
    def step(state, _):
        return tx.update(X, state, X, value=1.0)[1], None

    return quick_jit(lambda: jax.lax.scan(step, tx.init(X), length=steps)[0])()


def after_a_step(tx, state):
    return quick_jit(tx.update)(X, state, X, value=1.0)[1]


def test_another_edge_and_another_bias_factor():
    """A restored bias goes on as it was, on the grid and with the factor of the settings."""
    old = tempered(to.metadynamics(0.1, freeze_after=200))
    new = tempered(to.metadynamics(0.1, bias_factor=5.0, freeze_after=200), edge=1.8)
    state = trained(old)
    bias, moved = state.bias[0], after_a_step(new, state).bias[0]
    np.testing.assert_allclose(moved.nodes[jnp.array([0, -1])], [-1.8, 1.8], rtol=1e-6)
    assert moved.boost == pytest.approx(1.25)
    within = jnp.linspace(-1.4, 1.4, 41)
    np.testing.assert_allclose(moved.potential(within), bias.potential(within), atol=0.15)
    again = after_a_step(old, state).bias[0]
    jax.tree.map(np.testing.assert_array_equal, again, bias)


def test_another_ramp():
    old, new = (
        tempered(to.adaptive_biasing_force(freeze_after=200), depth=depth, edge=edge, mode="exact")
        for depth, edge in ((0.85, 1.5), (0.5, 1.2))
    )
    state = trained(old)
    moved = after_a_step(new, state).bias[0]
    assert moved.nodes[-1] == jnp.float32(1.2)
    log_scaling = jnp.log(to.temperature_scaling(moved.nodes, depth=0.5, edge=1.2))
    np.testing.assert_allclose(moved.log_scaling, log_scaling, atol=1e-6)
    energy = jnp.interp(moved.nodes, state.bias[0].nodes, state.bias[0].energy)
    np.testing.assert_allclose(moved.energy, energy, atol=1e-5)


OTHERS = {
    "bins": (
        to.metadynamics(),
        to.metadynamics(num_bins=90),
        ".*MetadynamicsState with 90 bins, got .* with 60 bins",
    ),
    "bins of the mean": (
        to.adaptive_biasing_force(),
        to.adaptive_biasing_force(num_bins=30),
        ".*AdaptiveBiasingForceState with 30 bins, got .* with 75 bins",
    ),
    "kind": (to.metadynamics(), to.adaptive_biasing_force(), "must hold .* AdaptiveBias"),
    "none": (to.metadynamics(), None, "must hold 0 biases, got 1"),
    "one more": (None, to.metadynamics(), "must hold 1 biases, got 0"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_cannot_be_honoured_is_refused(what):
    old, new, message = OTHERS[what]
    state = quick(tempered(old)).init(X)
    for update in (tempered(new).update, jax.jit(tempered(new).update)):
        with pytest.raises(ValueError, match=f"`state.bias` {message}.*`init` again"):
            update(X, state, X, value=1.0)


def test_numbers_of_the_settings_win():
    state = trained(tempered(None))
    old = after_a_step(tempered(None), state)
    for changes in ({"alpha_friction": 0.1}, {"alpha_mass": 4.0}, {"wall": 3.0}):
        new = after_a_step(tempered(None, **changes), state._replace(alpha=jnp.float32(1.9)))
        assert new.alpha_momentum != old.alpha_momentum
        assert new.count == old.count
