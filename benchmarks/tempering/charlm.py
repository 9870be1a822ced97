"""A character-level LSTM on War and Peace, or Tiny Shakespeare.

The paper that `benchmarks.tempering` names trains "the same model architecture" as A. Karpathy et
al. on War and Peace; that is read as what it says of its other text, 3 layers of LSTM with 64 units
each: `--layers 3 --batch-size 100`, which takes several times as long as the default, one such
layer and smaller batches. The text is split 80/10/10. A gradient is that of the mean cross-entropy
over a batch of pieces of `--length` characters from anywhere in the training text, each predicted
from an empty memory: that keeps batches independent, as methods with heat need them. Nothing is
clipped.

What is reported: the mean cross-entropy per character, in nats, and its exponential, the perplexity
per character (the paper's formula, which lacks the division by the length of a sentence, cannot be
meant), on the whole validation and test texts, in pieces of some 500 characters, each from an empty
memory, and on as many pieces spread over the training text.
"""

import argparse

import jax.numpy as jnp
import numpy as np

from benchmarks import data
from benchmarks.engine.problem import Column, Problem, streams
from benchmarks.tempering import TEXTS, recurrent

STREAMS, MEASURED = 100, 50_000  # pieces of text, and characters, that are measured at once
CENTRES = {
    "sgd": 1.0,
    "rmsprop": 0.03,
    "adam": 0.03,
    "annealsgd": 1.0,
    "santa": 0.03,
    "ctld": 1.0,
}


def load(options: argparse.Namespace) -> tuple[Problem, str]:
    """The problem, and what is to be said of it above the table."""
    text = data.load_text(options.text)
    layers = f"{options.layers} x {options.units} LSTM"
    notes = (
        f"{len(text.train):,} characters for training, {len(text.test):,} for testing, "
        f"{len(text.alphabet)} different ones; batches of {options.batch_size} x {options.length}."
    )
    task = problem(
        text,
        f"{TEXTS[options.text]}, {layers}",
        units=options.units,
        layers=options.layers,
        batch_size=options.batch_size,
        length=options.length,
    )
    return task, notes


def problem(text, title, *, units, layers, batch_size, length, measured=MEASURED):
    """The prediction of this text; about `measured` characters are measured at once."""
    count = max(1, round(len(text.test) / measured))
    piece = (min(len(text.test), len(text.validation)) - 1) // (count * STREAMS)
    pieces = {
        split: streams(getattr(text, split), count, STREAMS, piece)
        for split in ("train", "validation", "test")
    }
    score = "cross-entropy"
    examples = len(text.train) - length
    return Problem(
        title=title,
        stages=[recurrent.stage(len(text.alphabet), units, layers)],
        data=jnp.asarray(text.train),
        batch=lambda text, starts: text[starts[:, None] + jnp.arange(length + 1)].astype(int),
        batch_size=batch_size,
        examples=examples,
        search_examples=examples,
        splits=pieces,
        score=score,
        unit="cross-entropy (nats)",
        columns=[
            column
            for split in pieces
            for column in (
                Column(f"{score}, {split}", split, score, 4),
                Column(f"perplexity, {split}", split, score, 3, np.exp),
            )
        ],
    )
