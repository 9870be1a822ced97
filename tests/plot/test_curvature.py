"""Pictures of curvature: they show the data, have labels, and can be written."""

import io

import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to

pytest.importorskip("matplotlib")

EIGENVALUES = np.r_[np.linspace(-0.1, 0.2, 98), 3.0, 5.0]


def draw(ax):
    """As a file: layout and fonts are wrong only then."""
    file = io.BytesIO()
    ax.figure.savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def flat(loss, top):
    loss, top = jnp.asarray(loss, jnp.float32), jnp.asarray(top, jnp.float32)
    trace = to.diagnostics.Estimate(2 * top, top / 10)
    return to.diagnostics.Flatness(loss, top, top / 1000, trace)


def test_spectrum_of_all_eigenvalues():
    ax = to.plot.spectrum(EIGENVALUES, width=0.05, label="exact")
    (line,) = ax.get_lines()
    grid, density = line.get_data()
    bumps = np.exp(-((grid[:, None] - EIGENVALUES) ** 2) / (2 * 0.05**2))
    expected = bumps.mean(axis=1) / (0.05 * np.sqrt(2 * np.pi))
    seen = expected > ax.get_ylim()[0]
    np.testing.assert_allclose(density[seen], expected[seen], rtol=1e-3)
    assert np.any(seen & (grid > 4.9))  # one of a hundred still shows
    assert ax.get_yscale() == "log" and labels(ax) == ["exact"]
    assert not ax.collections
    draw(ax)


def test_spectra_with_error_bands_share_axes():
    nodes = jnp.array([[0.0, 1.0], [0.1, 1.2], [0.0, 1.1]])
    weights = jnp.array([[0.9, 0.1], [0.95, 0.05], [0.9, 0.1]])
    quadrature = to.diagnostics.HessianSpectrum(nodes, weights, jnp.int32(10))
    ax = to.plot.spectrum(quadrature, label="wide", width=0.1)
    assert to.plot.spectrum(quadrature, label="narrow", width=0.001, color="black", ax=ax) is ax
    assert len(ax.collections) == 2 and labels(ax) == ["wide", "narrow"]
    top = max(np.max(line.get_ydata()) for line in ax.get_lines())
    low, high = ax.get_ylim()
    assert low < 0.1 and high > top
    draw(ax)


def test_flatness():
    solutions = {"SGD": flat([0.01, 0.02], [1.0, 3.0]), "Adam": flat(0.001, 0.4)}
    ax = to.plot.flatness(solutions)
    points = [line for line in ax.get_lines() if line.get_linestyle() == "None"]
    np.testing.assert_allclose(points[0].get_data(), [[0.01, 0.02], [1, 3]], rtol=1e-6)
    np.testing.assert_allclose(points[1].get_data(), [[0.001], [0.4]], rtol=1e-6)
    assert labels(ax) == ["SGD: 125 per unit loss", "Adam: 400 per unit loss"]
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    assert x0 < 0.001 and x1 > 0.02 and y0 < 0.4 and y1 > 3
    draw(ax)


def test_loss_under_noise():
    rise = to.diagnostics.Estimate(jnp.array([0.01, 0.04]), jnp.array([0.001, 0.004]))
    found = to.diagnostics.NoiseRise(jnp.array([0.1, 0.2]), rise, jnp.float32(1))
    ax = to.plot.loss_under_noise({"SGD": found, "Adam": found})
    np.testing.assert_allclose(ax.containers[0].lines[0].get_data(), [[0.1, 0.2], [0.01, 0.04]])
    assert labels(ax) == ["SGD", "Adam"]
    draw(ax)


def test_loss_line():
    t = jnp.linspace(-0.25, 1.25, 7)
    line = to.diagnostics.LossLine(t, 1 - (2 * t - 1) ** 2, jnp.zeros(2), jnp.float32(3))
    ax = to.plot.loss_line(line, names=("SGD", "Adam"))
    np.testing.assert_allclose(ax.get_lines()[0].get_data(), [line.positions, line.losses])
    assert labels(ax) == ["distance 3", "barrier 1", "SGD", "Adam"]
    draw(ax)


@pytest.mark.parametrize("log", [True, False])
def test_loss_surface_has_its_axes_the_right_way_round(log):
    first, second = jnp.linspace(-1, 1, 5), jnp.linspace(-2, 2, 9)
    losses = jnp.exp(first)[:, None] + 0 * second[None]  # rises along the first direction
    surface = to.diagnostics.LossSurface(first, second, losses.at[0, 0].set(jnp.nan))
    ax = to.plot.loss_surface(surface, log=log, marks={"SGD": (0, 0), "Adam": (1, 0.5)})
    assert ax.get_xlim() == (-1, 1) and ax.get_ylim() == (-2, 2)
    assert labels(ax) == ["SGD", "Adam"]
    np.testing.assert_allclose(ax.get_lines()[1].get_data(), [[1], [0.5]])
    _, lines = ax.collections  # after the filled areas; one path for each level
    spans = [np.ptp(path.vertices, axis=0) for path in lines.get_paths() if len(path.vertices)]
    assert len(spans) > 5
    assert all(across < 0.01 and along > 3 for across, along in spans)
    draw(ax)


def test_flat_surface_and_single_eigenvalue_can_be_drawn():
    axis = jnp.linspace(-1, 1, 3)
    draw(to.plot.loss_surface(to.diagnostics.LossSurface(axis, axis, jnp.ones((3, 3)))))
    below = to.diagnostics.LossSurface(axis, axis, -jnp.ones((3, 3)))
    draw(to.plot.loss_surface(below, log=False))
    draw(to.plot.spectrum(jnp.zeros(4)))


@pytest.mark.parametrize("log", [True, False])
def test_small_losses_have_all_colours(log):
    axis = jnp.linspace(1, 9, 5)
    surface = to.diagnostics.LossSurface(axis, axis, 1e-20 * (axis[:, None] + axis[None]))
    ax = to.plot.loss_surface(surface, log=log)
    filled, lines = ax.collections
    np.testing.assert_allclose(filled.get_clim(), (2e-20, 18e-20), rtol=1e-6)
    assert sum(len(path.vertices) > 0 for path in lines.get_paths()) > 5
    draw(ax)


def test_messages():
    axis = jnp.linspace(-1, 1, 3)
    surface = to.diagnostics.LossSurface(axis, axis, jnp.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"`surface`.*0.0.*`log=False`"):
        to.plot.loss_surface(surface)
    with pytest.raises(ValueError, match="`surface` has no finite loss"):
        to.plot.loss_surface(surface._replace(losses=surface.losses * jnp.nan), log=False)
    with pytest.raises(ValueError, match="`spectrum` is not finite"):
        to.plot.spectrum(jnp.array([1.0, jnp.nan]))
    with pytest.raises(ValueError, match=r"`spectrum` must be.*\(2, 2\)"):
        to.plot.spectrum(jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="`width`.*got 0"):
        to.plot.spectrum(jnp.ones(2), width=0)
    with pytest.raises(ValueError, match=r"`solutions\['SGD'\]`.*positive"):
        to.plot.flatness({"SGD": flat(-1.0, 1.0)})
    for picture in (to.plot.flatness, to.plot.loss_under_noise):
        with pytest.raises(ValueError, match="`solutions` is empty"):
            picture({})
