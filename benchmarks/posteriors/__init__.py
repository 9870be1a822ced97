"""`python -m benchmarks posteriors`: how many gradients until the posterior is right?

Samplers of this package and of BlackJAX on posteriors whose moments are known: exactly, from a
package, or from long NUTS runs that are kept in `references.npz`. Settings come from one grid by
one rule, chains start far out, warm-ups count.
"""

import argparse
import pathlib

from benchmarks.engine.options import add_count, add_output_option, claim

TARGETS = (
    *("logistic", "network", "digits", "schools", "schools_centred"),
    *("mixture", "gaussian", "item_response"),
)
BATCHES = ("full", "replacement", "reshuffled", "symmetric")
PARTS = ("posteriors", "noise", "check")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    choices = (
        ("parts", PARTS, PARTS[:2], "the comparison, gradient noise of known law, long runs"),
        ("targets", TARGETS, None, "some of the posteriors"),
        ("batches", BATCHES, None, "the whole data in each gradient, or a tenth in some order"),
    )
    for name, known, default, meaning in choices:
        parser.add_argument(
            f"--{name}",
            nargs="+",
            choices=known,
            default=default,
            metavar=name.upper().removesuffix("S"),
            help=f"{meaning}: {', '.join(known)} (default: {', '.join(default or ['all'])})",
        )
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD", help="by the names in the tables (default: all)"
    )
    add_count(
        parser, "--seed", 0, "of the search; the chains reported on have the second next", minimum=0
    )
    parser.add_argument(
        "--step",
        type=float,
        help="of the long runs, in units of the fastest motion (default: 0.25, alone 0.1)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="3 posteriors, 5 methods, a tenth of the gradients: 3 minutes",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on in --output even if its table is finished; what is measured there stays",
    )
    parser.add_argument(
        "--again", action="store_true", help="as --resume, but measures the named methods anew"
    )
    parser.add_argument(
        "--references", action="store_true", help="make the reference moments anew, by NUTS"
    )
    parser.add_argument(
        "--against",
        type=pathlib.Path,
        metavar="FOLDER",
        help="measures nothing, but compares what is in --output with another run, as of a seed",
    )
    add_count(
        parser,
        "--workers",
        None,
        "processes that measure side by side, each with cores of its own (default: one a core, at "
        "most 4; one alone with a GPU)",
    )
    add_output_option(parser, f"results/{benchmark}")


def run(options: argparse.Namespace) -> None:
    """Measures, prints the tables, saves them and the pictures."""
    folder = options.output or pathlib.Path("results") / options.benchmark
    if options.against is not None:
        from benchmarks.posteriors import seeds

        return seeds.save(folder, options.against)
    output = folder if options.resume or options.again else claim(folder)
    from benchmarks.engine import runtime

    runtime.configure()
    if options.references:
        from benchmarks.posteriors import references

        names = [name for name in references.RUNS if name in (options.targets or TARGETS)]
        return references.make(output / "references.npz", names)
    from benchmarks.posteriors import measurement, noise, stationary

    (output / "measured").mkdir(parents=True, exist_ok=True)
    parts = {"posteriors": measurement.run, "noise": noise.run, "check": stationary.run}
    for name in PARTS:
        if name in options.parts:
            parts[name](options, output)
    return None
