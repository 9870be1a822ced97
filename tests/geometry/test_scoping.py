"""Scopes that grow by themselves, and settings that are numbers and no schedules."""

import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to


def test_a_scope_of_none_stays_none():
    """Growth by 1e-3 is infinite in float32 after 88,767 outer steps."""
    counts = jnp.array([0, 1_000, 88_000, 100_000, 2**31 - 1], jnp.int32)
    np.testing.assert_array_equal(to.scoping(0.0, 1e-3)(counts), 0)
    grown = to.scoping(1e-4, 1e-3)(counts)
    np.testing.assert_allclose(grown[:2], [1e-4, 1e-4 * 1.001**1000], rtol=1e-4)
    assert np.all(np.isfinite(grown)) and np.all(np.diff(grown) >= 0)


def falling(count):
    return 1 / (1.0 + count)


@pytest.mark.parametrize("make", [to.entropy_sgd, to.entropy_adam])
@pytest.mark.parametrize("name", ["scope", "scope_growth"])
def test_a_schedule_would_stop_at_its_first_value(make, name):
    with pytest.raises(TypeError, match=f"`{name}`.* must be numbers.*`local_entropy`"):
        make(**{name: falling}, key=0)


def test_no_number_is_a_schedule():
    for make in (
        lambda: to.scoping(falling, 0.0),  # pyright: ignore[reportArgumentType]
        lambda: to.scoping(1.0, falling),  # pyright: ignore[reportArgumentType]
        lambda: to.entropy_sgd(momentum=falling, key=0),  # pyright: ignore[reportArgumentType]
        lambda: to.entropy_adam(b1=falling, key=0),  # pyright: ignore[reportArgumentType]
        lambda: to.entropy_adam(b2=falling, key=0),  # pyright: ignore[reportArgumentType]
        lambda: to.parle(momentum=falling),  # pyright: ignore[reportArgumentType]
    ):
        with pytest.raises(TypeError, match="` must be a number: .* not by a schedule"):
            make()
