"""Text as numbers, one per character, for models that predict the next one."""

from typing import NamedTuple

import numpy as np

from benchmarks.data.files import locate, read

SHARES = (0.8, 0.1)  # for training and validation, in this order; the rest is for testing


class TextData(NamedTuple):
    """A text in three consecutive pieces; each character is its index in the alphabet."""

    train: np.ndarray  # uint8[characters]
    validation: np.ndarray
    test: np.ndarray
    alphabet: str  # every character of the text, sorted


def load_text(name: str) -> TextData:
    """The text called `name`, found or downloaded as `benchmarks.data.locate` says.

    The byte order mark and the carriage returns of its line ends are dropped: they say nothing,
    and the return, which always comes before the same character, would flatter every perplexity.
    """
    (path,) = locate(name).values()
    return encode(read(path).decode("utf-8-sig").replace("\r\n", "\n"))


def encode(text: str) -> TextData:
    """Numbers the characters and splits the text by `SHARES`."""
    alphabet, numbers = np.unique(np.array(list(text)), return_inverse=True)
    if len(alphabet) > 256:
        raise ValueError(f"a text may have 256 different characters, got {len(alphabet)}.")
    ends = (len(text) * np.cumsum(SHARES)).astype(int)
    return TextData(*np.split(numbers.astype(np.uint8), ends), alphabet="".join(alphabet))
