"""The whole state of an unfinished run, on disk. Nothing in it can run code when loaded.

checkpoint/step-<n>/ holds ``arrays.safetensors`` (weights, optimiser, emulator,
stacks, pre-drawn transitions), the replay as plain ``.npy`` files and, written
last, ``state.json``: plain values and a checksum of every other file. Without
a complete state.json a checkpoint does not count.
"""

import json
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repro import records

Arrays = dict[str, NDArray[Any]]
_BLOCK_BYTES = 1 << 24


class CheckpointError(RuntimeError):
    """A checkpoint or weights file that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: the nested state, and the replay's arrays (mapped, not read)."""

    step: int
    state: dict[str, Any]
    replay: Arrays


def save(
    folder: Path, step: int, state: Mapping[str, Any], replay: Arrays, run: Mapping[str, Any]
) -> None:
    """Write a checkpoint, and only then remove the older ones.

    Args:
        folder: the run's ``checkpoint/``.
        step: training step of the state.
        state: nested dictionaries of plain values, arrays and tensors.
        replay: the replay's arrays.
        run: identity of the run, so that a stranger's checkpoint is noticed.

    Raises:
        OSError: if it cannot be written; older checkpoints are left as they were.
    """
    place = folder / f"step-{step:09d}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        arrays: Arrays = {}
        values = _pack(state, "", arrays)
        safetensors.numpy.save_file(arrays, place / "arrays.safetensors")
        for name, array in replay.items():
            np.save(place / f"replay-{name}.npy", array, allow_pickle=False)
        files = {}
        for path in sorted(place.iterdir()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[path.name] = _checksum(path)
        whole = {
            "schema": records.SCHEMA, "run": dict(run), "step": step,
            "files": files, "values": values,
        }  # fmt: skip
        records.write_json(place / "state.json", whole)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    for other in folder.iterdir():
        if other != place:
            shutil.rmtree(other, ignore_errors=True)


def load(folder: Path, run: Mapping[str, Any]) -> Saved | None:
    """Read the newest complete checkpoint, ``None`` if there is none.

    Raises:
        CheckpointError: if it is damaged or belongs to another run.
    """
    markers = sorted(folder.glob("step-*/state.json")) if folder.is_dir() else []
    if not markers:
        return None
    place = markers[-1].parent
    try:
        whole = json.loads(markers[-1].read_text())
        if whole["schema"] != records.SCHEMA or whole["run"] != json.loads(json.dumps(dict(run))):
            raise CheckpointError(
                f"{place} belongs to another run or version; remove {folder} to start afresh"
            )
        for name, checksum in whole["files"].items():
            if _checksum(place / name) != checksum:
                raise ValueError(f"{name} is not as it was written")
        arrays = safetensors.numpy.load_file(place / "arrays.safetensors")
        replay: Arrays = {
            name.removeprefix("replay-").removesuffix(".npy"): np.lib.format.open_memmap(
                place / name, mode="r"
            )
            for name in whole["files"]
            if name.startswith("replay-")
        }
        return Saved(whole["step"], _unpack(whole["values"], arrays), replay)
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError
    ) as error:  # fmt: skip
        raise CheckpointError(
            f"the checkpoint {place} is damaged ({error}); remove {folder} to start afresh"
        ) from error


def save_weights(path: Path, network: nn.Module, step: int) -> None:
    """Write a network's weights and the training step they are from, atomically."""
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    records.write_atomic(path, safetensors.torch.save(tensors, {"step": str(step)}))


def load_weights(path: Path, network: nn.Module) -> int:
    """Read weights into a network and return the training step they are from.

    Raises:
        CheckpointError: if the file is missing, damaged or for another network.
    """
    try:
        network.load_state_dict(safetensors.torch.load_file(path))
        with safetensors.safe_open(path, "pt") as file:
            return int((file.metadata() or {})["step"])
    except FileNotFoundError as error:
        raise CheckpointError(f"there are no weights at {path}; train first") from error
    except (OSError, RuntimeError, LookupError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} does not hold this network's weights ({reason}); restore or remove it"
        ) from error


def _checksum(path: Path) -> str:
    value = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            value = zlib.crc32(block, value)
    return f"crc32:{value:08x}"


def _pack(value: Any, path: str, arrays: Arrays) -> Any:
    """Move arrays and tensors out of a nested state, leaving ``{"array": path}`` behind."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        arrays[path] = np.asarray(value, order="C")
        return {"array": path}
    if isinstance(value, Mapping):
        return {key: _pack(item, f"{path}/{key}", arrays) for key, item in value.items()}
    return value


def _unpack(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return arrays[value["array"]].copy()
        return {key: _unpack(item, arrays) for key, item in value.items()}
    return value
