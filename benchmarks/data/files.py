"""Finds the files of a data set on this machine, or fetches them.

The places, in order: `$THERMO_OPTAX_DATA`, `../shared/data` beside the repository, the cache
(`$XDG_CACHE_HOME/thermo_optax`, by default `~/.cache/thermo_optax`), the data set's mirrors.
A place must hold the whole data set, in a folder of its name, and every file must have the
checksum of the registry: a damaged download would otherwise pass for a worse method. A file may
lie there gzipped, as its name with `.gz`; then the checksum is that of the contents.
"""

import contextlib
import gzip
import hashlib
import http.client
import os
import pathlib
import tempfile
import urllib.request
import warnings
import zlib

from benchmarks.data.registry import DATA_SETS, DataSet, File

FOLDER_VARIABLE = "THERMO_OPTAX_DATA"
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 20


class MissingDataError(FileNotFoundError):
    """A data set is in none of the places searched, and no mirror gave it."""


def locate(name: str) -> dict[str, pathlib.Path]:
    """The files of the data set called `name`, by part, with their checksums verified.

    Raises:
      KeyError: no data set has this name.
      MissingDataError: says each place that was tried, what was wrong there, and the remedy.
    """
    if name not in DATA_SETS:
        raise KeyError(f"no data set is called {name!r}; known: {', '.join(DATA_SETS)}")
    data_set = DATA_SETS[name]
    tried = []
    for place, folder in _places(name):
        if folder is None:
            tried.append(f"{place} is not set")
            continue
        complaint = _complaint(data_set, folder)
        if complaint is None:
            return {part: _find(folder, file) for part, file in data_set.files.items()}
        tried.append(complaint)
    cache = cache_folder() / name
    for mirror in data_set.mirrors:
        try:
            return {part: _fetch(mirror, file, cache) for part, file in data_set.files.items()}
        except (OSError, http.client.HTTPException) as error:
            tried.append(f"{mirror} failed ({error})")
    files = ", ".join(file.name for file in data_set.files.values())
    raise MissingDataError(
        f"the data set {name!r} is neither here nor could it be downloaded: {'; '.join(tried)}. "
        f"Put its files ({files}) into a folder {name}/ and set ${FOLDER_VARIABLE} to the "
        "folder that holds it."
    )


def cache_folder() -> pathlib.Path:
    """Where downloads are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "thermo_optax"


def _places(name: str) -> list[tuple[str, pathlib.Path | None]]:
    """The folders that may hold the data set: what to call each, and its path."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return [
        (f"${FOLDER_VARIABLE}", pathlib.Path(chosen) / name if chosen else None),
        ("the shared folder", REPOSITORY.parent / "shared" / "data" / name),
        ("the cache", cache_folder() / name),
    ]


def read(path: pathlib.Path) -> bytes:
    """The contents of a file, gzipped or not."""
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _find(folder: pathlib.Path, file: File) -> pathlib.Path:
    """The file, or its gzipped copy if only that is there."""
    plain, gzipped = folder / file.name, folder / f"{file.name}.gz"
    return gzipped if gzipped.is_file() and not plain.is_file() else plain


def _complaint(data_set: DataSet, folder: pathlib.Path) -> str | None:
    """What keeps `folder` from serving as the data set; None if nothing does."""
    absent = [file.name for file in data_set.files.values() if not _find(folder, file).is_file()]
    if absent:
        return f"{folder} lacks {', '.join(absent)}" if folder.is_dir() else f"no {folder}"
    for file in data_set.files.values():
        path = _find(folder, file)
        try:
            content = path.read_bytes() if path.name == file.name else read(path)
        except (EOFError, OSError, zlib.error) as error:
            complaint = f"{path} cannot be unpacked ({error})"
            warnings.warn(f"{complaint}; looking elsewhere", stacklevel=3)
            return complaint
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            complaint = (
                f"{path} is not the original file "
                f"(sha256 {found[:12]}..., expected {file.sha256[:12]}...)"
            )
            warnings.warn(f"{complaint}; looking elsewhere", stacklevel=3)
            return complaint
    return None


def _fetch(mirror: str, file: File, folder: pathlib.Path) -> pathlib.Path:
    """Downloads one file into `folder`, which never holds a half-written or wrong one."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    print(f"downloading {mirror}{file.name}", flush=True)
    with urllib.request.urlopen(mirror + file.name, timeout=TIMEOUT_SECONDS) as response:
        content = response.read()
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise OSError(
            f"{file.name} came with sha256 {found[:12]}..., expected {file.sha256[:12]}..."
        )
    # Written beside its target and renamed: an interrupted write leaves no file of that name.
    handle, partial = tempfile.mkstemp(dir=folder, prefix=file.name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.replace(partial, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
    return target
