"""The rows of docs/migration.md: one step of the other library and of ours have the same law.

All coordinates start alike and feel the same gradient, so that each is a sample of one step. What
differs between the libraries is of second order in a friction times a step, which is small here.
"""

import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick_jit

SIZE = 100_000
X, P, GRAD = (jnp.full(SIZE, value) for value in (1.0, 0.7, -0.4))  # GRAD of the loss
T, KEY = 0.6, jax.random.key(1)


def same_law(theirs, ours):
    """Mean and deviation of a coordinate, to 5 standard errors and half a percent."""
    theirs, ours = np.asarray(theirs, np.float64), np.asarray(ours, np.float64)
    assert theirs.shape == ours.shape == (SIZE,)
    deviation = max(theirs.std(), ours.std())
    error = 5 * deviation * np.sqrt(2 / SIZE)
    np.testing.assert_allclose(theirs.mean(), ours.mean(), rtol=5e-3, atol=error)
    np.testing.assert_allclose(theirs.std(), ours.std(), rtol=5e-3, atol=error)


def ours(tx, **fields):
    """One update from X with some fields of the state set: (displacement, new state)."""
    state = tx.init(X)._replace(**fields)
    return quick_jit(tx.update)(GRAD, state, X)


def nose_hoover(step_size, temperature, amplitude, friction, **options):
    return to.adaptive_langevin(
        step_size,
        temperature,
        noise_amplitude=amplitude,
        coupling=1.0,
        initial_friction=friction,
        thermostat_energy="mean",
        splitting="SGNHT",
        key=0,
        **options,
    )


