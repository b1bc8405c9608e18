"""games.zst: the actions of every final game, so that anybody can play it again.

A zstandard frame per game, one after the other: a line of JSON, then a byte for each agent step,
the index of the action in the environment's action set. ``zstd -dc games.zst`` shows it. A record
is on the disk before its game's row is written, so no row is without one. Standard library and
zstandard only.
"""

import dataclasses
import json
import math
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import zstandard

from repro.records import RunDirectoryError, read_rows, write_atomic
from repro.system import disk
from repro.tables import Row

NAME = "games.zst"
SCHEMA = 1
MOST_BYTES = 1 << 26  # unpacked, in all: more steps than a whole training of the paper has
_LONGEST_HEADER_BYTES = 1 << 12
_CHUNK_BYTES = 1 << 8  # unpacked at a time: becomes 8 MiB at most
_WINDOW_BYTES = 1 << 23  # what unpacking may hold: the most that packing at our level asks for
_LEVEL = 19
_FIELDS = {
    "schema": int, "game": str, "weights": str, "step": int, "episode": int, "seed": int,
    "return": float, "frames": int, "steps": int,
}  # fmt: skip


class Key(NamedTuple):
    """Which game of a run: whose weights, of which training step, and the game's number."""

    weights: str
    step: int
    episode: int


@dataclass(frozen=True)
class Record:
    """One final game.

    ``game`` is the ROM's name or the environment's, ``weights`` and ``step`` say which network
    played, ``actions`` has a byte per agent step, ``score`` is the raw return, ``frames`` the
    length in emulator frames with the no-op start.
    """

    game: str
    weights: str
    step: int
    episode: int
    seed: int
    actions: bytes
    score: float
    frames: int

    @property
    def key(self) -> Key:
        """Which game this is."""
        return Key(self.weights, self.step, self.episode)


@dataclass(frozen=True)
class Log:
    """What a file holds.

    ``sizes`` are the bytes of each record in the file. ``damage`` says where it ceases to be
    readable and why, empty if it does not; ``cut`` whether it merely ends within a record.
    """

    records: list[Record]
    sizes: list[int]
    damage: str = ""
    cut: bool = False


class _DamageError(Exception):
    """What follows is no record."""


class _CutError(_DamageError):
    """The file ends within a record."""


def append(path: Path, record: Record) -> None:
    """Add a game, and see it on the disk.

    Raises:
        OSError: if it cannot be written.
    """
    header = dataclasses.asdict(record)
    del header["actions"]
    header["return"] = header.pop("score")
    line = json.dumps({"schema": SCHEMA, **header, "steps": len(record.actions)})
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(
        line.encode() + b"\n" + record.actions
    )
    with disk.writing(path), disk.open_to_append(path) as file:
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Log:
    """Read as many games as are whole, from the first on; none if there is no file.

    Raises:
        RunDirectoryError: if it is not a regular file, or cannot be read.
    """
    records: list[Record] = []
    sizes: list[int] = []
    try:
        with disk.open_to_read(path, MOST_BYTES) as file:
            for text, size in _frames(file):
                records.append(_record(text))
                sizes.append(size)
    except _DamageError as error:
        what = f"{path}, after {len(records)} whole games, at byte {sum(sizes)}: {error}"
        return Log(records, sizes, what, isinstance(error, _CutError))
    except FileNotFoundError:
        return Log([], [])
    except OSError as error:
        raise RunDirectoryError(f"cannot read {path}: {disk.reason(error)}") from error
    return Log(records, sizes)


def trim(folder: Path) -> None:
    """Drop from a run's log what a killed evaluation left: games without a row, a cut record.

    Raises:
        RunDirectoryError: naming file and byte, if it is damaged where a game with a row was.
    """
    path, table = folder / NAME, folder / "evaluations.csv"
    log = read(path)
    rows = final_keys(read_rows(table, "kind", *Key._fields))
    if log.damage and not log.cut and not rows <= {record.key for record in log.records}:
        raise RunDirectoryError(
            f"{log.damage}; restore the file, or remove it: its games then cannot be verified"
        )
    if log.damage or any(record.key not in rows for record in log.records):
        _rewrite(path, log, rows)


def final_keys(rows: Collection[Row]) -> set[Key]:
    """Which final games the rows of evaluations.csv are of."""
    return {
        Key(row["weights"], row["step"], row["episode"]) for row in rows if row["kind"] == "final"
    }


def _rewrite(path: Path, log: Log, keep: Collection[Key]) -> None:
    """Keep the records of some games."""
    kept = []
    with disk.open_to_read(path, MOST_BYTES) as file:
        for record, size in zip(log.records, log.sizes, strict=True):
            data = file.read(size)
            if record.key in keep:
                kept.append(data)
    write_atomic(path, b"".join(kept))


def _frames(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Unpack one zstandard frame after the other; yields its content and its size in the file.

    Raises:
        _DamageError: if there is something else, or far more in it than games have.
    """
    ahead, length = file.read(_CHUNK_BYTES), 0
    while ahead:
        unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj()
        parts, size = list[bytes](), 0
        while not unpacker.eof:
            if not ahead:
                raise _CutError("the file ends within a game")
            try:
                parts.append(unpacker.decompress(ahead))
            except zstandard.ZstdError as error:
                raise _DamageError(f"no record of a game ({error})") from error
            size, length = size + len(ahead), length + len(parts[-1])
            if length > MOST_BYTES:
                raise _DamageError(f"more than the {MOST_BYTES:,} bytes that all games can have")
            ahead = b"" if unpacker.eof else file.read(_CHUNK_BYTES)
        yield b"".join(parts), size - len(unpacker.unused_data)
        ahead = unpacker.unused_data or file.read(_CHUNK_BYTES)


def _record(text: bytes) -> Record:
    line, _, actions = text.partition(b"\n")
    try:
        if len(line) > _LONGEST_HEADER_BYTES:
            raise ValueError("its first line is too long")
        header: dict[str, Any] = json.loads(line)
        if {name: type(value) for name, value in header.items()} != _FIELDS:
            raise ValueError(f"its fields are not {', '.join(_FIELDS)}")
        if header["schema"] != SCHEMA:
            raise ValueError(f"its schema is {header['schema']}, this version reads {SCHEMA}")
        if header["steps"] != len(actions) or not math.isfinite(header["return"]):
            raise ValueError(f"{header['steps']} steps, {len(actions)} actions")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _DamageError(f"no record of a game ({error})") from error
    return Record(
        header["game"], header["weights"], header["step"], header["episode"], header["seed"],
        actions, header["return"], header["frames"],
    )  # fmt: skip
