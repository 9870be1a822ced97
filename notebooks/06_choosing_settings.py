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
# Three numbers, and thermometers to judge them by. First in a harmonic well, where every answer is known, then with the noise
# of minibatches.

# %%
import functools
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
T, SIZE = 0.5, 1_000
STEPS = 400 if FAST else 2_000

# %% [markdown]
# ## Step size: the error of discretisation
#
# In a well of curvature $k = 1$ the variance ought to be $T$. At a finite step SGLD has $T / (1 - \delta / 2)$. "BAOAB" has $T$ at
# any stable step; other words have an error of order $h^2$ ("OBABO" has exactly that of SGLD). To compare, $\delta = h^2 / 2$.


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
    "SGLD": (lambda h: to.sgld(h**2 / 2, T, key=0), ORANGE),
    "langevin, BAOAB": (lambda h: to.langevin(h, T, friction=1.0, key=0), BLUE),
    "langevin, OBABO": (lambda h: to.langevin(h, T, friction=1.0, splitting="OBABO", key=0), GREEN),
}
fig, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for name, (make, color) in makers.items():
    variances = readings(make, h)
    hollow = {"ms": 10, "mfc": "none"} if name == "SGLD" else {}
    ax.plot(h, variances, "o", color=color, label=name, **hollow)
    if name == "SGLD":
        ax.plot(h, 1 / (1 - h**2 / 4), color=color, lw=1)
    if name == "langevin, BAOAB":
        assert jnp.all(jnp.abs(variances - 1) < (0.15 if FAST else 0.05))
ax.axhline(1, color=GREY, lw=1)
ax.set(xlabel=r"step size $h$ (SGLD: $\delta = h^2 / 2$)", ylabel="variance / T", ylim=(0.8, 2.5))
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# A step size of $2 / \sqrt k$ is the limit of stability, for the *largest* curvature $k$ of the landscape (`diagnostics.hessian_eigenvalues`
# gives it). A fifth to a half of it is a good choice for BAOAB.

# %% [markdown]
# ## Friction: how fast the chain forgets
#
# The variance does not depend on the friction, the time to explore does. The autocorrelation time of $x^2$, in steps, for
# several frictions:


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
ax.loglog(frictions, times, "o-", color=BLUE)
ax.set(xlabel=r"friction $\gamma$ / $\sqrt{k}$", ylabel="autocorrelation time of $x^2$ / steps")
ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
ax.set_yticks([10, 20, 50, 100], ["10", "20", "50", "100"])
assert FAST or 2 <= jnp.argmin(times) <= 3
plt.show()

# %% [markdown]
# About $\gamma = \sqrt k$ is best for a well of curvature $k$. A landscape has many curvatures; the slowest direction is the flattest one, so
# take the square root of a *small* curvature, that is, a low friction: `momentum=0.9` rather than 0.

# %% [markdown]
# ## Noise of minibatches: two thermometers
#
# Gradients of minibatches are noisy, and noise heats. With a noise of variance $s^2$ in each gradient Langevin dynamics is at
#
# $$ T_{\text{measured}} \approx T + \frac{h\, s^2}{2 \gamma}. $$
#
# `kinetic_temperature` reads the momenta, `configurational_temperature` the parameters and their gradients. Both see it. Smaller
# steps, more friction or larger batches help, or a thermostat.


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
for found, color, name in [(plain, ORANGE, "langevin"), (thermostat, BLUE, "adaptive_langevin")]:
    ax.plot(noises, found[:, 0], "o", color=color, label=f"{name}, kinetic")
    ax.plot(noises, found[:, 1], "x", color=color, label=f"{name}, configurational")
ax.plot(noises, 1 + STEP * noises**2 / (2 * FRICTION * T), color=ORANGE, lw=1)
ax.axhline(1, color=BLUE, lw=1)
ax.set(xlabel="standard deviation of the gradient noise", ylabel="measured / set temperature")
ax.legend(loc="upper left")
assert jnp.all(jnp.abs(thermostat - 1) < (0.25 if FAST else 0.1))
assert plain[-1].min() > 2
plt.show()

# %% [markdown]
# The thermostat has room for noise as long as its friction stays positive and its coupling is strong enough to follow. It cannot tell
# directions apart: if the noise differs between coordinates, their mean is right and each is not; then
# `covariance_controlled_langevin`, or one thermostat for each tensor.

# %% [markdown]
# ## Temperature
#
# For a posterior it is given: $1 / N$ for a mean loss over $N$ examples. For training it is a choice, and energy equipartition helps: each
# parameter that the data determine raises the loss by $T / 2$. A network of $d$ such parameters, for which a rise of 0.01
# of the training loss is acceptable, may be at $T = 0.02 / d$.

# %%
for parameters in (300, 10_000, 1_000_000):
    print(f"{parameters:9,} parameters: T = {0.02 / parameters:.0e} for a rise of 0.01")

# %% [markdown]
# As a rule the output layer should be colder than hidden ones (see [notebook 02](02_langevin_and_layers.ipynb)), and a schedule that
# ends at 0, or `explore_then_refine`, takes the rise away at the end of a training.
