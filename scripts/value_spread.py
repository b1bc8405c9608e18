"""Does a trained network tell states apart? Its action values over states of random play.

Early in training under the paper's settings a network can answer with nearly one constant,
the mean value of random play, whatever the screen shows. This prints, for the trained and for
a fresh network, how much the largest action value varies from state to state, and how far
the best action stands from the worst.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import experiment
from repro.agent import Agent
from repro.evaluation.trained import load
from repro.system import terminal


def main() -> None:
    """Load, look at the states, print a line per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "run", type=Path, help="such as results/published/nature-emulator/pong/seed-0"
    )
    parser.add_argument("--weights", choices=("best", "last"), default="last")
    parser.add_argument("--states", type=int, default=500, help="agent steps apart: 4 [500]")
    parser.add_argument("--json", type=Path, metavar="PATH", help="file to write the figures to")
    options = parser.parse_args()
    trained = load(options.run, options.weights)
    env = experiment.make_envs(trained.run).final
    states = random_states(env, options.states, np.random.default_rng(0))
    figures = {
        "fresh": spread(experiment.make_agent(trained.run, env), states),
        f"{options.weights} (step {trained.step:,})": spread(trained.agent, states),
    }
    for name, found in figures.items():
        cells = ", ".join(f"{key} {value:.4f}" for key, value in found.items())
        print(f"{trained.run.game}, {name}: {cells}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def random_states(env: Any, count: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Stacks of random play, every fourth step: uint8 ``(count, 4, 84, 84)``."""
    states = []
    observation, _ = env.reset(seed=0)
    for step in range(4 * count):
        observation, _, terminated, truncated, _ = env.step(
            int(generator.integers(env.action_space.n))
        )
        if terminated or truncated:
            observation, _ = env.reset()
        if step % 4 == 0:
            states.append(observation)
    return np.stack(states)


def spread(agent: Agent, states: NDArray[np.uint8]) -> dict[str, float]:
    """Mean and standard deviation over states of the largest value; mean best minus worst."""
    values = agent.q_values(states)
    best = values.max(axis=1)
    return {
        "mean_max_q": float(best.mean()),
        "sd_over_states": float(best.std()),
        "best_minus_worst": float((best - values.min(axis=1)).mean()),
    }


if __name__ == "__main__":
    sys.exit(terminal.script(main))
