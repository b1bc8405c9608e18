"""A trace as text and as JSON."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from paper_tables import render
from paper_tables.render import Column, Table
from paper_tables.trace import original, rule
from paper_tables.trace.rule import (
    BOUNDS,
    ENOUGH_STEPS,
    JUDGED_STEPS,
    Comparison,
    Judgement,
    Trace,
    comparisons,
)
from paper_tables.trace.runs import Traced
from repro.games import GAMES
from repro.system.disk import one_line
from repro.tables import LAYERS

_LATE_ROWS = 8  # of the table, after the steps that are judged
_NAMES = {
    "v": "V",
    "first_weights": "mean absolute first weight",
    "mean_growth": "growth of the mean absolute weight",
    "largest_growth": "growth of the largest absolute weight",
}
_CURVES = (("v", "V", 4), ("mean_abs_td_error", "TD error", 4), ("score", "score", 1))
_WEIGHTS = (
    ("first_weights", "first mean", 5, 1),
    ("mean_growth", "growth %", 2, 100),
    ("largest_growth", "growth % of largest", 1, 100),
)


def as_text(trace: Trace) -> str:
    """Two tables, then the verdict on each run and on all of them."""
    parts = [
        f"## {GAMES[trace.game].title} beside the original ({original.source(trace.game)})\n",
        render.grid(_curves(trace)),
        render.grid(_weights(trace)),
        *(_said(trace, *one) for one in zip(trace.runs, trace.judgements, strict=True)),
    ]
    if len(trace.runs) > 1:
        parts.append(f"All {len(trace.runs)} runs: {trace.verdict}.")
    return "\n".join(parts)


def caption(trace: Trace) -> str:
    """One line below the picture."""
    runs = render.counted(len(trace.runs), "run")
    return f"{GAMES[trace.game].title}, {runs} beside the original program's: {trace.verdict}"


def calibration(runs: Sequence[Traced]) -> Table:
    """Each run on a line: its verdict, what was apart first, the largest distance of each kind."""
    rows = []
    for one in runs:
        judged = rule.trace([one]).judgements[0]
        first = min((late[0] for late in judged.apart.values()), key=lambda c: c.step, default=None)
        largest = {
            kind: max((c.distance for c in judged.compared if c.kind == kind), default=None)
            for kind in BOUNDS
        }
        row = {"run": str(one.run.path), "verdict": judged.verdict, **largest}
        rows.append(row | ({"from": first.step, "first": first.quantity} if first else {}))
    columns = (
        Column("run", "run"),
        Column("verdict", "verdict"),
        Column("from", "from step", decimals=0),
        Column("first", "first apart"),
        *(Column(kind, kind, decimals=3) for kind in BOUNDS),
    )
    return Table("calibration", "", columns, rows)


def as_json(trace: Trace) -> dict[str, Any]:
    """Verdicts, the rule, and every comparison, judged or not."""
    return {
        "game": trace.game,
        "original": original.source(trace.game),
        "verdict": trace.verdict,
        "rule": {
            "distance": "|ours - original| / (max(|ours|, |original|) + floor)",
            "bounds": {kind: dataclasses.asdict(bound) for kind, bound in BOUNDS.items()},
            "judged_steps": JUDGED_STEPS,
            "enough_steps": ENOUGH_STEPS,
        },
        "runs": [
            {
                "run": str(one.run.path),
                "seed": one.run.seed,
                "preset": one.run.preset,
                "last_step": one.last_step,
                "departures": one.departures(),
                "verdict": judged.verdict,
                "apart": {name: late[0].step for name, late in judged.apart.items()},
                "compared": [
                    {
                        **dataclasses.asdict(row),
                        "distance": row.distance,
                        "judged": row.step <= JUDGED_STEPS,
                        "beyond": row.beyond,
                    }
                    for row in comparisons(one.curve, trace.original)
                ],
            }
            for one, judged in zip(trace.runs, trace.judgements, strict=True)
        ],
    }


def _said(trace: Trace, one: Traced, judged: Judgement) -> str:
    """The verdict on a run, why, and what its settings have to do with it."""
    name, last = f"{one.run.title} ({one_line(one.run.path)})", one.last_step
    if judged.verdict == "apart":
        lines = [f"{name}: apart from the original."]
        lines += [
            f"  {_named(late[-1])}: {_numbers(late[-1])}; "
            f"beyond its bound from step {late[0].step:,} on."
            for late in judged.apart.values()
        ]
    elif judged.verdict == "too short":
        logged = trace.original["v"].dropna().index
        enough = int(logged[logged >= ENOUGH_STEPS].min())
        lines = [f"{name}: too short to say after {last:,} steps; step {enough:,} is needed."]
    else:
        end = max(row.step for row in judged.compared)
        lines = [f"{name}: alike the original up to step {end:,}."]
        nearest = max(judged.compared, key=lambda row: row.distance / BOUNDS[row.kind].distance)
        lines.append(f"  Nearest to its bound: {_named(nearest)}, {_numbers(nearest)}.")
    if departures := one.departures():
        lines.append(f"  Not the settings of the released code: {'; '.join(departures)}.")
    return "\n".join(lines) + "\n"


def _named(one: Comparison) -> str:
    layer = f" of {one.layer.replace('_', ' ')}" if one.layer else ""
    return f"{_NAMES[one.kind]}{layer}"


def _numbers(one: Comparison) -> str:
    shown = [f"{n:.2%}" if "growth" in one.kind else f"{n:.4g}" for n in (one.ours, one.original)]
    return (
        f"{shown[0]} against {shown[1]} at step {one.step:,} "
        f"(distance {one.distance:.2f}, bound {BOUNDS[one.kind].distance:g})"
    )


def _pair(
    name: str, title: str, theirs: "pd.Series[float]", ours: "pd.Series[float]", decimals: int
) -> tuple[Column, Column]:
    """The original's numbers beside ours."""
    return (
        Column(f"{name}_original", f"{title}, original", theirs.get, decimals),
        Column(name, "ours", ours.get, decimals),
    )


