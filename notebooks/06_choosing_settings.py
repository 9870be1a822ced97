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
# # Choosing temperature, friction and step size
#
# How to choose three numbers, and how to check the choice with thermometers: first in a harmonic well, where every answer is
# known, then with the noise of minibatches.

# %%
import functools
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests
T, SIZE = 0.5, 1_000
STEPS = 400 if FAST else 2_000

# %% [markdown]
# ## Step size: the error of discretisation
#
# In a well of curvature $k = 1$ the exact variance is $T$. At a learning rate $\delta$ SGLD has $T / (1 - \delta / 2)$.
# "BAOAB" has $T$ at any stable step size $h$. Other words have an error of order $h^2$; "OBABO" has that of SGLD at
# $\delta = h^2 / 2$, which the picture compares.


# %%
@functools.partial(jax.jit, static_argnums=0)
def readings(make, numbers):
    """Variance and kinetic temperature, in units of T, for each of the numbers."""

    def one(number):
        tx = make(number)

        def step(carry, _):
            x, state = carry
            updates, state = tx.update(x, state, x)  # the gradient of x^2 / 2
            x = optax.apply_updates(x, updates)
            return (x, state), jnp.mean(x**2) / T

        x = jnp.zeros(SIZE)
        return jax.lax.scan(step, (x, tx.init(x)), length=STEPS)[1][STEPS // 4 :].mean()

    return jax.vmap(one)(numbers)


h = jnp.linspace(0.2, 1.6, 8)
makers = {
    "SGLD": lambda h: to.sgld(h**2 / 2, T, key=0),
    "langevin, BAOAB": lambda h: to.langevin(h, T, friction=1.0, key=0),
    "langevin, OBABO": lambda h: to.langevin(
        h, T, friction=1.0, splitting="OBABO", key=0
    ),
}
markers = dict(zip(makers, ["o", "o", "x"], strict=True))
fig, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for name, make in makers.items():
    color = to.plot.colour_of(name)
    variances = readings(make, h)
    hollow = {"ms": 10, "mfc": "none"} if name == "SGLD" else {}
    ax.plot(h, variances, markers[name], color=color, label=name, **hollow)
    if name == "SGLD":
        fine = jnp.linspace(0.2, 1.6, 100)
        ax.plot(fine, 1 / (1 - fine**2 / 4), color=color, lw=1)
    if name == "langevin, BAOAB":
        assert jnp.all(jnp.abs(variances - 1) < (0.15 if FAST else 0.05))
ax.axhline(1, color="0.6", lw=1)
ax.set(
    xlabel=r"step size $h$ (SGLD: $\delta = h^2 / 2$)",
    ylabel="variance / T",
    ylim=(0.8, 2.5),
)
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# The limit of stability is a step size of $2 / \sqrt k$, where $k$ is the *largest* curvature of the landscape
# (`diagnostics.hessian_eigenvalues` measures it). A fifth to a half of the limit is a good choice for BAOAB.

# %% [markdown]
# ## Friction: how fast the chain forgets
#
# The variance does not depend on the friction, but the time to explore does. The picture shows the autocorrelation time of
# $x^2$, in steps, for several frictions.


# %%
def memory(friction):
    tx = to.langevin(0.3, T, friction=friction, key=0)

    def step(carry, _):
        x, state = carry
        updates, state = tx.update(x, state, x)
        return (optax.apply_updates(x, updates), state), x

    x = jnp.sqrt(T) * jax.random.normal(jax.random.key(1), (200,))
    _, xs = jax.lax.scan(step, (x, tx.init(x)), length=2 * STEPS)
    deviation = (xs**2 - T).T
    spectrum = jnp.abs(jnp.fft.rfft(deviation, n=4 * STEPS)) ** 2
    correlation = jnp.fft.irfft(spectrum).mean(0)[:200]
    return 1 + 2 * jnp.sum(correlation[1:] / correlation[0])


frictions = jnp.array([0.1, 0.3, 1.0, 2.0, 4.0, 10.0])
times = jax.jit(jax.vmap(memory))(frictions)
fig, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
ax.loglog(frictions, times, "o-", color=to.plot.colour_of("langevin"))
ax.set(
    xlabel=r"friction $\gamma$ / $\sqrt{k}$",
    ylabel="autocorrelation time of $x^2$ / steps",
)
ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
ax.set_yticks([10, 20, 50, 100], ["10", "20", "50", "100"])
assert FAST or 2 <= jnp.argmin(times) <= 3
plt.show()

# %% [markdown]
# For a well of curvature $k$ a friction of about $\sqrt k$ is best. A landscape has many curvatures, and the flattest
# direction is the slowest. So take the square root of a *small* curvature, that is, a low friction: `momentum=0.9` rather
# than 0.

# %% [markdown]
# ## Noise of minibatches: two thermometers
#
# Gradients of minibatches are noisy, and noise heats. If each gradient has noise of variance $s^2$, Langevin dynamics has
# the temperature
#
# $$ T_{\text{measured}} \approx T + \frac{h\, s^2}{2 \gamma}. $$
#
# `kinetic_temperature` reads the momenta, and `configurational_temperature` the parameters and their gradients. Both show
# the excess. Smaller steps, more friction, larger batches or a thermostat reduce it.


# %%
@functools.partial(jax.jit, static_argnums=0)
def thermometers(make, noises):
    def one(noise):
        tx = make()

        def step(carry, key):
            x, state = carry
            grads = x + noise * jax.random.normal(key, x.shape)
            configurational = to.diagnostics.configurational_temperature(x, x).value
            updates, state = tx.update(grads, state, x)
            kinetic = to.diagnostics.kinetic_temperature(state).value
            x = optax.apply_updates(x, updates)
            return (x, state), jnp.stack([kinetic, configurational]) / T

        x = jnp.zeros(SIZE)
        keys = jax.random.split(jax.random.key(1), STEPS)
        return jax.lax.scan(step, (x, tx.init(x)), keys)[1][STEPS // 2 :].mean(0)

    return jax.vmap(one)(noises)


STEP, FRICTION = 0.2, 0.5
noises = jnp.linspace(0, 2.0, 5)
plain = thermometers(lambda: to.langevin(STEP, T, friction=FRICTION, key=0), noises)
thermostat = thermometers(
    lambda: to.adaptive_langevin(
        STEP,
        T,
        noise_amplitude=0.7,
        coupling=0.5,
        initial_friction=0.5,
        thermostat_energy="mean",
        splitting="BADODAB",
        key=0,
    ),
    noises,
)
fig, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for found, name in [(plain, "langevin"), (thermostat, "adaptive_langevin")]:
    color = to.plot.colour_of(name)
    ax.plot(noises, found[:, 0], "o", color=color, label=f"{name}, kinetic")
    ax.plot(noises, found[:, 1], "x", color=color, label=f"{name}, configurational")
fine = jnp.linspace(0, 2, 100)
predicted = 1 + STEP * fine**2 / (2 * FRICTION * T)
ax.plot(fine, predicted, color=to.plot.colour_of("langevin"), lw=1)
ax.axhline(1, color=to.plot.colour_of("adaptive_langevin"), lw=1)
ax.set(
    xlabel="standard deviation of the gradient noise",
    ylabel="measured / set temperature",
)
ax.legend(loc="upper left")
assert jnp.all(jnp.abs(thermostat - 1) < (0.25 if FAST else 0.1))
assert plain[-1].min() > 2
plt.show()

# %% [markdown]
# The thermostat absorbs the noise as long as its friction stays positive and its coupling is strong enough to follow. It
# cannot tell directions apart: if the noise differs between coordinates, their mean temperature is right, but each one's is
# not. Then use `covariance_controlled_langevin`, or one thermostat for each tensor.

# %% [markdown]
# ## Let the sampler choose
#
# `warm_up` does all this in the first steps: it takes the step from the way in which gradients turn, the friction from the
# slowest motion, and checks the temperature. Here are 1,000 wells with curvatures from 0.01 to 1, so that the slowest
# frequency is 0.1. The first guess of the step is a thousand times too small.

# %%
curvatures = jnp.linspace(0.01, 1, SIZE)
sampler = functools.partial(to.langevin, temperature=T, key=0)
tx = to.warm_up(sampler, 1_000, learn=("step_size", "friction"), step_size=1e-3)
chains = to.init_chains(tx, lambda key: jax.random.normal(key, (SIZE,)), 2, key=1)
chains, _ = to.run_chains(tx, lambda x: jnp.sum(curvatures * x**2) / 2, chains, 1_000)
report = to.warm_up_report(jax.tree.map(lambda leaf: leaf[0], chains.state))
print(report)
assert 0.5 < report.step_size < 1.5 and 0.02 < report.friction < 0.3

# %% [markdown]
# ## Temperature
#
# For a posterior the temperature is given: $1 / N$ for a mean loss over $N$ examples. For training it is a choice, and
# equipartition of energy helps: each parameter that the data determine raises the loss by $T / 2$. If a network has $d$ such
# parameters, and the training loss may rise by 0.01, choose $T = 0.02 / d$.

# %%
for parameters in (300, 10_000, 1_000_000):
    print(f"{parameters:9,} parameters: T = {0.02 / parameters:.0e} for a rise of 0.01")

# %% [markdown]
# As a rule, make the output layer colder than hidden layers (see [notebook 02](02_langevin_and_layers.ipynb)). A schedule
# that ends at 0, or `explore_then_refine`, removes the rise at the end of training.
