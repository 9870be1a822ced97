"""Every bad argument is refused when the transformation is built, by name and with a remedy."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.registry import METHODS, PRIMARY

# What each number may be, wherever an argument of this name occurs.
RATES = ("inner_learning_rate", "step_size", "learning_rate", "alpha_step")
POSITIVE = ("typical_square", "mass", "damping", "edge", "wall", "alpha_mass")
NOT_NEGATIVE = (
    "temperature",
    "friction",
    "hidden_friction",
    "output_friction",
    "noise_amplitude",
    "coupling",
    "gradient_noise",
    "adaptation_steps",
    "exploration_steps",
    "sampling_steps",
    "plateau",
    "alpha_friction",
    "scope",
    "scope_growth",
)
FRACTIONS = ("momentum", "decay", "covariance_decay", "depth")
FINITE = ("initial_friction",)
NUMBERS = (*RATES, *POSITIVE, *NOT_NEGATIVE, *FRACTIONS, *FINITE)

PAIRS = [
    (name, argument)
    for name, method in PRIMARY.items()
    for argument in inspect.signature(method.constructor).parameters
    if argument in NUMBERS
]


def bad_values(argument):
    values = [float("nan"), float("inf")]
    if argument not in FINITE:
        values.append(-1.0)
    if argument in POSITIVE:
        values.append(0.0)
    if argument in FRACTIONS:
        values.append(1.0)
    return values


def remedy(argument):
    if argument in RATES:
        return "finite and not negative, got .* Pass a number above 0, or a schedule.*; 0 rests"
    if argument in POSITIVE:
        return "finite and positive, got .* Pass a number above 0"
    if argument in NOT_NEGATIVE:
        return "finite and not negative, got .* Pass 0 to switch it off, or a number above 0"
    if argument in FRACTIONS:
        return r"at least 0 and below 1, got .* Pass a number in \[0, 1\)"
    return "finite, got .* Pass a finite number"


@pytest.mark.parametrize(("name", "argument"), PAIRS)
def test_numbers(name, argument):
    make = PRIMARY[name]
    shown = argument.removeprefix("inner_")  # handed on to `sgld`, which knows one learning rate
    for value in bad_values(argument):
        for form in (value, np.float64(value), jnp.float32(value), jnp.bfloat16(value)):
            if value == 1 and "decay" in argument and getattr(form, "dtype", None) == jnp.bfloat16:
                continue  # to which 0.999 is rounded there
            with pytest.raises(ValueError, match=f"`{shown}` must be {remedy(argument)}"):
                make(**{argument: form})
    trees = argument == "mass"  # have tests of their own
    for value in ("0.1", True, 1j, object(), *([] if trees else [[0.1]])):
        with pytest.raises(TypeError, match=f"`{shown}` must be a number, a JAX scalar or a sched"):
            make(**{argument: value})
    if trees:
        return
    with pytest.raises(ValueError, match=f"`{shown}` must be a single number.*`jax.vmap`"):
        make(**{argument: jnp.ones(3)})


def test_an_array_is_no_number_under_jit_either():
    """It would heat each coordinate by itself, and change the shape of the state."""
    x = jnp.ones(3)

    def heated(scale):
        tx = PRIMARY["sgld"]()
        return tx.update(x, tx.init(x), x, temperature_scale=scale)

    def built(rate):
        return PRIMARY["sgld"](learning_rate=rate).init(x)

    for function, name in ((heated, "temperature_scale"), (built, "learning_rate")):
        with pytest.raises(ValueError, match=f"`{name}` must be a single number, got an array"):
            jax.eval_shape(function, jnp.ones(3))
        with pytest.raises(TypeError, match=f"`{name}` must be a number"):
            jax.eval_shape(function, jnp.bool_(True))
        jax.eval_shape(jax.vmap(function), jnp.ones(3))


LENGTHS = {
    "path_length": lambda n: to.replica_exchange(
        PRIMARY["sgld"](), {"temperature": [1.0, 2.0]}, path_length=n, key=0
    ),
    "num_replicas": lambda n: to.replicate(PRIMARY["sgld"](), n),
    "num_chains": lambda n: to.init_chains(PRIMARY["sgld"](), jax.random.normal, n, key=0),
    "num_rungs": lambda n: to.geometric_ladder(1.0, 2.0, n),
    "num_bins": lambda n: to.metadynamics(0.1, num_bins=n),
    "num_samples": lambda n: to.collect_samples(PRIMARY["sgld"](), n),
    "rank": lambda n: to.running_moments(PRIMARY["sgld"](), rank=n),
}


@pytest.mark.parametrize("argument", LENGTHS)
def test_lengths_of_arrays_are_not_traced(argument):
    """`jax.jit` and `optax.inject_hyperparams` trace what they are not told to leave."""
    with pytest.raises(TypeError, match=f"`{argument}` must be a Python integer.*`static_argnames"):
        jax.eval_shape(LENGTHS[argument], jnp.int32(3))


ROUNDED = {
    "temperature": (1e39, "finite and not negative, got 1e[+]39, which is inf in float32"),
    "damping": (1e-50, "finite and positive, got 1e-50, which is 0.0 in float32"),
    "decay": (1 - 1e-9, "below 1, got 0.999999999, which is 1.0 in float32"),
}


@pytest.mark.parametrize("argument", ROUNDED)
def test_numbers_that_rounding_takes_out_of_their_range(argument):
    """1 - 1e-9 is a momentum without end, in the precision of the step."""
    value, message = ROUNDED[argument]
    with pytest.raises(ValueError, match=f"`{argument}` must be .*{message}"):
        PRIMARY["psgld"](**{argument: value})


SCHEDULES = {
    "sign": (lambda count: jnp.float32(-0.1), ValueError, "not negative, got -0.1.* at step 0"),
    "array": (lambda count: jnp.ones(3), ValueError, "a single number, got an array of shape"),
    "nothing": (lambda count: None, TypeError, "a number, a JAX scalar or a schedule.*got None"),
}


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("argument", ["learning_rate", "temperature"])
def test_schedules_are_looked_at_where_they_begin(argument, kind):
    schedule, error, message = SCHEDULES[kind]
    with pytest.raises(error, match=f"`{argument}` must be .*{message}"):
        PRIMARY["sgld"](**{argument: schedule})


def test_what_is_read_once_is_no_schedule():
    with pytest.raises(TypeError, match="`initial_friction` must be a number: it is read once"):
        PRIMARY["adaptive_langevin"](initial_friction=lambda count: 1.0)


def test_all_numbers_of_the_public_functions_are_tested():
    """A new argument must be put into one of the lists above, or into this one."""
    not_numbers = {
        "params", "key", "splitting", "generator", "initial_momentum", "momentum_dtype",
        "thermostat", "thermostat_energy", "scaled_friction",
        "mode", "order", "bias", "num_inner_steps", "new_sample_weight", "opaque",
        "precision", "first_step", "slowly",  # of a tether and a warm-up: tests of their own
    }  # fmt: skip
    for name in PRIMARY:
        known = set(inspect.signature(PRIMARY[name].constructor).parameters)
        assert known <= {*NUMBERS, *not_numbers}, name


KEYS = {
    "missing": (None, TypeError, "`key` is required.*Pass an int seed"),
    "bool": (True, TypeError, "`key` must be a random key, got True.*Pass an int seed"),
    "float": (0.5, TypeError, "`key` must be a random key, got 0.5.*Pass an int seed"),
    "text": ("seed", TypeError, "`key` must be a random key, got 'seed'.*Pass an int seed"),
    "float array": (jnp.ones(2), ValueError, "`key` must be a random key.*Pass an int seed"),
    "three words": (jnp.zeros(3, jnp.uint32), ValueError, "`key` must be a random key"),
    "signed words": (jnp.zeros(2, jnp.int32), ValueError, "`key` must be a random key"),
    "many": (jax.random.split(jax.random.key(0), 3), ValueError, "`key` must be a single.*vmap"),
    "many raw": (jnp.zeros((3, 2), jnp.uint32), ValueError, "`key` must be a .*key"),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("name", PRIMARY)
def test_keys(name, kind):
    key, error, message = KEYS[kind]
    with pytest.raises(error, match=message):
        PRIMARY[name](key=key)


NO_KEY = {
    "sgld": lambda **key: to.sgld(0.1, 0.1, **key),
    "leimkuhler_matthews": lambda **key: to.leimkuhler_matthews(0.1, 0.1, **key),
    "langevin": lambda **key: to.langevin(0.1, 0.1, friction=1.0, **key),
    "sghmc": lambda **key: to.sghmc(0.1, 0.1, momentum=0.9, **key),
    "adaptive_langevin": lambda **key: to.adaptive_langevin(0.1, 0.1, **key),
    "covariance_controlled_langevin": lambda **key: to.covariance_controlled_langevin(1, 1, **key),
    "psgld": lambda **key: to.psgld(0.1, 0.1, **key),
    "santa": lambda **key: to.santa(0.1, 0.1, **key),
    "lol": lambda **key: to.lol(**key),
    "lala": lambda **key: to.lala(**key),
    "adlala": lambda **key: to.adlala(**key),
    "entropy_sgd": lambda **key: to.entropy_sgd(**key),
    "entropy_adam": lambda **key: to.entropy_adam(**key),
    "continuous_tempering": lambda **key: to.continuous_tempering(to.sgld(1, 1, key=0), 1, **key),
    "ctld": lambda **key: to.ctld(0.1, 0.1, sampling_steps=1, **key),
    "replica_exchange": lambda **key: to.replica_exchange(
        to.sgld(0.1, 0.1, key=0), {"temperature": [1.0, 2.0]}, **key
    ),
    "draw_posterior": lambda **key: to.draw_posterior(
        to.running_moments(optax.sgd(0.1)).init(jnp.ones(2)), jnp.ones(2), 3, **key
    ),
}


@pytest.mark.parametrize("name", NO_KEY)
def test_no_key_at_all(name):
    """A type checker sees that the key is missing, and Python says so; None gets our remedy."""
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'key'"):
        NO_KEY[name]()
    with pytest.raises(TypeError, match="`key` is required.*Pass an int seed"):
        NO_KEY[name](key=None)


def test_a_required_key_has_no_default():
    """With None for a default a type checker would accept a call without a key."""
    for name, function in inspect.getmembers(to, inspect.isfunction):
        if name == "init_chains":
            continue  # stacked starts need none; without one, a function of a key raises
        key = inspect.signature(function).parameters.get("key")
        assert key is None or key.default is not None, name


WORDS = {
    "BAXAB": r"unknown letter 'X'.*supported words are, for instance, BAOAB",
    "baoab": r"unknown letter 'b'.*supported words",
    "BAB": r"lacks \['O'\].*Supported words",
    "O": r"lacks \['A', 'B'\].*Supported words",
    "ABOBAB": r"needs 2 gradients per step.*drifts separate its kicks.*supported are",
    "BABAO": r"needs 2 gradients per step.*receives one.*supported are",
    "": r"must be a word over the letters A, B, O",
    None: r"must be a word over the letters A, B, O, got None",
}


@pytest.mark.parametrize("word", WORDS, ids=repr)
def test_splitting_words(word):
    with pytest.raises(ValueError, match=f"`splitting`.*{WORDS[word]}"):
        METHODS["langevin"](splitting=word)


CHOICES = {
    "splitting": ("adaptive_langevin", "ABC", r"\['ACDEDCAB', 'BADODAB', 'SGNHT'\]"),
    "thermostat": ("adaptive_langevin", "layer", r"\['group', 'tensor'\]"),
    "thermostat_energy": ("adaptive_langevin", "sum", r"\['total', 'mean'\]"),
    "initial_momentum": ("langevin", "hot", r"\['thermal', 'zero'\]"),
    "generator": ("sgld", "mersenne", r"\['threefry', 'threefry13', .*'jax'\]"),
}


@pytest.mark.parametrize("argument", CHOICES)
def test_choices(argument):
    name, value, choices = CHOICES[argument]
    for known in (name, "covariance_controlled_langevin"):
        if argument in inspect.signature(METHODS[known].constructor).parameters:
            message = f"`{argument}` must be one of {choices}, got '{value}'"
            with pytest.raises(ValueError, match=message):
                METHODS[known](**{argument: value})


@pytest.mark.parametrize("name", ["langevin", "sghmc", "leimkuhler_matthews", "adaptive_langevin"])
def test_momentum_dtype(name):
    with pytest.raises(TypeError, match="`momentum_dtype` must be a floating-point dtype or None"):
        METHODS[name](momentum_dtype=jnp.int32)


def test_unknown_arguments():
    with pytest.raises(TypeError, match="unexpected keyword argument 'gamma'"):
        METHODS["langevin"](gamma=1.0)
