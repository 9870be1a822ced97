"""The outer point, which is what an evaluation should see."""

from typing import Any, TypeVar

from thermo_optax._base import cast_like, merged, states_of

from ._local_entropy import LocalEntropyState

Params = TypeVar("Params")  # any tree of arrays


def local_entropy_params(state: Any, params: Params) -> Params:
    """The outer point x of `local_entropy`: the parameters to evaluate, and to keep.

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
        >>> params, grads = jnp.ones(2), jnp.ones(2)
        >>> tx = to.entropy_sgd(key=0)
        >>> updates, state = tx.update(grads, tx.init(params), params)
        >>> at_hand = optax.apply_updates(params, updates)
        >>> x = to.local_entropy_params(state, at_hand)
        >>> print(x)
        [1. 1.]

        Batch normalisation is evaluated with statistics that are taken anew at x, from training
        data; those that training has averaged belong to the inner iterates:

        >>> images = jnp.array([[1.0, 2.0], [3.0, 6.0]])
        >>> def statistics(weights):
        ...     activations = images * weights
        ...     return activations.mean(axis=0), activations.var(axis=0)
        >>> mean, variance = statistics(x)
        >>> print((images * x - mean) / jnp.sqrt(variance))
        [[-1. -1.]
         [ 1.  1.]]

    References:
        Chaudhari et al., 2017, Algorithm 1, which returns x and not x'.
    """
    states = states_of(state, LocalEntropyState, "local_entropy")
    points = merged(params, [node.outer_params for node in states], lambda param: param)
    return cast_like(points, params)
