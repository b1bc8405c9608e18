"""The rule: when a run is alike the original, apart from it, or too short to say.

Two numbers, one of ours and one of the original's, are compared by their *distance*::

    |ours - original| / (max(|ours|, |original|) + floor)

which is 0 for equal numbers, 1/2 where one is twice the other, and more than 1 where they have
other signs; differences that are small against the floor, which luck alone can make, count little.

Compared are, at every step that both logged:

- ``v``: the value of the held-out states. While the network has hardly moved, V depends on the
  rewards of nearly random play, on the step size and on how often the target is copied, and on
  almost nothing that is luck; most mistakes of learning shift it by factors;
- ``first_weights``: the mean absolute weight of each layer before learning starts, which the law
  of the first weights fixes but for some percent in the smallest layer;
- ``mean_growth`` and ``largest_growth``: of each layer's mean and largest absolute weight since.

Gradients are of one minibatch, and TD errors and scores of the first million frames are mostly
luck: they are shown and decide nothing. Correct runs go ways of their own once they learn, so
only the first ``JUDGED_STEPS`` are judged. ``python scripts/calibrate_trace.py RUN...`` prints how
far runs that are known to be right or wrong are from ``BOUNDS``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from paper_tables.trace import original
from paper_tables.trace.runs import Traced
from repro.tables import LAYERS

Verdict = Literal["alike", "apart", "too short"]


@dataclass(frozen=True)
class Bound:
    """How far apart two numbers of one kind may be: see the module.

    Attributes:
        floor: in units of the quantity.
        distance: the largest that is alike.
    """

    floor: float
    distance: float


BOUNDS: Mapping[str, Bound] = {
    "v": Bound(floor=0.1, distance=0.5),
    "first_weights": Bound(floor=0.0, distance=0.1),
    "mean_growth": Bound(floor=0.02, distance=0.67),
    "largest_growth": Bound(floor=0.2, distance=0.67),
}
JUDGED_STEPS = 250_000  # epsilon is above 0.8 until then: play is still mostly random
ENOUGH_STEPS = 150_000  # V must have been compared at this step or later
_LEARNING_STARTS_STEPS = 50_000  # ledger row 13


@dataclass(frozen=True)
class Comparison:
    """One number of ours beside the original's.

    Attributes:
        kind: a key of ``BOUNDS``.
        layer: of the network, empty for V.
        step: agent decisions.
        original, ours: the numbers.
    """

    kind: str
    layer: str
    step: int
    original: float
    ours: float

    @property
    def quantity(self) -> str:
        """Such as ``v`` or ``mean_growth of hidden``."""
        return f"{self.kind} of {self.layer}" if self.layer else self.kind

    @property
    def distance(self) -> float:
        """See the module."""
        larger = max(abs(self.ours), abs(self.original)) + BOUNDS[self.kind].floor
        return abs(self.ours - self.original) / larger if larger else 0.0

    @property
    def beyond(self) -> bool:
        """Whether the distance is beyond its bound."""
        return self.distance > BOUNDS[self.kind].distance


@dataclass(frozen=True)
class Judgement:
    """What the rule says of one run.

    Attributes:
        verdict: in a word.
        compared: everything within the steps that are judged, by quantity and step.
        apart: of each quantity that is apart, the comparisons from the first step on from which
            it stays beyond its bound.
    """

    verdict: Verdict
    compared: tuple[Comparison, ...]
    apart: Mapping[str, tuple[Comparison, ...]]


@dataclass(frozen=True)
class Trace:
    """Runs of one game beside the original's.

    Attributes:
        game: its name.
        original: its curve.
        runs: ours, at least one.
        judgements: one for each.
    """

    game: str
    original: pd.DataFrame
    runs: tuple[Traced, ...]
    judgements: tuple[Judgement, ...]

    @property
    def verdict(self) -> Verdict:
        """Over all runs: apart if any is, alike if all are."""
        verdicts = [one.verdict for one in self.judgements]
        return next((one for one in ("apart", "too short") if one in verdicts), "alike")


def trace(runs: Sequence[Traced]) -> Trace:
    """Judge runs of one game that has an original; at least one."""
    game = runs[0].run.game
    theirs = original.curve(game)
    return Trace(game, theirs, tuple(runs), tuple(judge(one.curve, theirs) for one in runs))


def judge(ours: pd.DataFrame, theirs: pd.DataFrame) -> Judgement:
    """Hold a run's curve against the original's (see :mod:`paper_tables.trace.original`)."""
    compared = tuple(one for one in comparisons(ours, theirs) if one.step <= JUDGED_STEPS)
    by_quantity: dict[str, list[Comparison]] = {}
    for one in compared:
        by_quantity.setdefault(one.quantity, []).append(one)
    apart = {name: late for name, rows in by_quantity.items() if (late := _at_the_end(rows))}
    last = max((one.step for one in compared if one.kind == "v"), default=0)
    alike: Verdict = "alike" if last >= ENOUGH_STEPS else "too short"
    return Judgement("apart" if apart else alike, compared, apart)


def comparisons(ours: pd.DataFrame, theirs: pd.DataFrame) -> Iterator[Comparison]:
    """Everything that both logged at one step, whether judged or not; by quantity and step."""
    logged = quantities(theirs)
    for (kind, layer), mine in quantities(ours).items():
        other = logged[kind, layer]
        for step in mine.index.intersection(other.index):
            yield Comparison(kind, layer, int(step), float(other[step]), float(mine[step]))


def quantities(curve: pd.DataFrame) -> "dict[tuple[str, str], pd.Series[float]]":
    """What is compared of a curve, by kind and layer, where it was logged."""
    compared = {("v", ""): curve["v"].dropna()}
    for layer in LAYERS:
        mean = curve[f"{layer}_mean_abs_weight"].dropna()
        compared["first_weights", layer] = mean[mean.index <= _LEARNING_STARTS_STEPS]
        compared["mean_growth", layer] = _growth(mean)
        compared["largest_growth", layer] = _growth(curve[f"{layer}_max_abs_weight"].dropna())
    return compared


def _growth(weight: "pd.Series[float]") -> "pd.Series[float]":
    """Relative to the first row, if that was logged before anything was learned."""
    learned = weight[weight.index > _LEARNING_STARTS_STEPS]
    if len(learned) == len(weight) or weight.iloc[0] <= 0:
        return learned[:0]
    return learned / weight.iloc[0] - 1


def _at_the_end(rows: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The last rows, as many as are all beyond their bound."""
    within = [number for number, one in enumerate(rows) if not one.beyond]
    return tuple(rows[within[-1] + 1 if within else 0 :])
