"""Heat that wanders, around AdLaLa: continuous tempering, replica exchange, and constant heat.

Every arm spends the same number of gradients, so an arm of four replicas makes a quarter of the
steps; where the loss of all points decides on swaps, it pays for these passes too. In the last
fifth of its steps no arm has heat, since a network that is hot at its end errs for that alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import thermo_optax as to
from benchmarks.engine.networks import binary_accuracy, binary_loss, functional
from benchmarks.engine.problem import grid
from benchmarks.layers.planar import SIZES
from benchmarks.layers.settings import PROBLEMS

BATCH = PROBLEMS["spiral"].batch_size
POINTS = 500  # all of them, whose loss decides on swaps
REPLICAS, PERIOD = 4, 100
HEATED = 0.8  # of the steps
HEATS = (2.5e-4, 1e-3)  # of the hidden layer where heat wanders: its cold end
RATIOS = (2.0, 4.0, 16.0)  # of the hottest temperature to that
ADLALA = PROBLEMS["spiral"].methods["adlala"]  # but for the heat of its hidden layer
PLAIN = ADLALA.label
_NETWORKS, _BATCHES = 0x4E7, 0xBA7C4

init, apply = functional(SIZES)


class Arm(NamedTuple):
    """A way to spend the gradients, and the settings that it chooses from."""

    label: str
    kind: str  # whose colour it has
    make: Callable[..., optax.GradientTransformationExtraArgs]  # make(key, steps, **setting)
    settings: Sequence[Mapping[str, float]]
    replicas: int = 1
    cost: float = 1.0  # gradients a replica and step
    point: Callable[[Any, Any, jax.Array], Any] = lambda state, params, losses: params
    journey: Callable[[Any], Any] = lambda state: jnp.zeros(())  # looked at after each step

    def steps(self, gradients: int, chunks: int) -> int:
        """The steps of a chunk."""
        return max(1, int(gradients / (self.replicas * self.cost) / chunks))


def _sampler(key, hidden_temperature):
    row = {**ADLALA.settings[0], "hidden_temperature": hidden_temperature}
    return ADLALA.make(**row, key=key)


def _heated(steps, tx):
    return to.explore_then_refine(tx, jnp.round(HEATED * steps))


def _adlala(key, steps, hidden_temperature):
    return _heated(steps, _sampler(key, hidden_temperature))


def _apart(key, steps, hidden_temperature):
    return to.replicate(_adlala(key, steps, hidden_temperature), REPLICAS)


def _tempered(key, steps, hidden_temperature, heat_ratio):
    tempered = to.continuous_tempering(
        _sampler(key, hidden_temperature),
        hidden_temperature,
        mode="exploration",
        depth=1 - 1 / heat_ratio,  # it wanders between T and T / (1 - depth)
        key=key,
    )
    return _heated(steps, tempered)


def _exchanged(key, steps, hidden_temperature, heat_ratio):
    rungs = hidden_temperature * heat_ratio ** (jnp.arange(REPLICAS) / (REPLICAS - 1))
    return to.replica_exchange(
        _adlala(key, steps, hidden_temperature),
        {"temperature": rungs},
        reference_temperature=hidden_temperature,
        energy="value_fn",
        swap_period=PERIOD,
        key=key,
    )


def _ctld(key, steps, learning_rate, temperature):
    sampling = jnp.round(HEATED * steps)
    return to.ctld(learning_rate, temperature, momentum=0.9, sampling_steps=sampling, key=key)


def _lowest(state, params, losses):
    del state
    return jax.tree.map(lambda leaf: leaf[jnp.argmin(losses)], params)


def _coldest(state, params, losses):
    del losses
    return jax.tree.map(lambda leaf: leaf[0], to.by_rung(state, params))


def _alpha(state):
    return to.tempering_state(state).alpha


WANDERING = grid(hidden_temperature=HEATS, heat_ratio=RATIOS)
CONSTANT = grid(hidden_temperature=(1.25e-4, 2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3))
ARMS = {
    "adlala": Arm(PLAIN, "adlala", _adlala, CONSTANT),
    "tempered": Arm(
        "continuous tempering of AdLaLa",
        "continuous_tempering",
        _tempered,
        WANDERING,
        journey=_alpha,
    ),
    "ctld": Arm(
        "CTLD",
        "ctld",
        _ctld,
        grid(learning_rate=(0.05, 0.1), temperature=(1e-6, 1e-5, 1e-4)),
        journey=_alpha,
    ),
    "apart": Arm(
        f"AdLaLa, the best of {REPLICAS}",
        "replicate",
        _apart,
        CONSTANT,
        REPLICAS,
        point=_lowest,
    ),
    "exchanged": Arm(
        f"replica exchange of AdLaLa, {REPLICAS} temperatures",
        "replica_exchange",
        _exchanged,
        WANDERING,
        REPLICAS,
        cost=1 + POINTS / BATCH / 3 / PERIOD,  # a pass through the network, of three of a gradient
        point=_coldest,
    ),
}


class Run(NamedTuple):
    """One run: its setting, key and points."""

    setting: Mapping[str, jax.Array]
    key: jax.Array
    data: Any  # of `PlanarData`


def programs(arm: Arm, steps: int, length: int) -> tuple[Callable, Callable, Callable]:
    """start(runs), advance(runs, carry, chunk=number) and measure(runs, carry), of all runs.

    `steps` are those of a whole run, `length` those of a chunk. The runs take turns, so that swaps
    look at all points in rounds of swaps only.
    """
    each = jax.vmap if arm.replicas > 1 else lambda fn: fn

    def loss(params, points, labels):
        return binary_loss(apply(params, points), labels)

    def start(run):
        key = jax.random.fold_in(run.key, _NETWORKS)
        keys = jax.random.split(key, arm.replicas)
        params = jax.vmap(init)(keys) if arm.replicas > 1 else init(keys[0])
        return params, arm.make(run.key, steps, **run.setting).init(params)

    def advance(run, carry, chunk):
        points, labels = run.data.train_points, run.data.train_labels
        tx = arm.make(run.key, steps, **run.setting)
        key = jax.random.fold_in(jax.random.fold_in(run.key, _BATCHES), chunk)

        def step(carry, index):
            params, state = carry
            batch = points[index], labels[index]
            values, grads = each(lambda p: jax.value_and_grad(loss)(p, *batch))(params)
            extra = {"value_fn": lambda p: loss(p, points, labels)} if arm.replicas > 1 else {}
            updates, state = tx.update(grads, state, params, value=values, **extra)
            return (optax.apply_updates(params, updates), state), arm.journey(state)

        return jax.lax.scan(step, carry, jax.random.randint(key, (length, BATCH), 0, len(labels)))

    def measure(run, carry):
        params, state = carry
        losses = each(lambda p: loss(p, run.data.train_points, run.data.train_labels))(params)
        point = arm.point(state, params, losses)
        return binary_accuracy(apply(point, run.data.test_points), run.data.test_labels)

    def turns(fn):
        return jax.jit(lambda *runs, **same: jax.lax.map(lambda run: fn(*run, **same), runs))

    return turns(start), turns(advance), turns(measure)
