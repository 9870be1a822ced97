"""Command-line options that several benchmarks share, and the folder that a run writes to."""

import argparse
import math
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

TABLE = "table.md"  # every benchmark leaves one
# What --resume leaves: a folder of states, in it what the run is, and beside it a log.
SAVES, RUN, LOG = "saves", "run.json", "resume.log"
BY_BUDGET = "(default: as --budget says)"


def at_least(minimum: int) -> Callable[[str], int]:
    """Whole numbers from `minimum` on, as `type` of an option."""

    def integer(text: str) -> int:
        number = int(text)
        if number < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, got {number}")
        return number

    return integer


def between(low: float, high: float) -> Callable[[str], float]:
    """Numbers from `low` to `high`, as `type` of an option."""

    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low:g} to {high:g}, got {value:g}")
        return value

    return number


def add_count(
    parser: argparse.ArgumentParser,
    option: str,
    default: int | None,
    meaning: str,
    *,
    minimum: int = 1,
) -> None:
    """An option for a whole number; the help text says the default, if there is one."""
    note = "" if default is None else " (default: %(default)s)"
    parser.add_argument(option, type=at_least(minimum), default=default, help=meaning + note)


def add_parts(parser: argparse.ArgumentParser, parts: Sequence[str], all_of_them: str) -> None:
    """Which parts of a benchmark to measure, and the seed; `all_of_them` is said of the default."""
    said = f"some of: {', '.join(parts)} (default: {all_of_them})"
    parser.add_argument(
        "--parts", nargs="+", choices=parts, default=parts, metavar="PART", help=said
    )
    add_count(parser, "--seed", 0, "of the chains", minimum=0)


def add_problems(
    parser: argparse.ArgumentParser, known: Sequence[str], default: Sequence[str], said: str
) -> None:
    """Which problems to run; `said` is what the help text says of the default."""
    parser.add_argument(
        "--problems",
        nargs="+",
        choices=known,
        default=default,
        metavar="PROBLEM",
        help=f"some of: {', '.join(known)} (default: {said})",
    )


def add_methods(parser: argparse.ArgumentParser, names: str) -> None:
    """Which methods to compare."""
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help=f"some of: {names} (default: as --budget says, or all)",
    )


def add_seed_options(parser: argparse.ArgumentParser, seeds: int | None, meaning: str) -> None:
    """How many runs, and which."""
    add_count(parser, "--seeds", seeds, meaning)
    add_count(parser, "--first-seed", 0, "seeds count from here", minimum=0)


def add_budget(parser: argparse.ArgumentParser, budgets: Mapping[str, Mapping[str, Any]]) -> None:
    """How much to spend; `budgets` has, by name, the values of options that are not given."""

    def said(name):
        values = (
            f"{option.replace('_', '-')} {' '.join(value) if isinstance(value, list) else value}"
            for option, value in budgets[name].items()
        )
        return f"{name} ({', '.join(values) or 'the numbers of each problem'})"

    parser.add_argument(
        "--budget",
        choices=tuple(budgets),
        default="default",
        help="values of options that are not given; paper: what the papers spend, hours or days. "
        f"{'; '.join(map(said, budgets))} (default: %(default)s)",
    )


def within_budget(
    options: argparse.Namespace, budgets: Mapping[str, Mapping[str, Any]], **own: Any
) -> argparse.Namespace:
    """The options; those that are None are the budget's, or else have the values `own`."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(**{**vars(options), **own, **budgets[options.budget], **given})


def add_search_options(parser: argparse.ArgumentParser, meaning: str) -> None:
    """What the search for settings tries, and for how long."""
    add_count(parser, "--search", None, f"{meaning} {BY_BUDGET}")
    parser.add_argument(
        "--search-share",
        type=between(0, 1),
        help=f"length of each run of the search, as a share of the steps {BY_BUDGET}",
    )


def add_resume_options(parser: argparse.ArgumentParser) -> None:
    """Whether the run survives a kill."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help=f"save the state of the run in the folder {SAVES}/ of its results, and go on from "
        "there: after a kill the same command ends with the numbers of a run that was never "
        f"stopped; {LOG} tells when it was",
    )
    parser.add_argument(
        "--join",
        nargs="+",
        type=pathlib.Path,
        default=(),
        metavar="FOLDER",
        help="--output of other runs with --resume, of other seeds (exchange) or methods: the "
        "parts that these have finished are taken from there",
    )
    parser.add_argument(
        "--save-every",
        type=between(0, math.inf),
        default=5.0,
        metavar="MINUTES",
        help="time between two saves, at least; a run is saved between two chunks only (default: "
        "%(default)g)",
    )


def seeds_of(options: argparse.Namespace) -> range:
    """The seeds that these options name."""
    return range(options.first_seed, options.first_seed + options.seeds)


def add_training_options(
    parser: argparse.ArgumentParser,
    budgets: Mapping[str, Mapping[str, Any]],
    *,
    methods: str,
    output: str,
) -> None:
    """The options of every benchmark that trains networks."""
    add_seed_options(parser, None, f"networks per setting {BY_BUDGET}")
    add_count(parser, "--chunks", None, f"points of the curves {BY_BUDGET}")
    add_methods(parser, methods)
    add_budget(parser, budgets)
    add_resume_options(parser)
    add_output_option(parser, output)


def add_output_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Where the results go; what the default means is up to the benchmark."""
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        help=f"folder (default: {default}); one that holds results keeps them, and new ones go to "
        "run-2, run-3... in it",
    )


def begin(options: argparse.Namespace, name: str | None = None) -> pathlib.Path:
    """Claims the folder of a run, by default that of its benchmark or of `name`; configures jax."""
    output = options.output or pathlib.Path("results") / (name or options.benchmark)
    output = claim(output, resume=getattr(options, "resume", False))
    _configure()
    return output


def begin_each(options: argparse.Namespace, names: Iterable[str]) -> dict[str, pathlib.Path]:
    """The same for a run of several parts: a folder for each, all claimed before the first runs."""
    output = options.output or pathlib.Path("results") / options.benchmark
    resume = getattr(options, "resume", False)
    folders = {name: claim(output / name, resume=resume) for name in names}
    _configure()
    return folders


def _configure() -> None:
    from benchmarks.engine import runtime  # jax, which the help text does without

    runtime.configure()


def claim(folder: pathlib.Path, *, resume: bool = False) -> pathlib.Path:
    """The folder that a run may write to: this one, or `run-2`, `run-3`... in it.

    A folder that holds the results of an earlier run is left as it is, unless the run is to go on
    (`resume`) from the states that were saved there. Raises `SystemExit` with a
    message if nothing can be written, before hours of training and not after them.
    """
    chosen, number = folder, 1
    while _taken(chosen, resume):
        number += 1
        chosen = folder / f"run-{number}"
    try:
        chosen.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=chosen):
            pass
    except OSError as error:
        raise SystemExit(
            f"error: --output {folder} cannot be written to ({error}): name another folder"
        ) from error
    if chosen != folder:
        print(f"{folder} holds the results of an earlier run: these go to {chosen}", flush=True)
    return chosen


def _taken(folder: pathlib.Path, resume: bool) -> bool:
    saved = (folder / SAVES / RUN).exists()
    return not resume if saved else (folder / TABLE).exists()
