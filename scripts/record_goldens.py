"""Record the golden trajectories of the wrapper tests, once, on purpose.

    python scripts/record_goldens.py [--overwrite]

Plays the tests' scripted game of each of the 49 games and writes hashes of what the emulator
showed and of what the wrappers made of it. Every screen is first verified against exact integer
arithmetic; nothing is written if one disagrees.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import ale_py

from repro.games import GAMES
from repro.system import terminal

TESTS = Path(__file__).resolve().parents[1] / "tests" / "wrappers"


def main() -> int:
    """Record, or refuse: 0 good, 1 a screen disagrees, 2 the file exists."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the golden file that is there"
    )
    overwrite = parser.parse_args().overwrite
    # The tests' own player and oracle: they are no package, so they are imported by their folder.
    sys.path.insert(0, str(TESTS))
    golden = importlib.import_module("golden_trajectories")
    exact = importlib.import_module("exact")
    path: Path = golden.GOLDEN
    if path.exists() and not overwrite:
        print(f"{path} exists; --overwrite replaces it", file=sys.stderr)
        return 2

    def verify(previous: Any, current: Any, got: Any) -> None:
        if not exact.agrees(got, exact.screen(previous, current)):
            raise ValueError("a screen differs from the exact computation")

    games = {}
    for game in GAMES:
        try:
            games[game] = golden.play(game, verify)
        except ValueError as error:
            print(f"{game}: {error}; nothing was written", file=sys.stderr)
            return 1
        print(f"{game}: {games[game]['frames']} frames")
    content = {
        "ale_py": ale_py.__version__,
        "seed": golden.SEED,
        "decisions": golden.DECISIONS,
        "games": games,
    }
    beside = path.with_suffix(".json.tmp")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(path)
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(terminal.script(main))
