"""Runs that survive a kill: Orbax saves their state every few minutes, and they go on from there.

A run is a sequence of parts: a search, the training of a method, the training of a seed. A save has
the results of all parts that are done and, of the part in progress, its state (arrays) and its
record (what was measured so far). Parts are deterministic, so a run that goes on from a save ends
with the numbers of a run that was never stopped; only its times differ.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import pathlib
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.engine import runtime
from benchmarks.engine.options import LOG, RUN, SAVES

KEPT = 3  # saves: the newest may be damaged, and the one before it be needed
RECORD = "record"
MESSAGE = 160  # characters of an error of Orbax that are shown


class Part:
    """One part of a run; without saves it begins at step 0, and forgets what it is offered."""

    def __init__(self, name: str = "", saves: "Saves | None" = None):
        """A part that begins; `Saves` sets the rest where a save has the middle of this part."""
        self.name, self._saves = name, saves
        self.step = 0  # that the state and the record belong to
        self.record: Any = None
        self.arrays: Mapping[str, np.ndarray] = {}

    def restore(self, template: Any) -> Any:
        """The saved state, as a tree like `template`, whose leaves need a shape and a dtype."""
        leaves, structure = jax.tree.flatten(template)
        shapes = [jax.eval_shape(_words, leaf) for leaf in leaves]
        wanted = {str(n): (leaf.shape, leaf.dtype) for n, leaf in enumerate(shapes) if leaf.size}
        found = {name: (array.shape, array.dtype) for name, array in self.arrays.items()}
        if wanted != found:
            folder = self._saves and self._saves.folder
            raise SystemExit(
                f"error: the state of {self.name!r} in {folder} is not one of this program: go on "
                "with the version of the code that saved it, or name another folder with --output"
            )
        restored = [
            _like(leaf, self.arrays[str(n)]) if leaf.size else jnp.zeros(leaf.shape, leaf.dtype)
            for n, leaf in enumerate(leaves)
        ]
        self.arrays = {}
        return jax.tree.unflatten(structure, restored)

    def offer(self, step: int, state: Any, record: Callable[[], Any]) -> None:
        """Saves the state and the record after this step, if the last save is old enough."""
        if self._saves and self._saves.due():
            leaves = [np.asarray(_words(leaf)) for leaf in jax.tree.leaves(state)]
            arrays = {str(n): leaf for n, leaf in enumerate(leaves)}
            self._saves.save(self.name, step, arrays, record())


class Saves:
    """The saves of one run folder; without a folder nothing is saved."""

    def __init__(
        self,
        folder: pathlib.Path | None = None,
        minutes: float = 0.0,
        join: Sequence[pathlib.Path] = (),
    ):
        """Nothing is read or written before `opened`; `minutes` between two saves, at least.

        `join` are the folders of runs whose finished parts this run takes instead of making them.
        """
        self.folder = folder and (folder / SAVES).absolute()
        self._join = join
        self._seconds, self._last = 60 * minutes, time.monotonic()
        self._results: dict[str, Any] = {}
        self._part = Part()
        self._manager: Any = None
        self._number = 0

    @classmethod
    def of(cls, options: argparse.Namespace, folder: pathlib.Path, name: str = "") -> "Saves":
        """Those that the command line asks for; `name` is that of the folder of one problem."""
        if not options.resume:
            if options.join:
                raise SystemExit("error: --join needs --resume: it takes parts out of saves")
            return cls()
        return cls(folder, options.save_every, [path / name for path in options.join])

    @contextlib.contextmanager
    def opened(
        self, settings: Mapping[str, Any], plan: Mapping[str, int], *, by_seed: bool = False
    ) -> Iterator[None]:
        """Loads the newest good save, and parts of other runs; afterwards saves all results.

        `settings` decide the numbers, so they must be those of the saves. `plan` has the steps of
        every part, for `python -m benchmarks status`. `by_seed`: each part is of one seed, which is
        in its name. Raises `SystemExit` with a message if nothing can be read or written.
        """
        if self.folder is None:
            yield
            return
        import orbax.checkpoint as ocp

        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("a+")
        with lock, _quiet():
            self._lock(lock)
            self._claim(settings, plan)
            options = ocp.CheckpointManagerOptions(
                max_to_keep=KEPT, create=False, cleanup_tmp_directories=True
            )
            with self._writing():
                self._manager = ocp.CheckpointManager(self.folder, options=options)
            try:
                self._load()
                for folder in self._join:
                    self._take(folder, settings, plan, by_seed)
                yield
                self.save("", 0, {}, None, finished=True)
                with self._writing():
                    self._manager.wait_until_finished()
                self._log("finished")
            except BaseException as error:
                with contextlib.suppress(OSError):  # the disk may be full
                    self._log(f"stopped: {type(error).__name__} {error}".strip(), show=False)
                raise
            finally:
                with contextlib.suppress(Exception):  # told before: `_writing` saw it
                    self._manager.close()

    def result_of(self, name: str, make: Callable[[Part], Any]) -> Any:
        """What `make` returns for the part of this name, or returned for it before a kill."""
        if name not in self._results:
            part = self._part if self._part.name == name else Part(name, self)
            self._results[name] = make(part)
            if self.due():
                self.save("", 0, {}, None)
        return self._results[name]

    def due(self) -> bool:
        """Whether the last save is old enough; raises `SystemExit` if it failed meanwhile."""
        if self._manager is None:
            return False
        with self._writing():
            self._manager.check_for_errors()
        return time.monotonic() - self._last >= self._seconds

    def save(
        self,
        part: str,
        step: int,
        arrays: Mapping[str, np.ndarray],
        record: Any,
        *,
        finished: bool = False,
    ) -> None:
        """Hands everything to Orbax, which writes in the background and renames at the end."""
        import orbax.checkpoint as ocp

        self._last = time.monotonic()
        self._number += 1
        blob = np.frombuffer(pickle.dumps((self._results, record)), np.uint8)
        # Orbax refuses arrays of size zero, which have nothing to save.
        arrays = {RECORD: blob, **{name: array for name, array in arrays.items() if array.size}}
        meta = {
            "part": part,
            "step": step,
            "done": list(self._results),
            "finished": finished,
            "time": time.time(),
            "process": os.getpid(),
            "digest": digest(arrays),
            "arrays": {name: [a.shape, a.dtype.name] for name, a in arrays.items()},
        }
        saved = ocp.args.Composite(
            state=ocp.args.StandardSave(arrays), meta=ocp.args.JsonSave(meta)
        )
        with self._writing():
            self._manager.save(self._number, args=saved)

    def _take(
        self,
        folder: pathlib.Path,
        settings: Mapping[str, Any],
        plan: Mapping[str, int],
        by_seed: bool,
    ) -> None:
        """The finished parts of this plan from the saves of another run, if they are the same.

        That run may have other methods or problems, the keys of the settings that are mappings, and
        where parts are `by_seed` other seeds.
        """
        import orbax.checkpoint as ocp

        other = Saves(folder)
        assert other.folder is not None
        path = other.folder / RUN
        if not path.exists():
            raise SystemExit(
                f"error: --join {folder} holds no saves: name the --output of a run with --resume"
            )
        before, now = _described(path)["settings"], json.loads(json.dumps(settings))
        for name in before.keys() & now.keys():
            a, b = before[name], now[name]
            if isinstance(a, dict) and isinstance(b, dict):
                before[name], now[name] = (
                    {key: c[key] for key in a.keys() & b.keys()} for c in (a, b)
                )
        if by_seed:
            del before["seeds"], now["seeds"]
        _compare(before, now, other.folder)
        with (other.folder / "lock").open("a+") as lock:
            other._lock(lock)
            kept = ocp.CheckpointManagerOptions(max_to_keep=KEPT, create=False)
            other._manager = ocp.CheckpointManager(other.folder, options=kept)
            newest = other._newest()
            other._manager.close()
        found = pickle.loads(newest[2][RECORD].tobytes())[0] if newest else {}
        taken = [part for part in found if part in plan and part not in self._results]
        self._results.update({part: found[part] for part in taken})
        self._log(f"joined {folder}: {', '.join(taken) or 'nothing new'}")

    def _load(self) -> None:
        """Goes on from the newest save that is whole."""
        self._number = max(self._manager.all_steps(), default=0)
        newest = self._newest()
        if newest is None:
            return
        number, meta, arrays = newest
        self._results, record = pickle.loads(arrays.pop(RECORD).tobytes())
        self._part = Part(meta["part"], self)
        self._part.step, self._part.record = meta["step"], record
        self._part.arrays = arrays
        where = f"{meta['part']}, step {meta['step']:,}" if meta["part"] else "between parts"
        done = ", ".join(self._results) or "none"
        self._log(f"resumed from save {number} ({where}; parts done: {done})")

    def _newest(self) -> tuple[int, dict[str, Any], dict[str, np.ndarray]] | None:
        """The newest save that is whole, if there is any save; says which ones are damaged."""
        numbers = sorted(self._manager.all_steps(), reverse=True)
        for number in numbers:
            try:
                return number, *self._read(number)
            except Exception as error:  # Orbax raises many kinds of them for damaged files
                self._log(f"save {number} is damaged ({_told(error)}): trying the one before")
        if numbers:
            raise SystemExit(
                f"error: no save in {self.folder} can be read: delete this folder to begin anew, "
                "or put back a copy of it"
            )
        return None

    def _read(self, number: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        import orbax.checkpoint as ocp

        only_meta = ocp.args.Composite(meta=ocp.args.JsonRestore())
        meta = self._manager.restore(number, args=only_meta).meta
        template = {
            name: np.empty(shape, jnp.dtype(kind)) for name, (shape, kind) in meta["arrays"].items()
        }
        all_arrays = ocp.args.Composite(state=ocp.args.StandardRestore(template))
        arrays = self._manager.restore(number, args=all_arrays).state
        if digest(arrays) != meta["digest"]:
            raise ValueError("its numbers are not those that were saved")
        return meta, arrays

    def _lock(self, lock: Any) -> None:
        """Two runs would overwrite each other's saves; a kill frees the lock."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SystemExit(
                f"error: another run is using {self.folder}: wait for its end, or name another "
                "folder with --output"
            ) from error

    def _claim(self, settings: Mapping[str, Any], plan: Mapping[str, int]) -> None:
        """Writes down what this run is, or compares it with what was written down."""
        assert self.folder is not None
        path, before = self.folder / RUN, None
        now = {"command": runtime.command(), "versions": runtime.versions(), "plan": dict(plan)}
        now["settings"] = json.loads(json.dumps(settings))
        if path.exists():
            before = _described(path)
            _compare(before["settings"], now["settings"], self.folder)
        else:
            with self._writing():
                aside = path.with_suffix(".new")
                aside.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
                aside.replace(path)
        with self._writing():
            if before is None:
                self._log(f"started: {runtime.command()}")
            elif not self._ended():
                self._log("the run before was killed: it left no last word")
            if before and before["versions"] != now["versions"]:
                self._log(f"made by {before['versions']}, now {now['versions']}: bits may differ")
            self._log(f"process {os.getpid()}, {runtime.versions()}, {runtime.machine()}")

    def _ended(self) -> bool:
        """Whether the run before had time for a last word."""
        assert self.folder is not None
        log = self.folder.parent / LOG
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return bool(lines) and lines[-1].split(" ", 2)[2].startswith(("finished", "stopped"))

    def _log(self, text: str, *, show: bool = True) -> None:
        assert self.folder is not None
        with (self.folder.parent / LOG).open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        if show:
            print(f"{self.folder}: {text}", flush=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns whatever Orbax raises when it cannot write into one line that says what to do."""
        try:
            yield
        except Exception as error:
            raise SystemExit(
                f"error: the state of the run cannot be saved in {self.folder} ({_told(error)}): "
                "free space there or make the folder writable, then give the same command again; "
                "it goes on from the last good save"
            ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Orbax's log: it prints pages of tracebacks for errors that it raises as well."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _told(error: Exception) -> str:
    """One line, of which the end says most: `... No space left on device`."""
    text = str(error).partition("\n")[0] or type(error).__name__
    return text if len(text) <= MESSAGE else f"...{text[-MESSAGE:]}"


def _described(path: pathlib.Path) -> dict[str, Any]:
    """What a run wrote down of itself."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SystemExit(
            f"error: {path} is damaged ({error}): delete {path.parent} to begin anew, or put back "
            "a copy of this file"
        ) from error


def _compare(before: Mapping[str, Any], now: Mapping[str, Any], folder: pathlib.Path) -> None:
    names = dict.fromkeys([*before, *now])
    changed = [
        f"{name} was {before.get(name)}, now {now.get(name)}"
        for name in names
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise SystemExit(
            f"error: {folder} holds a run with other settings ({'; '.join(changed)}): give the "
            "settings of that run to go on with it, or name another folder with --output"
        )


def _words(leaf: Any) -> Any:
    """Typed keys, which optax has in its states, as the words they are made of."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like(leaf: Any, array: np.ndarray) -> jax.Array:
    """The saved array, as a typed key where `leaf` is one."""
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array))
    return jnp.asarray(array)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of all bytes, to tell a damaged save from a good one."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode())
        found.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return found.hexdigest()
