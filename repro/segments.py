"""The replay on disk: compressed segments that are written once and shared by checkpoints.

Segment k holds the transitions 2,000 k to 2,000 k + 1,999, counted from the
first of the run: frames, actions, rewards and ends together. What does not
fill a segment, at either end of the replay, goes into the checkpoint's own
folder as ``head`` and ``tail``.

Every file is safetensors within zstandard, with a checksum that whoever
refers to it keeps. Nothing in it can run code when it is read.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy
import zstandard
from numpy.typing import NDArray

from repro.replay import ReplayMemory, Transitions

STEPS = 2_000  # transitions per segment: 14 MB in memory, some 50 to 500 kB on disk
SUFFIX = ".safetensors.zst"
_LEVEL = 3  # higher ones take five times as long to save a tenth

Arrays = dict[str, NDArray[Any]]
Checksums = Mapping[str, str]  # file name to checksum


class DamageError(Exception):
    """A file is not as it was written; the message names it."""


def write(path: Path, arrays: Arrays) -> str:
    """Write arrays to a file and to the disk, and return the file's checksum.

    Raises:
        OSError: if it cannot be written.
    """
    data = zstandard.ZstdCompressor(level=_LEVEL).compress(safetensors.numpy.save(arrays))
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return checksum(data)


def read(path: Path, expected: str) -> Arrays:
    """Read arrays, which cannot be written to.

    Raises:
        DamageError: if the file is not there, or not the one with that checksum.
    """
    try:
        data = path.read_bytes()
        if checksum(data) != expected:
            raise DamageError(f"{path.name} is not as it was written")
        return safetensors.numpy.load(zstandard.ZstdDecompressor().decompress(data))
    except (
        OSError, ValueError, KeyError, TypeError, zstandard.ZstdError, safetensors.SafetensorError
    ) as error:  # fmt: skip
        raise DamageError(f"{path.name} cannot be read: {error}") from error


def checksum(data: bytes) -> str:
    """Tell data from what a bad disk makes of it."""
    return f"crc32:{zlib.crc32(data):08x}"


def store(
    memory: ReplayMemory, shared: Path, own: Path, known: Checksums
) -> tuple[dict[str, str], dict[str, str]]:
    """Write what is not yet on the disk of a replay, a segment at a time.

    Args:
        memory: the replay.
        shared: folder of the segments.
        own: folder of this checkpoint.
        known: segments that are there already.

    Returns:
        The segments that this checkpoint needs, and the files in its own folder.

    Raises:
        OSError: if they cannot be written.
    """
    needed, files = {}, {}
    for start, stop in _pieces(memory.oldest, memory.added):
        segment, part = _names(start, stop, memory.added)
        if segment in known and (shared / segment).exists():
            needed[segment] = known[segment]
        elif stop - start == STEPS:
            needed[segment] = write(shared / segment, memory.read(start, stop))
        else:
            files[part] = write(own / part, memory.read(start, stop))
    return needed, files


def restore(
    memory: ReplayMemory,
    state: dict[str, Any],
    shared: Path,
    own: Path,
    segments: Checksums,
    files: Checksums,
) -> None:
    """Fill a replay with what :func:`store` wrote, a segment at a time.

    Args:
        memory: as large as the one that was stored.
        state: what its :meth:`ReplayMemory.state` gave then.
        shared: folder of the segments.
        own: folder of the checkpoint.
        segments: what :func:`store` returned first.
        files: what it returned second.

    Raises:
        DamageError: if a file is damaged; the memory is then in no state to be used.
        KeyError, TypeError, ValueError: if something is missing or does not fit.
    """

    def pieces() -> Iterator[tuple[int, Transitions]]:
        added = int(state["added"])
        for start, stop in _pieces(max(added - memory.capacity_steps, 0), added):
            segment, part = _names(start, stop, added)
            if segment in segments:
                yield start - start % STEPS, read(shared / segment, segments[segment])
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
