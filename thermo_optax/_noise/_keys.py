"""Random keys: what a user may pass, and how each transformation gets a stream of its own."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax import _xla as xla

from ._variates import check_generator, fold

KeyLike = jax.Array | int

_KEY, _BATH = (jax.tree_util.GetAttrKey(name) for name in ("rng_key", "bath_temperature"))
_REPLICAS = 0x7265706C  # "repl": keeps the keys of replicas apart from all that is folded elsewhere


def replica_axis() -> str:
    """A name for the axis of a `jax.vmap` of `init` in which each member has a stream of its own.

    A `vmap` over replicas sees one and the same key in the closure of every `init`. The number of
    the replica has to reach the place where keys are read, through optax's wrappers, whose `init`
    takes nothing but parameters. jit knows of named axes, so a compiled `init` sees it too.
    """
    return _axis(len(_replica_numbers()))


def _axis(depth: int) -> str:
    return f"thermo_optax replicas, depth {depth}"


def _replica_numbers() -> list[jax.Array]:
    """The number of the present replica, in each `vmap` over replicas, the outermost first."""
    numbers: list[jax.Array] = []
    while True:
        try:
            numbers.append(jax.lax.axis_index(_axis(len(numbers))))
        except NameError:  # no such axis: this is how jax tells
            return numbers


def with_own_stream(init: Callable[[Any], Any], params: Any, beside: Any) -> Any:
    """init(params), in which no sampler shares noise with one of the same key in `beside`.

    Two samplers in one transformation, such as the inner and the outer one of local entropy, may be
    the same method with the same key and parameters: then only their place tells them apart. It is
    the number of streams before it, for the inner one may be a local entropy, too.
    """
    state = init(params)
    if not num_streams(state):
        return state
    return _deeper(init, params, max(num_streams(beside), 1))


def _deeper(init, params, axes: int):
    """init(params) as the only replica of an only replica..., so that no other has its keys."""
    if not axes:
        return init(params)
    axis = replica_axis()
    one = jax.vmap(lambda _: _deeper(init, params, axes - 1), axis_name=axis)(jnp.zeros(1))
    return jax.tree.map(lambda leaf: leaf[0], one)


def num_streams(state: Any) -> int:
    """How many streams of noise a state has."""
    return sum(path[-1:] == (_KEY,) for path, _ in jax.tree_util.tree_leaves_with_path(state))


def is_replica() -> bool:
    """Whether this `init` is one of many, in a `vmap` that gives each a stream of its own."""
    return bool(_replica_numbers())


def streams_of(state: Any) -> dict[str, jax.Array]:
    """The key of each sampler in a state, by the path of the sampler."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    samplers = {path[:-1] for path, _ in leaves if path[-1:] == (_BATH,)}
    keys = [(path[:-1], leaf) for path, leaf in leaves if path[-1:] == (_KEY,)]
    return {jax.tree_util.keystr(path): key for path, key in keys if path in samplers}


def check_streams(streams: Mapping[str, jax.Array]) -> None:
    """Raises if two samplers have the same stream of noise, where that is known.

    Groups that stand in `optax.flatten` see one array without a name, and are told apart by their
    keys only.
    """
    places: dict[bytes, str] = {}
    for path, key in streams.items():
        if isinstance(key, Tracer):
            continue
        words = np.asarray(key).tobytes()
        if words in places and any(words):  # zeros: a sampler without parameters
            raise ValueError(
                f"the samplers at {places[words]} and {path} would draw the same noise: they are "
                "the same method with the same `key`, and nothing else tells them apart. Give each "
                "a `key` of its own."
            )
        places[words] = path


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
    if isinstance(key, (int, np.integer)):
        return _of_seed(int(key))
    shape = jnp.shape(key)
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if shape:
            raise ValueError(
                f"`key` must be a single key, got an array of keys of shape {shape}. For replicas, "
                "`jax.vmap` a function of one key that builds the transformation and calls `init`."
            )
        return jax.random.key_data(key)
    if jnp.issubdtype(key.dtype, jnp.integer) and not shape:
        return _of_array(jnp.asarray(key))
    if key.dtype == jnp.uint32 and shape in ((2,), (4,)):
        return jnp.asarray(key)
    raise ValueError(
        f"`key` must be a random key, got an array of dtype {key.dtype} and shape {shape}. {remedy}"
    )


def next_key(words: jax.Array, count: jax.Array) -> jax.Array:
    """The key of the next step: the same one until the count of steps cannot grow any more.

    Noise is a function of key and count, so after 2^31 steps, where the count stays, the key moves.
    """
    return words + (count == jnp.iinfo(count.dtype).max).astype(words.dtype)


def _of_seed(seed: int) -> jax.Array:
    """The words of an int of up to 64 bits: no two of them have the same."""
    if not -(2**63) <= seed < 2**63:
        raise ValueError(f"`key` must be an int of at most 64 bits, got {seed}: take a smaller.")
    high, low = divmod(seed, 2**32)  # a negative number has a high word below 0
    return _of_halves(jnp.uint32(high % 2**32), jnp.uint32(low))


def _of_array(seed: jax.Array) -> jax.Array:
    """The words of an integer in an array, the same as those of a Python int."""
    low = (seed & np.array(0xFFFFFFFF).astype(seed.dtype)).astype(jnp.uint32)
    bits = jnp.iinfo(seed.dtype).bits
    high = seed >> np.array(min(bits - 1, 32)).astype(seed.dtype)  # 0, or -1 of a negative number
    if jnp.issubdtype(seed.dtype, jnp.unsignedinteger) and bits <= 32:
        high = jnp.zeros_like(seed)
    return _of_halves(high.astype(jnp.uint32), low)


def _of_halves(high: jax.Array, low: jax.Array) -> jax.Array:
    key = jax.random.key(low)
    folded = jax.random.key_data(jax.random.fold_in(key, high))
    return jnp.where(high == 0, jax.random.key_data(key), folded)


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
    for number in _replica_numbers():
        words = replica_key(words, number)
    paths = jax.tree_util.tree_leaves_with_path(params)
    text = "\n".join([name, *(jax.tree_util.keystr(path) for path, _ in paths)])
    salt = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return xla.computed_first(fold(words, int.from_bytes(salt, "little")))


def resolve_generator(generator: Any, key: Any) -> str:
    """The generator as the noise knows it; raises for an unknown name.

    "jax" becomes "jax:rbg", say: the state keeps raw words, so the implementation of the user's
    key is remembered here.
    """
    check_generator(generator)
    if generator != "jax":
        return generator
    words = _key_data(key)
    if hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return f"jax:{jax.random.key_impl(key)}"
    if hasattr(key, "dtype") and jnp.shape(key):  # raw words: only their number is known
        return "jax:threefry2x32" if words.shape == (2,) else "jax:rbg"
    return f"jax:{jax.random.key_impl(jax.random.key(0))}"
