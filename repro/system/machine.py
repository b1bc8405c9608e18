"""What this machine has to spare: memory, disk. Standard library only."""

import os
import resource
import shutil
from pathlib import Path

_PROCESS_BYTES = 700_000_000  # torch, emulator and working arrays of a training process
_STATE_BYTES = 100_000_000  # weights, optimiser and pre-drawn transitions, generously
FINISHED_BYTES = 30_000_000  # a finished run: two networks of 7 MB, tables, games, generously
# Screens shrink to a thirtieth and less. What checkpoints share is there twice, and what the
# older one and the one being written have for themselves is at most as much again.
_SCREENS_SHRINK = 10


class LackError(RuntimeError):
    """Too little memory or disk; the message says how much is needed and what to do."""


def training_memory_bytes(replay_bytes: int) -> int:
    """Memory that a training with such a replay takes."""
    return replay_bytes + _PROCESS_BYTES


def checkpoints_bytes(replay_bytes: int) -> int:
    """Disk for two checkpoints and a third that is being written, compressed."""
    return 4 * replay_bytes // _SCREENS_SHRINK + 3 * _STATE_BYTES


def cores() -> int:
    """Processor cores that this process may use: in a job fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory_bytes() -> int:
    """Memory that can still be claimed, within a container's, a job's or a process's limit."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except OSError:
        pass
    found += _group_limits_bytes() + _process_limit_bytes()
    return max(min(found), 0)


def _process_limit_bytes() -> list[int]:
    """What ``ulimit -v`` still allows this process."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return []
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return [limit]
    return [limit - pages * os.sysconf("SC_PAGE_SIZE")]


def _group_limits_bytes() -> list[int]:
    """What the control groups of this process (container, cluster job) still allow."""
    found = []
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers == "":  # version 2
            root, limit, used = Path("/sys/fs/cgroup"), "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root = Path("/sys/fs/cgroup/memory")
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        group = root / place.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            try:
                free = int((folder / limit).read_text()) - int((folder / used).read_text())
                # Of what is used, the file cache is given back on demand.
                statistics = dict(
                    entry.split() for entry in (folder / "memory.stat").read_text().splitlines()
                )
                found.append(free + int(statistics.get("inactive_file", 0)))
            except (OSError, ValueError):  # no such group here, or "max"
                continue
    return found


def free_disk_bytes(path: Path) -> int:
    """Space left where ``path`` is, or will be."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def folder_bytes(path: Path) -> int:
    """Bytes in the files of a folder; 0 if there is none."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def require_memory(needed_bytes: int) -> None:
    """Refuse to start what cannot be held.

    Raises:
        LackError: with both numbers and the flag to change.
    """
    there = available_memory_bytes()
    if needed_bytes > there:
        raise LackError(
            f"the run needs {gigabytes(needed_bytes)} of memory and {gigabytes(there)} is "
            "available; free some, or make the replay smaller with --replay-steps"
        )


def require_disk(path: Path, needed_bytes: int) -> None:
    """Refuse to start what could not be checkpointed.

    Raises:
        LackError: with both numbers and what to do.
    """
    there = free_disk_bytes(path)
    if needed_bytes > there:
        raise LackError(
            f"checkpoints under {path} need {gigabytes(needed_bytes)} of disk and "
            f"{gigabytes(there)} is free; free some, or choose another --out"
        )


def gigabytes(count: int) -> str:
    """Bytes for people."""
    return f"{count / 10**9:,.1f} GB"
