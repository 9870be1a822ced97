"""Data and reference moments of inference_gym, whose files are read without its package.

Its models import TensorFlow or need it through a rewriting loader. The numbers are plain files.
"""

import importlib.util
import pathlib

import numpy as np

ITEM_RESPONSE_MOMENTS = (
    "synthetic_item_response_theory",
    ("MEAN_STUDENT_ABILITY", "CENTERED_STUDENT_ABILITY", "QUESTION_DIFFICULTY"),
)


def installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("inference_gym") is not None


def _numbers(*place: str):
    found = importlib.util.find_spec("inference_gym")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'inference_gym'", name="inference_gym")
    path = pathlib.Path(found.submodule_search_locations[0]).joinpath(*place)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def moments(of: tuple[str, tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, standard deviations and errors of the means, in the order of the parameters."""
    name, parameters = of
    module = _numbers("targets", "ground_truth", f"{name}.py")

    def joined(suffix):
        parts = [np.ravel(getattr(module, f"IDENTITY_{p}_{suffix}")) for p in parameters]
        return np.concatenate(parts).astype(float)

    return joined("MEAN"), joined("STANDARD_DEVIATION"), joined("MEAN_STANDARD_ERROR")


def item_response_data() -> tuple[np.ndarray, np.ndarray]:
    """Right answers and questions asked, as tables of 0 and 1: [students, questions]."""
    module = _numbers("internal", "datasets", "synthetic_item_response_theory.py")
    answers, asked = np.zeros((400, 100)), np.zeros((400, 100))
    place = module.STUDENT_IDS, module.QUESTION_IDS
    answers[place], asked[place] = module.CORRECT, 1
    return answers, asked
