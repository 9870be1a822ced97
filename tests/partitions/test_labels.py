"""Labels of layers, for every kind of parameter tree that users of optax have."""

import collections
import functools
import re

import equinox as eqx
import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import thermo_optax as to
from tests.compiling import quick


class LinenNet(nn.Module):
    """Eleven layers: names with two digits must sort as numbers."""

    @nn.compact
    def __call__(self, x):
        """Applies the layers."""
        for _ in range(11):
            x = nn.Dense(2)(x)
        return x


class NNXNet(nnx.Module):
    """A list of blocks between two named layers."""

    def __init__(self, rngs):
        self.a_first = nnx.Linear(2, 3, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(11)])
        self.out = nnx.Linear(3, 1, rngs=rngs)


def names(labels):
    """The labels in the order of the tree, each once."""
    return list(dict.fromkeys(jax.tree.leaves(labels)))


def dense():
    return {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}


def test_plain_dict():
    labels = to.label_layers({"hidden": dense(), "output": dense()})
    assert labels == {
        "hidden": {"kernel": "hidden", "bias": "hidden"},
        "output": {"kernel": "output", "bias": "output"},
    }


def test_list_of_tuples_and_arrays_at_the_root():
    layers = [(jnp.ones((2, 2)), jnp.ones(2)), (jnp.ones((2, 1)), jnp.ones(1))]
    labels = to.label_layers(layers, {"h": "first"}, default="o")
    assert labels == [("h", "h"), ("o", "o")]
    assert to.label_layers([jnp.ones(1), jnp.ones(1)]) == ["0", "1"]
    assert to.label_layers(jnp.ones(3)) == "params"


def test_flax_linen_counts_layers_as_numbers():
    params = LinenNet().init(jax.random.key(0), jnp.ones(2))
    labels = to.label_layers(params, {"in": 0, "third": 2, "out": -1}, default="middle")
    found = {name: label["kernel"] for name, label in labels["params"].items()}
    expected = {f"Dense_{i}": "middle" for i in range(11)}
    assert found == expected | {"Dense_0": "in", "Dense_2": "third", "Dense_10": "out"}


Fields = collections.namedtuple("Fields", ["up2", "up1", "head"])
ORDERS = {
    "dict": (
        {f"block{i}_{part}": dense() for i in (1, 10, 2) for part in ("conv", "norm")},
        [f"block{i}_{part}" for i in (1, 2, 10) for part in ("conv", "norm")],
    ),
    "ordered dict": (
        collections.OrderedDict((name, dense()) for name in ("up2", "up1", "head")),
        ["up2", "up1", "head"],
    ),
    "fields": (Fields(dense(), dense(), dense()), ["up2", "up1", "head"]),
    "integers": ({i: dense() for i in range(12)}, [str(i) for i in range(12)]),
    "nested": (
        {"b": {"c10": dense(), "c9": dense()}, "a": [dense()] * 11},
        [*(f"a/{i}" for i in range(11)), "b/c9", "b/c10"],
    ),
}


@pytest.mark.parametrize("kind", ORDERS)
def test_the_order_of_layers(kind):
    """That of the tree, but by numbers where a dict has its names sorted by letters."""
    params, expected = ORDERS[kind]
    groups = {f"depth {i}": i for i in range(len(expected))}
    depths, named = to.label_layers(params, groups), to.label_layers(params)
    found = dict(zip(jax.tree.leaves(depths), jax.tree.leaves(named), strict=True))
    assert [found[depth] for depth in groups] == expected


@pytest.mark.parametrize("pure", [False, True])
def test_flax_nnx_state(pure):
    state = nnx.state(NNXNet(nnx.Rngs(0)), nnx.Param)
    params = nnx.to_pure_dict(state) if pure else state
    labels = to.label_layers(params)
    assert names(labels) == ["a_first", *(f"blocks/{i}" for i in range(11)), "out"]
    grouped = to.label_layers(
        params, {"in": "first", "blocks": "blocks/*", "out": "out/kernel"}, default="x"
    )
    assert names(grouped) == ["in", "blocks", "x", "out"]


class ValueField(eqx.Module):
    """A module whose field has the name of Flax's box."""

    query: jax.Array
    value: jax.Array


