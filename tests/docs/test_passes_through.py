"""The table of docs/passes-through.md is made here: what each wrapper hands on is tried."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import thermo_optax as to
from tests.compiling import quick_jit
from tests.test_architecture import REPOSITORY

PAGE = REPOSITORY / "docs" / "passes-through.md"
X = jnp.ones(16)


def plain(tx):
    """A user's own wrapper that knows no extra arguments."""
    return optax.GradientTransformation(tx.init, lambda g, state, params=None: tx.update(g, state))


WRAPPERS = {
    "`optax.chain`": lambda tx: optax.chain(optax.identity(), tx),
    "`optax.named_chain`": lambda tx: optax.named_chain(("first", optax.identity()), ("last", tx)),
    "`optax.partition`": lambda tx: optax.partition({"all": tx}, lambda params: "all"),
    "`optax.masked`": lambda tx: optax.masked(tx, True),
    "`optax.inject_hyperparams`": lambda tx: optax.inject_hyperparams(lambda rate: tx)(0.1),
    "`optax.flatten`": optax.flatten,
    "`optax.apply_if_finite`": lambda tx: optax.apply_if_finite(tx, 3),
    "`optax.conditionally_transform`": lambda tx: optax.conditionally_transform(
        tx, lambda step: True
    ),
    "`optax.MultiSteps`, outermost": lambda tx: optax.MultiSteps(tx, 2),
    "`optax.MultiSteps` in a chain": lambda tx: optax.chain(optax.MultiSteps(tx, 2)),
    "`optax.lookahead`": lambda tx: _of_fast(optax.lookahead(tx, 3, 0.5)),
    "your own, without extra arguments": plain,
    "`heated`": to.heated,
    "`float32_masters`": to.float32_masters,
    "`collect_samples`": lambda tx: to.collect_samples(tx, 2),
    "`running_moments`": to.running_moments,
    "`loss_covariances`": lambda tx: to.loss_covariances(tx, jnp.square),
    "`entropy_mcmc`": lambda tx: to.entropy_mcmc(tx, scope=1.0),
    "`explore_then_refine`": lambda tx: to.explore_then_refine(tx, 100),
    "`continuous_tempering`": lambda tx: to.continuous_tempering(tx, 1.0, mode="exact", key=1),
    "`local_entropy` (to `inner`)": lambda tx: to.local_entropy(
        tx, optax.sgd(1.0), num_inner_steps=50
    ),
}
COLUMNS = ("heat", "value", "resume", "sharding")


def _of_fast(tx):
    """`optax.lookahead` moves pairs of parameters; here both are the same."""

    def init(params):
        return tx.init(optax.LookaheadParams.init_synced(params))

    def update(updates, state, params=None):
        pair = optax.LookaheadParams.init_synced(params)
        updates, state = tx.update(updates, state, pair)
        return updates.fast, state

    return optax.GradientTransformation(init, update)


def sampler(key=0):
    return to.sgld(0.1, 1.0, key=key)


def telling():
    """A sampler whose step is the `value` that reaches it; 0 if none does."""
    inner = sampler()

    def update(updates, state, params=None, *, value=0.0, temperature_scale=1.0, **extra_args):
        del extra_args
        _, state = inner.update(updates, state, params, temperature_scale=temperature_scale)
        return jax.tree.map(lambda g: jnp.full_like(g, value), updates), state

    return optax.GradientTransformationExtraArgs(inner.init, update)


def run(tx, steps=2, values=(7.0, 9.0), state=None, params=X, **extra):
    """How far some steps move the parameters, and the state after them."""
    tx = to._base.with_extra_args(tx)
    state, start = tx.init(params) if state is None else state, params
    update = quick_jit(tx.update)
    for value in values[:steps]:
        extra["value"] = jnp.float32(value)
        updates, state = update(params, state, params, **extra)
        params = optax.apply_updates(params, updates)
    return params - start, state


def heat(wrap):
    """At a factor of 0 the noise of two keys is the same: there is none."""
    try:
        totals = [run(wrap(sampler(key)), temperature_scale=0.0)[0] for key in (1, 2)]
    except ValueError as error:
        assert "does not reach" in str(error)
        return "error"
    return "yes" if np.array_equal(*totals) else "**no**"


def value(wrap):
    total = float(run(wrap(telling()))[0][0])
    return {16.0: "yes", 9.0: "the last one's"}.get(total, "**no**")


def resume(wrap):
    """A state that was written and read goes on to the same numbers."""
    _, state = run(wrap(sampler()))
    kept = pickle.loads(pickle.dumps(jax.device_get(state)))
    results = [run(wrap(sampler()), state=state)[0], run(wrap(sampler()), state=kept)[0]]
    return "yes" if np.array_equal(*results) else "**no**"


def sharding(wrap):
    """What the step makes of split parameters is split like them, and has the same numbers."""
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,), devices=jax.devices("cpu")[:8])
    split = NamedSharding(mesh, P("x"))
    there, _ = run(wrap(sampler()), params=jax.device_put(X, split))
    here, _ = run(wrap(sampler()))
    np.testing.assert_allclose(np.asarray(there), np.asarray(here), rtol=1e-5, atol=1e-6)
    return "yes" if there.sharding.is_equivalent_to(split, 1) else "**no**"


def row(name):
    wrap = WRAPPERS[name]
    answers = [answer(wrap) for answer in (heat, value, resume, sharding)]
    return f"| {' | '.join([name, *answers])} |"


@pytest.mark.quick(
    "`optax.chain`", "`optax.MultiSteps` in a chain", "`collect_samples`", "`heated`"
)
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", WRAPPERS)
def test_row(name):
    assert row(name) in PAGE.read_text().splitlines()


def test_no_other_rows():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == len(WRAPPERS) + 2  # the header, and the line below it
