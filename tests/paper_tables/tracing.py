"""Made-up runs from the original's own rows, read from its files and not through the loader."""

import csv
import json
from pathlib import Path

from paper_tables import reference
from repro.tables import LEARNING

CURVES = Path(reference.__file__).parent / "reference" / "curves"
LAYERS = ("convolution_1", "convolution_2", "convolution_3", "hidden", "output")
HEADER = "kind,weights,step,episode,seed,return,frames,truncated,completed\n"


def rows(name, game):
    """Of one of the original's files, as they are there."""
    with (CURVES / f"original_{name}.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["game"] == game]


def same_as_the_original(game, steps):
    """Rows of a learning.csv that agree with the original wherever it has a row."""
    by_step = {}
    for row in rows("weights", game):
        cells = by_step.setdefault(int(row["step"]), {})
        cells |= {f"{layer}_{row['statistic']}": float(row[layer]) for layer in LAYERS}
    for row in rows("evaluations", game):
        values = {"v": float(row["mean_max_q"]), "mean_abs_td_error": row["mean_abs_td_error"]}
        by_step.setdefault(int(row["step"]), {}).update(values)
    return {step: by_step[step] for step in sorted(by_step) if step <= steps}


def write_run(folder, game, steps, change=lambda step, row: row, seed=0, scores=(), **changed):
    """A run in progress under SUITE/<game>/seed-<n>; ``change`` alters a row of learning.csv.

    Returns:
        The run directory.
    """
    path = folder / game / f"seed-{seed}"
    path.mkdir(parents=True)
    settings = {"environment": "atari", "training": {"frames": 200_000_000}}
    for name, value in reference.released_settings().items():
        part, field = name.split(".")
        settings.setdefault(part, {})[field] = value
    for name, value in changed.items():
        part, field = name.split("__")
        settings[part][field] = value
    identity = {"schema": 1, "game": game, "seed": seed, "preset": "nature", "config": settings}
    (path / "config.json").write_text(json.dumps(identity))
    with (path / "learning.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, LEARNING, lineterminator="\n")
        writer.writeheader()
        for step, row in same_as_the_original(game, steps).items():
            writer.writerow({"step": step, "frames": 4 * step, **change(step, dict(row))})
    text = "".join(
        f"periodic,last,{step},{i},1,{score},900,False,True\n"
        for step, games in scores for i, score in enumerate(games)
    )  # fmt: skip
    (path / "evaluations.csv").write_text(HEADER + text)
    return path
