# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Scaling out
#
# Replicas and parameters can be on many devices. The transformations do not know of devices: place the parameters, and the
# state follows. The CPU simulates the eight devices here, so this notebook shows *what* is computed and communicated, not how
# fast.

# %%
import os

# Before jax starts; on real devices leave this out.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import re

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests
devices = jax.devices()[:8]
print(len(devices), "devices")

# %% [markdown]
# ## The noise does not know of devices
#
# The noise of a coordinate is a function of the key, the step and the coordinate. So a sharded run draws the same numbers as
# a run on one device, each device draws only its own, and the noise needs no communication.

# %%
AUTO = jax.sharding.AxisType.Auto  # the compiler decides where intermediate results lie
mesh = jax.make_mesh((8,), ("x",), axis_types=(AUTO,), devices=devices)
split = jax.NamedSharding(mesh, jax.P("x"))

tx = to.langevin(0.1, 0.01, friction=1.0, key=0)
params = {"w": jnp.ones((64, 32))}
sharded = jax.device_put(params, split)

update = jax.jit(tx.update)
here, _ = update(params, tx.init(params), params)
there, state = update(sharded, tx.init(sharded), sharded)
print("largest difference", jnp.max(jnp.abs(here["w"] - jax.device_get(there["w"]))))
print("momentum lies on  ", len(state.momentum["w"].sharding.device_set), "devices")
assert jnp.allclose(here["w"], jax.device_get(there["w"]), atol=1e-6)

program = update.lower(sharded, tx.init(sharded), sharded).compile().as_text()
collectives = re.findall(
    r"(all-reduce|all-gather|all-to-all|collective-permute)\(", program
)
print("collectives in the step:", collectives)
assert not collectives

# %% [markdown]
# ## One replica a device
#
# Replicas have a leading axis. Shard it, and each device trains its own replica. An exchange moves rungs of the ladder and
# no weights, so each replica sends only one loss to the other devices.

# %%
RUNGS = 8
ladder = to.geometric_ladder(0.01, 0.3, RUNGS)


def init(key):
    first, second = jax.random.split(key)
    return {
        "w": jax.random.normal(first, (8, 64)) / 3,
        "v": jax.random.normal(second, (64,)) / 8,
    }


points = jax.random.normal(jax.random.key(1), (128, 8))
targets = jnp.sin(points.sum(1))


def loss(params):
    return jnp.mean((jnp.tanh(points @ params["w"]) @ params["v"] - targets) ** 2)


sampler = to.sghmc(0.01, 0.01, momentum=0.9, key=0)
exchange = to.replica_exchange(
    sampler,
    {"temperature": ladder},
    swap_period=5,
    normalization=0.02,
    path_length=400,
    key=2,
)


def step(params, state):
    values, grads = jax.vmap(jax.value_and_grad(loss))(params)
    updates, state = exchange.update(grads, state, params, value=values)
    return optax.apply_updates(params, updates), state


replicas = to.init_replicas(init, 3, RUNGS)
spread = jax.device_put(replicas, jax.NamedSharding(mesh, jax.P("x")))
train = jax.jit(step)
compiled = train.lower(spread, jax.jit(exchange.init)(spread)).compile()
moved = re.findall(
    r"= (\S+) (all-reduce|all-gather|collective-permute)\(", compiled.as_text()
)
dimensions = [re.search(r"\[([\d,]*)\]", shape)[1] for shape, _ in moved]
sizes = [np.prod([int(n) for n in found.split(",") if n]) for found in dimensions]
weights = sum(leaf[0].size for leaf in jax.tree.leaves(replicas))
print(
    f"a replica has {weights} weights; "
    f"the largest array that crosses devices has {max(sizes)} numbers"
)

# %% [markdown]
# ## The same run, on one device and on eight

# %%
single, many = (
    (replicas, exchange.init(replicas)),
    (spread, jax.jit(exchange.init)(spread)),
)
for _ in range(20):
    # Simulated devices share the threads of one CPU. Two steps at once may each hold
    # threads that the other one waits for, so wait here; real devices need no waiting.
    single, many = train(*single), jax.block_until_ready(train(*many))
gap = jax.tree.map(
    lambda a, b: jnp.max(jnp.abs(a - jax.device_get(b))), single[0], many[0]
)
print("largest difference after 20 steps", gap)
assert max(jax.tree.leaves(gap)) < 1e-3

steps = 50 if FAST else 400
for _ in range(20, steps):
    many = jax.block_until_ready(train(*many))
spread, state = many
print("replicas lie on", len(spread["w"].sharding.device_set), "devices")
print("swaps accepted ", state.swaps.acceptances, "of", state.swaps.attempts)
assert int(state.swaps.rounds) == (steps - 1) // 5

fig, ax = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
rounds = min(60, int(state.swaps.rounds))
to.plot.replica_paths(state.swaps.path[:rounds], values=ladder, ax=ax)
plt.show()

# %% [markdown]
# ## Data parallel, and both
#
# For data parallel training shard the batch and leave the parameters whole. The compiler averages the gradients, and every
# device draws the same noise, so the copies stay equal. A mesh with two axes does both: replicas along one axis, and the batch
# or the weights of each replica along the other. The page on checkpoints shows how to save sharded states.

# %%
two = jax.make_mesh(
    (4, 2), ("replica", "data"), axis_types=(AUTO, AUTO), devices=devices
)
batch = jax.device_put(points, jax.NamedSharding(two, jax.P("data")))
stacked = jax.device_put(
    to.init_replicas(init, 4, 4), jax.NamedSharding(two, jax.P("replica"))
)
independent = to.replicate(sampler, 4)


@jax.jit
def both(params, state, batch):
    def one(params):
        return jnp.mean((jnp.tanh(batch @ params["w"]) @ params["v"]) ** 2)

    updates, state = independent.update(jax.vmap(jax.grad(one))(params), state, params)
    return optax.apply_updates(params, updates), state


stacked, state = both(stacked, jax.jit(independent.init)(stacked), batch)
print(stacked["w"].sharding)
