"""What a run prints when nobody looks: in a job of a cluster, or beside other runs."""

from pathlib import Path

from repro.system import disk

_TAIL_BYTES = 4096  # a last line
_LONGEST = 300  # letters of it


def log_file(suite: Path, game: str, seed: int) -> Path:
    """Where everything goes that the run prints."""
    return suite / "jobs" / "runs" / f"{game}-seed-{seed}.log"


def last_line(path: Path, start: int = 0) -> str:
    """The last line with something on it, at or after a byte of the file; not all of a long one.

    Empty if there is none, or no such file.
    """
    try:
        with disk.open_to_read(path, disk.TABLE_BYTES) as file:
            file.seek(max(start, file.seek(0, 2) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines()]
    return next((line[:_LONGEST] for line in reversed(lines) if line), "")