@pytest.mark.parametrize("name", ["value", "raw_value"])
def test_an_array_may_be_called_value(name):
    attention = {"key": jnp.ones((2, 2)), "query": jnp.ones((2, 2)), name: jnp.ones((2, 2))}
    params = {"net": {"attention": attention, "output": dense()}}
    labels = to.label_layers(params, {"hot": "first"}, default="x")["net"]
    assert labels["attention"] == dict.fromkeys(attention, "hot")
    assert labels["output"] == dict.fromkeys(dense(), "x")
    by_name = to.label_layers(params, {"v": f"net/attention/{name}"}, default="x")["net"]
    assert by_name["attention"] == dict.fromkeys(attention, "x") | {name: "v"}
    # lol puts the whole first layer under Langevin.
    groups = to.lol(key=0).init(params).inner_states
    assert len(jax.tree.leaves(groups["langevin"].inner_state.momentum)) == 3


def test_a_field_may_be_called_value():
    module = ValueField(jnp.ones(2), jnp.ones(2))
    assert jax.tree.leaves(to.label_layers({"attention": module})) == ["attention"] * 2


def test_the_boxes_of_flax_add_nothing_to_a_path():
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.attention = nnx.MultiHeadAttention(2, 4, rngs=rngs, decode=False)
            self.value = nnx.Param({"value": jnp.ones(2), "w": jnp.ones(2)})

    state = nnx.state(Net(nnx.Rngs(0)), nnx.Param)
    labels = jax.tree.leaves(to.label_layers(state))
    assert labels == jax.tree.leaves(to.label_layers(nnx.to_pure_dict(state)))
    assert names(labels) == [*(f"attention/{w}" for w in ("key", "out", "query", "value")), "value"]
    axes = nn.with_partitioning(nn.initializers.ones, ("in", "out"))
    boxed = nn.Dense(3, kernel_init=axes).init(jax.random.key(0), jnp.ones((1, 2)))
    assert jax.tree.leaves(to.label_layers(boxed)) == ["params", "params"]
    assert jax.tree.leaves(to.label_layers(nnx.Param(jnp.ones(2)))) == ["params"]


def test_every_reader_of_names_knows_an_array_called_value():
    params = {"net": {"attention": {"query": jnp.ones((4, 3)), "value": jnp.ones((4, 3))}}}
    state = to.langevin(0.1, 1.0, friction=1.0, key=0).init(params)
    assert list(to.diagnostics.equipartition(state)) == ["net/attention"]
    boxed = {"attention": {"query": nnx.Param(jnp.ones((4, 3)))}}
    state = to.langevin(0.1, 1.0, friction=1.0, key=0).init(boxed)
    assert list(to.diagnostics.equipartition(state)) == ["attention"]


class LinenNormNet(nn.Module):
    """The batch normalisation sorts before the dense layers."""

    @nn.compact
    def __call__(self, x, train=True):
        """Applies the layers."""
        count = self.variable("counters", "calls", lambda: jnp.zeros([], jnp.int32))
        del count
        return nn.Dense(1)(nn.BatchNorm(use_running_average=not train)(nn.Dense(3)(x)))


@functools.cache
def linen_norm_net():
    return LinenNormNet().init(jax.random.key(0), jnp.ones((1, 2)))


def test_a_position_that_means_a_normalisation_layer_warns():
    params = linen_norm_net()["params"]
    message = r"'hot'.*'first' selects.*'BatchNorm_0'.*next layer with weights is 'Dense_0'"
    with pytest.warns(UserWarning, match=message):
        to.label_layers(params, {"hot": "first"}, default="x")
    with pytest.warns(UserWarning, match=r"'langevin'.*'BatchNorm_0'"):
        jax.eval_shape(to.lol(key=0).init, params)
    # A name means what it says, and a position between weights is silent.
    to.label_layers(params, {"norm": "BatchNorm_0", "hot": ["Dense_0", -1]}, default="x")


NORMS = {
    "haiku": {"scale": jnp.ones((1, 1, 1, 4)), "offset": jnp.ones((1, 1, 1, 4))},
    "equinox": {"weight": jnp.ones((4, 4)), "bias": jnp.ones((4, 4))},
    "keras": {"gamma": jnp.ones(4), "beta": jnp.ones(4)},
    "rms": {"scale": jnp.ones(4)},
}
NOT_NORMS = {
    "attention": {"query": jnp.ones((4, 4)), "value": jnp.ones((4, 4))},
    "regression": {"kernel": jnp.ones((4, 1)), "bias": jnp.ones(1)},
    "vector": {"w": jnp.ones(4)},
}


