"""Scoring a trained network once more: the final protocol on best or last weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from repro import records
from repro.agent import Agent
from repro.evaluation import protocols
from repro.experiment import find_device, make_agent, make_envs
from repro.storage import done, game_log, weights_file
from repro.storage.run import Run, run_from
from repro.storage.weights_file import WeightsError


@dataclass(frozen=True)
class Trained:
    """A run's network, ready to play."""

    run: Run
    agent: Agent
    weights: str
    step: int


def load(folder: Path | str, weights: str, device: str = "cpu") -> Trained:
    """Load the ``best`` or the ``last`` network of a run.

    Raises:
        RunDirectoryError, ConfigError: if the folder does not hold a training, or not the files
            that it was finished with.
        WeightsError: if the weights are missing, damaged or of another network.
    """
    folder = Path(folder)
    run = run_from(folder)
    device = find_device(device)
    path = folder / f"{weights}.safetensors"
    if not path.exists():
        raise WeightsError(
            f"{path} is missing (weights are not kept in git, and an unfinished training has no "
            "last ones); finish or repeat the training, or try the other --weights"
        )
    done.check(folder, done.FILES)
    envs = make_envs(run)
    agent = make_agent(run, envs.train, device)
    envs.close()
    step = weights_file.load(path, agent.network)
    return Trained(run, agent, weights, step)


def score(folder: Path | str, weights: str, episodes: int, device: str = "cpu") -> Iterator[float]:
    """Play the final protocol, record each game, and yield all returns, old ones first.

    Games that are there already are not played again, so that a killed
    evaluation goes on and a larger ``episodes`` adds to what there is.

    Raises:
        RunDirectoryError: if the directory is in use, say by its training.
    """
    folder = Path(folder)
    trained = load(folder, weights, device)
    with trained.run.directory(folder) as place:
        path = folder / "evaluations.csv"
        records.trim(path, trained.run.config.steps)
        game_log.trim(folder)
        there = protocols.final_returns(path, weights, trained.step)[:episodes]
        yield from there
        if len(there) == episodes:
            return
        done.renew(folder, without=done.GROWING)
        table = place.table("evaluations.csv")
        envs = make_envs(trained.run)
        player = trained.agent.player(trained.run.config.training.eval_epsilon)
        for game in protocols.record_episodes(
            envs.final, player, trained.run, table, weights, trained.step, episodes, len(there)
        ):
            yield game.score
        table.close()
        envs.close()
        done.renew(folder)
