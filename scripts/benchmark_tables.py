"""How long `repro tables` takes over a full reproduction: `python scripts/benchmark_tables.py`.

Makes up 49 games x 5 seeds x 200 periodic evaluations of 40 games each, and the final 30 games
(about two million rows), then runs the command on them as a whole process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from paper_tables import reference
from repro import config, records, tables
from repro.games import GAMES
from repro.storage import provenance
from repro.system import terminal

SECONDS_ALLOWED, BYTES_ALLOWED = 10.0, 1_000_000_000
EVALUATIONS, GAMES_EACH, FINAL_GAMES = 200, 40, 30


def make_up(suite: Path, seeds: int) -> int:
    """Write finished runs of every game; scores scatter around the printed ones. Returns rows."""
    printed = reference.load("nature2015_scores")
    rows = 0
    for name in GAMES:
        for seed in range(seeds):
            folder = records.run_path(suite, name, seed)
            folder.mkdir(parents=True)
            generator = np.random.default_rng([seed, rows])
            identity = {"schema": records.SCHEMA, "game": name, "seed": seed, "preset": "nature"}
            settings = config.to_dict(config.preset("nature"))
            records.write_json(folder / "config.json", identity | {"config": settings})
            mean = float(printed["dqn"][name])
            table = evaluations(generator, mean, float(printed["dqn_sd"][name]))
            table.to_csv(folder / "evaluations.csv", index=False, lineterminator="\n")
            final = table[table["kind"] == "final"]
            done = {"weights": "best", "weights_step": int(final["step"].iloc[0])}
            done |= {"frames": config.preset("nature").training.frames, "episodes": FINAL_GAMES}
            done |= {"mean_return": float(final["return"].mean())}
            records.write_json(folder / "done.json", done)
            rows += len(table)
    return rows


def evaluations(generator: np.random.Generator, mean: float, sd: float) -> pd.DataFrame:
    """The rows of one run."""
    periodic, total = EVALUATIONS * GAMES_EACH, EVALUATIONS * GAMES_EACH + FINAL_GAMES
    steps = np.repeat(np.arange(1, EVALUATIONS + 1) * 250_000, GAMES_EACH)
    table = pd.DataFrame(
        {
            "kind": ["periodic"] * periodic + ["final"] * FINAL_GAMES,
            "weights": ["last"] * periodic + ["best"] * FINAL_GAMES,
            "step": np.append(steps, np.full(FINAL_GAMES, steps[-1])),
            "episode": np.append(np.tile(np.arange(GAMES_EACH), EVALUATIONS), range(FINAL_GAMES)),
            "seed": generator.integers(2**31, size=total),
            "return": generator.normal(mean, sd, total).round(1),
            "frames": generator.integers(1_000, 18_000, total),
            "truncated": False,
            "completed": True,
        }
    )
    return table[list(tables.EVALUATIONS)]


def main() -> int:
    """Make the suite up, run the command, print time and memory against what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="[default 5]")
    parser.add_argument("--json", type=Path, metavar="PATH", help="file to write the figures to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / "suite"
        rows = make_up(suite, options.seeds)
        command = [sys.executable, "-m", "repro.cli", "tables", str(suite)]
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # no other suite
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    met = seconds < SECONDS_ALLOWED and peak < BYTES_ALLOWED
    print(
        f"{rows:,} rows in {seconds:.1f} s ({SECONDS_ALLOWED:g} allowed), at most "
        f"{peak / 1e6:,.0f} MB ({BYTES_ALLOWED / 1e6:,.0f} allowed): "
        f"{'meets' if met else 'misses'}"
    )
    if options.json:
        figures = {"rows": rows, "seconds": seconds, "peak_bytes": peak, "cores": os.cpu_count()}
        options.json.write_text(json.dumps(provenance.collect() | figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(terminal.script(main))