@pytest.mark.parametrize("kind", NORMS)
def test_normalisation_layers_of_every_library(kind):
    with pytest.warns(UserWarning, match=r"='last' selects the layer 'z'.*'a'"):
        to.label_layers({"a": dense(), "z": NORMS[kind]}, {"hot": "last"}, default="x")
    with pytest.warns(UserWarning, match=r"=0 selects the layer '0'.*'1'"):
        to.label_layers([NORMS[kind], dense()], {"hot": [0, 1]})


@pytest.mark.parametrize("kind", NOT_NORMS)
def test_other_layers_do_not_warn(kind):
    to.label_layers({"a": NOT_NORMS[kind], "b": dense()}, {"hot": "first"}, default="x")
    # Alone there is nothing else to choose, and an array at the root may be a bias.
    to.label_layers({"a": {"scale": jnp.ones(3)}}, {"hot": "first"})
    to.label_layers({"bias": jnp.ones(3), "kernel": jnp.ones((2, 3))}, {"h": 0}, default="x")


def test_layers_without_a_group_are_shown_with_the_line_that_labels_them():
    params = linen_norm_net()["params"]
    message = r"\['BatchNorm_0/bias'.*'others': \['BatchNorm_0'\].*default='others'.*set_to_zero"
    with pytest.raises(ValueError, match=message):
        to.label_layers(params, {"hot": "Dense_0", "cold": "last"})
    labels = to.label_layers(params, {"hot": "Dense_0", "cold": "last"}, default="others")
    laws = {"hot": to.sgld(0.1, 1.0, key=0), "cold": optax.sgd(0.1), "others": optax.set_to_zero()}
    tx = quick(optax.partition(laws, labels))
    updates, _ = tx.update(params, tx.init(params), params)
    assert not np.any(updates["BatchNorm_0"]["scale"])


@pytest.mark.parametrize("method", ["label_layers", "sgld", "lala", "replicate", "local_entropy"])
def test_a_model_with_functions_and_flags(method):
    def make(key):
        return eqx.nn.MLP(2, 1, 5, 1, key=key)

    two = method == "replicate"
    model = to.init_replicas(make, 0, 2) if two else make(jax.random.key(0))
    inits = {
        "label_layers": to.label_layers,
        "sgld": to.sgld(0.1, 1.0, key=0).init,
        "lala": to.lala(key=0).init,
        "replicate": to.replicate(to.sgld(0.1, 1.0, key=0), 2).init,
        "local_entropy": to.entropy_sgd(key=0).init,
    }
    init = inits[method]
    line = r"`eqx.filter\(model, eqx.is_inexact_array\)`"
    for tree in (model, {"layer": {"w": jnp.ones((2, 3)), "training": True}}):
        with pytest.raises(TypeError, match=rf"must be an array, got .*{line}"):
            init(tree)
    filtered = eqx.filter(model, eqx.is_inexact_array)
    if method != "label_layers":  # which makes no arrays
        init = functools.partial(jax.eval_shape, init)
    init(filtered)
    # The gradient of a filtered model with the whole model as `params`.
    tx = to.sgld(0.1, 1.0, key=0)
    with pytest.raises(ValueError, match=rf"tree structure.*{line}"):
        tx.update(filtered, tx.init(filtered), model)


def test_a_model_with_batch_statistics_and_counters():
    variables = flax.core.freeze(linen_norm_net())
    tx = to.sgld(0.1, 1.0, key=0)
    message = r"counters.*int32.*`variables\['params'\]`.*`optax.masked\(tx, (?P<mask>.*)\)`"
    with pytest.raises(TypeError, match=message) as error:
        tx.init(variables)
    tx.init(variables["params"])
    # The line of the message, as it stands.
    mask = re.search(r"`optax.masked\(tx, (.*?\))\)`", str(error.value)).group(1)
    masked = quick(optax.masked(tx, eval(mask, {"jax": jax, "jnp": jnp, "params": variables})))
    updates, _ = masked.update(variables, masked.init(variables), variables)
    assert updates["counters"]["calls"] == 0


