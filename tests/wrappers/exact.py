"""Rows 2 to 5 of the fidelity ledger in exact integer arithmetic: slow, obvious, no rounding.

Written from the ledger alone. Nothing here comes from ``wrappers``.
"""

import functools

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@functools.cache
def overlaps(length: int, pixels: int) -> Integers:
    """Length shared by each output pixel and each input pixel, in 1/``pixels`` of an input pixel.

    In that unit input pixel j spans [j * pixels, (j + 1) * pixels) and output pixel i spans
    [i * length, (i + 1) * length), so every border is a whole number. Each row adds up to
    ``length``. Shape ``(pixels, length)``.
    """
    shared = np.zeros((pixels, length), np.int64)
    for i in range(pixels):
        for j in range(length):
            left = max(i * length, j * pixels)
            right = min((i + 1) * length, (j + 1) * pixels)
            shared[i, j] = max(0, right - left)
    return shared


def luminance_thousandths(rgb: Bytes) -> Integers:
    """Row 3, times 1000: 299 R + 587 G + 114 B."""
    wide = rgb.astype(np.int64)
    return 299 * wide[..., 0] + 587 * wide[..., 1] + 114 * wide[..., 2]


def area_sums(plane: Integers, pixels: int = 84) -> Integers:
    """Row 4: the area average times height x width, still a whole number."""
    height, width = plane.shape
    return overlaps(height, pixels) @ plane @ overlaps(width, pixels).T


def screen(previous_rgb: Bytes, current_rgb: Bytes, *, rounded: bool = False) -> Bytes:
    """Rows 2 to 5: uint8 (84, 84), with nothing lost before the last division.

    Args:
        previous_rgb: uint8 ``(height, width, 3)``.
        current_rgb: the same.
        rounded: to the nearest level instead of truncated.
    """
    height, width = current_rgb.shape[:2]
    pooled = np.where(previous_rgb > current_rgb, previous_rgb, current_rgb)
    sums = area_sums(luminance_thousandths(pooled))
    scale = 1000 * height * width
    if rounded:
        sums = sums + scale // 2
    return (sums // scale).astype(np.uint8)


def agrees(got: Bytes, expected: Bytes, share: float = 0.999) -> bool:
    """Equal in at least ``share`` of the pixels, and nowhere more than one level off.

    The code under test works in float32, where a value a hair below a whole number may land on
    either side of it.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return False
    off = np.abs(got.astype(np.int64) - expected.astype(np.int64))
    return bool(off.max() <= 1 and (off == 0).mean() >= share)
