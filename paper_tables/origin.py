"""What a run was made with, as its provenance.json has it. No score rests on that."""

from pathlib import Path
from typing import Any

from paper_tables.rows import Problem
from repro.config import check
from repro.records import RunDirectoryError, read_json

_FIELDS = {
    "time": str, "device": str, "threads": int, "processor": str, "rom_md5": str, "commit": str,
    "dirty": bool, "libraries": dict, "continued": list,
}  # fmt: skip


def read(path: Path) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Read provenance.json: its known fields, each of its type, and what is wrong with it.

    ``libraries`` are versions by name; ``continued`` has a mapping, with the step, for each time
    that the run went on elsewhere. Of no file, or a damaged one, nothing.
    """
    if not path.exists():
        return {}, ()
    try:
        there = read_json(path)
        found = {name: there[name] for name in _FIELDS if there.get(name) is not None}
        for name, value in found.items():
            check(name, value, _FIELDS[name])
        for name, version in found.get("libraries", {}).items():
            check(name, version or "", str)
        for one in found.get("continued", []):
            check("continued", one, dict)
            check("step", one.get("step"), int)
    except (RunDirectoryError, ValueError) as error:
        what = f"the run is shown without it: {error.__cause__ or error}"
        return {}, (Problem(path, None, what, spares=True),)
    return found, ()
