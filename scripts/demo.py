"""A first look in minutes: CartPole learned, a trained Atari agent at play, a training of your own.

1. CartPole is learned until the agent balances, and its curve is drawn.
2. The Breakout agent that is published with this project plays: scored on the spot, and a video.
3. A short Pong training, with what to expect of it; what is cut to fit is in ``SHORT``.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from repro import places
from repro.system import terminal

SOLVED = 475.0  # gymnasium's reward threshold of CartPole-v1
PUBLISHED = places.PUBLISHED / "nature" / "breakout" / "seed-0"
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
    "--final-episodes": 2,
    "--eval-cap-frames": 6_000,
}


def main() -> int:
    """Run each step through the command line, as a person would."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/demo"))
    parser.add_argument(
        "--frames", type=int, default=30_000, help="of the Pong training [default 30000]"
    )
    options = parser.parse_args()
    out, began = options.out, time.monotonic()
    # Three suites, for what is shown together must be of one protocol.
    suites = {name: out / name for name in ("cartpole", "published", "short")}
    cartpole = suites["cartpole"] / "CartPole-v1" / "seed-0"
    breakout = suites["published"] / "breakout" / "seed-0"
    pong = suites["short"] / "pong" / "seed-0"

    heading("1. The agent learns to balance a pole (CartPole-v1)")
    repro(
        "train", "CartPole-v1", "--preset", "cartpole", "--seed", 0, "--threads", 1,
        "--out", suites["cartpole"],
    )  # fmt: skip
    score = json.loads((cartpole / "done.json").read_text())["mean_return"]
    print(f"mean of 100 games: {score:.1f}; {SOLVED:g} and more is called solved, 500 is perfect")
    terminal.draw_to_files()
    from paper_tables import figures

    picture = out / "cartpole.png"
    figures.training_curve(cartpole).savefig(picture, dpi=150)

    heading("2. A trained Atari agent: Breakout after 1,000,000 of the paper's 200,000,000 frames")
    if not breakout.exists():
        shutil.copytree(PUBLISHED, breakout)
    repro("evaluate", breakout, "--episodes", 35)  # 30 are recorded, 5 are played here and now
    repro("play", breakout, "--episode", 12)  # one of its better games
    print("So early it has learned little, as the original had: `repro trace` compares the two.")

    heading(f"3. A training of your own: Pong for {options.frames:,} frames")
    flags = [word for pair in SHORT.items() for word in pair]
    repro(
        "train", "pong", "--frames", options.frames, "--threads", 1, "--out", suites["short"],
        *flags,
    )  # fmt: skip
    print(
        f"{options.frames:,} frames are {options.frames / 2e8:.3%} of the paper's training: it "
        "still plays as at random, near -21. The published Pong run shows its first million."
    )

    heading(f"Done in {(time.monotonic() - began) / 60:.1f} minutes")
    print(f"  {picture}   <- CartPole, learned\n  {breakout}/videos/best.mp4   <- Breakout, played")
    print("Next, on what was made here:")
    for words in (
        f"report {suites['cartpole']}",
        f"tables {suites['published']}",
        f"figures {suites['short']}",
        f"play {breakout} --episode 15 --out breakout.gif",
        f"evaluate {pong} --weights last --episodes 5",
        f"resume {pong} --frames {2 * options.frames}",
    ):
        print(f"  repro {words}")
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
    sys.exit(terminal.script(main))