class TestBlackJAX:
    H, ALPHA = 0.1, 0.05

    @pytest.fixture(autouse=True)
    def diffusions(self):
        pytest.importorskip("blackjax", reason="BlackJAX is not installed")
        from blackjax.sgmcmc import diffusions

        return diffusions

    def test_sgld(self, diffusions):
        moved = diffusions.overdamped_langevin()(KEY, X, -GRAD, 0.1, T)
        same_law(moved - X, ours(to.sgld(0.1, T, key=0))[0])

    def test_sghmc(self, diffusions):
        h = self.H
        moved, momentum = diffusions.sghmc(self.ALPHA)(KEY, X, P, -GRAD, h, T)
        displacement, state = ours(
            to.sghmc(h**2, T, momentum=1 - self.ALPHA * h, key=0), momentum=P
        )
        same_law(momentum, state.momentum)
        np.testing.assert_allclose(moved - X, h * P, rtol=1e-5)  # explicit Euler: the old momentum
        np.testing.assert_allclose(displacement, h * state.momentum, rtol=1e-5)  # the new one

    def test_sgnht(self, diffusions):
        h, alpha, beta = self.H, self.ALPHA, 0.1
        step = diffusions.sgnht(alpha, beta)
        moved, momentum, friction = step(KEY, X, P, jnp.float32(0.05), -GRAD, h, T)
        amplitude = (T * (2 * alpha - h * T * beta)) ** 0.5
        displacement, state = ours(nose_hoover(h, T, amplitude, 0.05), momentum=P)
        same_law(momentum, state.momentum)
        np.testing.assert_allclose(friction, state.friction, rtol=5e-3)
        np.testing.assert_allclose(moved - X, h * P, rtol=1e-5)
        np.testing.assert_allclose(displacement, h * state.momentum, rtol=1e-5)

    @pytest.mark.slow
    def test_explicit_euler_samples_another_law_at_the_same_settings(self):
        """The numbers of the page: curvatures 1 and 10, step 0.05, friction 1."""
        import blackjax

        h, alpha = 0.05, 1.0
        curvature = jnp.repeat(jnp.array([1.0, 10.0]), 500)
        start = jax.random.normal(KEY, curvature.shape) / jnp.sqrt(curvature)

        def gradient(x, _=None):
            return -curvature * x

        def variances(step, state, position, steps):
            """k <x^2> / T for each curvature, over the last two thirds."""

            def add(carry, key):
                state, total, count = carry
                state = step(key, state)
                total = jnp.where(count < steps // 3, total, total + position(state) ** 2)
                return (state, total, count + 1), None

            def run(state):
                carry = state, jnp.zeros_like(curvature), 0
                return jax.lax.scan(add, carry, jax.random.split(KEY, steps))[0][1]

            total = jax.jit(run)(state) * curvature / (steps - steps // 3)
            return total.reshape(2, -1).mean(1)

        def of_ours(tx):
            def step(_, carry):
                x, state = carry
                updates, state = tx.update(-gradient(x), state, x)
                return x + updates, state

            return variances(step, (start, tx.init(start)), lambda carry: carry[0], 8_000)

        sghmc = blackjax.sghmc(gradient, 10, alpha)
        theirs = variances(lambda k, x: sghmc.step(k, x, None, h), start, lambda x: x, 1_600)
        np.testing.assert_allclose(theirs, [1.09, 1.21], atol=0.04)
        of_sghmc = of_ours(to.sghmc(h**2, 1.0, momentum=1 - alpha * h, key=0))
        np.testing.assert_allclose(of_sghmc, 1.0, atol=0.03)
        sgnht = blackjax.sgnht(gradient, alpha)
        first = sgnht.init(start, KEY, jnp.float32(alpha))
        theirs = variances(
            lambda k, s: sgnht.step(k, s, None, h), first, lambda s: s.position, 8_000
        )
        np.testing.assert_allclose(theirs, [0.77, 1.18], atol=0.04)
        np.testing.assert_allclose(of_ours(nose_hoover(h, 1.0, 2**0.5, 1.0)), 0.975, atol=0.03)


class TestSGMCMCJax:
    DT, A = 0.01, 1e-3

    @pytest.fixture(autouse=True)
    def diffusions(self, monkeypatch):
        # Its progress bars import a module that jax no longer has; nothing here calls it.
        gone = types.ModuleType("jax.experimental.host_callback")
        if not hasattr(jax.experimental, "host_callback"):
            monkeypatch.setitem(sys.modules, gone.__name__, gone)
            monkeypatch.setattr(jax.experimental, "host_callback", gone, raising=False)
        return pytest.importorskip("sgmcmcjax.diffusions", reason="SGMCMCJax is not installed")

    def step(self, diffusion, fields, index=1):
        """One step from X and the fields after it; `index` 0 would draw the momenta anew."""
        init, update, *_ = diffusion
        update = update[0] if isinstance(update, tuple) else update
        state = init(X)
        leaves = [X, *map(jnp.asarray, fields)]
        state = type(state)([leaves], state.tree_def, state.subtree_defs)
        return update(index, KEY, -GRAD, state).packed_state[0]

    def test_sgld(self, diffusions):
        (moved,) = self.step(diffusions.sgld(self.DT), ())
        same_law(moved - X, ours(to.sgld(self.DT, 1.0, key=0))[0])

    def test_psgld(self, diffusions):
        moved, _ = self.step(diffusions.psgld(self.DT, 0.9, 1e-3), (GRAD**2,))
        tx = to.psgld(self.DT / 2, 1.0, decay=0.9, damping=1e-3, key=0)
        count = jnp.int32(200)  # past the correction of the running mean, which theirs lacks
        same_law(moved - X, ours(tx, second_moment=GRAD**2, count=count)[0])

    def test_sghmc(self, diffusions):
        h, alpha = self.DT**0.5, 1e-3
        moved, velocity = self.step(diffusions.sghmc(self.DT, alpha), (h * P,))
        displacement, state = ours(to.sghmc(self.DT, 1.0, momentum=1 - alpha, key=0), momentum=P)
        same_law(velocity / h, state.momentum)
        np.testing.assert_allclose(moved - X, h * P, rtol=1e-4)  # explicit Euler
        np.testing.assert_allclose(displacement, h * state.momentum, rtol=1e-4)

    def test_sgnht(self, diffusions):
        h = self.DT**0.5
        fields = self.step(diffusions.sgnht(self.DT, self.A), (h * P, self.A))
        moved, _, friction = fields
        tx = nose_hoover(h, 1.0, (2 * self.A / h) ** 0.5, self.A / h, thermostat="tensor")
        displacement, state = ours(tx, momentum=P)
        same_law(moved - X, displacement)
        np.testing.assert_allclose(friction / h, state.friction[0], rtol=5e-3)

    def test_baoab(self, diffusions):
        dt, gamma, tau = 0.1, 0.5, 0.8
        half = P + dt / 2 * GRAD  # their velocity is half a kick later in the cycle
        moved, velocity = self.step(diffusions.baoab(dt, gamma, tau), (P,))
        displacement, state = ours(to.langevin(dt, tau**2, friction=gamma, key=0), momentum=half)
        same_law(moved - X, displacement)
        same_law(velocity, state.momentum)

    def test_badodab(self, diffusions):
        """For one coordinate: their thermostat compares |p|, and ours p.p, with the number."""
        dt, a = 0.1, 0.3
        velocity, momentum = jnp.ones(1), jnp.ones(1) * (1 + dt / 2 * GRAD[0])
        init, (update, _), _ = diffusions.badodab(dt, a)
        state = init(X[:1])
        state = type(state)([[X[:1], velocity, jnp.float32(a)]], state.tree_def, state.subtree_defs)
        keys = jax.random.split(KEY, SIZE)
        moved, _, _ = jax.vmap(lambda key: update(1, key, -GRAD[:1], state).packed_state[0])(keys)

        def one(key):
            tx = to.adaptive_langevin(
                dt, 1.0, noise_amplitude=1.0, coupling=1.0, initial_friction=a,
                splitting="BADODAB", key=key,
            )  # fmt: skip
            return tx.update(GRAD[:1], tx.init(X[:1])._replace(momentum=momentum), X[:1])[0]

        same_law((moved - 1)[:, 0], quick_jit(jax.vmap(one))(keys)[:, 0])


class TestPosteriors:
    LR, ALPHA = 0.1, 0.05

    @pytest.fixture(autouse=True)
    def torch(self):
        pytest.importorskip("posteriors", reason="posteriors is not installed")
        return pytest.importorskip("torch", reason="torch is not installed")

    def step(self, build, momenta=True, **options):
        """One update from X with the momenta P: the new state, with NumPy arrays."""
        import torch

        x, p, g = (torch.tensor(np.array(array)) for array in (X, P, -GRAD))

        def log_posterior(params, batch):
            return (params * g).sum(), torch.tensor([])

        given = {"momenta": p} if momenta else {}
        torch.manual_seed(0)
        transform = build(log_posterior, self.LR, temperature=T, **given, **options)
        return transform.update(transform.init(x), None)

    def new(self, result):
        state = result[0] if isinstance(result, tuple) else result
        momenta = getattr(state, "momenta", None)
        moved = np.asarray(state.params) - np.asarray(X)
        return moved, None if momenta is None else np.asarray(momenta), state

    def test_sgld(self):
        from posteriors.sgmcmc import sgld

        moved, *_ = self.new(self.step(sgld.build, momenta=False))
        same_law(moved, ours(to.sgld(self.LR, T, key=0))[0])

    def test_sghmc(self):
        from posteriors.sgmcmc import sghmc

        lr, alpha = self.LR, self.ALPHA
        moved, momenta, _ = self.new(self.step(sghmc.build, alpha=alpha))
        _, state = ours(to.sghmc(lr**2, T, momentum=1 - lr * alpha, key=0), momentum=P)
        same_law(momenta, state.momentum)
        np.testing.assert_allclose(moved, lr * P, rtol=1e-4)  # explicit Euler

    def test_baoa(self):
        baoa = pytest.importorskip("posteriors.sgmcmc.baoa", reason="this release has no BAOA")
        moved, momenta, _ = self.new(self.step(baoa.build, alpha=self.ALPHA, sigma=1.3))
        tx = to.langevin(self.LR, T, friction=self.ALPHA / 1.3**2, mass=1.3**2, key=0)
        displacement, state = ours(tx, momentum=P)
        same_law(moved, displacement)
        same_law(momenta, state.momentum)

    def test_sgnht(self):
        from posteriors.sgmcmc import sgnht

        lr, alpha, beta = self.LR, self.ALPHA, 0.1
        moved, momenta, theirs = self.new(self.step(sgnht.build, alpha=alpha, beta=beta, xi=0.05))
        amplitude = (T * (2 * alpha - lr * beta * T)) ** 0.5
        _, state = ours(nose_hoover(lr, T, amplitude, 0.05), momentum=P)
        same_law(momenta, state.momentum)
        np.testing.assert_allclose(moved, lr * P, rtol=1e-4)
        # Their thermostat reads the momentum before the step, ours the one after it.
        np.testing.assert_allclose(theirs.xi, 0.05 + lr * (0.7**2 - T), rtol=1e-4)


class TestDevinterp:
    LR = 0.1  # their epsilon, with nbeta = 1 / T

    def test_sgld(self):
        torch = pytest.importorskip("torch", reason="torch is not installed")
        pytest.importorskip("devinterp", reason="devinterp is not installed")
        from devinterp.optim.sgmcmc import SGMCMC

        torch.manual_seed(0)
        x = torch.nn.Parameter(torch.tensor(np.array(X)))
        optimizer = SGMCMC.sgld([x], lr=self.LR, localization=0.0, nbeta=1 / T)
        x.grad = torch.tensor(np.array(GRAD))
        optimizer.step()
        moved = x.detach().numpy() - np.asarray(X)
        same_law(moved, ours(to.sgld(self.LR / (2 * T), T, key=0))[0])