def test_a_whole_nnx_model():
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.norm = nnx.BatchNorm(3, rngs=rngs)
            self.drop = nnx.Dropout(0.5, rngs=rngs)

    net = Net(nnx.Rngs(0))
    tx = to.sgld(0.1, 1.0, key=0)
    with pytest.raises(TypeError, match=r"`nnx.state\(model, nnx.Param\)`"):
        tx.init(nnx.state(net))
    tx.init(nnx.state(net, nnx.Param))


def test_equinox_module():
    model = eqx.nn.MLP(2, 1, 5, 2, key=jax.random.key(0))
    params = eqx.filter(model, eqx.is_inexact_array)
    labels = to.label_layers(params, {"out": "last"}, default="hidden")
    assert jax.tree.leaves(labels) == ["hidden"] * 4 + ["out"] * 2


def test_partition_of_an_equinox_module_that_optax_would_call():
    model = eqx.nn.MLP(2, 1, 5, 2, key=jax.random.key(0))
    params = eqx.filter(model, eqx.is_inexact_array)
    labels = to.label_layers(params, {"hidden": [0, 1]}, default="output")
    for param_labels in (
        labels,
        lambda tree: to.label_layers(tree, {"hidden": [0, 1]}, default="output"),
    ):
        tx = quick(to.lala(param_labels=param_labels, key=0))
        updates, state = tx.update(params, tx.init(params), params)
        assert jax.tree.structure(updates) == jax.tree.structure(params)
        assert set(to.diagnostics.kinetic_temperature(state)) == {"hidden", "output"}
    eqx.apply_updates(model, updates)


def test_shapes_are_enough():
    params = {"a": {"w": jax.ShapeDtypeStruct((2,), jnp.float32)}}
    assert to.label_layers(params, {"x": "first"}) == {"a": {"w": "x"}}


def test_the_first_selector_that_matches_wins_and_lists_join():
    params = {f"layer{i}": dense() for i in range(4)}
    labels = to.label_layers(params, {"bias": "*/bias", "ends": ["first", 3], "rest": "layer?"})
    assert labels["layer0"] == {"bias": "bias", "kernel": "ends"}
    assert labels["layer3"]["kernel"] == "ends"
    assert labels["layer2"]["kernel"] == "rest"


@pytest.mark.parametrize(
    "selector", ["conv*", 7, -8, ["conv*", 9], ["first", 7], ["hidden", "hiden"], []], ids=repr
)
def test_a_selector_without_a_match_is_an_error_that_lists_the_layers(selector):
    with pytest.raises(
        ValueError, match=r"groups\['x'\].*matches no parameter.*'hidden', 'output'"
    ):
        to.label_layers({"hidden": dense(), "output": dense()}, {"x": selector}, default="rest")


def test_depths_of_numpy_and_what_selects_nothing():
    params = {"hidden": dense(), "output": dense()}
    labels = to.label_layers(params, {"x": np.int64(-1)}, default="rest")  # pyright: ignore
    assert labels["output"]["kernel"] == "x" and labels["hidden"]["kernel"] == "rest"
    for wrong in (True, 1.0, None):
        with pytest.raises(TypeError, match=f"A selector of `groups` must be .*got {wrong}"):
            to.label_layers(params, {"x": wrong}, default="rest")  # pyright: ignore


def test_a_parameter_without_a_group_is_an_error():
    with pytest.raises(ValueError, match=r"output/bias.*`default`"):
        to.label_layers({"hidden": dense(), "output": dense()}, {"x": "first"})


def test_a_layer_called_first_is_not_the_first():
    params = {name: {"w": np.ones((2, 2))} for name in ("first", "last", "middle")}
    with pytest.warns(UserWarning, match="selects the layer 'middle' by its pos.*'.l.ast'"):
        labels = to.label_layers(params, {"out": "last"}, default="rest")
    assert labels["middle"]["w"] == "out"
    labels = to.label_layers(params, {"in": "first", "out": "[l]ast"}, default="rest")
    assert labels == {"first": {"w": "in"}, "last": {"w": "out"}, "middle": {"w": "rest"}}
