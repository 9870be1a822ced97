"""Pictures of training: they show the data, have labels and leave nothing behind."""

import io

import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)


def draw(ax):
    """As a file: layout and fonts are wrong only then."""
    file = io.BytesIO()
    ax.figure.savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")


def test_learning_curves_have_a_mean_and_a_band():
    values = RNG.normal(10.0, 1.0, (5, 30))
    steps = 100 * np.arange(1, 31)
    curves = {"SGD": values, **{f"method {n}": values[0] - n for n in range(1, 8)}}
    ax = to.plot.learning_curves(curves, steps=steps)
    first = ax.get_lines()[0]
    np.testing.assert_allclose(first.get_ydata(), values.mean(0))
    np.testing.assert_allclose(first.get_xdata(), steps)
    (band,) = ax.collections  # one seed has none
    edge = band.get_paths()[0].vertices[:, 1]
    assert edge.max() == pytest.approx((values.mean(0) + values.std(0, ddof=1)).max())
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}
    assert len(looks) == len(curves)
    draw(ax)
    with pytest.raises(ValueError, match="`curves` is empty"):
        to.plot.learning_curves({})
    for values in (np.ones((2, 2, 2)), np.ones((2, 0))):
        with pytest.raises(ValueError, match=r"`curves\['a'\]` must be"):
            to.plot.learning_curves({"a": values})
    with pytest.raises(ValueError, match=r"`steps` must be one number for each time.*'a'"):
        to.plot.learning_curves({"a": np.ones(9)}, steps=np.arange(5))


def test_the_longest_line_shows_as_a_whole():
    """Also that of an earlier call, on the same axes."""
    long, short = np.ones(100), np.ones(50)
    for ax in (
        to.plot.learning_curves({"long": long, "short": short}),
        to.plot.learning_curves({"short": short}, ax=to.plot.learning_curves({"long": long})),
        to.plot.thermometer({"long": long, "short": short}, {"long": 1.0}),
        to.plot.alpha_trace(short / 2, ax=to.plot.alpha_trace(long / 2)),
    ):
        assert ax.get_xlim() == (0, 100)


def test_level_sets_show_the_plane_and_the_points():
    inputs = RNG.normal(size=(40, 2))
    asked = []

    def predict(points):
        asked.append(points.shape)
        return 1 / (1 + jnp.exp(-points[:, 0]))

    ax = to.plot.level_sets(predict, inputs, inputs[:, 0] > 0, resolution=20)
    assert asked == [(400, 2)]
    shown = np.concatenate([c.get_offsets() for c in ax.collections[-2:]])
    assert {tuple(p) for p in np.round(shown, 6)} == {tuple(p) for p in np.round(inputs, 6)}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_1$", "$x_2$")
    assert ax.figure.axes[1].get_ylabel() == "probability of class 1"
    draw(ax)
    with pytest.raises(ValueError, match=r"`inputs` must be \[examples, 2\]"):
        to.plot.level_sets(predict, np.ones((3, 3)), np.ones(3))
    for wrong, found in (
        (lambda points: 4 * points[:, 0], "also [-0-9]"),  # logits
        (lambda points: jnp.full((len(points), 2), 0.5), r"the shape \(400, 2\)"),
    ):
        with pytest.raises(ValueError, match=f"`predict` must return the probab.*got {found}"):
            to.plot.level_sets(wrong, inputs, inputs[:, 0] > 0, resolution=20)
    for labels in (np.sign(inputs[:, 0]), inputs[:, :1] > 0):
        with pytest.raises(ValueError, match="`labels` must be 0 or 1 for each of 40"):
            to.plot.level_sets(predict, inputs, labels)


def test_weights_of_each_layer_integrate_to_1():
    params = {"hidden": {"w": RNG.normal(size=(30, 40)), "b": np.zeros(40)}, "output": np.ones(7)}
    ax = to.plot.weight_histogram(params)
    assert ax.get_legend_handles_labels()[1] == ["hidden (1,240)", "output (7)"]
    for stairs in ax.patches:
        values, edges, _ = stairs.get_data()
        assert np.nansum(values * np.diff(edges)) == pytest.approx(1)
    assert ax.get_yscale() == "log"
    draw(ax)
    with pytest.raises(ValueError, match="`params` has no arrays"):
        to.plot.weight_histogram({})
    with pytest.raises(ValueError, match="not finite in 'output'"):
        to.plot.weight_histogram({"output": np.array([1.0, np.nan])})
    with pytest.raises(ValueError, match="`limit` must be finite and positive, got -1"):
        to.plot.weight_histogram(params, limit=-1.0)
    many = {f"layer {n}": np.ones(n) for n in range(12)}  # one of them without weights
    ax = to.plot.weight_histogram(many)
    looks = {(stairs.get_edgecolor(), stairs.get_linestyle()) for stairs in ax.patches}
    assert len(looks) == len(many)


def test_a_thermometer_shows_what_was_set():
    values = np.linspace(0.5, 1.5, 20)
    band = to.diagnostics.Temperature(values, values - 0.1, values + 0.1, np.full(20, 10))
    ax = to.plot.thermometer({"hidden": band, "output": values}, {"hidden": 1.0}, stride=5)
    lines = ax.get_lines()
    np.testing.assert_allclose(lines[0].get_ydata(), values)
    assert lines[0].get_xdata()[-1] == 100
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-"]
    assert len(ax.collections) == 1
    draw(ax)
    with pytest.raises(ValueError, match="`readings` is empty"):
        to.plot.thermometer({}, {})
    for several in (np.ones((4, 20)), 1.0):
        with pytest.raises(ValueError, match=r"`readings\['a'\]` must be \[steps\]"):
            to.plot.thermometer({"a": several}, {})
    ax = to.plot.thermometer({f"layer {n}": values for n in range(12)}, {})
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}) == 12
