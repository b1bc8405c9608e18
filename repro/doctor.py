"""Is this machine ready? Each check says what it found and, if it failed, what to do."""

import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from repro import config
from repro.games import GAMES
from repro.storage import provenance
from repro.system import machine

# The emulator that the golden trajectories of the tests were recorded with.
GOLDEN_ALE_PY = "0.12.1"
_MODULES = (
    "ale_py", "cv2", "gymnasium", "imageio", "numpy", "pandas", "rich", "safetensors",
    "scipy", "seaborn", "sklearn", "tensorboard", "torch", "zstandard",
)  # fmt: skip
_REINSTALL = "pip install --force-reinstall --no-deps 'ale-py>=0.11,!=0.12.0,<0.13'"
_ROMS_VARIABLE = "ALE_ROMS_DIR"  # where the emulator looks instead of in its own package
_SLOT_BYTES = 84 * 84 + 6  # a screen, its action, reward and ending


@dataclass(frozen=True)
class Check:
    """One finding: ``fail`` stops the paper's protocol, ``warn`` only deserves a thought."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def examine(out: Path) -> Iterator[Check]:
    """Run every check; ``out`` is where runs would be written."""
    yield from _imports()
    yield _emulator()
    yield _roms()
    yield _memory()
    yield _disk(out)
    yield _gpu()
    yield _threads()


def _imports() -> Iterator[Check]:
    for name in _MODULES:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # a broken binary package can raise anything
            remedy = "pip install -e . in the project's folder"
            if "libGL" in str(error):
                remedy = "install the system library: apt-get install libgl1"
            yield Check(f"import {name}", "fail", f"{type(error).__name__}: {error}", remedy)
        else:
            yield Check(f"import {name}", "ok", str(getattr(module, "__version__", "found")))


def _emulator() -> Check:
    there = provenance.version("ale-py")
    if there == GOLDEN_ALE_PY:
        return Check("emulator", "ok", f"ale-py {there}, as in the golden trajectories")
    return Check(
        "emulator", "warn",
        f"ale-py {there}; the golden trajectories were recorded with {GOLDEN_ALE_PY}",
        f"pip install ale-py=={GOLDEN_ALE_PY}, or run the tests to see whether it plays the same",
    )  # fmt: skip


def _roms() -> Check:
    try:
        from ale_py import roms
    except ImportError as error:
        return Check("ROMs", "fail", str(error), _REINSTALL)
    chosen = os.environ.get(_ROMS_VARIABLE)
    folder = Path(chosen) if chosen else Path(roms.__file__).parent
    place = f" in {_ROMS_VARIABLE}={chosen}" if chosen else ""
    missing, changed = [], []
    for game in GAMES.values():
        path = folder / f"{game.name}.bin"
        if not path.is_file():
            missing.append(game.name)
        elif provenance.md5(path) != game.md5:
            changed.append(game.name)
    if missing or changed:
        problems = [f"missing: {', '.join(missing)}"] if missing else []
        problems += [f"wrong MD5: {', '.join(changed)}"] if changed else []
        remedy = f"unset {_ROMS_VARIABLE} to use those of ale-py" if chosen else _REINSTALL
        return Check("ROMs", "fail", "; ".join(problems) + place, remedy)
    return Check("ROMs", "ok", f"all {len(GAMES)} there{place}, MD5 as expected")


def _memory() -> Check:
    steps = config.preset("nature").agent.replay_steps
    needed = machine.training_memory_bytes(steps * _SLOT_BYTES)
    there = machine.available_memory_bytes()
    found = (
        f"{machine.gigabytes(there)} available; a training with a replay of {steps:,} steps takes "
        f"{machine.gigabytes(needed)}"
    )
    if there > needed:
        return Check("memory", "ok", found)
    room = max(there - machine.training_memory_bytes(0), 0) // _SLOT_BYTES
    return Check(
        "memory", "fail", found, f"free some, or train with --replay-steps {room} (not the paper's)"
    )


def _disk(out: Path) -> Check:
    needed = machine.checkpoints_bytes(config.preset("nature").agent.replay_steps * _SLOT_BYTES)
    there = machine.free_disk_bytes(out)
    found = (
        f"{machine.gigabytes(there)} free for {out}; two checkpoints of a full replay take "
        f"{machine.gigabytes(needed)}"
    )
    if there > needed:
        return Check("disk", "ok", found)
    return Check("disk", "fail", found, "free some, or write elsewhere with --out")


def _gpu() -> Check:
    try:
        import torch
    except Exception as error:  # reported in full by the import check
        return Check("GPU", "fail", f"torch does not load: {error}", "see its import above")
    if torch.cuda.is_available():
        return Check("GPU", "ok", f"{torch.cuda.get_device_name()}; use it with --device cuda")
    return Check("GPU", "ok", "none; training runs on the processor")


def _threads() -> Check:
    cores = machine.cores()
    limit = os.environ.get("OMP_NUM_THREADS")
    found = f"{cores} cores" + (f", OMP_NUM_THREADS={limit}" if limit else "")
    if limit and limit.isdigit() and int(limit) > cores:
        return Check("threads", "warn", found, "threads exceed cores: unset OMP_NUM_THREADS")
    return Check("threads", "ok", found)
