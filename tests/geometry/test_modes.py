"""Successive and opaque updates of one state, what each refuses, and which derivatives pass."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit


@pytest.mark.parametrize("name", ["grad_fn", "value_fn"])
def test_functions_that_would_not_be_called(name):
    x = jnp.ones(3)
    for tx in (to.entropy_sgd(key=0), to.entropy_adam(key=0), to.parle()):
        point = x[:, None]
        with pytest.raises(TypeError, match=f"`{name}` is for `opaque=True`.* pass `opaque=True`"):
            tx.update(point, tx.init(point), point, **{name: lambda x, i: x})


@pytest.mark.parametrize("make", [to.local_entropy, to.entropy_mcmc])
def test_parameters_that_would_be_broadcast(make):
    """The mean over replicas, for instance, instead of the replicas."""
    inner = optax.sgd(0.1)
    tx = make(inner, optax.sgd(1.0)) if make is to.local_entropy else make(inner, scope=1.0)
    x = {"w": jnp.ones((3, 2))}
    for wrong in ({"w": x["w"][:1]}, {"w": x["w"][0]}):
        with pytest.raises(ValueError, match=r"`updates\['w'\]` has shape \(3, 2\), but `params`"):
            tx.update(x, tx.init(x), wrong)
    with pytest.raises(ValueError, match=r"`updates` must have the tree structure of `params`"):
        tx.update(x, tx.init(x), {"v": x["w"]})


def test_a_state_goes_on_with_the_settings_of_another():
    """A shorter loop ends with the next step; an opaque update ends the loop that it finds."""
    x, start = jnp.ones(3), jnp.full(3, 2.0)
    long, short = (
        quick(to.local_entropy(optax.sgd(0.1), optax.sgd(1.0), num_inner_steps=steps, scope=0.0))
        for steps in (20, 5)
    )
    state, point = long.init(start), start
    for _ in range(12):
        updates, state = long.update(x, state, point)
        point = optax.apply_updates(point, updates)
    updates, jumped = short.update(x, state, point)
    assert jumped.inner_step == 0 and jumped.outer_step == 1
    after = optax.apply_updates(point, updates)
    np.testing.assert_allclose(after, to.local_entropy_params(jumped, after), rtol=1e-6)

    opaque = to.local_entropy(
        optax.sgd(0.1), optax.sgd(1.0), num_inner_steps=5, scope=0.0, opaque=True
    )
    jump = quick_jit(lambda *given: opaque.update(*given, grad_fn=lambda point, i: x))
    updates, ended = jump(x, state, point)
    assert ended.inner_step == 0 and ended.outer_step == 1
    after = optax.apply_updates(point, updates)
    np.testing.assert_allclose(after, to.local_entropy_params(ended, after), rtol=1e-6)


def telling():
    """Moves by the `value` that it is given, or by 1 if there is none."""

    def update(updates, state, params=None, *, value=1.0, **extra_args):
        del params, extra_args
        return jax.tree.map(lambda g: jnp.full_like(g, value), updates), state

    return optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), update)


def test_a_value_is_that_of_the_first_inner_step():
    """Later ones are at other parameters: they have the value of `value_fn`, or none."""
    tx = to.local_entropy(
        *(telling(), optax.sgd(1.0)),
        num_inner_steps=3, scope=0.0, new_sample_weight=1.0, opaque=True,
    )  # fmt: skip
    x = jnp.zeros(2)
    update = jax.tree_util.Partial(tx.update, x, tx.init(x), x, grad_fn=lambda point, i: point)
    moved, _ = update(value=7.0)
    np.testing.assert_array_equal(moved, 7 + 1 + 1)
    moved, _ = update(value=7.0, value_fn=lambda point, i: jnp.float32(i))
    np.testing.assert_array_equal(moved, 0 + 1 + 2)


@pytest.mark.parametrize("part", ["mixing", "inner", "outer"])
def test_every_part_is_told_what_the_update_is_told(part):
    still = optax.set_to_zero()
    parts = {"mixing": optax.identity(), "inner": optax.identity(), "outer": optax.identity()}
    parts |= {"inner": still} if part == "outer" else {"outer": optax.sgd(1.0)}
    x = jnp.zeros(2)

    def moved(told, **extra_args):
        tx = to.local_entropy(
            **(parts | {part: told}),
            num_inner_steps=2, scope=0.0, new_sample_weight=1.0, restart_mixing=False,
        )  # fmt: skip
        state, moves = tx.init(x), []
        for value in (5.0, 7.0):
            updates, state = tx.update(x, state, x, value=value, **extra_args)
            moves.append(float(updates[0]))
        return moves

    assert moved(telling()) == ([0, 7] if part == "outer" else [5, 7])
    sampler = to.sgld(0.1, temperature=1.0, key=0)
    assert moved(sampler) != [0, 0]
    assert moved(sampler, temperature_scale=0.0) == [0, 0]
    deaf = optax.GradientTransformation(sampler.init, lambda g, s, p=None: sampler.update(g, s, p))
    with pytest.raises(ValueError, match="temperature_scale"):
        moved(deaf, temperature_scale=0.0)


def test_which_derivatives_pass_through_an_update():
    """Forwards through any update; backwards through none that may take an outer step."""
    tx, x = to.entropy_sgd(0.5, 0.0, num_inner_steps=2, scope=0.1, key=0), jnp.ones(3)

    def end(x):
        state = tx.init(x)
        for _ in range(2):
            updates, state = tx.update(jnp.sin(x), state, x)
            x = optax.apply_updates(x, updates)
        return jnp.sum(x)

    _, slope = quick_jit(lambda x: jax.jvp(end, (x,), (jnp.ones(3),)))(x)
    step, run = 1e-2, quick_jit(end)
    expected = (run(x + step) - run(x - step)) / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=1e-3)
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        jax.eval_shape(jax.grad(end), x)
