"""Parameters in half precision: a copy in float32 that remembers what rounding would lose."""

import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.core import Tracer

from thermo_optax._base import (
    ScalarOrSchedule,
    check_leaves,
    check_structure,
    compute_dtype,
    heating,
    in_dtype_of,
    known,
)


class MastersState(NamedTuple):
    """State of `float32_masters`."""

    masters: optax.Params  # like params, in at least float32: where the parameters really are
    inner_state: Any


def float32_masters(
    inner: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    r"""Moves parameters of half precision by a copy of them in float32.

    .. math::
        m \leftarrow m + \text{inner}(\nabla L(x), m), \qquad x = \text{round}(m)

    bfloat16 has three digits. Around 1 its numbers are 0.008 apart, so a step of 0.001, as small
    steps and low temperatures make it, rounds to nothing. Noise drowns first, because it has no
    direction in which to add up: with steps of sqrt(2 eta T) = 1e-3 the parameters of `sgld` hardly
    move at all, while a thermometer of the momenta still reads T. Here every step is added to the
    copy, which `inner` sees in place of the parameters, and the parameters are its rounding. (The
    update is the difference to them, in half precision, and so rounded once more: after a long step
    a parameter may be off by the last digit of that difference, until the next one.)

    Place it outermost, around all that moves the parameters: what another transformation does to
    them outside of it is undone in the next step. float32 parameters pass through unchanged.

    Args:
        inner: any transformation.

    Returns:
        A transformation with state :class:`MastersState`: a copy of the parameters in at least
        float32, and the state of `inner` for parameters of that precision.

    Raises:
        ValueError: for missing `params`.
        TypeError: for parameters that are not real floating-point arrays.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.float32_masters(to.langevin(0.2, temperature=1e-4, friction=1.0, key=0))
        >>> x = jnp.ones(4_000, jnp.bfloat16)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(x - 1, state, x)  # of (x - 1)^2 / 2
        ...     return (optax.apply_updates(x, updates), state), None
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=200)
        >>> print(f"{jnp.var(state.masters) / 1e-4:.1f}", x.dtype)
        1.0 bfloat16

    References:
        Micikevicius et al., `Mixed Precision Training <https://arxiv.org/abs/1710.03740>`_, 2018,
        section 3.1.
    """
    inner = heating(inner, needs_bath=False)

    def init(params):
        check_leaves("params", params)
        masters = jax.tree.map(_wide, params)
        return MastersState(masters, inner.init(masters))

    def update(updates, state, params=None, **extra_args):
        if params is None:
            raise ValueError(
                "`params` is required: the update leads from them to the rounded copy. Pass them "
                "as in `tx.update(grads, state, params)`."
            )
        check_leaves("updates", updates)
        check_structure(updates, state.masters, "the parameters given to `init`")
        masters = state.masters
        wide = jax.tree.map(lambda g, m: g.astype(m.dtype), updates, masters)
        moved, inner_state = inner.update(wide, state.inner_state, masters, **extra_args)

        def followed(master, move):
            new = master + move.astype(master.dtype)
            return jnp.where(jnp.isfinite(new), new, master)

        def shown(new, move, param):
            return jnp.where(
                jnp.isfinite(move), in_dtype_of(new, param) - param, in_dtype_of(move, param)
            )

        new = jax.tree.map(followed, masters, moved)
        return jax.tree.map(shown, new, moved, params), MastersState(new, inner_state)

    return optax.GradientTransformationExtraArgs(init, update)


def _wide(param: Any) -> Any:
    dtype = compute_dtype(param.dtype)
    if isinstance(param, jax.ShapeDtypeStruct):
        return jnp.zeros(param.shape, dtype)
    return jnp.array(param, dtype)  # memory of its own, so that a state can be donated


def warn_if_drowned(params: Any, step: ScalarOrSchedule, masses: Any = None) -> None:
    """Warns if the steps that heat makes are lost in the rounding of half precision.

    Args:
        params: the parameters; those that are traced are not looked at.
        step: the typical length of a step by heat, for one parameter of mass 1.
        masses: of each array of the parameters or of its coordinates; None for 1.
    """
    light = None if callable(step) else known(step)
    if not light:
        return
    heavy = [None] * len(jax.tree.leaves(params)) if masses is None else jax.tree.leaves(masses)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    for (path, leaf), mass in zip(leaves, heavy, strict=True):
        if not isinstance(leaf, jax.Array) or isinstance(leaf, Tracer):
            continue
        if leaf.dtype.itemsize >= 4 or not leaf.size:
            continue
        if isinstance(mass, Tracer):
            continue
        length = light if mass is None else light * float(jnp.sqrt(jnp.mean(1 / mass)))
        size = float(jnp.sqrt(jnp.mean(jnp.square(leaf.astype(jnp.float32)))))
        spacing = size * float(jnp.finfo(leaf.dtype).eps)
        if length < spacing / 4:
            warnings.warn(
                f"`params{jax.tree_util.keystr(path)}` is in {leaf.dtype}: around {size:.2g} its "
                f"numbers are {spacing:.1g} apart, and the heat of a step moves it by "
                f"{length:.1g}, which rounds to nothing. Write `float32_masters(...)` around the "
                "transformation; `diagnostics.configurational_temperature` shows such a fault.",
                stacklevel=4,
            )
