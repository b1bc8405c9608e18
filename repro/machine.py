"""What this machine has to spare: memory, disk. Standard library only."""

import os
import shutil
from pathlib import Path


class LackError(RuntimeError):
    """Too little memory or disk; the message says how much is needed and what to do."""


def available_memory_bytes() -> int:
    """Memory that can still be claimed, within a container's or a job's limit."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except OSError:
        pass
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        root = Path("/sys/fs/cgroup")
        try:
            found.append(int((root / limit).read_text()) - int((root / used).read_text()))
        except (OSError, ValueError):  # no such controller, or "max"
            continue
    return max(min(found), 0)


def free_disk_bytes(path: Path) -> int:
    """Space left where ``path`` is, or will be."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


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
    return f"{count / 1e9:.1f} GB"
