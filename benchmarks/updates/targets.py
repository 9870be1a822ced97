"""What the library promises of its speed, and whether a run keeps it.

Most targets are ratios within one run, so that they hold for a machine and not for an hour of it.
"""

from typing import NamedTuple

from benchmarks.updates import lookups as of
from benchmarks.updates.clock import Quartiles
from benchmarks.updates.replicas import ALONE, EXCHANGED, REPLICATED
from benchmarks.updates.results import Results

MOST, LEAST = "<=", ">="


class Target(NamedTuple):
    """One promise."""

    topic: str
    meaning: str
    value: of.Lookup
    relation: str
    bound: float
    unit: str = "x"

    def verdict(self, results: Results) -> str:
        value = self.value(results)
        if value is None:
            return "not measured"
        middle = value.median if isinstance(value, Quartiles) else value
        reached = middle <= self.bound if self.relation == MOST else middle >= self.bound
        return "reached" if reached else "NOT REACHED"


ADAM, NOISY = "optax.adam", "optax.noisy_sgd"
MLP, FLAT, TFM = "mlp1.7M", "flat10M", "tfm10M"


# Without and with a copy of the parameters in their state.
OVERDAMPED = ("sgld", "sgld-threefry13", "sgld-ternary")
UNDERDAMPED = ("leimkuhler_matthews", "sghmc", "sghmc-ternary", "baoab", "sgnht", "psgld")
LEAN = (
    *OVERDAMPED,
    "sghmc",
    "sghmc-ternary",
    "sgnht",
    "ctld",
)  # nothing needs an old momentum twice


TARGETS = [
    Target("SGLD", f"{TFM}, over adam", of.update(TFM, "sgld", ADAM), MOST, 2.0),
    Target("SGLD", f"{TFM}, over noisy_sgd", of.update(TFM, "sgld", NOISY), MOST, 0.30),
    Target("SGLD", f"{FLAT}, over adam", of.update(FLAT, "sgld", ADAM), MOST, 3.2),
    Target("SGLD", f"{FLAT}, over noisy_sgd", of.update(FLAT, "sgld", NOISY), MOST, 0.25),
    Target("SGLD, ternary", f"{MLP}, over adam", of.update(MLP, "sgld-ternary", ADAM), MOST, 1.1),
    Target("SGLD, ternary", f"{FLAT}, over adam", of.update(FLAT, "sgld-ternary", ADAM), MOST, 1.1),
    Target("SGLD, ternary", f"{TFM}, over adam", of.update(TFM, "sgld-ternary", ADAM), MOST, 1.25),
    Target("SGHMC", f"{TFM}, over adam", of.update(TFM, "sghmc", ADAM), MOST, 2.3),
    Target("noise", "inverse_cdf, faster than jax", of.noise_speed("inverse_cdf"), LEAST, 3.5),
    Target("noise", "threefry, faster than jax", of.noise_speed("threefry"), LEAST, 5.0),
    Target("BAOAB", f"{MLP}, over SGHMC", of.update(MLP, "baoab", "sghmc"), MOST, 1.35),
    Target("BAOAB", f"{TFM}, over SGHMC", of.update(TFM, "baoab", "sghmc"), MOST, 1.35),
    Target("SGNHT", f"{MLP}, over SGHMC", of.update(MLP, "sgnht", "sghmc"), MOST, 1.08),
    Target("SGNHT", f"{TFM}, over SGHMC", of.update(TFM, "sgnht", "sghmc"), MOST, 1.08),
    Target("CTLD", f"{MLP}, over SGHMC", of.update(MLP, "ctld", "sghmc"), MOST, 1.1),
    Target("CTLD", f"{TFM}, over SGHMC", of.update(TFM, "ctld", "sghmc"), MOST, 1.1),
    Target("CTLD", "MLP step, over SGHMC", of.step("mlp", "ctld", "sghmc"), MOST, 1.05),
    Target(
        *("CTLD", f"10 times the bins, {MLP}"),
        *(of.update(MLP, "ctld-10x bins", "ctld"), MOST, 1.05),
    ),
    *(
        Target("local entropy", f"{tree}, over {name}", of.update(tree, method, inner), MOST, 1.6)
        for tree in (MLP, TFM)
        for method, name, inner in (
            ("local_entropy", "SGLD", "sgld"),
            ("local_entropy-sghmc", "SGHMC", "sghmc"),
        )
    ),
    Target(
        *("replicas", "LeNet, exchange over none"),
        *(of.of_replicas(EXCHANGED, REPLICATED), MOST, 1.03),
    ),
    Target(
        *("replicas", "LeNet, 8 at once over 8 runs"),
        *(of.of_replicas(REPLICATED, ALONE), MOST, 1.15),
    ),
    Target("compiling", f"CTLD, {TFM}, over adam", of.build(TFM, "ctld", ADAM), MOST, 4.0),
    Target("compiling", f"SGLD, {TFM}, over adam", of.build(TFM, "sgld", ADAM), MOST, 3.0),
    Target("compiling", f"SGHMC, {TFM}, over adam", of.build(TFM, "sghmc", ADAM), MOST, 3.0),
    Target(
        *("compiling", f"slower of SGLD, SGHMC, {TFM}, over noisy_sgd"),
        *(of.slowest_build(TFM, ("sgld", "sghmc"), NOISY), MOST, 0.2),
    ),
    Target(
        *("memory", f"temporary, SGLD, SGHMC, SGNHT, {TFM}"),
        *(of.temporary_megabytes(TFM, LEAN), MOST, 8, "MB"),
    ),
    Target(
        *("memory", f"temporary, BAOAB, {TFM}"),
        *(of.temporary_megabytes(TFM, ("baoab",)), MOST, 40, "MB"),
    ),
    Target(
        *("memory", "state, SGLD"),
        *(of.state_bytes(TFM, OVERDAMPED), MOST, 0.001, "B/parameter"),
    ),
    Target(
        *("memory", "state, the other samplers"),
        *(of.state_bytes(TFM, UNDERDAMPED), MOST, 4.001, "B/parameter"),
    ),
    Target("blackjax", "SGLD, MLP step", of.step("mlp", "blackjax.sgld", "sgld"), LEAST, 1.4),
    Target("blackjax", "SGLD, Gaussian", of.step("gaussian", "blackjax.sgld", "sgld"), LEAST, 3.5),
    Target("blackjax", f"SGLD, {TFM}", of.update(TFM, "blackjax.sgld", "sgld"), LEAST, 5.0),
    Target("posteriors", "MLP, smallest lead", of.lead_over_posteriors("mlp"), LEAST, 1.5),
    Target(
        "posteriors", "logistic, smallest lead", of.lead_over_posteriors("logistic"), LEAST, 60.0
    ),
    Target("sampling", "BAOAB over SGLD, samples/s", of.efficiency("baoab", "sgld"), LEAST, 100.0),
]
