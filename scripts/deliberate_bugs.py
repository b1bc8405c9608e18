"""Seven faults that a DQN is easily written with, each trained once: what `repro trace` must find.

Every run is the original's agent on Ms. Pacman with one thing wrong, 150,000 steps long, without
periodic evaluation: OUT/<bug>/ms_pacman/seed-<n>/. A fault that a setting can make is made by
that setting. The other two are built into the agent here, and config.json then knows nothing of
them, which is the point. The same command again goes on with what was interrupted and skips what
is finished; of a finished run only the CSV and JSON files stay, no weights.
"""

import argparse
import dataclasses
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from repro import config, experiment, records
from repro.agent import Agent, NonFiniteError
from repro.config import Config, flags
from repro.storage.run import Run
from repro.system import terminal
from repro.training import command

GAME = "ms_pacman"


def use_adam(agent: Agent) -> None:
    """Optimise with Adam at the same learning rate."""
    agent.optimiser = torch.optim.Adam(agent.network.parameters(), agent.config.learning_rate)


def unscale_pixels(agent: Agent) -> None:
    """Feed both networks bytes of 0 to 255: undo the division before the first layer."""
    for network in (agent.network, agent.target):
        first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
        first.register_forward_pre_hook(lambda _, inputs: (inputs[0] * 255,))


@dataclass(frozen=True)
class Bug:
    """One fault: settings that make it, or what is done to the agent when it is made."""

    what: str
    protocol: Mapping[str, Any] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=dict)
    build_in: Callable[[Agent], None] | None = None


BUGS = {
    "mean-loss": Bug("loss averaged, not summed", agent={"loss_reduction": "mean"}),
    "no-target": Bug("target copied every step", agent={"target_every_steps": 1}),
    "lecun-weights": Bug("other first weights", agent={"initial_weights": "lecun-normal"}),
    "adam": Bug("Adam in place of centred RMSProp", build_in=use_adam),
    "unclipped-rewards": Bug("raw rewards", protocol={"clip_rewards": False}),
    "life-not-terminal": Bug("lost life no terminal", protocol={"life_loss_terminal": False}),
    "unscaled-pixels": Bug("pixels not divided by 255", build_in=unscale_pixels),
}
CORRECT = {"correct": Bug("nothing wrong: the control")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train them one after the other. Returns the exit code."""
    parser = flags.OneLineParser(
        description=__doc__,
        epilog="; ".join(f"{name}: {bug.what}" for name, bug in BUGS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bugs", nargs="*", metavar="BUG", help=f"[default all: {' '.join(BUGS)}]")
    parser.add_argument("--correct", action="store_true", help="only the control, without a fault")
    parser.add_argument("--seed", type=flags.natural, default=0, metavar="N", help="[default 0]")
    parser.add_argument(
        "--steps", type=flags.count, default=150_000, metavar="N",
        help="agent steps, 4 emulator frames each [default 150000]",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("results/deliberate_bugs"), metavar="FOLDER",
        help="of one suite per bug [default results/deliberate_bugs]",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.bugs if name not in BUGS]:
        parser.error(f"no bug named {unknown[0]!r}; there are: {', '.join(BUGS)}")
    if options.correct and options.bugs:
        parser.error("--correct trains the control alone; leave the bugs' names out")
    chosen = CORRECT if options.correct else {name: BUGS[name] for name in options.bugs or BUGS}
    failed = 0
    for name, bug in chosen.items():
        print(f"{name}: {bug.what}", flush=True)
        try:
            configuration = configured(bug, config.preset("nature"), options.steps)
            run = Run(GAME, options.seed, "nature", configuration)
            if code := make(run, bug, options.out / name):
                return code
        except (ValueError, records.RunDirectoryError) as error:
            print(f"deliberate_bugs: {error}", file=sys.stderr)
            return 2
        except NonFiniteError as error:  # a fault may well end like this; its rows are kept
            print(f"deliberate_bugs: {error}", file=sys.stderr)
            failed = 1
        except (OSError, RuntimeError) as error:
            print(f"deliberate_bugs: {error}", file=sys.stderr)
            return 1
    return failed


def configured(bug: Bug, base: Config, steps: int) -> Config:
    """The configuration with the fault's settings, as long as asked for, scored by one game.

    The replay is as large as the run is long, so that nothing in it is ever overwritten: the same
    run as with a larger one.
    """
    training = dataclasses.replace(
        base.training,
        frames=steps * base.frames_per_step,
        eval_every_steps=0,
        final_episodes=1,
        checkpoint_every_steps=25_000,
        keep_checkpoint=False,
    )
    # The plain learner, for what is built into the layers does not reach the fast one.
    ours: dict[str, Any] = {"replay_steps": steps, "learner": "plain"}
    agent = dataclasses.replace(base.agent, **ours | dict(bug.agent))
    protocol = dataclasses.replace(base.protocol, **bug.protocol)
    return dataclasses.replace(base, protocol=protocol, agent=agent, training=training)


def make(run: Run, bug: Bug, suite: Path) -> int:
    """Train with the fault, in one thread; keep the small files of what is finished.

    Returns:
        The exit code of `repro train`.

    Raises:
        As :func:`repro.training.command.train`.
    """
    made_by = experiment.make_agent

    def make_agent(*words: Any, **named: Any) -> Agent:
        agent = made_by(*words, **named)
        if bug.build_in is not None:
            bug.build_in(agent)
        return agent

    with mock.patch.object(experiment, "make_agent", make_agent):
        code = command.command(run, suite, "cpu", threads=1, progress=True)
    path = records.run_path(suite, run.game, run.seed)
    if code == 0:
        for weights in path.glob("*.safetensors"):
            weights.unlink()
        shutil.rmtree(path / "tensorboard", ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(terminal.script(main))
