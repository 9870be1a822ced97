"""Image classification data in the IDX format of MNIST."""

import math
import pathlib
import struct
from typing import NamedTuple

import numpy as np

from benchmarks.data.files import locate, read

_ELEMENT_TYPES = {
    0x08: np.uint8,
    0x09: np.int8,
    0x0B: np.int16,
    0x0C: np.int32,
    0x0D: np.float32,
    0x0E: np.float64,
}


class ImageData(NamedTuple):
    """Images and their classes, as distributed: pixels are bytes, 0 is black."""

    train_images: np.ndarray  # uint8[examples, height, width]
    train_labels: np.ndarray  # uint8[examples]
    test_images: np.ndarray
    test_labels: np.ndarray


def load_images(name: str) -> ImageData:
    """The data set called `name`, found or downloaded as `benchmarks.data.locate` says."""
    return ImageData(**{part: read_idx(path) for part, path in locate(name).items()})


def read_idx(path: pathlib.Path) -> np.ndarray:
    """Reads one IDX file: an array of any rank and element type, gzipped or not."""
    content = read(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _ELEMENT_TYPES:
        raise ValueError(f"{path} is not an IDX file: it begins with {content[:4]!r}.")
    rank = content[3]
    shape = struct.unpack_from(f">{rank}I", content, offset=4)
    # IDX is big-endian; a byte order has no meaning for, and does not disturb, single bytes.
    dtype = np.dtype(_ELEMENT_TYPES[content[2]]).newbyteorder(">")
    start = 4 + 4 * rank
    if len(content) - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{path} announces the shape {shape}, which its length contradicts.")
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))