def _curves(trace: Trace) -> Table:
    """Ours, a mean over runs, at the steps that the original logged; later, at some of them."""
    names = [name for name, _, _ in _CURVES]
    theirs = trace.original[names].dropna(how="all")
    mean = pd.concat([one.curve[names] for one in trace.runs]).groupby(level="step").mean()
    shared = theirs.index.intersection(mean.dropna(how="all").index)
    late = shared[shared > JUDGED_STEPS]
    chosen = np.unique(np.linspace(0, len(late) - 1, min(_LATE_ROWS, len(late))).astype(int))
    columns = [
        Column("step", "step", int, 0),
        Column("frames", "frames", lambda step: step * original.FRAMES_PER_STEP, 0),
    ]
    for name, title, decimals in _CURVES:
        columns += _pair(name, title, theirs[name], mean[name], decimals)
    steps = shared[shared <= JUDGED_STEPS].append(late[chosen])
    return Table("trace", "", tuple(columns), list(steps))


def _weights(trace: Trace) -> Table:
    """The last comparison of each layer that is judged, ours the mean over the runs there."""
    compared = pd.DataFrame(
        [row for judged in trace.judgements for row in judged.compared if row.layer],
        columns=["kind", "layer", "step", "original", "ours"],
    )
    by_step = compared.groupby(["kind", "layer", "step"])[["original", "ours"]].mean()
    last = by_step.reset_index().groupby(["kind", "layer"]).last()
    step = int(compared["step"].max()) if len(compared) else 0
    columns = [
        Column("layer", f"layer, step {step:,}", lambda layer: layer.replace("_", " ")),
    ]
    for kind, title, decimals, unit in _WEIGHTS:
        known = unit * last.reindex(pd.MultiIndex.from_product([[kind], LAYERS])).loc[kind]
        columns += _pair(kind, title, known["original"], known["ours"], decimals)
    return Table("weights", "", tuple(columns), LAYERS)
