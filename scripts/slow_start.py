"""Why the original starts slowly: gradient descent from its first weights, and nothing else.

Neither our agent nor our optimiser nor our replay is in here: a network of the same shape, the
clipped and summed loss, a target network, and plain gradient descent with a constant step, on
transitions of random play. Before a row is printed, the gradients of minibatches drawn as the
original's show what the root would be that its optimiser divides them by. While that root is
sqrt(0.01) = 0.1 for every weight, centred RMSProp at 0.00025 is gradient descent at 0.0025.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repro.config.flags import OneLineParser, count, natural
from repro.records import read_json, write_json
from repro.system import terminal
from scripts.plain_descent import (
    NEAR_ROOT,
    TARGET_EVERY_UPDATES,
    WEIGHTS,
    Descent,
    Row,
    network,
    play,
)
from wrappers import make_train_env

HELD_OUT_STATES = 1_000
LEFT_SD = 0.05  # the saddle is left when values differ by this much (s.d. over held-out states)


def main(arguments: Sequence[str] | None = None) -> int:
    """Descend, or show what earlier descents found. Returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("game", nargs="?", metavar="GAME", help="one of `repro games`")
    add("--updates", type=count, default=100_000, metavar="N", help="at most [default 100000]")
    add("--weights", choices=WEIGHTS, default=WEIGHTS[0], help="first weights [default uniform]")
    add("--seed", type=natural, default=0, metavar="N", help="[default 0]")
    add("--at-once", type=count, default=1, metavar="N", help="updates as one step [default 1]")
    add("--log-every-updates", type=count, default=2_500, metavar="N", help="[default 2500]")
    add("--play-steps", type=count, default=50_000, metavar="N",
        help="of random play, 4 emulator frames each [default 50000]")  # fmt: skip
    add("--json", type=Path, metavar="PATH", help="file to write the rows to")
    add("--show", type=Path, nargs="+", metavar="PATH", help="print a table of such files, and end")
    options = parser.parse_args(arguments)
    if options.show:
        try:
            print(table(options.show), end="")
        except (OSError, RuntimeError, KeyError, TypeError) as error:
            parser.error(f"--show: {error}")
        return 0
    if options.game is None:
        parser.error("name a GAME, or files to --show")
    for every in (options.log_every_updates, TARGET_EVERY_UPDATES):
        if every % options.at_once:
            parser.error(f"--at-once {options.at_once} does not divide {every:,} updates")
    torch.set_num_threads(1)
    try:
        found = descend(options)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    except FloatingPointError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.json, found)
    return 0


def descend(options: argparse.Namespace) -> dict[str, Any]:
    """Play, descend until the saddle is left, and return what --json writes.

    Raises:
        ValueError: for a game that there is not, or in which random play met no reward.
        FloatingPointError: when the loss is not finite any more.
    """
    env = make_train_env(options.game, options.seed)
    generator = np.random.default_rng(options.seed)
    train = play(env, options.play_steps, generator)
    held_out = play(env, HELD_OUT_STATES, generator)
    actions = int(env.action_space.n)  # type: ignore[attr-defined]
    first = network(actions, options.weights, torch.Generator().manual_seed(options.seed))
    descent = Descent(first, train, held_out, options.at_once, generator)
    rewarded = float((train.rewards != 0).float().mean())
    names = ("game", "weights", "seed", "at_once", "play_steps")
    found = {name: getattr(options, name) for name in names}
    found |= {"actions": actions, "rewarded_share": rewarded}
    found |= {"parameters": sum(weight.numel() for weight in descent.parameters)}
    print(", ".join(f"{name} {value}" for name, value in found.items()), flush=True)
    rows: list[Row] = []
    for row in descent.run(options.updates, options.log_every_updates):
        print(line(row), flush=True)
        if not math.isfinite(row.loss):
            raise FloatingPointError(f"the loss is {row.loss}; lower --at-once")
        rows.append(row)
        if row.sd > LEFT_SD:
            break
    left = row.updates if row.sd > LEFT_SD else None
    print(f"the saddle was {after(left, row.updates)}")
    return {**found, "left_updates": left, "rows": [asdict(row) for row in rows]}


def line(row: Row) -> str:
    """A row as it is printed."""
    return (
        f"{row.updates:>7,} updates: root {row.root_mean:.4f} (largest {row.root_max:.3f}, "
        f"{row.root_above:,} above {NEAR_ROOT:.3f}), loss {row.loss:.5f}, V {row.v:.4f}, "
        f"s.d. over states {row.sd:.5f}"
    )


def after(left_updates: int | None, updates: int) -> str:
    """When the saddle was left, in words."""
    return f"not left by {updates:,}" if left_updates is None else f"left after {left_updates:,}"


def table(paths: Sequence[Path]) -> str:
    """What several descents found, as Markdown; the roots until the saddle was left."""
    titles = (
        "game", "first weights", "seed", "updates at once", "saddle", "s.d. at first", "at last",
        "loss at first", "at last", "root, mean", "largest", "parameters above 0.105",
    )  # fmt: skip
    lines = [titles, ("---",) * len(titles), *map(_cells, paths)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cells(path: Path) -> tuple[str, ...]:
    found = read_json(path)
    rows = [Row(**row) for row in found["rows"]]
    first, last = rows[0], rows[-1]
    saddle = [row for row in rows if row.sd <= LEFT_SD]
    return (
        found["game"], found["weights"], str(found["seed"]), str(found["at_once"]),
        after(found["left_updates"], last.updates), f"{first.sd:.5f}", f"{last.sd:.5f}",
        f"{first.loss:.4f}", f"{last.loss:.4f}",
        f"{np.mean([row.root_mean for row in saddle]):.4f}",
        f"{max(row.root_max for row in saddle):.2f}",
        f"{max(row.root_above for row in saddle):,} of {found['parameters']:,}",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(terminal.script(main))
