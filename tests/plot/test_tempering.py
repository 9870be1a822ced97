"""Pictures of continuous tempering: they show the data, have labels and leave nothing behind."""

import io
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to

pytest.importorskip("matplotlib")

STEPS, T = 400, 0.01


@pytest.fixture(scope="module")
def alphas():
    return 1.6 * np.sin(np.arange(STEPS) / 25).astype(np.float32)


@pytest.fixture(scope="module")
def state():
    tx = to.continuous_tempering(to.sgld(0.1, T, key=0), T, key=1)
    return tx.init(jnp.ones(3))


@pytest.fixture
def profile():
    nodes = jnp.linspace(-1.5, 1.5, 31)
    return to.TemperingProfile(nodes, 1 - jnp.square(nodes), 2 * jnp.square(nodes) - 3)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def trace(ax):
    """The longest line: the others mark values."""
    return max(ax.get_lines(), key=lambda line: len(line.get_xdata()))


def draw(ax):
    """As a file: layout and fonts are wrong only then."""
    file = io.BytesIO()
    ax.figure.savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")


def test_alpha_trace(alphas):
    ax = to.plot.alpha_trace(alphas, plateau=0.3, edge=1.4, stride=5)
    np.testing.assert_allclose(trace(ax).get_ydata(), alphas)
    assert trace(ax).get_xdata()[-1] == 5 * STEPS
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "tempering variable α")
    assert labels(ax) == ["bath at T", "edges"]
    marked = {float(np.ravel(line.get_ydata())[0]) for line in ax.get_lines()}
    assert {-1.4, 1.4} <= marked
    low, high = ax.get_ylim()
    assert low < -1.6 < 1.6 < high
    draw(ax)


def test_one_line_for_each_chain(alphas):
    ax = to.plot.alpha_trace(np.stack([alphas, -alphas, 0 * alphas]))
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) == STEPS]
    at_100 = [line.get_ydata()[100] for line in lines]
    np.testing.assert_allclose(at_100, [alphas[100], -alphas[100], 0])


def test_temperature_trace(alphas):
    ax = to.plot.temperature_trace(alphas, T)
    heat = trace(ax).get_ydata()
    np.testing.assert_allclose(heat, T / np.asarray(to.temperature_scaling(alphas)), rtol=1e-6)
    assert ax.get_yscale() == "log"
    assert "units of the loss" in ax.get_ylabel()
    draw(ax)
    shown = [tick.get_text() for tick in ax.get_yticklabels()]
    assert {"0.01", "0.02", "0.05"} <= set(shown)


def test_alpha_histogram(alphas):
    ax = to.plot.alpha_histogram(np.stack([alphas, alphas[::-1]]), num_bins=12)
    expected = to.diagnostics.alpha_histogram(alphas, num_bins=12)
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(heights, expected.ratio, rtol=1e-6)
    assert f"{float(expected.inside):.1%}" in " ".join(labels(ax))
    assert ax.get_xlim() == (-1.5, 1.5)
    draw(ax)


def test_free_energy(profile):
    ax = to.plot.free_energy(profile)
    bias, energy = ax.get_lines()
    nodes = np.asarray(profile.alpha)
    np.testing.assert_allclose(bias.get_xdata(), nodes)
    np.testing.assert_allclose(bias.get_ydata(), 1.5**2 - nodes**2, atol=1e-6)
    np.testing.assert_allclose(energy.get_ydata(), 2 * nodes**2, atol=1e-6)
    assert labels(ax) == ["bath at T", "bias V", "free energy A"]
    assert ax.get_ylabel() == "energy / T"
    draw(ax)


def test_all_at_a_glance(alphas, state):
    figure = to.plot.tempering(alphas, state, T, plateau=0.3)
    assert [ax.get_ylabel().split("\n")[0] for ax in figure.axes] == [
        "tempering variable α",
        "bath temperature",
        "density / uniform density",
        "energy / T",
    ]
    for ax in figure.axes:
        draw(ax)


def test_without_a_bias_the_figure_says_so(alphas):
    tx = to.continuous_tempering(to.sgld(0.1, T, key=0), T, bias=None, key=1)
    figure = to.plot.tempering(alphas, tx.init(jnp.ones(3)), T)
    assert [text.get_text() for text in figure.axes[3].texts] == ["no bias"]


def test_pictures_can_share_a_figure_and_pyplot_knows_none(alphas, state):
    from matplotlib import pyplot as plt
    from matplotlib.figure import Figure

    before = plt.get_fignums()
    whole = Figure(figsize=(12, 6), layout="constrained")
    left, right = whole.subfigures(1, 2)
    assert to.plot.tempering(alphas, state, T, figure=left) is left
    ax = right.add_subplot()
    assert to.plot.alpha_trace(alphas, ax=ax) is ax
    assert plt.get_fignums() == before


def test_messages(alphas, profile, monkeypatch):
    with pytest.raises(ValueError, match=r"`alphas`.*shape \(2, 2, 100\)"):
        to.plot.alpha_trace(alphas.reshape(2, 2, 100))
    with pytest.raises(ValueError, match="`temperature`.*got 0"):
        to.plot.temperature_trace(alphas, 0)
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), profile)
    with pytest.raises(ValueError, match=r"`profile`.*one chain.*\(2, 31\)"):
        to.plot.free_energy(two)
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'thermo_optax\[plot\]'"):
        to.plot.alpha_trace(alphas)
