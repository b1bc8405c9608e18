"""done.json: that a run is finished, its score, and digests of the files that this rests on.

Written last. It is a function of the run's tables and weights, so it can always be made again.
The digests tell what a bad disk or a slip of the hand changed; who changes a file on purpose can
change them too, and is found by `repro verify`.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from repro import records
from repro.records import RunDirectoryError
from repro.system import disk
from repro.tables import TABLES

NAME = "done.json"
CONFIG = "config.json"  # has a digest of itself, for runs that are not finished
WEIGHTS = ("best.safetensors", "last.safetensors")
GROWING = ("evaluations.csv", "games.zst")  # `repro evaluate` adds to them
SHOWN = (CONFIG, *TABLES, "games.zst")  # what is made of a run without a network
FILES = (*SHOWN, *WEIGHTS)
SCORED = (CONFIG, *GROWING, NAME)  # what a score rests on
_REMEDY = "restore it, or repeat the command that made the run: it writes this file again"


class DamagedMarkerError(RunDirectoryError):
    """done.json itself is not as it was written."""


def write(folder: Path, score: Mapping[str, Any]) -> dict[str, Any]:
    """Write done.json; one that is there and damaged is set aside.

    Args:
        folder: the run directory, all else in place.
        score: what is known of the finished run.

    Returns:
        What the file holds.
    """
    path = folder / NAME
    if path.exists():
        try:
            read(folder)
        except DamagedMarkerError:
            disk.set_aside(path)
    return _write(folder, dict(score), FILES)


def renew(folder: Path, without: Collection[str] = ()) -> None:
    """Take the digests of a finished run anew, its score as it is; one without digests stays so.

    Args:
        folder: the run directory.
        without: files that are about to change.
    """
    found = read(folder)
    if found and "sha256" in found:
        _write(folder, found, [name for name in FILES if name not in without])


def read(folder: Path) -> dict[str, Any] | None:
    """What done.json says, ``None`` while the run is unfinished.

    Raises:
        DamagedMarkerError: if it is not as it was written.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        found = records.read_json(path)
    except RunDirectoryError as error:
        raise DamagedMarkerError(f"{error}; {_REMEDY}") from error
    digests = found.get("sha256", {NAME: _own(found)})  # before version 0.3 it had none
    if not isinstance(digests, dict) or digests.get(NAME) != _own(found):
        raise DamagedMarkerError(f"{path} is damaged; {_REMEDY}")
    return found


def check(folder: Path, names: Collection[str]) -> None:
    """Make sure that files of a run are those that it was finished with; an unfinished one passes.

    Raises:
        RunDirectoryError: naming the first that is not, see :func:`changes`.
        DamagedMarkerError: see :func:`read`.
    """
    found = read(folder)
    if found and type(found.get("mean_return")) not in (int, float):
        raise DamagedMarkerError(f"{folder / NAME} is damaged; {_REMEDY}")
    for change in changes(folder, names):
        raise RunDirectoryError(change)


def changes(folder: Path, names: Collection[str]) -> Iterator[str]:
    """Say of each file of a finished run that is not the one that it was finished with.

    Args:
        folder: the run directory.
        names: of the files. Those pass that a run made before version 0.3, or one that is being
            evaluated, has no digest of, and weights that are not there.
    """
    try:
        digests = (read(folder) or {}).get("sha256", {})
    except DamagedMarkerError as error:
        yield str(error)
        return
    if CONFIG in names and (change := _config_change(folder / CONFIG)):
        yield change
        return
    for name in names:
        path = folder / name
        if name not in digests or (name in WEIGHTS and not path.exists()):
            continue
        try:
            if disk.sha256(path) != digests[name]:
                yield f"{path} is not as it was when the run was finished (SHA-256); restore it"
        except OSError as error:
            yield f"cannot read {path}: {disk.reason(error)}"


def _config_change(path: Path) -> str:
    """What is wrong with a configuration by its own digest, which one before 0.3 has not."""
    try:
        found = records.read_json(path)
    except RunDirectoryError as error:
        return str(error) if path.exists() else ""
    own = found.pop("sha256", None)
    return (
        f"{path} is not as it was written; restore it" if own not in (None, digest(found)) else ""
    )


def digests(folder: Path, names: Collection[str]) -> dict[str, str]:
    """SHA-256 of each of these files of a run, of those that are there."""
    return {name: disk.sha256(folder / name) for name in names if (folder / name).is_file()}


def _write(folder: Path, found: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    found["sha256"] = digests(folder, names)
    found["sha256"][NAME] = _own(found)
    records.write_json(folder / NAME, found)
    return found


def _own(found: Mapping[str, Any]) -> str:
    """Digest of what the file holds besides this one."""
    others = dict(found)
    if isinstance(found.get("sha256"), dict):
        others["sha256"] = {name: one for name, one in found["sha256"].items() if name != NAME}
    return digest(others)


def digest(values: Mapping[str, Any]) -> str:
    """SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
