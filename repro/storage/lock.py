"""A lock on a run directory: held by one process, and let go of however that process ends.

On one machine the operating system tells the truth (``flock``). Another machine
that shares the file system may not be seen that way, so the holder also touches
the lock file every minute: a file that another host's process left is believed
while it is fresh and taken over, with a note, when it is old. Ages are taken by
the file system's own clock, so that no machine's clock matters. A touch that is yet
to come, of a clock that was set back or a copied file, says nothing: it is dated now,
and a holder that is alive dates it again.
"""

import contextlib
import errno
import fcntl
import io
import json
import os
import socket
import sys
import tempfile
import threading
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from repro.records import RunDirectoryError
from repro.system import disk

BEAT_SECONDS = 60.0
STALE_SECONDS = 300.0
_NOT_LOCKED_HERE = {errno.EACCES, errno.EWOULDBLOCK}  # anything else: a file system without locks


class HeldError(RunDirectoryError):
    """Another process holds the directory; the message names it."""


class LostDirectoryError(RuntimeError):
    """The directory was removed, or another process took it over."""


class Lock:
    """The file ``.lock`` of a directory: JSON with host, process and since when.

    Args:
        folder: the directory, which must be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / ".lock"
        self._file: IO[str] | None = None
        self._text = ""
        self._over = threading.Event()
        self._beating: threading.Thread | None = None

    def take(self) -> None:
        """Take the lock, or say who has it.

        Raises:
            HeldError: if another process holds it.
            RunDirectoryError: if its file is none.
            OSError: if the directory cannot be written.
        """
        try:
            file = io.TextIOWrapper(disk.open_to_lock(self._path))
        except disk.ForeignFileError as error:
            raise RunDirectoryError(f"{self._path} cannot be used: {error.strerror}") from error
        try:
            self._refuse_if_held(file)
            me = {"host": socket.gethostname(), "pid": os.getpid(), "since": _now()}
            self._text = json.dumps(me) + "\n"
            file.seek(0)
            file.truncate()
            file.write(self._text)
            file.flush()
        except BaseException:
            file.close()
            raise
        self._file = file
        self._over.clear()
        self._beating = threading.Thread(target=self._beat, args=(file.fileno(),), daemon=True)
        self._beating.start()

    def verify(self) -> None:
        """Make sure that the lock is still ours, before something is written.

        Raises:
            LostDirectoryError: if it is not.
        """
        assert self._file is not None
        try:
            same = os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
            if same and disk.read_text(self._path) == self._text:
                return
        except FileNotFoundError:
            pass
        raise LostDirectoryError(
            f"{self._folder} was removed, or taken over by another process, while in use; "
            "stopped without writing more: put it back and repeat the command to go on"
        )

    def release(self) -> None:
        """Let go."""
        if self._file is None or self._beating is None:
            return
        self._over.set()
        self._beating.join()
        try:
            self.verify()
            self._file.seek(0)
            self._file.truncate()
        except (LostDirectoryError, OSError):
            pass  # not ours to clear, or it will be seen to be old
        self._file.close()
        self._file = None

    def _refuse_if_held(self, file: IO[str]) -> None:
        lockable = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NOT_LOCKED_HERE:
                raise self._in_use(_owner(file), "wait for it") from error
            lockable = False
        owner = _owner(file)
        if not owner or (lockable and owner.get("host") == socket.gethostname()):
            return
        with tempfile.TemporaryFile(dir=self._folder) as probe:
            now = os.fstat(probe.fileno()).st_mtime
        age_seconds = now - os.fstat(file.fileno()).st_mtime
        if age_seconds < -BEAT_SECONDS:  # more than a network's file system may be behind
            os.utime(file.fileno())
        age_seconds = max(age_seconds, 0.0)
        if age_seconds < STALE_SECONDS:
            raise self._in_use(
                owner,
                f"it was alive {age_seconds:.0f} s ago. Wait for it; if it is known to be dead, "
                f"wait {STALE_SECONDS - age_seconds:.0f} s or remove {self._path}",
            )
        print(
            f"repro: {self._folder}: taking over from {describe(owner)}, "
            f"which gave no sign for {age_seconds / 60:.0f} minutes",
            file=sys.stderr,
        )

    def _in_use(self, owner: dict[str, Any], remedy: str) -> HeldError:
        return HeldError(
            f"{self._folder} is in use by {describe(owner)}; {remedy}, or choose another --seed or "
            "--out"
        )

    def _beat(self, descriptor: int) -> None:
        while not self._over.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):  # one beat that fails is not the last
                os.utime(descriptor)


def read(path: Path) -> dict[str, Any]:
    """Host, process and since when, as a lock file says; empty if it names nobody."""
    try:
        with disk.open_to_read(path, disk.SMALL_BYTES) as file:
            return _owner(io.TextIOWrapper(file))
    except OSError:
        return {}


def _owner(file: IO[str]) -> dict[str, Any]:
    """What a lock file says; empty if nobody left anything that can be read."""
    file.seek(0)
    try:
        found = json.loads(file.read())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def describe(owner: dict[str, Any]) -> str:
    """The holder of a lock, in words."""
    if not owner:
        return "another process"
    return f"process {owner.get('pid')} on {owner.get('host')} since {owner.get('since')}"


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
