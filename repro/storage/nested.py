"""A nested state as plain values, fit for JSON, and arrays by name; and what one must look like."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from repro.storage.segments import Arrays


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


@dataclass(frozen=True)
class Maybe:
    """In a pattern for :func:`check`: this, or ``None``."""

    pattern: Any


def check(found: Any, pattern: Any, name: str = "") -> None:
    """Make sure that a state is one that could have been saved here.

    Args:
        found: as it was read.
        pattern: of the same kind: the same keys, types, shapes and types of elements. A list of
            one element stands for any number of such, a tuple for a list of that length, an empty
            dictionary for any. Bytes (one axis of uint8) may be any number. Counts are not
            negative.
        name: for the message.

    Raises:
        ValueError: naming what is different.
    """
    if isinstance(pattern, Maybe):
        if found is not None:
            check(found, pattern.pattern, name)
        return
    if isinstance(pattern, Tensor):
        pattern = pattern.detach().cpu().numpy()
    if isinstance(pattern, Mapping):
        if not isinstance(found, dict) or (pattern and found.keys() != pattern.keys()):
            raise ValueError(f"{name or 'it'} has other parts")
        for key, value in pattern.items():
            check(found[key], value, f"{name}.{key}".lstrip("."))
    elif isinstance(pattern, np.ndarray):
        shape = found.shape if _bytes_of(found) and _bytes_of(pattern) else pattern.shape
        if not isinstance(found, np.ndarray) or (found.dtype, found.shape) != (
            pattern.dtype,
            shape,
        ):
            raise ValueError(f"{name} is no array of {pattern.dtype}, {shape}")
    elif isinstance(pattern, list) and pattern:
        if not isinstance(found, list):
            raise ValueError(f"{name} is no list")
        for value in found:
            check(value, pattern[0], name)
    elif isinstance(pattern, tuple):
        if not isinstance(found, list | tuple) or len(found) != len(pattern):
            raise ValueError(f"{name} is no list of {len(pattern)}")
        for value, one in zip(found, pattern, strict=True):
            check(value, one, name)
    else:
        _check_plain(found, pattern, name)


def _check_plain(found: Any, pattern: Any, name: str) -> None:
    kinds = (float, int) if type(pattern) is float else (type(pattern),)
    if type(found) not in kinds:
        raise ValueError(f"{name} is {found!r:.40}, not of type {type(pattern).__name__}")
    if type(found) is int and type(pattern) is int and found < 0 <= pattern:
        raise ValueError(f"{name} is {found}")


def _bytes_of(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 1
