"""The replay on disk: compressed segments that are written once and shared by checkpoints.

Segment k holds the transitions 2,000 k to 2,000 k + 1,999, counted from the
first of the run: frames, actions, rewards and ends together. What does not
fill a segment, at either end of the replay, goes into the checkpoint's own
folder as ``head`` and ``tail``.

All checkpoints would be lost with a segment that they share, so each is there
twice. A copy that is damaged is made anew from the other one, or from memory.

Every file is safetensors within zstandard, with a checksum that whoever
refers to it keeps. Nothing in it can run code when it is read.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy
import zstandard
from numpy.typing import NDArray

from repro.replay import ReplayMemory, Transitions
from repro.system import disk
from repro.system.disk import UnreadableError, checksum

STEPS = 2_000  # transitions per segment: 14 MB in memory, some 50 to 500 kB on disk
SUFFIX = ".safetensors.zst"
ROUND = 8  # saves in which every segment is read once: each time all would load a shared disk
_OURS = re.compile(rf"segment-\d{{8}}{re.escape(SUFFIX)}|{disk.TEMPORARY.pattern}")
_MOST_BYTES = 1 << 31  # unpacked: a network of 100 million weights with its optimiser is less
_LEVEL = 3  # higher ones take five times as long to save a tenth

Arrays = dict[str, NDArray[Any]]
Checksums = Mapping[str, str]  # file name to checksum


class DamageError(Exception):
    """A file is not as it was written; the message names it."""


def write(arrays: Arrays, *paths: Path) -> str:
    """Write arrays to files, all alike, and to the disk, and return their checksum.

    Raises:
        OSError: if one cannot be written.
    """
    data = zstandard.ZstdCompressor(level=_LEVEL).compress(safetensors.numpy.save(arrays))
    for path in paths:
        disk.replace(path, data)
    return checksum(data)


def read(path: Path, expected: str) -> Arrays:
    """Read arrays, which cannot be written to.

    Raises:
        DamageError: if the file is not there, or not the one with that checksum.
        UnreadableError: if it cannot be read now, and may be later.
    """
    return _unpack(path.name, _bytes(path, expected))


class Shared:
    """The segments that checkpoints share, each in two folders.

    Args:
        first: folder of the first copies.
        second: folder of the second copies.
    """

    def __init__(self, first: Path, second: Path) -> None:
        self._folders = (first, second)
        self._damaged: list[Path] = []

    def make_folders(self) -> None:
        """Make what is missing of them."""
        for folder in self._folders:
            folder.mkdir(exist_ok=True)

    def sync(self) -> None:
        """Wait until the names of the files are on the disk."""
        for folder in self._folders:
            disk.sync(folder)

    def write(self, name: str, arrays: Arrays) -> str:
        """Write both copies of a segment, and return their checksum."""
        return write(arrays, *self._copies(name))

    def read(self, name: str, expected: str) -> Arrays:
        """Read a segment; if the first copy is damaged, the second, and mend the first.

        Raises:
            DamageError: if both are damaged.
            UnreadableError: if one cannot be read now, and the other is of no use.
        """
        try:
            return read(self._copies(name)[0], expected)
        except (DamageError, UnreadableError):
            return _unpack(name, self._mend(name, expected))

    def keep(self, name: str, expected: str, thorough: bool) -> bool:
        """See to it that both copies of a segment are as they were written.

        Args:
            name: of the segment.
            expected: its checksum.
            thorough: whether to read them; otherwise only their sizes are compared.

        Returns:
            Whether they are; if not, it must be written anew.
        """
        if all(_sound(path, expected, thorough) for path in self._copies(name)):
            return True
        try:
            self._mend(name, expected)
        except (DamageError, UnreadableError):
            self._damaged += self._copies(name)
            return False
        return True

    def rest(self, needed: Collection[str]) -> list[Path]:
        """What there is of ours besides the copies of these segments."""
        found = [item for folder in self._folders for item in disk.items(folder)]
        return [item for item in found if item.name not in needed and _OURS.fullmatch(item.name)]

    def damaged(self) -> list[Path]:
        """Copies that were found damaged and then mended or replaced, since last asked."""
        found, self._damaged = self._damaged, []
        return found

    def _mend(self, name: str, expected: str) -> bytes:
        """Make both copies like the one that is as it was written."""
        found, errors = b"", {}
        for path in self._copies(name):
            try:
                found = _bytes(path, expected)
            except (DamageError, UnreadableError) as error:
                errors[path] = error
        if len(errors) == len(self._folders):  # what may be readable later is not given up
            raise min(errors.values(), key=lambda error: isinstance(error, DamageError))
        for path in errors:
            disk.replace(path, found)
            self._damaged.append(path)
        return found

    def _copies(self, name: str) -> list[Path]:
        return [folder / name for folder in self._folders]


def store(
    memory: ReplayMemory, shared: Shared, own: Path, known: Checksums, turn: int = 0
) -> tuple[dict[str, str], dict[str, str]]:
    """Write what is not yet on the disk of a replay, or no more, a segment at a time.

    Args:
        memory: the replay.
        shared: the segments.
        own: folder of this checkpoint.
        known: segments that are there already.
        turn: counts the saves; decides which of those are read, to see that they are whole.

    Returns:
        The segments that this checkpoint needs, and the files in its own folder.

    Raises:
        OSError: if they cannot be written.
    """
    needed, files = {}, {}
    for start, stop in _pieces(memory.oldest, memory.added):
        segment, part = _names(start, stop, memory.added)
        thorough = (start // STEPS - turn) % ROUND == 0
        if segment in known and shared.keep(segment, known[segment], thorough):
            needed[segment] = known[segment]
        elif stop - start == STEPS:
            needed[segment] = shared.write(segment, memory.read(start, stop))
        else:
            files[part] = write(memory.read(start, stop), own / part)
    return needed, files


def restore(
    memory: ReplayMemory,
    state: dict[str, Any],
    shared: Shared,
    own: Path,
    segments: Checksums,
    files: Checksums,
) -> None:
    """Fill a replay with what :func:`store` wrote, a segment at a time.

    Args:
        memory: as large as the one that was stored.
        state: what its :meth:`ReplayMemory.state` gave then.
        shared: the segments.
        own: folder of the checkpoint.
        segments: what :func:`store` returned first.
        files: what it returned second.

    Raises:
        DamageError: if a file is damaged; the memory is then in no state to be used.
        UnreadableError: if one cannot be read now; likewise.
        KeyError, TypeError, ValueError: if something is missing or does not fit.
    """

    def pieces() -> Iterator[tuple[int, Transitions]]:
        added = int(state["added"])
        for start, stop in _pieces(max(added - memory.capacity_steps, 0), added):
            segment, part = _names(start, stop, added)
            if segment in segments:
                yield start - start % STEPS, shared.read(segment, segments[segment])
            else:
                yield start, read(own / part, files[part])

    memory.restore(state, pieces())


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Split a range of transitions where segments meet."""
    while start < stop:
        end = min(start - start % STEPS + STEPS, stop)
        yield start, end
        start = end


