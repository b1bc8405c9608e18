"""A first look in minutes: random play, a short training, its score beside the paper's.

Random baseline on three games, then Pong for a short budget under the paper's protocol
(what is cut to fit the budget is in ``SHORT``), its evaluation, its row beside Mnih et al.
(2015), and a video.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from paper_tables import figures, render, tables
from paper_tables.collect import collect

RANDOM_GAMES = ("pong", "breakout", "space_invaders")
# The schedule, cut to fit; the environment, network, loss and optimiser are the paper's.
SHORT = {
    "--learning-starts-steps": 2_000,
    "--epsilon-hold-steps": 2_000,
    "--epsilon-decay-steps": 10_000,
    "--target-every-steps": 1_000,
    "--replay-steps": 50_000,
    "--log-every-steps": 1_000,
    "--eval-every-steps": 0,
    "--checkpoint-every-steps": 10_000,
    "--final-episodes": 5,
}

PICTURES = {".png": "   <- the training games", ".mp4": "   <- the agent at play"}


def main() -> int:
    """Run each step through the command line, as a person would."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/demo"))
    parser.add_argument("--frames", type=int, default=100_000, help="[default 100000]")
    options = parser.parse_args()
    out, began = options.out, time.monotonic()
    run = out / "pong" / "seed-0"

    heading("1. The random player on three games (5 games each)")
    repro("random", *RANDOM_GAMES, "--episodes", 5, "--jobs", 2, "--out", out / "random")
    heading(f"2. DQN on Pong for {options.frames:,} emulator frames (the paper: 200,000,000)")
    flags = [word for pair in SHORT.items() for word in pair]
    repro("train", "pong", "--frames", options.frames, "--out", out, *flags)
    heading("3. A video of the agent with its action values")
    repro("play", run, "--weights", "last", "--frames", 1_800)
    heading("4. The Pong row beside the paper's numbers")
    print(render.grid(tables.brief(tables.scores(collect(run)))))
    print(
        f"{options.frames:,} frames are {options.frames / 2e8:.2%} of the paper's training: "
        "expect a score near random play.\n"
    )
    figures.training_curve(run).savefig(out / "pong.png", dpi=150)
    heading("Files")
    for path in sorted(path for path in out.rglob("*") if path.is_file() and path.name[0] != "."):
        print(f"  {path}{PICTURES.get(path.suffix, '')}")
    print(f"\nDone in {(time.monotonic() - began) / 60:.1f} minutes. Next: README.md, Usage.")
    return 0


def heading(text: str) -> None:
    """Announce a step."""
    print(f"\n== {text}", flush=True)


def repro(*words: object) -> None:
    """Show a command and run it; stop with its exit code if it fails."""
    command = [str(word) for word in words]
    print(f"$ repro {' '.join(command)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "repro.cli", *command], check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
