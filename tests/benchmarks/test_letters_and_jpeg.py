"""Readers of EMNIST-letters, and of CIFAR-10: its archive, and the JPEG copy."""

import io
import tarfile

import numpy as np
from scipy.fft import dctn

from benchmarks import data
from benchmarks.data import ImageData, images, jpeg

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 255, (20, 2, 2)).astype(np.uint8)
LABELS = RNG.integers(0, 3, 20).astype(np.uint8)


def test_letters_are_upright_and_counted_from_0(monkeypatch):
    stored = ImageData(
        PICTURES.transpose(0, 2, 1), LABELS + 1, PICTURES[:5].transpose(0, 2, 1), LABELS[:5] + 1
    )
    monkeypatch.setattr(images, "load_images", lambda name: {"emnist-letters": stored}[name])
    found = data.load_emnist_letters()
    for given, wanted in zip(found, (PICTURES, LABELS, PICTURES[:5], LABELS[:5]), strict=True):
        np.testing.assert_array_equal(given, wanted)


def test_jpeg_coefficients_are_decoded():
    """A smooth picture, by the steps of an encoder."""
    row, column = np.mgrid[:32, :32] / 31
    rgb = np.stack([60 + 120 * row, 90 + 100 * column, 200 - 120 * row * column], axis=-1)
    luma = rgb @ [0.299, 0.587, 0.114]
    planes = [luma, 128 + (rgb[..., 2] - luma) / 1.772, 128 + (rgb[..., 0] - luma) / 1.402]
    planes[1:] = [p.reshape(16, 2, 16, 2).mean((1, 3)) for p in planes[1:]]
    blocks = np.concatenate(
        [p.reshape(len(p) // 8, 8, -1, 8).swapaxes(1, 2).reshape(-1, 8, 8) - 128 for p in planes]
    )
    cosines = np.rint(dctn(blocks, axes=(1, 2), norm="ortho") / 2).astype(int)  # tables of 2
    coefficients = np.stack([cosines.reshape(24, 64).T] * 2, axis=-1)
    exceptions = np.flatnonzero(np.abs(coefficients) > 127)
    assert exceptions.size
    tables = np.full((8, 8), 2)
    file = {
        "coef": np.where(np.abs(coefficients) > 127, 0, coefficients).astype(np.int8),
        "exc_index": exceptions,
        "exc_value": coefficients.reshape(-1)[exceptions].astype(np.int16),
        "qtable_luma": tables,
        "qtable_chroma": tables,
    }
    found = jpeg.decode(file)
    assert found.shape == (2, 32, 32, 3) and found.dtype == np.uint8
    np.testing.assert_allclose(found[1], rgb, atol=6)
    assert np.mean(np.abs(found[1] - rgb)) < 1


def test_cifar10_is_read_from_its_archive(tmp_path, monkeypatch):
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for number, name in enumerate(names):
            record = np.concatenate([[number], *(np.full(1024, 10 * number + c) for c in range(3))])
            content = np.stack([record, record]).astype(np.uint8).tobytes()
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    monkeypatch.setattr(images, "locate", lambda name: {"archive": path})
    found = images.load_cifar10()
    assert found.train_images.shape == (10, 32, 32, 3)
    np.testing.assert_array_equal(found.train_labels, np.repeat(np.arange(5), 2))
    np.testing.assert_array_equal(found.test_labels, [5, 5])
    np.testing.assert_array_equal(found.train_images[2, 7, 9], [10, 11, 12])