def _names(start: int, stop: int, added: int) -> tuple[str, str]:
    """Of the segment that a piece belongs to, and of the file it has if it does not fill one."""
    part = "tail" if stop == added else "head"
    return f"segment-{start // STEPS:08d}{SUFFIX}", f"{part}{SUFFIX}"


def _bytes(path: Path, expected: str) -> bytes:
    """What is in a file, which must have that checksum."""
    try:
        data = disk.read_bytes(path)
    except (FileNotFoundError, disk.ForeignFileError) as error:
        raise DamageError(f"{path.name} cannot be read: {disk.reason(error)}") from error
    if checksum(data) != expected:
        raise DamageError(f"{path.name} is not as it was written")
    return data


def metadata(data: bytes) -> dict[str, str]:
    """What a safetensors file says of itself, besides its arrays.

    Raises:
        ValueError, LookupError: if it is none.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8:end])["__metadata__"])


def _unpack(name: str, data: bytes) -> Arrays:
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= _MOST_BYTES:
            raise ValueError(f"it would unpack to {size:,} bytes")
        return safetensors.numpy.load(zstandard.ZstdDecompressor().decompress(data))
    except (
        ValueError, KeyError, TypeError, zstandard.ZstdError, safetensors.SafetensorError
    ) as error:  # fmt: skip
        raise DamageError(f"{name} cannot be read: {error}") from error


def _sound(path: Path, expected: str, thorough: bool) -> bool:
    """Whether a file is as it was written, as far as one looks."""
    try:
        if thorough:
            return checksum(disk.read_bytes(path)) == expected
        return disk.has_size(path, expected)
    except OSError:
        return False
