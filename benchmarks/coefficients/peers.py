"""The same models, in torch, by devinterp's estimator: error and time per gradient.

devinterp 2 takes language models only; 1.3 is the last release for losses of one's own. It has no
rule for its step, so each of its samplers runs at three, and the best is reported, as chosen with
the exact value in hand. Ours runs once, with its defaults.
"""

# The peers are optional: where they are not installed, the types of their names are unknown.
# pyright: reportMissingImports=false

import importlib.util
import math
import pathlib
import time
import warnings
from typing import Any

import numpy as np

import thermo_optax as to
from benchmarks.coefficients import models
from benchmarks.coefficients.models import Model
from benchmarks.engine import report

STEPS, BURN_IN, CHAINS = 1_600, 400, 4
SHARES = (0.1, 0.3, 1.0)  # of 2 / curvature, sgld's steps
RATES = (1e-5, 1e-4, 1e-3)  # of rmsprop_sgld, around those of its notebooks


def run(options, output: pathlib.Path) -> tuple[str, Any]:
    """All models of `models.compared`, first ours, then theirs."""
    del output
    title = "Next to devinterp"
    missing = [name for name in ("torch", "devinterp") if not importlib.util.find_spec(name)]
    if missing:
        text = f"Left out: {' and '.join(missing)} not installed"
        return report.section(title, f"{text} (`pip install torch devinterp==1.3.2`)."), None
    steps, burn_in = (100, 25) if options.quick else (STEPS, BURN_IN)
    chosen = models.compared()[: 1 if options.quick else None]
    rows, numbers = [], []
    for model in chosen:
        exact = model.exact()
        found = _ours(model, steps, burn_in, options.seed)
        theirs = _theirs(model, found["curvature"], steps, burn_in, options.seed)
        for name, tried in {"`learning_coefficient`": [found], **theirs}.items():
            best = min(tried, key=lambda one: _distance(one["value"], exact))
            errors = ", ".join(_percent(one["value"], exact) for one in tried)
            cost = np.median([one["microseconds"] for one in tried])
            rows.append([model.title, name, f"{best['value']:.4g}", errors, f"{cost:.1f}"])
            numbers.append({"model": model.title, "estimator": name, "exact": exact, "runs": tried})
            print(*rows[-1], flush=True)
        rows[-1 - len(theirs)][0] += f": {exact:.4g}"
    before = (
        f"{CHAINS} chains of {burn_in} + {steps:,} gradients each. Errors of devinterp are at "
        f"three steps: sgld at {', '.join(map(str, SHARES))} of 2 / curvature, with the largest "
        "curvature that our chains met, rmsprop_sgld at learning rates of "
        f"{', '.join(f'{rate:g}' for rate in RATES)}; the value is the best of the three, chosen "
        "with the exact one in hand. Times are per chain and gradient, without compilation, one "
        "core for torch, whose overhead is not in arithmetic at these sizes."
    )
    columns = ["model: exact", "estimator", "value", "error", "us per gradient"]
    return report.section(title, report.table(columns, rows), before=before), numbers


def _distance(value: float, exact: float) -> float:
    return abs(value / exact - 1) if math.isfinite(value) else math.inf


def _percent(value: float, exact: float) -> str:
    off = 100 * (value / exact - 1)
    return f"{off:+.1f} %" if abs(off) < 1_000 else "diverged"


def _ours(model: Model, steps: int, burn_in: int, seed: int) -> dict[str, float]:
    def once():
        return to.learning_coefficient(
            model.loss,
            model.params,
            num_examples=100_000,
            temperature=model.temperature,
            precision=model.precision,
            num_chains=CHAINS,
            num_steps=steps,
            num_burn_in=burn_in,
            key=seed,
        )

    found = once()
    start = time.perf_counter()
    once()
    cost = 1e6 * (time.perf_counter() - start) / (CHAINS * (steps + burn_in))
    return {
        "value": found.value,
        "microseconds": cost,
        "curvature": found.settings["curvature"],
    }


def _theirs(model: Model, curvature: float, steps: int, burn_in: int, seed: int) -> dict[str, list]:
    from devinterp.optim.sgmcmc import SGMCMC

    heat = model.temperature
    stiff = curvature / heat + model.precision
    settings = {
        "devinterp, sgld": (SGMCMC.sgld, [2 * share / stiff for share in SHARES]),
        "devinterp, rmsprop_sgld": (SGMCMC.rmsprop_sgld, RATES),
    }
    return {
        name: [_one(model, method, rate, steps, burn_in, seed) for rate in rates]
        for name, (method, rates) in settings.items()
    }


def _one(
    model: Model, method: Any, rate: float, steps: int, burn_in: int, seed: int
) -> dict[str, float]:
    import torch
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary

    torch.set_num_threads(1)
    network = _module(model)
    nbeta = 1 / model.temperature
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = estimate_learning_coeff_with_summary(
                network,
                torch.utils.data.DataLoader(torch.zeros(1, 1)),
                evaluate=lambda network, _: network(),
                sampling_method=method,
                optimizer_kwargs={"lr": rate, "localization": model.precision, "nbeta": nbeta},
                num_draws=steps,
                num_chains=CHAINS,
                num_burnin_steps=burn_in,
                init_loss=1e-12,  # the loss at the centre is 0, which it takes for none
                seed=seed,
                verbose=False,
            )
        value = float(found["llc/mean"])
    except RuntimeError:  # it raises when a loss is NaN
        value = math.nan
    cost = 1e6 * (time.perf_counter() - start) / (CHAINS * (steps + burn_in))
    return {"rate": rate, "value": value, "microseconds": cost}


def _module(model: Model) -> Any:
    import torch

    class Module(torch.nn.Module):
        """The loss as a module, which devinterp copies for each chain."""

        def __init__(self) -> None:
            """At the minimum."""
            super().__init__()
            layers = [torch.tensor(np.array(layer)) for layer in _layers(model)]
            self.layers = torch.nn.ParameterList(layers)
            self.register_buffer("curvatures", torch.tensor(models.CURVATURES).float())
            target = torch.linalg.multi_dot(layers[::-1]) if model.widths else torch.zeros(1)
            self.register_buffer("target", target)

        def forward(self):
            """The loss."""
            if not model.widths:
                return (self.curvatures * self.layers[0] ** 2).sum() / 2
            result = self.layers[0]
            for layer in list(self.layers)[1:]:
                result = layer @ result
            return ((result - self.target) ** 2).sum() / 2

    return Module()


def _layers(model: Model) -> list[Any]:
    return list(model.params) if model.widths else [model.params]
