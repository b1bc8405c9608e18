"""What a network expects of a new game, beside what it then collects.

Q-learning takes the largest of noisy values and so expects too much (van Hasselt 2010); Double
Q-learning was made to mend that. The value of the first state is an expectation of the discounted
return, with rewards and endings as in training: the two can be compared.
"""

import csv
import io
from pathlib import Path

import numpy as np

from repro import experiment
from repro.evaluation.trained import load
from repro.records import START_VALUES, write_atomic

COLUMNS = ("game", "expected", "collected")
GAMES = 20
_MOST_STEPS = 2_000  # of a game that does not end: what follows is discounted to nothing


def record(folder: Path) -> None:
    """Let the last network of a finished run play greedily, and keep what it expected.

    Writes ``start_values.csv``, a row per game: ``game``, a number; ``expected``, the largest
    action value of the first state; ``collected``, the discounted sum of (clipped) rewards up to
    the first ending that training knows, a lost life included. Does nothing if it is there.

    Raises:
        WeightsError, RunDirectoryError: as :func:`repro.evaluation.trained.load`.
    """
    if (folder / START_VALUES).exists():
        return
    trained = load(folder, "last")
    run, agent = trained.run, trained.agent
    env = experiment.make_envs(run).train
    discount = run.config.agent.discount
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    env.reset(seed=run.seed)
    for game in range(GAMES):
        observation, _ = env.reset()
        expected, collected = float(agent.q_values(observation[None]).max()), 0.0
        for step in range(_MOST_STEPS):
            action = int(np.argmax(agent.q_values(observation[None])[0]))
            observation, reward, terminated, truncated, _ = env.step(action)
            collected += discount**step * float(reward)
            if terminated or truncated:
                break
        rows.writerow((game, expected, collected))
    env.close()
    write_atomic(folder / START_VALUES, text.getvalue().encode())
