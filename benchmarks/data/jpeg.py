"""CIFAR-10 from lossy copies, for machines where the exact images cannot be had.

The file `cifar10_jpeg_dct.npz` holds the quantised cosine coefficients of 60,000 JPEG files of
quality 75, with halved chroma: `coef` int8[frequencies, blocks, images] with 4 x 4 blocks of luma
and 2 x 2 of either chroma, the few values beyond int8 apart, the tables that quantised them, and
the labels. The images are blurred, so that errors on them are larger than on CIFAR-10 itself.
"""

import io
from collections.abc import Mapping

import numpy as np

from benchmarks.data.files import locate, read
from benchmarks.data.images import ImageData

_CHUNK = 5_000  # images decoded at once
_TRAIN = 50_000


def load_cifar10_jpeg() -> ImageData:
    """All images in the order of CIFAR-10, decoded: uint8[examples, 32, 32, 3]."""
    (path,) = locate("cifar10-jpeg").values()
    with np.load(io.BytesIO(read(path))) as file:
        images = decode(file)
        return ImageData(
            images[:_TRAIN], file["train_labels"], images[_TRAIN:], file["test_labels"]
        )


def decode(file: Mapping[str, np.ndarray]) -> np.ndarray:
    """The images; in places a grey level off those of libjpeg, whose arithmetic is of integers."""
    coefficients = np.array(file["coef"], np.int16, order="C")  # for the indices below
    coefficients.reshape(-1)[file["exc_index"]] = file["exc_value"]
    tables = np.repeat([file["qtable_luma"], file["qtable_chroma"]], [16, 8], axis=0)
    count = coefficients.shape[-1]
    images = np.empty((count, 32, 32, 3), np.uint8)
    for first in range(0, count, _CHUNK):
        quantised = np.moveaxis(coefficients[..., first : first + _CHUNK], -1, 0)
        blocks = _cosines(np.swapaxes(quantised, 1, 2) * tables.reshape(24, 64).astype(np.float32))
        luma = _tiles(blocks[:, :16], 4)
        blue, red = (_doubled(_tiles(blocks[:, k : k + 4], 2)) - 128 for k in (16, 20))
        rgb = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
        images[first : first + _CHUNK] = np.clip(np.rint(np.stack(rgb, -1)), 0, 255)
    return images


def _cosines(blocks: np.ndarray) -> np.ndarray:
    """The inverse cosine transform of [..., 64] as grey levels [..., 8, 8]."""
    place, frequency = np.arange(8)[:, None], np.arange(8)
    waves = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    waves[:, 0] /= np.sqrt(2)
    waves = waves.astype(np.float32)
    samples = waves @ blocks.reshape(*blocks.shape[:-1], 8, 8) @ waves.T
    return np.clip(np.rint(samples + 128), 0, 255)


def _tiles(blocks: np.ndarray, side: int) -> np.ndarray:
    """Blocks [images, side^2, 8, 8] as images."""
    grid = blocks.reshape(-1, side, side, 8, 8)
    return np.swapaxes(grid, 2, 3).reshape(-1, 8 * side, 8 * side)


def _doubled(chroma: np.ndarray) -> np.ndarray:
    """Twice the size: every new sample is 3/4 of its own and 1/4 of the next one's, each way."""
    for axis in (1, 2):
        padded = np.pad(chroma, [(0, 0), *((int(a == axis),) * 2 for a in (1, 2))], mode="edge")
        size = chroma.shape[axis]
        before, after = (np.take(padded, range(k, k + size), axis) for k in (0, 2))
        pair = np.stack([0.75 * chroma + 0.25 * before, 0.75 * chroma + 0.25 * after], axis + 1)
        chroma = pair.reshape(
            [size * 2 if a == axis else length for a, length in enumerate(chroma.shape)]
        )
    return chroma
