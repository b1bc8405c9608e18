"""A nested state as plain values, fit for JSON, and arrays by name."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from repro.segments import Arrays


def pack(value: Any, path: str, arrays: Arrays) -> Any:
    """Move arrays and tensors out of a nested state, leaving ``{"array": path}`` behind."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        arrays[path] = np.asarray(value, order="C")
        return {"array": path}
    if isinstance(value, Mapping):
        return {key: pack(item, f"{path}/{key}", arrays) for key, item in value.items()}
    return value


def unpack(value: Any, arrays: Arrays) -> Any:
    """Put the arrays back, as copies.

    Raises:
        KeyError: if one is missing.
    """
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return arrays[value["array"]].copy()
        return {key: unpack(item, arrays) for key, item in value.items()}
    return value
