r"""From RGB screens to the network's bytes: max-pool, luminance, area resize, stack.

Timeline of one agent step (action repeat 4, pool 2)::

    emulator frame   ... t-3    t-2    t-1     t
    shown as RGB                        \      /
    MaxPool                          max(t-1, t)
    luminance, resize, byte        one 84x84 byte image
    FrameStack             [step-3, step-2, step-1, step]
"""

from collections.abc import Sequence
from typing import Any, Literal, SupportsFloat

import cv2
import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from wrappers.protocol import NATURE, ProtocolError

Bytes = NDArray[np.uint8]
StepResult = tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]

_INTERPOLATION = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}
# Added before the fraction is dropped. Exact luminances are often whole numbers (any grey
# area), which float32 may miss by 3e-5 from below; without this they would lose a level.
_BYTE_OFFSET = {"truncate": 1e-4, "round": 0.5}


def luminance(
    rgb: Bytes, weights: Sequence[float] = NATURE.luminance_weights
) -> NDArray[np.float32]:
    """Weigh red, green and blue (ledger row 3).

    Args:
        rgb: uint8 ``(height, width, 3)``.
        weights: of red, green and blue.

    Returns:
        float32 ``(height, width)``, 0 to 255, not rounded.
    """
    plane = np.empty(rgb.shape[:2], np.float32)
    cv2.transform(rgb.astype(np.float32), np.array([weights], np.float32), dst=plane)
    return plane


def shrink(
    plane: NDArray[np.float32],
    pixels: int = NATURE.screen_pixels,
    resize: Literal["area", "linear"] = "area",
    to_byte: Literal["truncate", "round"] = "truncate",
) -> Bytes:
    """Resize a float plane to ``pixels`` squared, then store it as bytes (ledger rows 4, 5).

    Args:
        plane: float32 ``(height, width)``, 0 to 255.
        pixels: height and width of the result.
        resize: "area" for the exact area average, "linear" for bilinear.
        to_byte: drop the fraction, or round to nearest.

    Returns:
        uint8 ``(pixels, pixels)``.
    """
    small = cv2.resize(plane, (pixels, pixels), interpolation=_INTERPOLATION[resize])
    return (small + np.float32(_BYTE_OFFSET[to_byte])).astype(np.uint8)


def preprocess(previous_rgb: Bytes, current_rgb: Bytes) -> Bytes:
    """Turn the last two emulator frames into what the 2015 agent stored (ledger rows 2 to 5).

    Args:
        previous_rgb: uint8 ``(height, width, 3)``, the frame before the current one.
        current_rgb: uint8, the same shape.

    Returns:
        uint8 ``(84, 84)``.

    Raises:
        ProtocolError: if the frames are not uint8 RGB of one shape.
    """
    for frame in (previous_rgb, current_rgb):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ProtocolError(
                f"preprocess needs uint8 frames (height, width, 3), got {frame.dtype} {frame.shape}"
            )
    if previous_rgb.shape != current_rgb.shape:
        raise ProtocolError(f"frames differ: {previous_rgb.shape} and {current_rgb.shape}")
    return shrink(luminance(np.maximum(previous_rgb, current_rgb)))


class MaxPool(gym.Wrapper[Bytes, Any, Bytes, Any], RecordConstructorArgs):
    """Show the per-colour maximum of the last two frames (ledger row 2).

    Sits where one step is one emulator frame. After a reset only the frames
    shown since then are pooled.
    """

    STATE = ("_previous",)

    def __init__(self, env: gym.Env[Bytes, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._previous: Bytes = np.zeros((0, 0, 3), np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Bytes, dict[str, Any]]:
        """Start with the one frame there is."""
        self._previous, info = self.env.reset(seed=seed, options=options)
        return self._previous, info

    def step(self, action: Any) -> StepResult:
        """Play one frame and pool it with the one before."""
        frame, reward, terminated, truncated, info = self.env.step(action)
        pooled = np.maximum(self._previous, frame)
        self._previous = frame
        return pooled, reward, terminated, truncated, info


class Luminance(gym.ObservationWrapper[Bytes, Any, Bytes], RecordConstructorArgs):
    """Turn RGB screens into small luminance images (ledger rows 3 to 5): uint8 (84, 84)."""

    STATE = ()

    def __init__(
        self,
        env: gym.Env[Bytes, Any],
        weights: Sequence[float] = NATURE.luminance_weights,
        pixels: int = NATURE.screen_pixels,
        resize: Literal["area", "linear"] = "area",
        to_byte: Literal["truncate", "round"] = "truncate",
    ) -> None:
        RecordConstructorArgs.__init__(
            self, weights=weights, pixels=pixels, resize=resize, to_byte=to_byte
        )
        super().__init__(env)
        self._kernel = np.array([weights], np.float32)
        shape = env.observation_space.shape or ()
        self._floats = np.empty(shape, np.float32)  # kept, since making them anew costs as
        self._plane = np.empty(shape[:2], np.float32)  # much time as filling them
        self._pixels = pixels
        self._resize = resize
        self._to_byte = to_byte
        self.observation_space = spaces.Box(0, 255, (pixels, pixels), np.uint8)

    def observation(self, observation: Bytes) -> Bytes:
        """Uint8 ``(height, width, 3)`` in, uint8 ``(pixels, pixels)`` out."""
        np.copyto(self._floats, observation)
        cv2.transform(self._floats, self._kernel, dst=self._plane)
        return shrink(self._plane, self._pixels, self._resize, self._to_byte)


class FrameStack(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Show the last ``frames`` screens, oldest first; zeros before the start (ledger row 6).

    A reset is the only thing that clears the stack, and a lost life in
    training is followed by a reset: so no stack reaches across a terminal.
    """

    STATE = ("_stack",)

    def __init__(self, env: gym.Env[Bytes, Any], frames: int = NATURE.stack_frames) -> None:
        RecordConstructorArgs.__init__(self, frames=frames)
        super().__init__(env)
        inner = env.observation_space
        if not isinstance(inner, spaces.Box):
            raise ProtocolError(f"FrameStack needs array observations (a Box), not {inner}")
        low, high = (np.repeat(bound[None], frames, axis=0) for bound in (inner.low, inner.high))
        self.observation_space = spaces.Box(low, high, dtype=inner.dtype)
        self._stack: NDArray[Any] = np.zeros_like(low)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Forget everything but the first screen."""
        frame, info = self.env.reset(seed=seed, options=options)
        self._stack = np.zeros_like(self._stack)
        self._stack[-1] = frame
        return self._stack.copy(), info

    def step(self, action: Any) -> StepResult:
        """Push the newest screen. Every observation is the caller's, to keep or to change."""
        frame, reward, terminated, truncated, info = self.env.step(action)
        stack = np.empty_like(self._stack)
        stack[:-1] = self._stack[1:]
        stack[-1] = frame
        self._stack = stack
        return stack.copy(), reward, terminated, truncated, info
