"""Rates measured in turn, so that a machine whose speed drifts slows all of them alike.

Every row is measured once a round, round after round; ratios are taken within each round.
"""

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Work = Callable[[], int]  # does a little and returns how many units that was


@dataclass(frozen=True)
class Row:
    """What to measure: its unit, the work, and torch's threads meanwhile."""

    unit: str
    work: Work
    threads: int = 1


@dataclass(frozen=True)
class Measurement:
    """One value per round, in ``unit``; ``required`` is the least median that will do."""

    name: str
    unit: str
    rounds: tuple[float, ...]
    required: float | None = None

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.rounds)

    def figures(self) -> dict[str, Any]:
        """Every field, median, min and max in ``unit``, and "meets", "misses" or ``None``."""
        median, low, high = self.median, min(self.rounds), max(self.rounds)
        verdict = None
        if self.required is not None:
            verdict = "meets" if median >= self.required else "misses"
        added = {"median": median, "min": low, "max": high, "verdict": verdict}
        return dataclasses.asdict(self) | added


def rate(row: Row, seconds: float) -> float:
    """Units per second of a row, repeated for at least ``seconds``."""
    torch.set_num_threads(row.threads)
    row.work()  # warms the caches after another row's turn: not counted
    units, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        units += row.work()
    return units / elapsed


def measure(rows: Mapping[str, Row], rounds: int, seconds: float) -> dict[str, Measurement]:
    """Measure every row in turn, ``rounds`` times, each time for ``seconds``; by name."""
    found: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(1, rounds + 1):
        for name, row in rows.items():
            print(f"round {number} of {rounds}: {name}", file=sys.stderr)
            found[name].append(rate(row, seconds))
    return {name: Measurement(name, row.unit, tuple(found[name])) for name, row in rows.items()}


def ratio(over: Measurement, under: Measurement, required: float | None = None) -> Measurement:
    """Divide two rates round by round."""
    quotients = tuple(a / b for a, b in zip(over.rounds, under.rounds, strict=True))
    return Measurement(f"{over.name} / {under.name}", "ratio", quotients, required)


def milliseconds(rates: Measurement, name: str) -> Measurement:
    """How long one unit takes."""
    return Measurement(name, "ms", tuple(1000 / one for one in rates.rounds))
