"""The whole state of an unfinished run, on disk. Nothing in it can run code when loaded.

checkpoint/ holds the newest two checkpoints and the replay's segments::

    segments/                 2,000 transitions each, written once, used by both
    copies/                   the same once more, as both are lost with a segment
    step-<n>/                 with a + if there was one of that step before
        arrays.safetensors.zst    weights, optimiser, emulator, stacks, pre-drawn transitions
        head..., tail...          the ends of the replay that fill no segment
        state.json                plain values, and the checksums of all files and segments needed

A checkpoint is made in a hidden folder, state.json last, and renamed: what is
called step-<n> was once complete. If the newest is damaged, or cannot be read,
the one before is used, and the newest stays aside as damaged-step-<n> until a
next one is complete. What neither needs is removed, and nothing that has not a
name of ours. On another disk the folder is a link that ``checkpoint_dir`` made.
"""

import contextlib
import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro import records
from repro.replay import ReplayMemory
from repro.storage import directory, elsewhere, nested, segments
from repro.storage.directory import RunDirectory
from repro.storage.run import Run
from repro.storage.segments import Arrays, DamageError
from repro.system import disk
from repro.system.disk import UnreadableError

# Of this folder: 1 had the whole replay in every checkpoint, 2 each segment only once.
SCHEMA = 6
_VERSIONS = {4: "0.2", 5: "0.3"}  # of the program that wrote a schema
_KEPT = 2
_ASIDE = "damaged-"
_TYPES = {"run": dict, "step": int, "files": dict, "segments": dict, "values": dict}
_ARRAYS = f"arrays{segments.SUFFIX}"
_OURS = re.compile(r"\.?step-\d{9}\+*(\.tmp)?|damaged-step-\d{9}\+*|segments|copies")
RESTART = "or start anew with --restart, which sets the run aside"


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds; ``damage`` tells of newer ones that could not be used."""

    step: int
    state: dict[str, Any]
    damage: str = ""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: the run's ``checkpoint/``; its parent must be there.
        run: identity of the run, so that a stranger's checkpoint is noticed.
        scratch: where they are kept instead; ``folder`` is then a link to a folder of its own.

    Raises:
        RunDirectoryError: if ``folder`` is a link that was not made for this ``scratch``.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], scratch: Path | None = None) -> None:
        elsewhere.refuse_links(folder, scratch)
        self._folder = folder
        self._scratch = scratch
        self._shared = segments.Shared(folder / "segments", folder / "copies")
        self._run = dict(run)
        self._kept: dict[Path, dict[str, str]] = {}  # the segments each needs; the newest is last
        self._saves = 0

    def save(self, step: int, state: Mapping[str, Any], memory: ReplayMemory | None) -> None:
        """Write a checkpoint, and only then remove the one before the last.

        Args:
            step: training step of the state.
            state: nested dictionaries of plain values, arrays and tensors.
            memory: the replay; ``None`` if it is no longer needed.

        Raises:
            OSError: if it cannot be written; the older checkpoints are left as they were.
        """
        elsewhere.make(self._folder, self._scratch)
        self._shared.make_folders()
        place = self._folder / f"step-{step:09d}"
        while place.exists():  # the same step, of which more has been evaluated since
            place = place.with_name(f"{place.name}+")
        unfinished = self._folder / f".{place.name}.tmp"
        try:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            needed = self._write(unfinished, step, state, memory)
            unfinished.rename(place)
            disk.sync(self._folder)
        except BaseException:
            with contextlib.suppress(OSError, RuntimeError):  # the first error says more
                self._remove_the_rest()
            raise
        self._kept = dict([*self._kept.items(), (place, needed)][-_KEPT:])
        for aside in self._aside():
            _remove(aside)
        self._remove_the_rest()
        self._tell_of_damage()

    def load(self, memory: ReplayMemory) -> Saved | None:
        """Read the newest checkpoint that is not damaged, ``None`` if there is none at all.

        Newer ones are then set aside: they belong to steps that will be made again. What a
        killed writer left is removed.

        Args:
            memory: filled with the replay, unless the checkpoint is without.

        Raises:
            CheckpointError: if all are damaged, or belong to another run or version. Nothing
                is removed then.
            UnreadableError: if none can be read now. Nothing is removed then.
        """
        places = [place for place in self._items() if place.name.startswith("step-")][::-1]
        damage, unreadable = [], None
        for index, place in enumerate(places):
            try:
                saved, needed = self._read(place, memory)
            except (DamageError, UnreadableError) as error:
                damage.append(f"{place.name}: {error}")
                unreadable = error if isinstance(error, UnreadableError) else unreadable
                continue
            if damage and saved.step == 0:
                break  # to begin anew is not to go on
            self._keep(place, needed, places[index + 1 :], places[:index])
            self._tell_of_damage()
            if damage:
                notice = (
                    f"{self._folder} is damaged ({'; '.join(damage)}); going on from {place.name}, "
                    "what is damaged stays aside until the next checkpoint"
                )
                return Saved(saved.step, saved.state, notice)
            return saved
        if unreadable:  # it may be whole, and readable later
            raise unreadable
        if places:
            raise CheckpointError(
                f"all checkpoints in {self._folder} are damaged ({'; '.join(damage)}); "
                f"restore one, {RESTART}"
            )
        self._remove_the_rest()
        return None

    def begun(self) -> bool:
        """Whether a checkpoint was ever made here, be it damaged."""
        return any("step-" in place.name for place in self._items())

    def newest_has_replay(self) -> bool:
        """Whether a training can go on from the newest; the last of a training may be without.

        Raises:
            CheckpointError, UnreadableError: if it cannot be read.
        """
        places = [place for place in self._items() if place.name.startswith("step-")]
        try:
            return bool(places) and self._whole(places[-1])["values"]["memory"] is not None
        except DamageError as error:
            raise CheckpointError(f"{places[-1]}: {error}") from error

    def remove(self) -> None:
        """Remove all of them, and the folder if nothing of anybody else is in it."""
        self._kept = {}
        for item in self._items():
            if item.name in ("segments", "copies"):
                continue
            _remove(item)
        for item in self._shared.rest(()):
            _remove(item)
        folder = self._folder.resolve()
        with contextlib.suppress(OSError):  # something else is in it
            for empty in (folder / "segments", folder / "copies", folder):
                if empty.exists():
                    empty.rmdir()
            self._folder.unlink(missing_ok=True)  # if it was a link

    def _items(self) -> list[Path]:
        """What is in the folder and has a name of ours."""
        return [item for item in disk.items(self._folder) if _OURS.fullmatch(item.name)]

    def _write(
        self, folder: Path, step: int, state: Mapping[str, Any], memory: ReplayMemory | None
    ) -> dict[str, str]:
        """Write a checkpoint's own files and new segments; returns the segments it needs."""
        needed: dict[str, str] = {}
        files: dict[str, str] = {}
        if memory is not None:
            known = next(reversed(self._kept.values()), {})
            self._saves += 1
            needed, files = segments.store(memory, self._shared, folder, known, self._saves)
        arrays: Arrays = {}
        content = {"state": state, "memory": None if memory is None else memory.state()}
        values = nested.pack(content, "", arrays)
        files[_ARRAYS] = segments.write(arrays, folder / _ARRAYS)
        self._shared.sync()
        whole = {
            "schema": SCHEMA, "run": self._run, "step": step,
            "files": files, "segments": needed, "values": values,
        }  # fmt: skip
        records.write_json(folder / "state.json", whole | {"checksum": _checksum(whole)})
        return needed

    def _keep(
        self, place: Path, needed: dict[str, str], older: list[Path], damaged: list[Path]
    ) -> None:
        """Keep a checkpoint and the one before it; set those aside that are of no use."""
        self._kept = {place: needed}
        for before in older[: _KEPT - 1]:
            try:
                self._kept = {before: self._whole(before)["segments"], **self._kept}
            except (DamageError, CheckpointError, UnreadableError):
                damaged = [*damaged, before]
        for useless in damaged:
            aside = useless.with_name(f"{_ASIDE}{useless.name}")
            _remove(aside)
            useless.rename(aside)
        if damaged:
            disk.sync(self._folder)  # before anything is undone that they would miss
        self._remove_the_rest()

    def _read(self, place: Path, memory: ReplayMemory) -> tuple[Saved, dict[str, str]]:
        whole = self._whole(place)
        try:
            arrays = segments.read(place / _ARRAYS, whole["files"][_ARRAYS])
            content = nested.unpack(whole["values"], arrays)
            if content["memory"] is not None:
                segments.restore(
                    memory, content["memory"], self._shared, place,
                    whole["segments"], whole["files"],
                )  # fmt: skip
            return Saved(whole["step"], content["state"]), whole["segments"]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DamageError(f"its parts do not fit together: {error}") from error

    def _whole(self, place: Path) -> dict[str, Any]:
        """Read state.json, which must be of this version and run."""
        try:
            whole = json.loads(disk.read_bytes(place / "state.json"))
            schema = whole["schema"]
            if schema == SCHEMA:
                if whole.pop("checksum") != _checksum(whole):
                    raise ValueError("it is not as it was written")
                if not all(isinstance(whole[name], kind) for name, kind in _TYPES.items()):
                    raise ValueError("it is not a checkpoint's")
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise DamageError(f"state.json cannot be read: {error}") from error
        if schema != SCHEMA:
            raise CheckpointError(
                f"{place} is of another version (checkpoint schema {schema!r}, here {SCHEMA}); "
                f"finish the run with version {_VERSIONS.get(schema, 'that made it')}, {RESTART}"
            )
        changed = directory.differences(whole["run"], self._run)
        if changed:
            raise CheckpointError(
                f"{place} belongs to another run ({'; '.join(changed[:4])}); "
                f"restore this run's, {RESTART}"
            )
        return whole  # type: ignore[no-any-return]

    def _remove_the_rest(self) -> None:
        """Remove what no checkpoint that is kept needs, nor one that is set aside."""
        aside = self._aside()
        kept = {"segments", "copies", *(place.name for place in [*self._kept, *aside])}
        rest = [item for item in self._items() if item.name not in kept]
        if not aside:  # it may need any of them
            rest += self._shared.rest(set().union(*self._kept.values()))
        for item in rest:
            _remove(item)

    def _aside(self) -> list[Path]:
        """Damaged checkpoints, which stay until there is a better one."""
        return [item for item in self._items() if item.name.startswith(_ASIDE)]

    def _tell_of_damage(self) -> None:
        """Name on standard error what was damaged and is mended: a disk may be failing."""
        damaged = self._shared.damaged()
        if damaged:
            more = f" (and {len(damaged) - 1} more)" if damaged[1:] else ""
            print(
                f"repro: {damaged[0]}{more} was damaged; mended, nothing is lost", file=sys.stderr
            )


def of(run: Run, place: RunDirectory) -> Checkpoints:
    """The checkpoints of a training, in its directory or where its configuration says.

    Raises:
        RunDirectoryError: see :class:`Checkpoints`.
    """
    scratch = run.config.training.checkpoint_dir
    folder = place.path / "checkpoint"
    return Checkpoints(folder, place.identity, Path(scratch) if scratch else None)


def newest_step(folder: Path) -> int | None:
    """Training step of the newest checkpoint in a ``checkpoint/`` folder, ``None`` without one."""
    return max((int(place.name[5:].rstrip("+")) for place in folder.glob("step-*")), default=None)


def _remove(item: Path) -> None:
    """Remove a file or folder, if it is there; of a link only itself."""
    if item.is_dir() and not item.is_symlink():
        shutil.rmtree(item, ignore_errors=True)
    else:
        item.unlink(missing_ok=True)


def _checksum(whole: Mapping[str, Any]) -> str:
    """Of what state.json holds besides, whatever the order of its keys."""
    return disk.checksum(json.dumps(json.loads(json.dumps(whole)), sort_keys=True).encode())
