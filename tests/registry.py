"""All transformations of the package, each with settings at which tests can use it.

Suites run over `METHODS`. A new method joins with one line there, and with nothing else.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from tests.replicated import exchanged, replicated

TEMPERATURE = 0.1  # at which noise and gradients of order 1 are alike in size
COLD = 1e-6  # at which optax's targets are reached to within their tolerance of 3e-2


@dataclasses.dataclass(frozen=True)
class Method:
    """A transformation, and the few facts about it that a suite needs."""

    constructor: Callable[..., optax.GradientTransformationExtraArgs]
    settings: Mapping[str, Any]  # beside temperature and key; stable where the curvature is 1
    cold: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # changes, to reach minima
    copies: int = 1  # of the parameters, in the state
    single: int = 0  # of these, those that are float32 in any case
    given: int = 0  # of these, those that the user gives: `optax.tree.map_params` finds no others
    replicas: int = 1  # that each of these copies holds
    layers: int = 1  # that the parameters must have
    extra: int = 40  # numbers in the state, at most, beside these copies
    needs_loss: bool = False

    def __call__(
        self, temperature: Any = TEMPERATURE, key: Any = 0, **changes: Any
    ) -> optax.GradientTransformationExtraArgs:
        """The transformation, with some of its settings changed."""
        return self.constructor(temperature=temperature, key=key, **{**self.settings, **changes})

    def injected(
        self, temperature: Any = TEMPERATURE, key: Any = 0, dtype: Any = None, **changes: Any
    ) -> optax.GradientTransformationExtraArgs:
        """The same in `optax.inject_hyperparams`, with every number in the state."""
        make = optax.inject_hyperparams(self.constructor, hyperparam_dtype=dtype)
        return make(temperature=temperature, key=key, **{**self.settings, **changes})

    @property
    def numbers(self) -> dict[str, float]:
        """The settings that may be traced, vmapped or scheduled."""
        return {name: value for name, value in self.settings.items() if isinstance(value, float)}


# The partitions have a temperature for each group; here one number sets them all.


def _lol(step_size, temperature, *, friction, key):
    return to.lol(
        step_size,
        langevin_groups={"langevin": temperature},
        overdamped_groups={"overdamped": temperature},
        friction=friction,
        key=key,
    )


def _lala(step_size, temperature, *, hidden_friction, output_friction, key):
    return to.lala(
        step_size,
        hidden_groups={"hidden": temperature},
        output_groups={"output": temperature},
        hidden_friction=hidden_friction,
        output_friction=output_friction,
        key=key,
    )


def _adlala(step_size, temperature, *, noise_amplitude, coupling, initial_friction, friction, key):
    return to.adlala(
        step_size,
        adaptive_groups={"adaptive": temperature},
        langevin_groups={"langevin": temperature},
        noise_amplitude=noise_amplitude,
        coupling=coupling,
        initial_friction=initial_friction,
        friction=friction,
        key=key,
    )


# Tempered methods need the loss. The suites that treat all methods alike call them without one, so
# here each brings its own, that of the harmonic well; `tests/temperature` passes it as users do.


def _with_loss(constructor):
    @functools.wraps(constructor)
    def make(*args, **settings):
        tx = constructor(*args, **settings)

        def update(updates, state, params=None, **extra_args):
            leaves = [jnp.asarray(x, jnp.float32) for x in jax.tree.leaves(params)]
            squares = [jnp.sum(jnp.square(x)) for x in leaves]
            extra_args.setdefault("value", sum(squares, jnp.float32(0)) / 2)
            return tx.update(updates, state, params, **extra_args)

        return optax.GradientTransformationExtraArgs(tx.init, update)

    return make


@_with_loss
def _tempered(step_size, temperature, *, friction, alpha_step, mode="exact", key):
    sampler = to.langevin(step_size, temperature, friction=friction, key=key)
    return to.continuous_tempering(sampler, temperature, mode=mode, alpha_step=alpha_step, key=key)


@_with_loss
def _tempered_layers(step_size, temperature, *, hidden_friction, output_friction, key):
    sampler = _lala(
        step_size,
        temperature,
        hidden_friction=hidden_friction,
        output_friction=output_friction,
        key=key,
    )
    return to.continuous_tempering(sampler, temperature, mode="exact", key=key)


def _entropic(inner_learning_rate, temperature, *, scope, key):
    inner = to.sgld(inner_learning_rate, temperature, key=key)
    return to.local_entropy(inner, optax.sgd(1.0), num_inner_steps=20, scope=scope)


def _tethered(learning_rate, temperature, *, precision, key):
    sampler = to.sgld(learning_rate, temperature, key=key)
    return optax.chain(to.tether(precision, temperature), sampler)


def _collecting(learning_rate, temperature, *, key):
    return to.collect_samples(to.sgld(learning_rate, temperature, key=key), num_samples=1)


def _with_masters(learning_rate, temperature, *, key):
    return to.float32_masters(to.sgld(learning_rate, temperature, key=key))


def _averaging(learning_rate, temperature, *, key):
    return to.running_moments(to.sgld(learning_rate, temperature, key=key), rank=1)


def _influenced(learning_rate, temperature, *, key):
    def losses(params):
        leaves = [jnp.asarray(x, jnp.float32) for x in jax.tree.leaves(params)]
        total = sum([jnp.sum(jnp.square(x)) for x in leaves], jnp.float32(0))
        return jnp.stack([total, 2 * total])

    return to.loss_covariances(to.sgld(learning_rate, temperature, key=key), losses)


def _guided(learning_rate, temperature, *, scope, key):
    return to.entropy_mcmc(to.sgld(learning_rate, temperature, key=key), scope=scope)


def _warming(first_step, temperature, *, slowly=False, key):
    """In the middle of its warm-up, whose masses and step change from step to step."""
    make = functools.partial(to.langevin, temperature=temperature, key=key)
    if slowly:
        return to.warm_up(make, 12_000, learn=("step_size", "friction"), step_size=first_step)
    learn = ("step_size", "friction", "mass")
    return to.warm_up(make, 40, learn=learn, step_size=first_step, batch_order=7)


def _pacing(step_size, temperature, *, friction, typical_square, key):
    make = functools.partial(to.langevin, temperature=temperature, friction=friction, key=key)
    return to.adaptive_step(make, step_size, typical_square=typical_square)


# The suites have parameters of many shapes, so a tree of masses is made for those that come.


def _for_each_layer(tree, mass):
    """A number for each of the outermost containers."""
    layers, structure = jax.tree.flatten(tree, is_leaf=lambda node: node is not tree)
    pairs = zip(layers, itertools.cycle((2.0, 0.5)))
    return structure.unflatten([None if node is None else mass * m for node, m in pairs])


def _for_each_coordinate(tree, mass):
    def leaf(array):
        spread = np.linspace(0.5, 2.0, array.size, dtype=np.float32).reshape(array.shape)
        return mass * spread if array.size else 1.0

    return jax.tree.map(leaf, tree)


def _with_masses(constructor, masses):
    @functools.wraps(constructor)
    def make(*args, mass=1.0, **settings):
        def of(tree):
            fitting = masses(tree, mass) if jax.tree.leaves(tree) else mass
            return constructor(*args, mass=fitting, **settings)

        def update(updates, state, params=None, **extra_args):
            return of(updates).update(updates, state, params, **extra_args)

        return optax.GradientTransformationExtraArgs(lambda params: of(params).init(params), update)

    return make


_DESCENT = {"learning_rate": 0.1}
_SLOW_DESCENT = {"learning_rate": 1e-3}
_INERTIA = {"step_size": 0.2, "friction": 1.0}
_SLOW_INERTIA = {"step_size": 0.02}
_ADAPTIVE = {
    "step_size": 0.2,
    "noise_amplitude": 0.4,
    "coupling": 0.05,
    "initial_friction": 0.8,
}
# sigma^2 / (2 T) = 1: the friction at which noise of this amplitude has the cold temperature.
_SLOW_ADAPTIVE = {
    "step_size": 0.02,
    "noise_amplitude": (2 * COLD) ** 0.5,
    "initial_friction": 1.0,
}

_sgld = Method(to.sgld, _DESCENT, _SLOW_DESCENT, copies=0)
_langevin = Method(to.langevin, _INERTIA, _SLOW_INERTIA)
_adaptive = Method(to.adaptive_langevin, _ADAPTIVE, _SLOW_ADAPTIVE)
_sghmc = Method(to.sghmc, {"learning_rate": 0.04, "momentum": 0.8}, _SLOW_DESCENT)
_GRIDS = {"extra": 900, "needs_loss": True}
_tempering = Method(_tempered, {**_INERTIA, "alpha_step": 0.05}, _SLOW_INERTIA, **_GRIDS)
_psgld = Method(
    to.psgld,
    {"learning_rate": 0.05, "decay": 0.9, "damping": 0.1},
    {"learning_rate": 1.5e-2, "damping": 10.0},  # so that no metric is ever too large or small
)
_santa = Method(
    to.santa,
    {
        "learning_rate": 0.04,
        "friction": 1.0,
        "coupling": 0.5,
        "initial_friction": 0.8,
        "decay": 0.9,
        "damping": 0.1,
    },
    {"learning_rate": 1e-2, "damping": 10.0, "coupling": 0.05, "initial_friction": 2.0},
    copies=3,
)


def _with(method: Method, **settings: Any) -> Method:
    return dataclasses.replace(method, settings={**method.settings, **settings})


def _mass_for_each_layer(method: Method, **settings: Any) -> Method:
    make = _with_masses(method.constructor, _for_each_layer)
    return _with(dataclasses.replace(method, constructor=make), **settings)


def _mass_for_each_coordinate(method: Method, **settings: Any) -> Method:
    """The state keeps a record of these masses, like the parameters."""
    make = _with_masses(method.constructor, _for_each_coordinate)
    kept = {"copies": method.copies + 1, "single": 1, "given": 1}
    return _with(dataclasses.replace(method, constructor=make, **kept), **settings)


# A name with a hyphen is a variant: the suites whose programs take long to compile leave it out.
METHODS: dict[str, Method] = {
    "sgld": _sgld,
    "sgld-threefry13": _with(_sgld, generator="threefry13"),
    "sgld-inverse_cdf": _with(_sgld, generator="inverse_cdf"),
    "sgld-ternary": _with(_sgld, generator="ternary"),
    "sgld-jax": _with(_sgld, generator="jax"),
    "leimkuhler_matthews": Method(to.leimkuhler_matthews, _DESCENT, _SLOW_DESCENT),
    "langevin": _langevin,
    "langevin-OBABO": _with(_langevin, splitting="OBABO"),
    "langevin-BOAOB": _with(_langevin, splitting="BOAOB"),  # two baths, so two numbers a step
    "langevin-UBU": _with(_langevin, splitting="UBU"),
    "langevin-BOA": _with(_langevin, splitting="BOA"),
    "langevin-at-rest": _with(_langevin, initial_momentum="zero", mass=2.0),
    "langevin-mass-by-layer": _mass_for_each_layer(_langevin, splitting="BOAOB"),
    "langevin-mass-by-coordinate": _mass_for_each_coordinate(_langevin),
    "sghmc": _sghmc,
    "sghmc-mass-by-layer": _mass_for_each_layer(_sghmc),
    "sghmc-mass-by-coordinate": _mass_for_each_coordinate(_sghmc, gradient_noise=0.1),
    "adaptive_langevin": _adaptive,
    "adaptive_langevin-tensor": _with(_adaptive, thermostat="tensor"),
    "adaptive_langevin-ACDEDCAB": _with(_adaptive, splitting="ACDEDCAB"),
    "adaptive_langevin-ACDEDCAB-tensor": _with(
        _adaptive, splitting="ACDEDCAB", thermostat="tensor"
    ),
    "adaptive_langevin-SGNHT": _with(_adaptive, splitting="SGNHT"),
    "adaptive_langevin-SGNHT-tensor": _with(_adaptive, splitting="SGNHT", thermostat="tensor"),
    "adaptive_langevin-mass-by-layer": _mass_for_each_layer(_adaptive),
    "adaptive_langevin-mass-by-coordinate": _mass_for_each_coordinate(
        _adaptive, thermostat="tensor"
    ),
    "covariance_controlled_langevin": Method(
        to.covariance_controlled_langevin,
        {**_ADAPTIVE, "covariance_decay": 0.9},
        _SLOW_ADAPTIVE,
        copies=4,
    ),
    "psgld": _psgld,
    "psgld-frozen": _with(_psgld, adaptation_steps=3),
    "santa": _santa,
    "santa-refining": _with(_santa, exploration_steps=3, adaptation_steps=2),
    "lol": Method(_lol, _INERTIA, {"step_size": 0.04}, layers=2),
    "lala": Method(
        _lala,
        {"step_size": 0.2, "hidden_friction": 1.0, "output_friction": 2.0},
        _SLOW_INERTIA,
        layers=2,
    ),
    "continuous_tempering": _tempering,
    "continuous_tempering-paper": _with(_tempering, mode="paper"),
    "continuous_tempering-exploration": _with(_tempering, mode="exploration"),
    "continuous_tempering-layers": Method(
        _tempered_layers,
        {"step_size": 0.2, "hidden_friction": 1.0, "output_friction": 2.0},
        _SLOW_INERTIA,
        layers=2,
        **_GRIDS,
    ),
    "local_entropy": Method(
        _entropic,
        {"inner_learning_rate": 0.1, "scope": 0.1},
        {"inner_learning_rate": 2e-3},
        copies=2,
    ),
    "local_entropy-nesterov": Method(
        to.entropy_sgd,
        {"learning_rate": 1.0, "inner_learning_rate": 0.1, "scope": 0.1, "momentum": 0.5},
        {"inner_learning_rate": 1e-3},
        copies=3,
    ),
    "entropy_mcmc": Method(_guided, {"learning_rate": 0.1, "scope": 1.0}, {"learning_rate": 2e-3}),
    "tether": Method(_tethered, {**_DESCENT, "precision": 1.0}, _SLOW_DESCENT),
    "replicate": Method(replicated, _INERTIA, _SLOW_INERTIA, replicas=2, needs_loss=True),
    "replica_exchange": Method(
        exchanged, _INERTIA, _SLOW_INERTIA, replicas=2, extra=860, needs_loss=True
    ),
    "ctld": Method(
        _with_loss(to.ctld),
        {"learning_rate": 0.04, "momentum": 0.8, "sampling_steps": 500},
        _SLOW_DESCENT,
        **_GRIDS,
    ),
    # The samples they keep are the copies.
    "collect_samples": Method(_collecting, _DESCENT, _SLOW_DESCENT),
    "running_moments": Method(_averaging, _DESCENT, _SLOW_DESCENT, copies=3),
    "loss_covariances": Method(_influenced, _DESCENT, _SLOW_DESCENT, copies=0),
    "float32_masters": Method(_with_masters, _DESCENT, _SLOW_DESCENT),
    # Masses, here and in the state of the sampler, momenta, two gradients and two sums.
    "warm_up": Method(_warming, {"first_step": 0.2}, {"slowly": True}, copies=7, single=1, given=1),
    "adaptive_step": Method(_pacing, {**_INERTIA, "typical_square": 1.0}, _SLOW_INERTIA),
    "adlala": Method(_adlala, {**_ADAPTIVE, "friction": 1.0}, _SLOW_ADAPTIVE, layers=2),
}
PRIMARY = {name: method for name, method in METHODS.items() if "-" not in name}

# One of each kind. The longer tests of the contract run on all methods among the slow tests; at
# each change they take turns at these, so that every kind meets several tests of each file.
TURNS = (
    ("langevin", "ctld"),
    ("sgld", "replica_exchange"),
    ("adaptive_langevin", "adlala", "local_entropy"),
)
CORE = tuple(name for turn in TURNS for name in turn)
