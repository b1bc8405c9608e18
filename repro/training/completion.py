"""The end of a training: the final evaluation, and the file that says so."""

from typing import Any

from repro import experiment, records
from repro.agent import Agent
from repro.evaluation.while_training import Scoring
from repro.records import RunDirectoryError
from repro.storage import checkpoint, done, game_log, weights_file
from repro.storage.directory import RunDirectory
from repro.storage.run import Run
from repro.system.signals import Stop
from repro.tables import TABLES


def conclude(run: Run, place: RunDirectory, agent: Agent, scoring: Scoring) -> dict[str, Any]:
    """Score the best network, or the last if there was no evaluation; write done.json.

    Games that are recorded already are not played again.

    Returns:
        What the file holds.
    """
    weights = "best" if run.config.evaluates else "last"
    step = weights_file.load(place.path / f"{weights}.safetensors", agent.network)
    result = scoring.final(weights, step)
    place.verify()  # hours later: the games must be ours
    place.sync_tables()
    frames = run.config.steps * run.config.frames_per_step
    score = {"frames": frames, "weights": weights, "weights_step": step, **result}
    return done.write(place.path, score)


def complete(run: Run, place: RunDirectory, device: str, stop: Stop) -> dict[str, Any]:
    """Conclude a training without a checkpoint, from its weights and tables.

    Returns:
        What done.json holds then.

    Raises:
        RunDirectoryError: if the training had not come to its end, so that nothing goes on from
            here; says what there is, and what to do. Nothing is changed then.
    """
    envs = experiment.make_envs(run)
    try:
        agent = experiment.make_agent(run, envs.train, device)
        _refuse_unfinished(run, place, agent)
        for name in TABLES:
            records.trim(place.path / name, run.config.steps)
        game_log.trim(place.path)
        scoring = Scoring(
            run, envs, agent, place.table("evaluations.csv"),
            lambda _: stop.check(run.config.steps),
        )  # fmt: skip
        try:
            return conclude(run, place, agent, scoring)
        finally:
            scoring.close()
    finally:
        envs.close()


def _refuse_unfinished(run: Run, place: RunDirectory, agent: Agent) -> None:
    there = ", ".join(records.earned(place.path))
    what, last = "its weights are not those of its end", place.path / "last.safetensors"
    try:
        if weights_file.load(last, agent.network) >= run.config.steps:
            return
    except weights_file.WeightsError as error:
        if last.exists():
            what = str(error)
    raise RunDirectoryError(
        f"{place.path} has {there}, but no checkpoint to go on from, and {what}; restore its "
        f"checkpoint folder, {checkpoint.RESTART}"
    )
