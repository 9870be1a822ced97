"""Colours of methods: each keeps its own, and eyes of any kind tell rivals apart."""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

import thermo_optax as to
from tests.test_architecture import REPOSITORY
from thermo_optax.plot._colours import ALIASES, METHODS, OTHERS, colours_of

# What pictures of the benchmarks and notebooks show together.
PICTURES = [
    ["SGD", "RMSprop", "Adam", "SGLD", "Langevin", "LOL", "LALA", "AdLaLa"],
    ["SGD with momentum", "RMSprop", "Adam", "AnnealSGD", "Santa", "CTLD"],
    ["SGD, Nesterov", "Adam", "SGLD", "Entropy-SGD", "Entropy-Adam", "Parle"],
    ["sgld", "leimkuhler_matthews", "psgld", "langevin", "sghmc", "adaptive_langevin", "santa"],
    ["covariance_controlled_langevin", "adaptive_langevin", "langevin", "sghmc", "sgld"],
    ["langevin", "continuous_tempering", "replica_exchange", "replicate"],
]
# Machado, Oliveira and Fernandes, 2009: linear RGB as seen without one kind of cones.
EYES = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)  # of the sRGB standard, for daylight


def linear(colour):
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(colour, eyes):
    """CIELAB coordinates: distances in it are those that eyes see."""
    x, y, z = np.cbrt(TO_XYZ @ np.clip(eyes @ linear(colour), 1e-3, 1) / TO_XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("names", PICTURES, ids=lambda names: names[-1])
def test_rivals_are_told_apart(names, eyes):
    for pair in itertools.combinations(names, 2):
        places = [lab(to.plot.colour_of(name), np.asarray(EYES[eyes])) for name in pair]
        assert np.linalg.norm(places[0] - places[1]) > 10, pair  # 2.3 is just noticeable


@pytest.mark.parametrize("colour", [*METHODS.values(), *OTHERS])
def test_colours_show_on_white(colour):
    assert re.fullmatch("#[0-9A-F]{6}", colour)
    assert 1.05 / (TO_XYZ[1] @ linear(colour) + 0.05) > 1.9  # contrast, as of WCAG


def test_every_method_has_a_colour_of_its_own():
    assert len(set(METHODS.values())) == len(METHODS)
    assert set(ALIASES.values()) <= set(METHODS) and not set(ALIASES) & set(METHODS)
    public = {name.replace("_", "") for name in dir(to)}
    optimizers = {"sgd", "nesterov", "noisysgd", "rmsprop", "adam", "adamw"}
    assert set(METHODS) - optimizers <= public


def test_spelling_does_not_count():
    for spelling in ("sgd", "SGD", "SGD, momentum 0.9", "SGD with momentum", "sgd (3 seeds)"):
        assert to.plot.colour_of(spelling) == METHODS["sgd"]
    assert to.plot.colour_of("SGD, Nesterov") == to.plot.colour_of("nesterov") == "#3A3A3A"
    assert to.plot.colour_of("CTLD at SGD's learning rate") == METHODS["ctld"]
    assert to.plot.colour_of("continuous tempering") == METHODS["continuoustempering"]


def test_other_names_have_the_same_colour_in_every_process():
    program = "import thermo_optax as to; print(to.plot.colour_of('warm restarts'))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=REPOSITORY,
            env={"PYTHONHASHSEED": seed, "JAX_PLATFORMS": "cpu"},
            check=True,
            text=True,
            capture_output=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {to.plot.colour_of("warm restarts")} <= set(OTHERS)


def test_other_names_of_a_picture_differ():
    names = ["Adam", "one", "two", "three", "Adam, tuned", "four", "five"]
    colours = colours_of(names)
    assert colours[0] == colours[4] == to.plot.colour_of("adam")
    assert len(set(colours)) == len(names) - 1


def test_errors_say_what_to_pass():
    with pytest.raises(TypeError, match="`method` must be the name of a method.* got int"):
        to.plot.colour_of(3)
    with pytest.raises(ValueError, match="`method` must have a letter or a digit.*'-'"):
        to.plot.colour_of("-")
