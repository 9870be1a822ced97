"""Image classification data: the IDX format of MNIST, and the records of CIFAR-10."""

import io
import math
import pathlib
import struct
import tarfile
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

    train_images: np.ndarray  # uint8[examples, height, width], and channels if there are several
    train_labels: np.ndarray  # uint8[examples]
    test_images: np.ndarray
    test_labels: np.ndarray


def load_images(name: str) -> ImageData:
    """The data set called `name`, found or downloaded as `benchmarks.data.locate` says."""
    return ImageData(**{part: read_idx(path) for part, path in locate(name).items()})


def load_emnist_letters() -> ImageData:
    """EMNIST's letters, upright and with the classes 0 to 25: its files have them otherwise."""
    found = load_images("emnist-letters")
    return ImageData(
        found.train_images.transpose(0, 2, 1),
        found.train_labels - 1,
        found.test_images.transpose(0, 2, 1),
        found.test_labels - 1,
    )


def load_cifar10() -> ImageData:
    """CIFAR-10, found or downloaded as the archive of its binary version."""
    (path,) = locate("cifar10").values()
    with tarfile.open(fileobj=io.BytesIO(read(path))) as archive:
        train = [_records(archive, f"data_batch_{number}.bin") for number in range(1, 6)]
        images, labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
        return ImageData(images, labels, *_records(archive, "test_batch.bin"))


def _records(archive: tarfile.TarFile, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one file: a byte for the class, then red, green and blue by rows."""
    file = archive.extractfile(f"cifar-10-batches-bin/{name}")
    if file is None:
        raise ValueError(f"{name} is not a file of the archive of CIFAR-10.")
    records = np.frombuffer(file.read(), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0]


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
