"""The command line: one subcommand per benchmark, and `status` for runs that take long.

An experiment is a folder with `add_arguments(parser, benchmark)` and `run(options)`, its page in
README.md and its pictures in figures/; it joins by a row of `BENCHMARKS` for each of its
benchmarks. It is imported for the help text too, so it imports jax inside `run` only.
"""

import argparse
import errno
import importlib
import os
import sys

from benchmarks.engine import status

BENCHMARKS = {  # by name: the folder, and a line for the help text
    "spiral": ("layers", "two interleaved 4-turn spirals, 2-100-1 network, 8 methods"),
    "trig": ("layers", "cosine against sine over 5 periods, same network and methods"),
    "barriers": ("layers", "the spiral by heat that wanders, AdLaLa tempered and exchanged"),
    "mnist": ("layers", "a network on the 60,000 images of MNIST or Fashion-MNIST"),
    "sda": ("tempering", "stacked denoising autoencoder, MNIST: CTLD, Santa, 4 optimizers"),
    "charlm": ("tempering", "character LSTM, War and Peace: CTLD, Santa, 4 optimizers"),
    "entropy": ("entropy", "local entropy: MNIST, War and Peace, spectra of Hessians"),
    "exchange": ("exchange", "swaps of dropout and learning rates, LeNets, ResNet-20"),
    "gaussians": ("sampling", "25 Gaussians in the plane, continuous tempering"),
    "dimensions": ("sampling", "tempering of up to 10,000,000 parameters"),
    "demo": ("demo", "spiral, trig and mnist at small scale, in a few minutes"),
    "posteriors": ("posteriors", "gradients until the posterior is right, all samplers"),
    "coefficients": ("coefficients", "learning coefficients against exact values"),
    "updates": ("updates", "what updates cost, next to other libraries; `make bench`"),
    "gpu": ("gpu", "one accelerator in eight minutes, with nothing but jax; `make gpu`"),
    "claims": ("claims", "numbers of docs/ that no other benchmark measures"),
    "scale": ("scale", "steps of up to 7 billion parameters on 64 devices, compiled only"),
}
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
INTERRUPTED = 130  # the shell's exit code for Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmark that the arguments name; returns the exit code."""
    # XLA warns at length of programs that it kept from an earlier run on this very machine.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        options = _parser().parse_args(arguments)
        _run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("benchmarks", "thermo_optax"):
            raise
        print(f"{error}; install it with: pip install 'thermo_optax[bench]'", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    """Missing data and a full disk end a run with a message instead of a traceback."""
    from benchmarks.data import MissingDataError

    try:
        options.run(options)
    except MissingDataError as error:
        raise SystemExit(f"error: {error}") from error
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        where = options.output or "the folder of the results"
        raise SystemExit(
            f"error: {error.filename or where} cannot be written ({error.strerror}): free space "
            "there or make it writable, and give the same command again; with --resume it goes on "
            "from its last save"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Thermodynamic training methods against SGD, RMSprop, Adam and SGLD.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="benchmark", metavar="BENCHMARK", required=True)
    sections = []
    for name, (folder, summary) in BENCHMARKS.items():
        experiment = importlib.import_module(f"benchmarks.{folder}")
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            allow_abbrev=False,  # --seed would be taken for --seeds
        )
        experiment.add_arguments(command, name)
        command.set_defaults(run=experiment.run)
        options = command.format_help().partition("show this help message and exit\n")[2]
        sections.append(f"options of {name}:\n{options}")
    summary = "what is done, and what is left, of the runs in a folder"
    command = commands.add_parser("status", help=summary, allow_abbrev=False)
    status.add_arguments(command)
    command.set_defaults(run=status.run)
    parser.epilog = "\n".join(sections)
    return parser
