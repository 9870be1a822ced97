"""What a user's script looks like; `make lint` checks it with pyright in strict mode.

It is not run: `tests/docs` runs such code. Whatever is untyped or imprecise in the signatures of
the package would be an error here, in the user's own file.
"""
# pyright: strict
# Two rules are off, because of jax.jit and jax.grad, which are partially untyped, and of optax.
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

import functools
from typing import cast

import jax
import jax.numpy as jnp
import optax

import thermo_optax as to

Params = dict[str, dict[str, jax.Array]]


def loss(params: Params) -> jax.Array:
    return jnp.sum(params["hidden"]["w"] ** 2) + jnp.sum(params["output"]["w"] ** 2)


def optimizers(params: Params) -> list[optax.GradientTransformationExtraArgs]:
    temperature = to.units.posterior_temperature(1_000)
    cooling = optax.cosine_decay_schedule(1e-3, 100)
    labels = to.label_layers(params, {"hot": "first", "cold": "last"})
    adlala = to.adlala(
        0.1,
        adaptive_groups={"hot": 1e-3},
        langevin_groups={"cold": 1e-7},
        param_labels=labels,
        key=0,
    )
    sampler = to.langevin(0.1, temperature, friction=optax.constant_schedule(1.0), key=0)
    ladder = {"temperature": to.geometric_ladder(1.0, 4.0, 4)}
    return [
        to.sgld(0.1, cooling, key=jax.random.key(0)),
        to.sghmc(jnp.float32(0.1), temperature=0.0, momentum=0.9, key=0),
        to.continuous_tempering(adlala, 1e-3, mode="exact", bias=to.metadynamics(), key=1),
        to.ctld(0.1, 1e-3, sampling_steps=100, key=0),
        to.local_entropy(sampler, optax.adam(0.1), scope=to.scoping(1e-4, 1e-3)),
        to.collect_samples(optax.chain(optax.clip(1.0), sampler), num_samples=10),
        to.explore_then_refine(to.running_moments(sampler, burn_in=10), exploration_steps=50),
        to.replica_exchange(sampler, ladder, key=0),
    ]


@functools.partial(jax.jit, static_argnums=0)
def step(
    tx: optax.GradientTransformationExtraArgs, params: Params, state: optax.OptState
) -> tuple[Params, optax.OptState, jax.Array]:
    value, grads = jax.value_and_grad(loss)(params)
    updates, state = tx.update(grads, state, params, value=value)
    return cast(Params, optax.apply_updates(params, updates)), state, value


def readings(params: Params, state: optax.OptState) -> dict[str, float]:
    kinetic = to.diagnostics.kinetic_temperature(state)
    assert isinstance(kinetic, to.diagnostics.Temperature)
    tempering = to.tempering_state(state)
    outer = to.local_entropy_params(state, params)
    report = to.validate(lambda key: to.sgld(0.1, temperature=1.0, key=key))
    best = to.best_replica(state, params)
    return {
        "temperature": float(kinetic.value),
        "alpha": float(tempering.alpha),
        "outer": float(loss(outer)),
        "best": float(loss(best)),
        "passed": float(report.passed),
    }
