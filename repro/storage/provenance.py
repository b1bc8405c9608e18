"""What a result was made with: code, libraries, machine. No environment variables."""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repro import __version__
from repro.records import RunDirectoryError, read_json, write_json

_LIBRARIES = ("ale-py", "gymnasium", "numpy", "opencv-python", "safetensors", "torch")


def collect() -> dict[str, Any]:
    """Describe the code, the libraries and the machine. Loads none of them."""
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "version": __version__,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def keep(path: Path, here: Mapping[str, Any], step: int) -> None:
    """Write what a run is made with; of a run that goes on, add what is no longer the same.

    Args:
        path: provenance.json. Its ``continued`` lists, for each resume under other
            circumstances, time, step, and what differs from before.
        here: as :func:`collect` gives it, and more.
        step: where the run stands, 0 if it is new. A file that is missing or damaged does
            not stop a run; it is written anew.
    """
    try:
        there = read_json(path) if step else {}
    except RunDirectoryError:
        there = {}
    if not there:
        write_json(path, dict(here))
        return
    listed = there.pop("continued", [])
    since = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    last = there.copy()
    for one in since:
        last |= one
    changed = {name: value for name, value in here.items() if last.get(name) != value}
    if changed.keys() - {"time", "command"}:
        since.append({"time": here["time"], "step": step, **changed})
        write_json(path, there | {"continued": since})


def version(library: str) -> str | None:
    """Installed version of a distribution, ``None`` if there is none."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def md5(path: Path) -> str:
    """MD5 of a file, as the emulator's own ROM list gives it."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _git(*arguments: str) -> str | None:
    """What git says of this project; ``None`` if it is no repository of its own.

    Installed into another project's environment, it would lie in that one's repository.
    """
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
