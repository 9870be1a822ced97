"""Text becomes numbers and back; a gzipped copy of a file is as good as the file."""

import dataclasses
import gzip
import hashlib

import numpy as np
import pytest

from benchmarks.data import MissingDataError, files, load_text, text
from benchmarks.data.registry import DATA_SETS, DataSet, File

LINES = "Eh bien, mon prince. G\u00eanes et Lucques\n" * 5 + "Zs"
DISTRIBUTED = b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder where the text "novel" is looked for, and nowhere else."""
    monkeypatch.setenv("THERMO_OPTAX_DATA", str(tmp_path / "chosen"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "REPOSITORY", tmp_path / "repository")
    file = File("novel.txt", hashlib.sha256(DISTRIBUTED).hexdigest())
    monkeypatch.setitem(DATA_SETS, "novel", DataSet("novel", {"text": file}, ()))
    (tmp_path / "chosen" / "novel").mkdir(parents=True)
    return tmp_path / "chosen" / "novel"


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_text_comes_back_from_its_numbers(folder, gzipped):
    if gzipped:
        (folder / "novel.txt.gz").write_bytes(gzip.compress(DISTRIBUTED))
    else:
        (folder / "novel.txt").write_bytes(DISTRIBUTED)
    data = load_text("novel")
    numbers = np.concatenate([data.train, data.validation, data.test])
    assert numbers.dtype == np.uint8
    assert "".join(data.alphabet[number] for number in numbers) == LINES
    assert data.alphabet == "".join(sorted(set(LINES)))  # no mark, no carriage return
    lengths = [len(data.train), len(data.validation), len(data.test)]
    np.testing.assert_allclose(np.array(lengths) / len(LINES), [0.8, 0.1, 0.1], atol=1 / 150)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (gzip.compress(DISTRIBUTED + b"!"), "is not the original file"),
        (gzip.compress(DISTRIBUTED)[:-9], "cannot be unpacked"),
    ],
    ids=["another text", "cut short"],  # the bytes hold the time of packing
)
def test_a_damaged_copy_is_not_taken(folder, content, complaint):
    (folder / "novel.txt.gz").write_bytes(content)
    with pytest.warns(UserWarning, match=complaint), pytest.raises(MissingDataError):
        load_text("novel")


def test_a_text_with_too_many_characters_is_refused():
    with pytest.raises(ValueError, match="256 different characters, got 300"):
        text.encode("".join(map(chr, range(300))))


@pytest.mark.parametrize(
    ("name", "characters"), [("warpeace", 3_196_212), ("tinyshakespeare", 1_115_394)]
)
def test_the_texts_are_those_that_are_meant(name, characters, monkeypatch):
    here_only = dataclasses.replace(DATA_SETS[name], mirrors=())  # a test downloads nothing
    monkeypatch.setitem(DATA_SETS, name, here_only)
    try:
        data = load_text(name)
    except MissingDataError as error:
        pytest.skip(str(error))
    assert sum(map(len, data[:3])) == characters
    assert "\r" not in data.alphabet
    assert "\ufeff" not in data.alphabet
