"""Files that last, and reading what may be damaged or on a file system that is shared.

Standard library only.
"""

import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_PAUSES_SECONDS = (0.1, 0.4, 1.5)

Found = TypeVar("Found")


class UnreadableError(RuntimeError):
    """A file or folder is there and cannot be read now; the message names it."""


def checksum(data: bytes) -> str:
    """Tell data from what a bad disk makes of it; begins with its size in bytes."""
    return f"{len(data)} bytes, crc32 {zlib.crc32(data):08x}"


def has_size(path: Path, expected: str) -> bool:
    """Whether a file is as large as its :func:`checksum` says."""
    return expected.startswith(f"{path.stat().st_size} bytes,")


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        FileNotFoundError: if it is not there.
        UnreadableError: if it cannot be read for another reason, which may pass.
    """
    return _patiently(path, Path.read_bytes)


def items(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing if it is not there.

    Raises:
        UnreadableError: if it cannot be told.
    """
    try:
        return _patiently(folder, lambda path: sorted(path.iterdir()))
    except FileNotFoundError:
        return []


def replace(path: Path, data: bytes) -> None:
    """Replace a file as a whole: readers see the old or the new one, never a part.

    Its name is on the disk for certain once its folder is synced.
    """
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def sync(path: Path) -> None:
    """Wait until what was written to a file or folder, by anyone, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _patiently(path: Path, read: Callable[[Path], Found]) -> Found:
    """Read; wait out the errors that a file system over a network has in passing."""
    for pause in _PAUSES_SECONDS:
        try:
            return read(path)
        except FileNotFoundError:
            raise
        except OSError:
            time.sleep(pause)
    try:
        return read(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(
            f"{path} cannot be read ({error.strerror or error}); nothing was removed, "
            "the same command tries again"
        ) from error
