"""Weights of a network, as safetensors: nothing in them can run code when they are loaded."""

import json
from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from repro import records
from repro.storage import segments
from repro.system import disk

_HEADER_BYTES = 1 << 20  # of a file, besides the weights


class WeightsError(RuntimeError):
    """A file of weights that cannot be used; the message says what to do."""


def save(path: Path | str, network: nn.Module, step: int, score: float | None = None) -> bytes:
    """Write a network's weights and the training step they are from, atomically.

    Args:
        path: of the file.
        network: its weights.
        step: training step.
        score: mean raw return in the evaluation that chose them, if one did.

    Returns:
        What was written.
    """
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    chosen = {} if score is None else {"score": repr(score)}
    data = _ordered(safetensors.torch.save(tensors, {"step": str(step), **chosen}))
    records.write_atomic(Path(path), data)
    return data


def _ordered(data: bytes) -> bytes:
    """The same file with its metadata sorted: the library writes them in an order of chance."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    return data[:8] + text.ljust(end - 8) + data[end:]


def load(path: Path | str, network: nn.Module) -> int:
    """Read weights into a network and return the training step they are from.

    Raises:
        WeightsError: if the file is missing, damaged or for another network.
    """
    try:
        size = sum(tensor.nbytes for tensor in network.state_dict().values())
        with disk.open_to_read(Path(path), size + _HEADER_BYTES) as file:
            data = file.read()
        network.load_state_dict(safetensors.torch.load(data))
        return int(segments.metadata(data)["step"])
    except FileNotFoundError as error:
        raise WeightsError(f"there are no weights at {path}; train first") from error
    except (OSError, RuntimeError, LookupError, ValueError, safetensors.SafetensorError) as error:
        reason = disk.reason(error).splitlines()[0]
        raise WeightsError(
            f"{path} does not hold this network's weights ({reason}); restore or remove it"
        ) from error
