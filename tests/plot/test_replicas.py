"""Pictures of replicas: they show the data, have labels and leave nothing behind."""

import io
import sys
from typing import NamedTuple

import numpy as np
import pytest

import thermo_optax as to

pytest.importorskip("matplotlib")

STEPS = np.array([0.0, 10.0, 100.0, 1000.0])
VALUES = np.array([0.4, 0.1, 0.2, 0.3])
RUNGS = np.array([[0, 1, 2, 3], [1, 0, 2, 3], [1, 0, 3, 2], [2, 0, 3, 1]])


class Barrier(NamedTuple):
    total: float
    cumulative: np.ndarray
    rungs: np.ndarray


def reading(seeds=3, values=VALUES):
    spread = np.linspace(0.9, 1.1, seeds)[:, None] if seeds > 1 else np.ones([1, 1])
    return to.diagnostics.diffusion(np.sqrt(STEPS)[:, None, None] * spread * values, values, STEPS)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def draw(ax):
    """As a file: layout and fonts are wrong only then."""
    file = io.BytesIO()
    ax.figure.savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")


@pytest.mark.slow
def test_diffusion():
    ax = to.plot.diffusion(reading(), label="dropout")
    *curves, guide = ax.get_lines()
    np.testing.assert_array_equal(curves[0].get_xdata(), STEPS[1:])  # 0 has no logarithm
    last = [curve.get_ydata()[-1] for curve in curves]
    np.testing.assert_allclose(last, np.sort(VALUES) * np.sqrt(1000), rtol=1e-6)
    assert len({curve.get_color() for curve in curves}) == 4
    np.testing.assert_allclose(np.diff(np.log(guide.get_ydata())), np.log(10) / 2)
    assert np.all(guide.get_ydata() < 0.1 * np.sqrt(STEPS[1:]))
    assert len(ax.collections) == 4  # the standard errors
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "distance from the start")
    assert ax.get_title() == "in order: rank correlation 1.00"
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "dropout"
    draw(ax)
    assert [t.get_text() for t in bar.get_yticklabels()] == ["0.1", "0.2", "0.3", "0.4"]


def test_diffusion_without_order_says_so():
    crossing = to.diagnostics.diffusion(VALUES * np.ones([3, 4]), np.arange(4.0))
    ax = to.plot.diffusion(crossing)
    assert ax.get_title().startswith("not in order")
    assert not ax.collections  # of one seed there is no standard error
    draw(ax)


def test_colours_of_a_geometric_ladder():
    ax = to.plot.diffusion(reading(values=np.geomspace(0.001, 1, 12)))
    greens = [line.get_color()[1] for line in ax.get_lines()[:-1]]
    assert np.all(np.diff(greens) > 0.02)  # on a linear scale, half of them would look the same
    draw(ax)
    assert len(ax.figure.axes[1].get_yticklabels()) == 6


def test_replica_paths():
    ax = to.plot.replica_paths(RUNGS, steps=STEPS)
    paths = {line.get_ydata()[0]: line for line in ax.get_lines()}
    for replica in range(4):
        np.testing.assert_array_equal(paths[replica].get_ydata(), RUNGS[:, replica])
        assert paths[replica].get_drawstyle() == "steps-post"
    assert labels(ax) == ["began on the first rung", "began on the last rung"]
    assert paths[0].get_linewidth() > 2 * paths[1].get_linewidth()
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "1", "2", "3"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "rung")
    draw(ax)


def test_replica_paths_with_values():
    ax = to.plot.replica_paths(RUNGS, values=np.sort(VALUES))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0.1", "0.2", "0.3", "0.4"]
    assert ax.get_xlabel() == "record"
    draw(ax)
    many = to.plot.replica_paths(np.arange(64)[None])
    assert len(many.get_yticks()) <= 12
    draw(many)


def test_acceptance():
    rates = np.array([0.25, 0.5, np.nan, 0.75])
    ax = to.plot.acceptance(rates, np.array([0.01, 0.02, np.nan, 0.03]))
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], rates)
    centers = [bar.get_x() + bar.get_width() / 2 for bar in ax.patches]
    np.testing.assert_allclose(centers, [0.5, 1.5, 2.5, 3.5])
    assert labels(ax) == ["mean 0.50"]
    assert [text.get_text() for text in ax.texts] == ["not tried"]
    (errors,) = ax.containers[0].lines[2]
    np.testing.assert_allclose(errors.get_segments()[0][:, 1], [0.24, 0.26])
    draw(ax)
    draw(to.plot.acceptance(np.full(3, np.nan)))


def test_ladder():
    betas = np.array([1.0, 0.5, 0.25, 0.125])
    barrier = Barrier(1.2, np.array([0.0, 0.6, 1.0, 1.2]), betas)
    adapted = np.array([1.0, 0.6, 0.35, 0.125])
    ax = to.plot.ladder(barrier, adapted)
    _, measured, moved = ax.get_lines()
    np.testing.assert_allclose(measured.get_ydata(), barrier.cumulative)
    np.testing.assert_allclose(moved.get_xdata(), adapted)
    np.testing.assert_allclose(moved.get_ydata(), [0, 0.4, 0.8, 1.2])
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "inverse temperature",
        "communication barrier Λ",
    )
    draw(ax)
    alone = to.plot.ladder(barrier)
    assert labels(alone) == ["measured"]
    draw(alone)


def test_pictures_can_share_a_figure_and_pyplot_knows_none():
    from matplotlib import pyplot as plt
    from matplotlib.figure import Figure

    before = plt.get_fignums()
    left, right = Figure(layout="constrained").subplots(1, 2)
    assert to.plot.replica_paths(RUNGS, ax=left) is left
    assert to.plot.diffusion(reading(), ax=right) is right
    draw(right)
    assert plt.get_fignums() == before


def test_messages(monkeypatch):
    with pytest.raises(ValueError, match="`reading` has no positive distance"):
        to.plot.diffusion(to.diagnostics.diffusion(np.zeros([3, 4]), VALUES))
    with pytest.raises(ValueError, match=r"`rungs`.*\(4,\)"):
        to.plot.replica_paths(RUNGS[0])
    with pytest.raises(ValueError, match=r"`steps`.*4 times.*\(3,\)"):
        to.plot.replica_paths(RUNGS, steps=STEPS[:3])
    with pytest.raises(ValueError, match="`values`.*got 3 for rungs up to 3"):
        to.plot.replica_paths(RUNGS, values=VALUES[:3])
    with pytest.raises(ValueError, match=r"`rates`.*\(2, 2\)"):
        to.plot.acceptance(np.ones([2, 2]))
    with pytest.raises(ValueError, match=r"`rates` must be in \[0, 1\].*7"):
        to.plot.acceptance(np.array([7.0]))
    with pytest.raises(ValueError, match=r"`standard_errors`.*\(2,\) for \(1,\)"):
        to.plot.acceptance(np.array([0.7]), np.ones(2))
    with pytest.raises(ValueError, match=r"`barrier`.*one ladder.*\(2, 4\)"):
        to.plot.ladder(Barrier(np.ones(2), np.ones([2, 4]), np.ones([2, 4])))
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    for draw_it in (lambda: to.plot.diffusion(reading()), lambda: to.plot.replica_paths(RUNGS)):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'thermo_optax\[plot\]'"):
            draw_it()
