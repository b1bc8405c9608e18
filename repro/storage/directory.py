"""Holding a run directory: one process at a time, one configuration for ever."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from repro import config
from repro.records import ASIDE, SCHEMA, RunDirectoryError, Table, read_json, write_json
from repro.storage import done
from repro.storage.lock import Lock
from repro.system import disk
from repro.tables import TABLES

_LENGTH = "config.training.frames"
_NOT_EARNED = {"config.json", "provenance.json", "failure.json"}


class RunDirectory:
    """SUITE/<game>/seed-<n>, held by one process at a time. Use as a context manager.

    Args:
        path: made if it is not there.
        identity: what config.json must hold (game, seed, preset, configuration).

    Raises:
        RunDirectoryError: on entering, if another process holds the directory or it
            belongs to another configuration.
        OSError: on entering, if it cannot be written.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.identity = {"schema": SCHEMA, **identity}
        self._lock = Lock(path)
        self._tables: list[Table] = []

    def __enter__(self) -> "RunDirectory":
        """Lock the directory, make sure that it is ours, clear what a killed writer left."""
        try:
            self._refuse_a_file()
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.take()
            if not self.begun():
                self.rewrite()
            disk.remove_torn(self.path)
        except OSError as error:
            self.__exit__()
            raise OSError(
                f"{self.path} cannot be written ({error.strerror or error}); "
                "make room or make it writable, or choose another --out"
            ) from error
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Let the directory go."""
        self._lock.release()

    def verify(self) -> None:
        """Make sure that the directory is still there and ours.

        Raises:
            LostDirectoryError: if it was removed, or another process took it over.
        """
        self._lock.verify()

    def frames(self) -> int:
        """Length of the training that is there, in emulator frames; it may have been raised."""
        return int(read_json(self.path / done.CONFIG)["config"]["training"]["frames"])

    def rewrite(self) -> None:
        """Have config.json hold what it is to hold from here on."""
        digest = done.digest(self.identity)
        write_json(self.path / done.CONFIG, {**self.identity, "sha256": digest})

    def begun(self) -> bool:
        """Whether there is a run of ours; if not, there may be one.

        Raises:
            RunDirectoryError: if there is anything else.
        """
        self._refuse_a_file()
        # A start that failed, for lack of memory say, leaves nothing that must be kept.
        if not self.path.exists() or all(
            item.name in _NOT_EARNED or item.name.startswith(".") for item in self.path.iterdir()
        ):
            return False
        file = self.path / "config.json"
        if not file.exists():
            raise RunDirectoryError(
                f"{self.path} has files but no config.json, so it is not a run; "
                "choose another --out"
            )
        there = read_json(file)
        there.pop("sha256", None)
        if changed := differences(there, self.identity):
            raise RunDirectoryError(
                f"{self.path} belongs to another configuration ({'; '.join(changed[:4])}); "
                "choose another --out, or repeat the command that made it"
            )
        return True

    def _refuse_a_file(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise RunDirectoryError(f"{self.path} is a file; choose another --out")

    def done(self) -> dict[str, Any] | None:
        """What done.json says, ``None`` while the run is unfinished or if it must be made again.

        Raises:
            RunDirectoryError: if the run was finished with other files than are there.
        """
        try:
            done.check(self.path, done.FILES)
            return done.read(self.path)
        except done.DamagedMarkerError as error:
            print(f"repro: {error}", file=sys.stderr)
            return None

    def table(self, name: str) -> Table:
        """Open one of the CSV files for appending."""
        made = Table(self.path / name)
        self._tables.append(made)
        return made

    def sync_tables(self) -> dict[str, bytes]:
        """See every row on the disk before what says that it is there: power may fail.

        Returns:
            What each table holds, which is what was written.
        """
        for table in self._tables:
            table.put_back()
        for name in TABLES:
            disk.sync(self.path / name)
        return {name: disk.read_bytes(self.path / name) for name in TABLES}


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}{ASIDE}{number}")).exists():
        number += 1
    return aside


def copy_aside(path: Path) -> Path:
    """Keep a run directory as it is, but for what goes on, under another name.

    Returns:
        Where.

    Raises:
        OSError: if it cannot be written; nothing is left then.
    """
    aside, beside = _free_name(path), disk.temporary(path.with_name(f"{path.name}{ASIDE}"))
    goes_on = shutil.ignore_patterns("checkpoint", "tensorboard", "videos", ".*")
    try:
        shutil.copytree(path, beside, ignore=goes_on)
        return beside.rename(aside)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def set_aside(path: Path) -> Path | None:
    """Give a run directory, finished or not, another name, so that a new run can begin.

    Returns:
        The new one, ``None`` if there was nothing.

    Raises:
        RunDirectoryError: if a process holds it.
        OSError: if it cannot be renamed.
    """
    if not path.is_dir():
        return None
    lock = Lock(path)
    lock.take()
    try:
        return path.rename(_free_name(path))
    finally:
        lock.release()


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Compare two identities of a run, in words; nothing if it is the same.

    Book-keeping is free, and ``here`` may be longer: what it is to learn begins alike.

    Args:
        there: as read from a file; one of an older version is completed.
        here: of this run.
    """
    return [
        f"{name} is {old!r} there, {new!r} here"
        for name, old, new in _changes(_plain(there), _plain(here))
        if name.removeprefix("config.") not in config.free()
        and not (name == _LENGTH and type(old) is int and old < new)
    ]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back, where tuples are lists, with the fields invented since."""
    plain = dict(json.loads(json.dumps(dict(values))))
    if isinstance(plain.get("config"), dict):
        plain["config"] = config.completed(plain["config"])
    return plain


def _changes(old: Any, new: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            name = f"{prefix}.{key}" if prefix else key
            yield from _changes(old.get(key), new.get(key), name)
    elif old != new:
        yield prefix, old, new
