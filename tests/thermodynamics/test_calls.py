"""How users call the measurement: with objects, arrays as numbers, schedules, and one key."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from thermo_optax.thermodynamics._parts import split
from thermo_optax.thermodynamics._report import summary

measure = functools.partial(
    to.learning_coefficient, num_examples=1_000, key=0, num_steps=100, num_burn_in=20
)


def quadratic(w):
    return jnp.sum(w**2) / 2


@dataclasses.dataclass
class Centre:
    """Has no hash, as a model of Equinox with arrays has none."""

    place: np.ndarray

    def __call__(self, w, batch=0.0):
        return quadratic(w - self.place - batch)


@dataclasses.dataclass
class Batches:
    """Nor has this."""

    shift: float

    def __call__(self, step):
        return self.shift * jnp.float32(step % 2)


def test_objects_without_a_hash_and_numbers_that_are_arrays():
    loss, x = Centre(np.zeros(3)), jnp.zeros(3)
    found = measure(loss, x, batches=Batches(0.0), num_steps=jnp.int32(100), num_chains=np.array(2))
    plain = measure(lambda w, _: quadratic(w), x, batches=lambda step: step, num_chains=2)
    np.testing.assert_allclose(found.losses, plain.losses, rtol=1e-4, atol=1e-7)
    assert type(found.settings["num_steps"]) is int


@pytest.mark.parametrize("name", ["temperature", "precision", "step_size"])
def test_no_number_is_a_schedule(name):
    with pytest.raises(TypeError, match=f"`{name}` must be a number: .* not by a schedule"):
        measure(quadratic, jnp.zeros(3), **{name: lambda count: 0.1})


@pytest.mark.parametrize("free", ["first", lambda path, array: False, {"first": "no", "last": 1}])
def test_what_is_true_by_accident_frees_nothing(free):
    """A name or a selector of layers."""
    params = {"first": jnp.zeros(3), "last": jnp.zeros(2)}
    with pytest.raises(ValueError, match="`free` must be a tree of bools like `params`"):
        measure(lambda w: quadratic(w["first"]), params, free=free)


def test_flags_may_be_arrays():
    params = {"first": jnp.zeros(3), "last": jnp.zeros(2)}
    free = {"first": np.True_, "last": jnp.array(False)}
    moving, frozen, _ = split(params, free)
    assert [x.shape for x in (*moving, *frozen)] == [(3,), (2,)]


def test_weights_that_are_none():
    params = {"first": jnp.zeros((0, 3)), "last": jnp.zeros(2)}
    for given, free in ((params, {"first": True, "last": False}), (params["first"], None)):
        with pytest.raises(ValueError, match=r"`params` must have a free weight.*\(0, 3\)"):
            measure(lambda w: sum(map(jnp.sum, jax.tree.leaves(w))), given, free=free)


@pytest.mark.parametrize(
    ("name", "given"),
    [("loss", 1.0), ("batches", [1, 2]), ("sampler", to.sgld(0.1, 1.0, key=0))],
)
def test_what_is_no_function(name, given):
    with pytest.raises(TypeError, match=f"`{name}` must be a function, got .* Write `lambda"):
        measure(**{"loss": quadratic, "params": jnp.zeros(3)} | {name: given})


def test_chains_that_draw_the_same_are_told():
    """Their error is that of one chain, whatever is said of it."""

    def sampler(step_size, temperature, key):
        del key
        return to.langevin(step_size, temperature, friction=0.1 / step_size, key=0)

    found = measure(quadratic, jnp.zeros(3), sampler=sampler)
    assert np.ptp(found.chains) == 0
    assert "equal to the last bit" in found.warnings[-1]
    own = measure(quadratic, jnp.zeros(3))
    assert not any("last bit" in text for text in own.warnings)


@pytest.mark.parametrize("paired", [True, False])
def test_batches_that_chains_have_in_common_count_in_the_error(paired):
    """Of 16 chains: in each step a number for all of them, and one for each."""
    chains, steps, value = 16, 2_000, 5.0
    random = np.random.default_rng(0)
    rises = value + random.normal(size=(1, steps)) + random.normal(size=(chains, steps))
    settings = {"paired_batches": paired, "num_weights": 10, "gradient_norm": 0.0}
    settings |= {"curvature": 1.0, "loss": 0.0, "temperature": 1.0}
    found = summary(rises, random.normal(size=rises.shape), np.ones_like(rises), 1.0, settings)
    exact = np.sqrt((1 + 1 / chains) / steps)
    alone = np.sqrt(2 / (chains * steps))  # if the chains had nothing in common
    assert abs(found.standard_error / (exact if paired else alone) - 1) < 0.3 < exact / alone - 1
    assert abs(found.value - value) < 4 * exact
