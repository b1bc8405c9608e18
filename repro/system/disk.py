"""The one door to files that are not ours alone: what is read, replaced and appended to.

A folder may be shared, copied or a stranger's. So only regular files are opened, never a pipe or a
device; what is read has a bound; what is written is never written through a link; and what is
removed has a name of our making. Standard library only.
"""

import contextlib
import hashlib
import os
import re
import secrets
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

SMALL_BYTES = 1 << 24  # settings, provenance, marks: more than any has
TABLE_BYTES = 1 << 30  # a table of a whole training has megabytes
_LINE_LETTERS = 5_000  # a path has at most 4,096
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")
_PAUSES_SECONDS = (0.1, 0.4, 1.5)
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would be waited for
_WRITE = os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Found = TypeVar("Found")


class UnreadableError(RuntimeError):
    """A file or folder is there and cannot be read now; the message names it."""


class ForeignFileError(OSError):
    """What has the name of a file is none that could be read or written as one."""


class UnwritableError(OSError):
    """A file or folder could not be written; the message names it and says what to do."""

    def __str__(self) -> str:
        return (
            f"{self.filename} cannot be written ({self.strerror}); make room or make it writable, "
            "or choose another --out"
        )


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of what goes wrong which file or folder could not be written.

    Raises:
        UnwritableError: for any OSError within that does not say it.
    """
    try:
        yield
    except (UnwritableError, ForeignFileError):
        raise
    except OSError as error:
        what = reason(error).partition("\n")[0]
        raise UnwritableError(error.errno, what, str(path)) from error


def state(path: Path) -> tuple[int, int, int] | None:
    """What changes if a file does: which it is, its length, when it was written; ``None`` of none.

    A change within the clock's tick that leaves the length alone is not seen.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def reason(error: Exception) -> str:
    """What went wrong, without the number and the path that an OSError has in its text."""
    return str(getattr(error, "strerror", None) or error)


def one_line(text: object) -> str:
    """A name, or a value out of a file, for a line that people read.

    Without what would break the line, or command a terminal; if nobody would read it all, without
    its middle.
    """
    shown = str(text)
    if len(shown) > _LINE_LETTERS:
        shown = f"{shown[: _LINE_LETTERS - 500]} ... {shown[-500:]}"
    if shown.isprintable():
        return shown
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def checksum(data: bytes) -> str:
    """Tell data from what a bad disk makes of it; begins with its size in bytes."""
    return f"{len(data)} bytes, crc32 {zlib.crc32(data):08x}"


def has_size(path: Path, expected: str) -> bool:
    """Whether a file is as large as its :func:`checksum` says."""
    return expected.startswith(f"{path.stat().st_size} bytes,")


def open_to_read(path: Path, most_bytes: int) -> BinaryIO:
    """Open a regular file.

    Args:
        path: of the file; links are followed.
        most_bytes: that it can have.

    Raises:
        ForeignFileError: if it is no regular file, or larger.
        OSError: if it cannot be opened.
    """
    return _regular(path, os.open(path, _READ), "rb", most_bytes)


def open_to_append(path: Path) -> BinaryIO:
    """Open a regular file, made if it is not there, to add to its end. Not through a link.

    Raises:
        ForeignFileError: if there is something else.
        OSError: if it cannot be opened.
    """
    return _regular(path, _open(path, os.O_WRONLY | os.O_APPEND), "ab")


def open_to_lock(path: Path) -> BinaryIO:
    """Open a regular file, made if it is not there, to read and write. Not through a link.

    Raises:
        ForeignFileError: if there is something else.
        OSError: if it cannot be opened.
    """
    return _regular(path, _open(path, os.O_RDWR), "r+b")


def read_bytes(path: Path, most_bytes: int = TABLE_BYTES) -> bytes:
    """Read a regular file; wait out the errors that a network's file system has in passing.

    Raises:
        FileNotFoundError: if it is not there.
        ForeignFileError: see :func:`open_to_read`.
        UnreadableError: if it cannot be read for another reason, which may pass.
    """

    def read(path: Path) -> bytes:
        with open_to_read(path, most_bytes) as file:
            return file.read(most_bytes)

    return _patiently(path, read)


def read_text(path: Path, most_bytes: int = SMALL_BYTES) -> str:
    """Read a regular file of UTF-8, with or without a mark of that, without patience.

    Raises:
        OSError: if it cannot be read; ForeignFileError: see :func:`open_to_read`.
        UnicodeDecodeError: if it is no text.
    """
    with open_to_read(path, most_bytes) as file:
        return file.read(most_bytes).decode("utf-8-sig")


def read_ends(path: Path, last_bytes: int = TABLE_BYTES) -> bytes:
    """The first line of a regular file and those within its last bytes; see :func:`read_text`."""
    with open_to_read(path, TABLE_BYTES) as file:
        first = file.readline()
        begin = file.seek(0, os.SEEK_END) - last_bytes
        if file.seek(max(begin, len(first))) == begin:
            file.readline()  # may have lost a part
        return first + file.read()


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

    Its name is on the disk for certain once its folder is synced. A link of that name is replaced,
    what it leads to stays.

    Raises:
        UnwritableError: if it cannot be written; nothing half written is left then.
    """
    beside = temporary(path)
    with writing(path):
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_EXCL | _WRITE, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def temporary(path: Path) -> Path:
    """A new name beside a file, for what is to replace it; nobody can know it beforehand."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def set_aside(path: Path) -> Path:
    """Give what is damaged another name, which is free, in the same folder.

    Returns:
        The new one, such as ``learning.csv.damaged``.

    Raises:
        OSError: if it cannot be renamed.
    """
    aside, number = path.with_name(f"{path.name}.damaged"), 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    path.rename(aside)
    return aside


def sha256(path: Path) -> str:
    """Digest of a regular file, in hexadecimal.

    Raises:
        OSError: see :func:`open_to_read`.
    """
    with open_to_read(path, TABLE_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def remove_torn(folder: Path) -> None:
    """Remove what killed writers of :func:`replace` left in a folder."""
    for item in folder.iterdir():
        if TEMPORARY.fullmatch(item.name) and stat.S_ISREG(item.lstat().st_mode):
            item.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until what was written to a file or folder, by anyone, is on the disk."""
    opened = os.open(path, _READ)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | _WRITE, 0o666)
    except OSError as error:
        if path.is_symlink():
            raise ForeignFileError(error.errno, "it is a link; remove it", str(path)) from error
        raise


def _regular(path: Path, descriptor: int, mode: str, most_bytes: int | None = None) -> BinaryIO:
    """Make a file of a descriptor, which is closed if it is of none."""
    found = os.fstat(descriptor)
    what = ""
    if not stat.S_ISREG(found.st_mode):
        what = "it is no regular file; remove it"
    elif most_bytes is not None and found.st_size > most_bytes:
        what = f"it has {found.st_size:,} bytes, more than the {most_bytes:,} that it could have"
    if what:
        os.close(descriptor)
        raise ForeignFileError(0, what, str(path))
    return os.fdopen(descriptor, mode)  # type: ignore[return-value]


def _patiently(path: Path, read: Callable[[Path], Found]) -> Found:
    """Read; wait out the errors that a file system over a network has in passing."""
    for pause in (*_PAUSES_SECONDS, None):
        try:
            return read(path)
        except (FileNotFoundError, ForeignFileError):
            raise
        except OSError as error:
            if pause is None:
                raise UnreadableError(
                    f"{path} cannot be read ({reason(error)}); nothing was removed, "
                    "the same command tries again"
                ) from error
            time.sleep(pause)
    raise AssertionError
