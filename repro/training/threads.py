"""`--threads auto`: how many processor threads learn soonest on this machine, as it is now.

Threads of torch wait for one another busily. On a machine that others use as well, one that is held
up holds up all, and several can take much longer than one.
"""

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from repro import fast, records
from repro.records import RunDirectoryError
from repro.replay import ReplayMemory
from repro.storage.run import Run
from repro.system import machine

_ROUNDS = 5
_UPDATES = 3  # a round and number of threads
_GAIN = 0.9  # of the time with fewer threads: what further ones must come below
_ACTIONS = 18


def choose(run: Run, path: Path, device: str) -> int:
    """As many threads as a run has been given before; else those that are soonest, measured.

    Sums depend on the number, so a run that goes on must keep it. Says in a line what it found.
    """
    if before := _before(path):
        print(f"repro: threads: {before}, as this run had before", file=sys.stderr)
        return before
    if run.config.agent.network != "nature" or device != "cpu":
        print("repro: threads: 1; there is too little for a second one", file=sys.stderr)
        return 1
    work, cores = _update(run), machine.cores()
    numbers = sorted({1, 2, 4, 8, 16, cores} & set(range(1, cores + 1)))
    found = measure(work, numbers)
    number, line = decide(found)
    print(f"repro: {line}", file=sys.stderr)
    return number


def measure(work: Callable[[], object], numbers: Sequence[int]) -> dict[int, float]:
    """Median milliseconds of ``work`` by number of threads, measured in turn."""
    before = torch.get_num_threads()
    spans: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(_ROUNDS):
        for number in numbers:
            torch.set_num_threads(number)
            work()
            start = time.perf_counter()
            for _ in range(_UPDATES):
                work()
            spans[number].append(1000 * (time.perf_counter() - start) / _UPDATES)
    torch.set_num_threads(before)
    return {number: statistics.median(values) for number, values in spans.items()}


def decide(milliseconds: dict[int, float]) -> tuple[int, str]:
    """The fewest threads that no more would beat by a tenth, and a line that says why."""
    best = 1
    for number in sorted(milliseconds):
        if milliseconds[number] < _GAIN * milliseconds[best]:
            best = number
    times = ", ".join(f"{milliseconds[one]:.1f} ms with {one}" for one in sorted(milliseconds))
    busy = max(milliseconds.values()) > 1.2 * milliseconds[1]
    note = "; the machine is busy: threads wait for one another" if busy else ""
    return best, f"threads: {best} (an update takes {times}{note})"


def _before(path: Path) -> int | None:
    """Threads of the last process that trained a run."""
    try:
        made = records.read_json(path / "provenance.json")
    except RunDirectoryError:  # there is none, or it is damaged: no run is stopped by that
        return None
    later = made.get("continued")
    rows = [made, *(later if isinstance(later, list) else [])]
    numbers = [one.get("threads") for one in rows if isinstance(one, dict)]
    return next((one for one in reversed(numbers) if type(one) is int and one > 0), None)


def _update(run: Run) -> Callable[[], object]:
    settings = run.config.agent
    if settings.learner == "fast":  # which says why it cannot be, and will once more
        settings = dataclasses.replace(settings, learner="auto")
    history = run.config.protocol.stack_frames
    generator = np.random.default_rng(0)
    agent = fast.make(
        settings, _ACTIONS, (history, 84, 84), generator, torch.Generator().manual_seed(0), "cpu"
    )
    memory = ReplayMemory(history + 1, (84, 84), history, generator, discount=settings.discount)
    batch = memory.blank(settings.minibatch)
    return lambda: agent.update(batch)
