"""The outer point, which is what an evaluation should see."""

from typing import Any

import jax
import optax

from ._local_entropy import LocalEntropyState


def _is_masked(node: Any) -> bool:
    return isinstance(node, optax.MaskedNode)


def local_entropy_params(state: Any, params: optax.Params) -> optax.Params:
    r"""The outer point x of `local_entropy`: the parameters to evaluate, and to keep.

    .. math::
        (x', \text{state}) \mapsto x

    In successive mode the parameters at hand are an inner iterate x', except right after an outer
    step. Parameters that `local_entropy` does not move (in another group of a partition, or masked)
    are returned as they are.

    Args:
        state: the state of any transformation with `local_entropy` in it.
        params: the present parameters, which give structure and dtypes.

    Returns:
        A tree like params.

    Raises:
        ValueError: if there is no `local_entropy` in the state.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> params, grads = jnp.zeros(2), jnp.ones(2)
        >>> tx = to.entropy_sgd(key=0)
        >>> updates, state = tx.update(grads, tx.init(params), params)
        >>> print(to.local_entropy_params(state, optax.apply_updates(params, updates)))
        [0. 0.]

    References:
        Chaudhari et al., 2017, Algorithm 1, which returns x and not x'.
    """
    found = [node for _, node in optax.tree.get_all_with_path(state, LocalEntropyState.__name__)]
    if not found:
        raise ValueError(
            "`state` has no `local_entropy` in it: pass the state of `local_entropy`, "
            "`entropy_sgd` or `entropy_adam`, or of a chain or partition with one of them."
        )

    def chosen(param, *points):
        moved = [x for x in points if not _is_masked(x)]
        return moved[0].astype(param.dtype) if moved else param

    return jax.tree.map(chosen, params, *(node.outer_params for node in found))
