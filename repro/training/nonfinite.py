"""What is kept of a training whose loss stopped being a number, for whoever looks into it."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repro import records, schedule
from repro.loop import Loop


def dump(folder: Path, run: Mapping[str, Any], loop: Loop, error: str) -> Path:
    """Write RUN/nonfinite/step-<n>.npz, the latest minibatch, and .json, what is known besides.

    Args:
        folder: the run directory.
        run: identity of the run.
        loop: as it stood when the error came; no weight had been changed by it.
        error: what was found.

    Returns:
        The .npz: ``windows`` (batch, history + 1, *frame), ``actions``, ``rewards``,
        ``terminals``, as in :class:`repro.replay.Batch`, and ``q_values`` (batch, actions).
    """
    place = folder / "nonfinite" / f"step-{loop.step:09d}.npz"
    place.parent.mkdir(exist_ok=True)
    arrays = {}
    if loop.batch is not None:
        arrays = {**vars(loop.batch), "q_values": loop.agent.q_values(loop.batch.states)}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    records.write_atomic(place, file.getvalue())
    known = {
        "error": error,
        "step": loop.step,
        "updates": loop.updates,
        "games": loop.games,
        "epsilon": schedule.epsilon(loop.step, loop.agent.config),
        "weights": _ranges(loop),
        "run": dict(run),
    }
    records.write_json(place.with_suffix(".json"), known)
    return place


def _ranges(loop: Loop) -> dict[str, dict[str, float]]:
    """Of every tensor of both networks: how many elements are finite, how large they get."""
    found = {}
    for name, network in (("network", loop.agent.network), ("target", loop.agent.target)):
        for key, tensor in network.state_dict().items():
            array = tensor.cpu().numpy()
            finite = np.abs(array[np.isfinite(array)])
            largest = float(finite.max()) if finite.size else 0.0
            found[f"{name}.{key}"] = {
                "elements": array.size, "finite": finite.size, "largest": largest,
            }  # fmt: skip
    return found
