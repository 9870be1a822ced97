"""Random keys: what a user may pass, and how each transformation gets a stream of its own."""

import contextlib
import contextvars
import hashlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from ._checks import check_choice
from ._noise import GENERATORS, fold

KeyLike = jax.Array | int

_REPLICA: contextvars.ContextVar[jax.Array | None] = contextvars.ContextVar("replica", default=None)
_REPLICAS = 0x7265706C  # "repl": keeps the keys of replicas apart from all that is folded elsewhere


@contextlib.contextmanager
def as_replica(index: jax.Array) -> Iterator[None]:
    """Within, `init` draws for this replica: each has keys, and first momenta, of its own.

    A `vmap` over replicas sees one and the same key in the closure of every `init`. The number of
    the replica has to reach the place where keys are read, through optax's wrappers, whose `init`
    takes nothing but parameters.
    """
    token = _REPLICA.set(index)
    try:
        yield
    finally:
        _REPLICA.reset(token)


def replica_key(words: jax.Array, index: jax.Array) -> jax.Array:
    """The key of one replica (uint32[2]), of its own also where the first index is 0."""
    return fold(fold(words, _REPLICAS), index)


def _key_data(key: Any) -> jax.Array:
    """The raw uint32 words of an int seed, a typed key or a raw key."""
    remedy = "Pass an int seed, `jax.random.key(seed)` or `jax.random.PRNGKey(seed)`."
    if key is None:
        raise TypeError(f"`key` is required: a sampler has no default randomness. {remedy}")
    if isinstance(key, bool) or not (hasattr(key, "dtype") or isinstance(key, int)):
        raise TypeError(f"`key` must be a random key, got {key!r}. {remedy}")
    if isinstance(key, int):
        return jax.random.key_data(jax.random.key(key))
    shape = jnp.shape(key)
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if shape:
            raise ValueError(
                f"`key` must be a single key, got an array of keys of shape {shape}. For replicas, "
                "`jax.vmap` a function of one key that builds the transformation and calls `init`."
            )
        return jax.random.key_data(key)
    if jnp.issubdtype(key.dtype, jnp.integer) and not shape:
        return jax.random.key_data(jax.random.key(key))
    if key.dtype == jnp.uint32 and shape in ((2,), (4,)):
        return jnp.asarray(key)
    raise ValueError(
        f"`key` must be a random key, got an array of dtype {key.dtype} and shape {shape}. {remedy}"
    )


def check_key(key: Any) -> None:
    """Raises for a missing or malformed key, when the transformation is built."""
    _key_data(key)


def single_key(key: Any) -> jax.Array:
    """A typed key, of whatever a user may pass as one."""
    if hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        check_key(key)
        return key
    words = _key_data(key)
    return jax.random.wrap_key_data(words, impl="threefry2x32" if words.shape == (2,) else "rbg")


def stream_key(key: Any, name: str, params: Any) -> jax.Array:
    """The key of one transformation's noise: uint32[2], new memory, safe to donate.

    The user's key is folded with the name of the method and with the paths of the leaves that it
    moves. Groups of a partition, and different methods in a chain, that were given the same key
    therefore draw different noise. Raw words, not a typed key, go into the state: checkpoints store
    them, and wrappers that blend states by arithmetic leave them alone.
    """
    words = _key_data(key)
    if words.shape == (4,):  # keys of the "rbg" generators: both halves count
        words = fold(words[:2], words[2]) ^ fold(words[2:], words[1])
    replica = _REPLICA.get()
    if replica is not None:
        words = replica_key(words, replica)
    paths = jax.tree_util.tree_leaves_with_path(params)
    text = "\n".join([name, *(jax.tree_util.keystr(path) for path, _ in paths)])
    salt = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return fold(words, int.from_bytes(salt, "little"))


def resolve_generator(generator: Any, key: Any) -> str:
    """The generator as the noise knows it; raises for an unknown name.

    "jax" becomes "jax:rbg", say: the state keeps raw words, so the implementation of the user's
    key is remembered here.
    """
    check_choice("generator", generator, GENERATORS)
    if generator != "jax":
        return generator
    words = _key_data(key)
    if hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return f"jax:{jax.random.key_impl(key)}"
    if hasattr(key, "dtype") and jnp.shape(key):  # raw words: only their number is known
        return "jax:threefry2x32" if words.shape == (2,) else "jax:rbg"
    return f"jax:{jax.random.key_impl(jax.random.key(0))}"
