"""Two loops in C, for what a processor with torch spends its time on fetching from memory.

They are compiled where there is a C compiler, when they are first asked for, and give bit for bit
what torch gives: the optimiser's is held against the plain one before it is used. Where they cannot
be had torch does the same, and :data:`LACKING` is what is said of it.
"""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.optim import CenteredRMSProp

# torch contracts products and sums; which ones, one can see. All else is one operation at a time.
_SOURCE = """
#include <math.h>
#include <stddef.h>

void moments(size_t count, const float *restrict gradient, float *restrict mean,
             float *restrict mean_square, float *restrict variance,
             float part, float decay, float square_part, float minimum) {
    for (size_t i = 0; i < count; i++) {
        float slope = gradient[i];
        float m = fmaf(part, slope - mean[i], mean[i]);
        float v = fmaf(square_part * slope, slope, decay * mean_square[i]);
        mean[i] = m;
        mean_square[i] = v;
        variance[i] = fmaf(-m, m, v) + minimum;
    }
}

void descend(size_t count, float *restrict weight, const float *restrict gradient,
             const float *restrict root, float rate) {
    for (size_t i = 0; i < count; i++) weight[i] += (rate * gradient[i]) / root[i];
}

static void interleave(size_t size, const unsigned char *restrict in, float *restrict out) {
    const float unit = (float)(1.0 / 255.0);
    const unsigned char *a = in, *b = in + size, *c = in + 2 * size, *d = in + 3 * size;
    for (size_t i = 0; i < size; i++) {
        out[4 * i] = a[i] * unit;
        out[4 * i + 1] = b[i] * unit;
        out[4 * i + 2] = c[i] * unit;
        out[4 * i + 3] = d[i] * unit;
    }
}

void pixels(size_t count, size_t step, size_t size, const unsigned char *in, float *out) {
    for (size_t i = 0; i < count; i++) interleave(size, in + i * step, out + i * 4 * size);
}
"""
LACKING = "without loops in C: no compiler made them, or they gave other last digits"
_COMPILERS = ("cc", "gcc", "clang")
_COMPILE = ("-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-shared",
            "-fPIC")  # fmt: skip
_BLOCK = 32_768  # elements of an array that stay in a core's own cache
_FRAMES = 4  # of a stack that `pixels` is written for


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled loops; none without a compiler, or where they are not torch's to the bit."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, made = Path(folder, "loops.c"), Path(folder, "loops.so")
            source.write_text(_SOURCE)
            subprocess.run(
                [compiler, *_COMPILE, source, "-o", made, "-lm"],
                check=True, capture_output=True, timeout=60,
            )  # fmt: skip
            found = ctypes.CDLL(str(made))
    except (OSError, subprocess.SubprocessError):
        return None
    size, pointer, number = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_float
    found.moments.argtypes = [size, *[pointer] * 4, *[number] * 4]
    found.descend.argtypes = [size, *[pointer] * 3, number]
    found.pixels.argtypes = [size, size, size, pointer, pointer]
    return found if _is_torch_s(found) else None


def pixels(stacks: NDArray[np.generic]) -> Tensor:
    """Bytes ``(batch, history, 84, 84)`` as float32 from 0 to 1, channels last."""
    count, history, *frame = stacks.shape
    size = frame[0] * frame[1]
    dense = stacks.strides[1:] == (size, frame[1], 1)
    if dense and history == _FRAMES and stacks.dtype == np.uint8 and (compiled := library()):
        values = torch.empty((count, *frame, history))
        compiled.pixels(count, stacks.strides[0], size, stacks.ctypes.data, values.data_ptr())
    else:
        bytes_last = np.empty((count, *frame, history), np.uint8)
        for number in range(history):
            bytes_last[..., number] = stacks[:, number]
        values = torch.from_numpy(bytes_last).to(torch.float32).mul_(1 / 255)
    return values.permute(0, 3, 1, 2)


class FusedRMSProp(CenteredRMSProp):
    """The same updates to the bit, with each array read and written once."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; its arrays may lie otherwise than those of the parameters."""
        super().load_state_dict(state_dict)
        for parameter, kept in self.state.items():
            for name in self.STATE:
                kept[name] = torch.empty_like(parameter).copy_(kept[name])

    def _update(self, arrays: tuple[Tensor, ...], group: dict[str, Any]) -> None:
        # Several threads of torch are as quick as this one, and wait for nobody.
        compiled = library() if torch.get_num_threads() == 1 else None
        decay = group["squared_gradient_decay"]
        parameter, gradient, *means = arrays
        alike = all(one.stride() == parameter.stride() for one in (gradient, *means))
        # Where decays differ their means' difference may be negative: see the plain one.
        if compiled is None or not alike or decay != group["gradient_decay"]:
            super()._update(arrays, group)
        else:
            _rmsprop(compiled, arrays, group)
            torch.autograd.graph.increment_version(parameter)


def _rmsprop(compiled: ctypes.CDLL, arrays: tuple[Tensor, ...], group: dict[str, Any]) -> None:
    decay, count = group["squared_gradient_decay"], arrays[0].numel()
    root = torch.empty(min(_BLOCK, count))
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        weight, gradient, mean, mean_square = (one.data_ptr() + 4 * start for one in arrays)
        compiled.moments(
            size, gradient, mean, mean_square, root.data_ptr(), 1 - group["gradient_decay"], decay,
            1 - decay, group["min_squared_gradient"],
        )  # fmt: skip
        torch.sqrt(root[:size], out=root[:size])  # which does not round as C does
        compiled.descend(size, weight, gradient, root.data_ptr(), -group["learning_rate"])


def _is_torch_s(compiled: ctypes.CDLL) -> bool:
    """Whether compiled updates are those of the plain optimiser, of made-up gradients."""
    draw = torch.Generator().manual_seed(0)
    plain, fused = (torch.nn.Parameter(torch.linspace(-1, 1, 4_099)) for _ in range(2))
    optimiser = CenteredRMSProp([plain])
    means = [torch.zeros_like(fused) for _ in optimiser.STATE]
    for power in range(-4, 3):
        plain.grad = torch.randn(plain.shape, generator=draw) * 10.0**power
        optimiser.step()
        arrays = (fused.detach(), plain.grad, *means)
        _rmsprop(compiled, arrays, optimiser.param_groups[0])
    kept = optimiser.state[plain].values()
    pairs = zip((plain, *kept), (fused, *means), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)
