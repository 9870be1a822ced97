"""Command-line options that several benchmarks share, and the folder that a run writes to."""

import argparse
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Sequence

TABLE = "table.md"  # every benchmark leaves one


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
        "--methods", nargs="+", metavar="METHOD", help=f"some of: {names} (default: all)"
    )


def add_seed_options(parser: argparse.ArgumentParser, seeds: int, meaning: str) -> None:
    """How many runs, and which."""
    add_count(parser, "--seeds", seeds, meaning)
    add_count(parser, "--first-seed", 0, "seeds count from here", minimum=0)


def seeds_of(options: argparse.Namespace) -> range:
    """The seeds that these options name."""
    return range(options.first_seed, options.first_seed + options.seeds)


def add_training_options(
    parser: argparse.ArgumentParser, *, seeds: int, chunks: int | None, methods: str, output: str
) -> None:
    """The options of every benchmark that trains networks; None for chunks that vary."""
    add_seed_options(parser, seeds, "networks per setting")
    parser.add_argument(
        "--chunks",
        type=at_least(1),
        default=chunks,
        help=f"points of the curves (default: {chunks or 'the problem' + chr(39) + 's own'})",
    )
    add_methods(parser, methods)
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
    output = claim(options.output or pathlib.Path("results") / (name or options.benchmark))
    _configure()
    return output


def begin_each(options: argparse.Namespace, names: Iterable[str]) -> dict[str, pathlib.Path]:
    """The same for a run of several parts: a folder for each, all claimed before the first runs."""
    output = options.output or pathlib.Path("results") / options.benchmark
    folders = {name: claim(output / name) for name in names}
    _configure()
    return folders


def _configure() -> None:
    from benchmarks.engine import runtime  # jax, which the help text does without

    runtime.configure()


def claim(folder: pathlib.Path) -> pathlib.Path:
    """The folder that a run may write to: this one, or `run-2`, `run-3`... in it.

    A folder that holds the results of an earlier run is left as it is. Raises `SystemExit` with a
    message if nothing can be written, before hours of training and not after them.
    """
    chosen, number = folder, 1
    while (chosen / TABLE).exists():
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
