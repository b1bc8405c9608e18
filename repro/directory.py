"""Holding a run directory: one process at a time, one configuration for ever."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from repro.records import SCHEMA, RunDirectoryError, Table, read_json, write_json

_NOT_EARNED = {"config.json", "provenance.json"}


class RunDirectory:
    """SUITE/<game>/seed-<n>, held by one process at a time. Use as a context manager.

    Args:
        path: made if it is not there.
        identity: what config.json must hold (game, seed, preset, configuration).
        defaults: what a config.json made before a field was invented is taken to hold there.

    Raises:
        RunDirectoryError: on entering, if another process holds the directory or it
            belongs to another configuration.
    """

    def __init__(
        self, path: Path, identity: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> None:
        self.path = path
        self._defaults = json.loads(json.dumps(defaults or {}))
        self._identity = json.loads(json.dumps({"schema": SCHEMA, **identity}))
        self._lock: IO[str] | None = None

    def __enter__(self) -> "RunDirectory":
        """Lock the directory and make sure that it is ours."""
        if self.path.exists() and not self.path.is_dir():
            raise RunDirectoryError(f"{self.path} is a file; choose another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / ".lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "another process"
            self._lock.close()
            raise RunDirectoryError(
                f"{self.path} is in use by {owner}; wait for it, or choose another --seed or --out"
            ) from error
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._lock.flush()
        try:
            self._claim()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Let the directory go."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _claim(self) -> None:
        config = self.path / "config.json"
        # A start that failed, for lack of memory say, leaves nothing that must be kept.
        earned = any(
            item.name not in _NOT_EARNED and not item.name.startswith(".")
            for item in self.path.iterdir()
        )
        if not earned:
            write_json(config, self._identity)
        elif not config.exists():
            raise RunDirectoryError(
                f"{self.path} has files but no config.json, so it is not a run; "
                "choose another --out"
            )
        else:
            changed = [
                f"{name} is {old!r} there, {new!r} here"
                for name, old, new in _changes(
                    _completed(read_json(config), self._defaults), self._identity
                )
            ]
            if changed:
                raise RunDirectoryError(
                    f"{self.path} belongs to another configuration ({'; '.join(changed[:4])}); "
                    "choose another --out, or repeat the command that made it"
                )

    @property
    def done(self) -> dict[str, Any] | None:
        """What done.json says, ``None`` while the run is unfinished."""
        marker = self.path / "done.json"
        if not marker.exists():
            return None
        found = read_json(marker)
        if "mean_return" not in found:
            raise RunDirectoryError(f"{marker} is damaged; remove it to finish the run again")
        return found

    def table(self, name: str) -> Table:
        """Open one of the CSV files for appending."""
        return Table(self.path / name)


def _completed(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Add the fields that are missing, at every depth that both have."""
    both = {
        name: _completed(value, defaults[name])
        for name, value in values.items()
        if isinstance(value, dict) and isinstance(defaults.get(name), dict)
    }
    missing = {name: value for name, value in defaults.items() if name not in values}
    return values | both | missing


def _changes(old: Any, new: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            name = f"{prefix}.{key}" if prefix else key
            yield from _changes(old.get(key), new.get(key), name)
    elif old != new:
        yield prefix, old, new
