"""The bath channel: how a wrapper learns the temperatures inside it, and that its heat arrives.

Every sampler keeps the field `bath_temperature` in its state. It is the temperature that the
sampler was built with, and after a step the temperature of its bath in that step. This module
follows the field through the traced program and asks which inputs it depends on. So neither jit nor
any wrapper of optax can hide a sampler, or that heat was dropped on the way to it.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.interpreters import partial_eval
from jax.tree_util import GetAttrKey

from thermo_optax._noise import check_streams, is_replica, streams_of

_FIELD = GetAttrKey("bath_temperature")


class Known:
    """What a transformation has found out about what is inside of it, so as not to ask again.

    Other libraries hash the closures of a transformation: this is hashed by its identity.
    """

    def __init__(self) -> None:
        """Knows nothing yet."""
        self.facts: list[Any] = []


def bath_temperatures(state: Any) -> dict[str, jax.Array]:
    """The temperature of each bath in a state, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves if path[-1:] == (_FIELD,)}


def bath_places(state: Any) -> list[tuple]:
    """The paths of the samplers in a state, in the order of `bath_temperatures`."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return [path[:-1] for path, _ in leaves if path[-1:] == (_FIELD,)]


def built_temperatures(init: Callable[[Any], Any], params: Any) -> list[jax.Array]:
    """The temperatures that the samplers inside a transformation were built with; -1: a schedule.

    They are concrete where the user's numbers are, under jit too.
    """
    return _built(lambda params: list(bath_temperatures(init(params)).values()), params)


def _built(read: Callable[[Any], list[Any]], params: Any) -> list[jax.Array]:
    """read(params), of which nothing is computed that the answer does not need."""
    program = jax.make_jaxpr(read)(params)
    needed, used = partial_eval.dce_jaxpr(program.jaxpr, [True] * len(program.out_avals))
    run = jaxpr_as_fun(ClosedJaxpr(needed, program.consts))
    inputs = [leaf for leaf, use in zip(jax.tree.leaves(params), used, strict=True) if use]
    if any(isinstance(number, Tracer) for number in (*program.consts, *inputs)):
        return list(run(*inputs))
    with jax.ensure_compile_time_eval():
        return list(run(*inputs))


def check_noise(init: Callable[[Any], Any], state: Any, params: Any) -> None:
    """Raises if two samplers in init(params), which is `state`, would draw the same noise.

    Under jit the keys in the state are traced, so they are computed apart from it, where there are
    several. Replicas are asked about where they are made.
    """
    streams = streams_of(state)
    if len(streams) < 2 or is_replica():
        return
    if any(isinstance(key, Tracer) for key in streams.values()):
        keys = _built(lambda params: list(streams_of(init(params)).values()), params)
        streams = dict(zip(streams, keys, strict=True))
    check_streams(streams)


def with_extra_args(tx: Any) -> optax.GradientTransformationExtraArgs:
    """`optax.with_extra_args_support`, which drops no argument that `update` would take.

    `optax.MultiSteps`, for one, passes extra arguments on, but is not of the type that says so.
    """
    if isinstance(tx, optax.GradientTransformationExtraArgs) or not _takes_any(tx.update):
        return optax.with_extra_args_support(tx)
    return optax.GradientTransformationExtraArgs(tx.init, tx.update)


def _names(update: Callable, argument: str) -> bool:
    return argument in inspect.signature(update).parameters


def _takes_any(update: Callable) -> bool:
    kinds = [parameter.kind for parameter in inspect.signature(update).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds


def heated(inner: Any) -> optax.GradientTransformationExtraArgs:
    r"""Passes heat on to every sampler inside, and raises if a wrapper between them drops it.

    .. math::
        T_i \leftarrow s\, T_i \quad \text{for every sampler } i \text{ inside}

    ``update(..., temperature_scale=s)`` multiplies the temperature of a step. optax's wrappers
    pass this argument on, except some: `optax.lookahead`, `optax.MultiSteps` inside of a chain,
    and any ``optax.GradientTransformation`` of your own that takes no extra arguments. There a
    sampler stays as hot as it was built, without a word. The wrappers of this package
    (`replica_exchange`, `continuous_tempering`, `explore_then_refine`...) check what is inside of
    them. Put `heated` around what you heat yourself.

    They ask of the noise, too: two groups of a partition that each stand in `optax.flatten`, with
    one key, would draw the same, and so would one method twice in a chain. Without such a wrapper
    around them nobody can tell.

    Args:
        inner: any transformation with samplers inside.

    Returns:
        A transformation with the state of `inner`.

    Raises:
        ValueError: in ``init``, if there is no sampler inside, or if two of them would draw the
            same noise; in the first ``update`` with a
            ``temperature_scale``, if it does not reach them all.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.heated(optax.chain(optax.clip(1.0), to.sgld(0.1, temperature=1.0, key=0)))
        >>> x = jnp.ones(2)
        >>> updates, state = tx.update(x, tx.init(x), x, temperature_scale=0.0)
        >>> print(updates)
        [-0.1 -0.1]
        >>> lost = optax.lookahead(to.sgld(0.1, temperature=1.0, key=0), 5, 0.5)
        >>> pair = optax.LookaheadParams.init_synced(x)
        >>> tx = to.heated(lost)
        >>> try:
        ...     tx.update(x, tx.init(pair), pair, temperature_scale=0.0)
        ... except ValueError as error:
        ...     print(str(error)[:59])
        `temperature_scale` does not reach the sampler at .fast_sta

    References:
        The convention is this package's own.
    """
    return heating(inner)


def heating(inner: Any, *, needs_bath: bool = True) -> optax.GradientTransformationExtraArgs:
    """`heated`; without `needs_bath` also around a sampler of another package."""
    inner = with_extra_args(inner)
    arrived = Known()  # kinds of calls that were found to pass heat on: a check is made once

    def init(params):
        state = inner.init(params)
        heatable = bath_temperatures(state) or _names(inner.update, "temperature_scale")
        if needs_bath and jax.tree.leaves(params) and not heatable:
            raise ValueError(
                "`inner` has no bath that could be heated: none of the samplers of this package "
                "is in it. Put a sampler such as `sgld` or `langevin` there; `sghmc` is "
                "`optax.sgd` with momentum and a bath. In the `update` of a sampler of your own, "
                "name the argument `temperature_scale`; with the field `bath_temperature` in its "
                "state it is found through other wrappers too."
            )
        check_noise(inner.init, state, params)
        return state

    def update(updates, state, params=None, **extra_args):
        if "temperature_scale" in extra_args and (needs_bath or bath_temperatures(state)):
            call = jax.tree.structure((updates, state, params)), tuple(extra_args)
            if call not in arrived.facts:
                _check_arrival(inner.update, updates, state, params, **extra_args)
                arrived.facts.append(call)
        return inner.update(updates, state, params, **extra_args)

    return optax.GradientTransformationExtraArgs(init, update)


def _check_arrival(update, updates, state, params, *, temperature_scale, **extra_args):
    """Raises if the temperature of a bath does not depend on `temperature_scale`."""

    def temperatures(scale):
        moved, new = update(updates, state, params, temperature_scale=scale, **extra_args)
        return bath_temperatures(new) or {"": jax.tree.leaves((moved, new))}

    scale = jnp.asarray(temperature_scale, jnp.result_type(float))
    program, shapes = jax.make_jaxpr(temperatures, return_shape=True)(scale)
    names = [path for path, leaves in shapes.items() for _ in jax.tree.leaves(leaves)]
    reached = {
        name for place, name in enumerate(names) if _depends(program.jaxpr, place, len(names))
    }
    lost = [name for name in shapes if name not in reached]
    if lost:
        place = lost[0].removesuffix(str(_FIELD))
        where = f"the sampler at {place}" if place else "`inner`"
        raise ValueError(
            f"`temperature_scale` does not reach {where}: a wrapper between drops extra arguments, "
            "so the sampler would stay at its own temperature. `optax.chain`, `partition`, "
            "`masked` and `inject_hyperparams` pass them on. Put `optax.MultiSteps` outermost "
            "instead of into a chain; write `optax.GradientTransformationExtraArgs(tx.init, "
            "tx.update)` around a transformation of your own whose `update` takes `**extra_args` "
            "and hands them on; and put the sampler outside of `optax.lookahead`."
        )


def _depends(jaxpr: Any, output: int, num_outputs: int) -> bool:
    """Whether an output of a program depends on its only input."""
    wanted = [place == output for place in range(num_outputs)]
    return any(partial_eval.dce_jaxpr(jaxpr, wanted)[1])
