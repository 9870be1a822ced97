"""Data are found where the user put them, fetched once, and never taken when damaged."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from benchmarks.data import MissingDataError, files, images, load_images, locate
from benchmarks.data.registry import DATA_SETS, DataSet, File

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([7, 1], np.uint8)


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


CONTENT = {
    "train_images": gzip.compress(idx(IMAGES)),
    "train_labels": gzip.compress(idx(LABELS)),
    "test_images": gzip.compress(idx(IMAGES[:1])),
    "test_labels": idx(LABELS[:1]),
}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A data set "tiny", and folders for the places it may be in; all of them empty."""
    folders = {name: tmp_path / name for name in ("chosen", "shared/data", "cache", "web")}
    for folder in folders.values():
        (folder / "tiny").mkdir(parents=True)
    monkeypatch.setenv("THERMO_OPTAX_DATA", str(folders["chosen"]))
    monkeypatch.setattr(files, "REPOSITORY", tmp_path / "repository")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folders["cache"]))
    folders["cache"] = folders["cache"] / "thermo_optax"
    parts = {
        part: File(f"{part}.gz", hashlib.sha256(content).hexdigest())
        for part, content in CONTENT.items()
    }
    mirrors = ((tmp_path / "nowhere").as_uri() + "/", (folders["web"] / "tiny").as_uri() + "/")
    monkeypatch.setitem(DATA_SETS, "tiny", DataSet("tiny", parts, mirrors))
    return folders


def fill(folder, damaged: str | None = None):
    (folder / "tiny").mkdir(parents=True, exist_ok=True)
    for part, content in CONTENT.items():
        (folder / "tiny" / f"{part}.gz").write_bytes(content + b"!" * (part == damaged))


@pytest.mark.parametrize("place", ["chosen", "shared/data", "cache"])
def test_data_are_found_in_each_place(places, place):
    fill(places[place])
    found = load_images("tiny")
    np.testing.assert_array_equal(found.train_images, IMAGES)
    np.testing.assert_array_equal(found.test_labels, LABELS[:1])
    assert locate("tiny")["train_images"].is_relative_to(places[place])


def test_the_chosen_folder_comes_first(places):
    fill(places["shared/data"])
    fill(places["chosen"])
    assert locate("tiny")["train_labels"].is_relative_to(places["chosen"])


def test_a_damaged_file_is_reported_and_passed_over(places):
    fill(places["chosen"], damaged="train_labels")
    fill(places["cache"])
    with pytest.warns(UserWarning, match=r"train_labels\.gz is not the original file"):
        found = locate("tiny")
    assert found["train_images"].is_relative_to(places["cache"])


def test_a_download_is_kept_in_the_cache(places, monkeypatch, capsys):
    fill(places["web"])
    first = locate("tiny")
    assert "downloading" in capsys.readouterr().out
    assert first["test_images"].is_relative_to(places["cache"])
    assert locate("tiny") == first
    assert not capsys.readouterr().out  # nothing fetched a second time
    kept = sorted(path.name for path in (places["cache"] / "tiny").iterdir())
    assert kept == sorted(f"{part}.gz" for part in CONTENT)


def test_a_damaged_download_is_not_kept(places):
    fill(places["web"], damaged="train_images")
    with pytest.raises(MissingDataError, match=r"came with sha256 .*, expected"):
        locate("tiny")
    assert not (places["cache"] / "tiny" / "train_images.gz").exists()


def test_missing_data_say_what_was_tried_and_what_to_do(places, monkeypatch):
    monkeypatch.delenv("THERMO_OPTAX_DATA")
    with pytest.raises(MissingDataError) as error:
        locate("tiny")
    message = str(error.value)
    assert "\n" not in message  # the demonstration prints it as its one line
    for clue in ("$THERMO_OPTAX_DATA is not set", "shared", "cache", "nowhere", "train_images.gz"):
        assert clue in message
    assert "set $THERMO_OPTAX_DATA to the folder" in message


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match="fashion-mnist"):
        locate("mnits")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"PNG not idx", "is not an IDX file"),
        (b"", "is not an IDX file"),
        (idx(IMAGES)[:-1], "announces the shape"),
    ],
)
def test_what_is_not_idx_is_refused(tmp_path, content, complaint):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        images.read_idx(path)


def test_idx_numbers_are_big_endian(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(idx(np.array([1, 258], ">i4"), code=0x0C))
    np.testing.assert_array_equal(images.read_idx(path), [1, 258])


def test_the_registry_knows_the_original_files():
    for name in ("mnist", "fashion-mnist"):
        checksums = {file.sha256 for file in DATA_SETS[name].files.values()}
        assert len(checksums) == 4
        assert all(len(checksum) == 64 for checksum in checksums)
        assert all(mirror.endswith("/") for mirror in DATA_SETS[name].mirrors)
