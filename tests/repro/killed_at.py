"""Runs a command of `repro` in processes that kill themselves at chosen operations on files.

    python -m tests.repro.killed_at SUITE POINT... -- WORDS

runs `repro WORDS` once for each point and then to its end. A point is KIND:N:WHEN: before, within
or after the N-th operation of a kind below SUITE, the process gets a SIGKILL; within a write, half
of the bytes are written. For every process a line of JSON is printed: the point, whether it was
reached, at which file, and how many operations of each kind there were.

Modules are loaded once, and every process is a fork of what has loaded them.
"""

import collections
import contextlib
import io
import json
import os
import signal
import sys
from pathlib import Path

CALLS = ("replace", "rename", "unlink", "mkdir", "rmdir")
WRITES = ("row", "write")  # to a table, to another file
KINDS = (*CALLS, "fsync", "create", *WRITES)
MOMENTS = [(kind, moment) for kind in KINDS for moment in ("before", "after")]
MOMENTS += [(kind, "within") for kind in WRITES]


class Operations:
    """Counts the operations on files below a folder; kills this process at one of them.

    Args:
        folder: what counts; what TensorBoard writes, in a thread of its own, does not.
        point: KIND:N:WHEN, or empty.
        report: descriptor to which a line is written when the process ends.
    """

    def __init__(self, folder, point, report):
        self.folder = folder.resolve()
        self.point, self.report = point, report
        kind, number, self.when = point.split(":") if point else ("", "0", "")
        self.target = (kind, int(number))
        self.counts = collections.Counter()
        self.place = ""

    def patch(self):
        """From now on count."""
        for name in CALLS:
            setattr(os, name, self._counted(name, getattr(os, name)))
        os.fsync = self._counted("fsync", lambda _: None)  # only a power cut could tell
        real_open, real_fdopen = os.open, os.fdopen
        creating = self._counted("create", real_open)

        def opened(path, flags, *rest, **options):
            creates = flags & os.O_CREAT and not os.path.lexists(path)
            return (creating if creates else real_open)(path, flags, *rest, **options)

        def fdopened(descriptor, mode="r", *rest, **options):
            if mode in ("ab", "wb"):
                return io.BufferedWriter(Written(self, descriptor, mode))
            return real_fdopen(descriptor, mode, *rest, **options)

        os.open, os.fdopen = opened, fdopened

    def begin(self, kind, path):
        """Count an operation; whether the process must die at it, and is not to come back."""
        if self.folder not in path.parents or "tensorboard" in path.parts:
            return False
        self.counts[kind] += 1
        self.place = str(path.relative_to(self.folder))
        if (kind, self.counts[kind]) != self.target:
            return False
        if self.when == "before":
            self.die()
        return True

    def die(self):
        """As sudden as a power cut for the process, not for the disk."""
        self.say(True)
        os.kill(os.getpid(), signal.SIGKILL)

    def say(self, killed):
        """Report to whoever started this process."""
        found = {"point": self.point, "killed": killed, "counts": self.counts}
        found |= {"place": self.place if killed else ""}
        os.write(self.report, json.dumps(found).encode() + b"\n")

    def _counted(self, kind, call):
        def counted(path, *rest, **options):
            hit = self.begin(kind, _path(path, options.get("dir_fd")))
            result = call(path, *rest, **options)
            if hit:
                self.die()
            return result

        return counted


class Written(io.FileIO):
    """A file whose writes are operations."""

    def __init__(self, operations, descriptor, mode):
        super().__init__(descriptor, mode)
        self._operations = operations

    def write(self, data):
        """Write, all or half of it."""
        path, operations = _path(self.fileno()), self._operations
        hit = operations.begin(WRITES[path.suffix != ".csv"], path)
        if hit and operations.when == "within":
            super().write(bytes(data)[: len(data) // 2])
            operations.die()
        written = super().write(data)
        if hit:
            operations.die()
        return written


def _path(named, folder=None):
    """What is operated on: a path, perhaps within an open folder, or a descriptor."""
    if isinstance(named, int):
        return Path(f"/proc/self/fd/{named}").readlink()
    above = Path.cwd() if folder is None else Path(f"/proc/self/fd/{folder}").readlink()
    return above / os.fspath(named)


def run(folder, point, words):
    """One process; its exit code, negative if a signal ended it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        operations = Operations(folder, point, os.dup(sys.stdout.fileno()))
        operations.patch()
        with contextlib.redirect_stdout(io.StringIO()):
            code = cli.main(words)
        operations.say(False)
    finally:
        os._exit(code)


if __name__ == "__main__":
    import torch._dynamo  # noqa: F401  (every process would load it, in its first optimiser)

    from repro import cli
    from repro.training import command as _  # noqa: F401  (as above)

    split = sys.argv.index("--")
    suite, points, command = Path(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1 :]
    for one in [*points, ""]:
        code = run(suite, one, command)
        if code not in (0, -signal.SIGKILL):
            sys.exit(f"{one}: exit code {code}")
