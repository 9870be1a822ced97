"""`validate` of what heats: tempering is judged by its cold samples, exchange by its cold rung."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.selection import each
from tests.statistics import assert_mean
from thermo_optax.validation._kinds import kind_of
from thermo_optax.validation._laws import DoubleWell, Gaussian, StiffGaussian

FEW: dict[str, Any] = dict(num_chains=2**12)


def tempered(key, mode="exact", **options):
    sampler = to.langevin(0.5, 1.0, friction=1.0, initial_momentum="zero", key=key)
    return to.continuous_tempering(sampler, 1.0, mode=mode, key=key, **options)


TEMPERED = {
    "exact": (tempered, {}),
    "in a chain, settled": (
        lambda key: optax.chain(optax.clip(1e6), tempered(key)),
        dict(burn_in=200),
    ),
    "hills": (
        lambda key: tempered(key, mode="paper"),
        dict(params=jnp.zeros(2), burn_in=4_000, num_steps=500),
    ),
}


@pytest.mark.slow
@each(TEMPERED, "in a chain, settled", "hills")
def test_tempering_is_judged_by_its_cold_samples(name):
    make, options = TEMPERED[name]
    report = to.validate(make, **FEW, **options)
    assert report, report


@pytest.mark.slow
def test_wrong_tempering_is_seen():
    report = to.validate(lambda key: optax.chain(tempered(key), optax.scale(1.2)), **FEW)
    assert not report, report
    # Hot ends counted as well: so did this test before, and failed what is right.
    everything = to.validate(tempered, collect_if=lambda state: True, **FEW)
    assert not everything, everything


@pytest.mark.slow
def test_tempering_that_does_not_come_back():
    with pytest.raises(ValueError, match="of 200 chains count at the end"):
        to.validate(lambda key: tempered(key, mode="paper"), num_chains=200, num_steps=300)


def exchanged(key, normalization=1.0, rungs=(1.0, 2.0, 4.0)):
    ladder = {"temperature": jnp.array(rungs)}
    sampler = to.sgld(0.05, rungs[0], key=key)
    return to.replica_exchange(sampler, ladder, swap_period=3, normalization=normalization, key=key)


def test_replica_exchange_is_judged_by_its_cold_rung():
    report = to.validate(exchanged, burn_in=50, num_steps=300, **FEW)
    assert report, report


@pytest.mark.parametrize("law", [Gaussian(4), StiffGaussian(4), DoubleWell(4)])
def test_draws_of_a_hot_rung(law):
    """In equilibrium the virial x u'(x) has the mean T, for any law and in every coordinate."""
    heat = 3.0
    x = jnp.asarray(law.draw(np.random.default_rng(0), 100_000, heat), jnp.float32)
    virial = np.asarray(jax.vmap(lambda x: x * jax.grad(law.potential)(x))(x), np.float64)
    for i in range(4):
        assert_mean(virial[:, i], heat, name=f"coordinate {i}", slack=1e-3)


def test_wrong_swaps_are_seen():
    report = to.validate(lambda key: exchanged(key, normalization=0.5), num_steps=60, **FEW)
    assert not report, report


def test_a_ladder_of_as_many_rungs_as_a_layer_has_weights():
    """The axis of replicas is told by the state, not by a shape that happens to fit."""
    for size in (2, 3):
        kind = kind_of(exchanged(0), jnp.zeros(size))
        np.testing.assert_allclose(kind.heats, [1, 2, 4])
    assert kind_of(tempered(0), jnp.zeros(3)) == (None, True)
    assert kind_of(optax.sgd(0.1), jnp.zeros(3)) == (None, False)
