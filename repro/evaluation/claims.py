"""What a run says of its final games, and whether it agrees with itself. Nothing is played here."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repro import config, records
from repro.config import LARGEST, Config, ConfigError
from repro.evaluation import protocols
from repro.storage import game_log
from repro.storage.game_log import Key, Log, Record
from repro.storage.run import Run, run_from
from repro.tables import RANDOM

_NAMED = 8  # games that one line names


@dataclass(frozen=True)
class Subject:
    """A run to be verified; ``episodes`` is how many final games its score is made of."""

    path: Path
    run: Run
    episodes: int

    @property
    def random(self) -> bool:
        """Whether the random player played, whose actions follow from the seeds."""
        return self.run.preset == RANDOM

    @property
    def table(self) -> Path:
        """Where its games are listed."""
        return self.path / "evaluations.csv"

    @property
    def log(self) -> Path:
        """Where their actions are."""
        return self.path / game_log.NAME


@dataclass(frozen=True)
class Claim:
    """A final game as its row has it: ``line`` of evaluations.csv, raw return, frames played."""

    line: int
    key: Key
    seed: int
    score: float
    frames: int
    truncated: bool
    completed: bool


def subject(path: Path) -> Subject:
    """Read whose run this is.

    Raises:
        RunDirectoryError, ConfigError: if config.json is missing or damaged.
    """
    file = path / "config.json"
    there = records.read_json(file) if file.exists() else {}
    if there.get("preset") != RANDOM:
        run = run_from(path)
        return Subject(path, run, run.config.training.final_episodes)
    try:
        episodes, parts = there["episodes"], {"agent": {}, "training": {}, **there["config"]}
        if type(episodes) is not int or episodes < 1:
            raise ConfigError(f"episodes must be a number from 1 up, not {episodes!r}")
        return Subject(
            path, Run(there["game"], there["seed"], RANDOM, config.from_dict(parts)), episodes
        )
    except (KeyError, TypeError, ConfigError) as error:
        raise ConfigError(f"{file} is damaged, restore it: {error}") from error


def read_claims(path: Path) -> list[Claim]:
    """The final games of evaluations.csv, in order; none if there is no such file.

    Raises:
        RunDirectoryError: naming the line, if it is damaged.
    """
    return [
        Claim(
            line, Key(row["weights"], row["step"], row["episode"]), row["seed"], row["return"],
            row["frames"], row["truncated"], row["completed"],
        )
        for line, row in enumerate(records.read_rows(path), start=2)
        if row["kind"] == "final"
    ]  # fmt: skip


def row_problems(of: Subject, claims: Sequence[Claim]) -> Iterator[tuple[Claim, str]]:
    """What is wrong with rows by themselves: a line for each, which names file and line."""
    due: Counter[tuple[str, int]] = Counter()
    for claim in claims:
        weights, step, episode = claim.key
        expected = due[weights, step]
        due[weights, step] = episode + 1
        seed = protocols.episode_seed(of.run.seed, step, episode)
        what = ""
        if not _evaluated(of, weights, step):
            what = f"this run never scored {_network(claim.key)}"
        elif episode != expected:
            what = (
                f"game {episode} of {_network(claim.key)}, where game {expected} was to come: "
                "games are missing, there twice, or out of order"
            )
        elif claim.seed != seed:
            what = (
                f"game {episode} of {_network(claim.key)} has seed {claim.seed}, "
                f"the run's own gives {seed}"
            )
        elif not claim.completed:
            what = f"game {episode} of {_network(claim.key)} was not played to its end"
        if what:
            yield claim, f"{of.table}, line {claim.line}: {what}"


def log_problems(of: Subject, claims: Sequence[Claim], log: Log, finished: bool) -> Iterator[str]:
    """What is wrong with a log by itself, or beside the rows: a line for each kind of fault.

    Of an unfinished run the end of the log may be ahead of the rows: a game's record comes first.
    """
    seeds = {claim.key: claim.seed for claim in claims}
    times = Counter(record.key for record in log.records)
    if log.damage and (finished or not log.cut):
        yield log.damage
    if others := sorted({record.game for record in log.records} - {of.run.game}):
        yield f"{of.log} has games of {', '.join(others)}, this run is of {of.run.game}"
    extra = [key for key in times if key not in seeds]
    if extra and (finished or extra != [log.records[-1].key]):
        yield f"{of.log} has {named(extra)}, of which {of.table.name} has no row"
    if keys := [key for key, number in times.items() if number > 1]:
        yield f"{of.log} has {named(keys)} more than once"
    if keys := [key for key in seeds if key not in times]:
        yield f"{of.log} lacks {named(keys)}, of which {of.table.name} has a row"
    both = [record for record in log.records if record.key in seeds]
    if keys := [one.key for one in both if one.seed != seeds[one.key]]:
        yield f"{of.log} has other seeds than {of.table.name} for {named(keys)}"
    order = list(dict.fromkeys(record.key for record in both))
    if order != [key for key in seeds if key in times]:
        yield f"{of.log} has its games in another order than {of.table.name}"


def recorded(of: Subject, claims: Sequence[Claim], log: Log) -> dict[Key, Record]:
    """The record of each row that has the one that belongs to it."""
    seeds = {claim.key: claim.seed for claim in claims}
    return {
        record.key: record
        for record in log.records
        if record.game == of.run.game and record.seed == seeds.get(record.key)
    }


def score_problems(of: Subject, claims: Sequence[Claim], scores: dict[Key, float]) -> Iterator[str]:
    """What is wrong with done.json: its numbers must be those of its games.

    Args:
        of: a finished run.
        claims: its rows.
        scores: returns by game, as they were found to be.

    Raises:
        RunDirectoryError: if the file is damaged.
    """
    file = of.path / "done.json"
    done = records.read_json(file)
    weights, step = done.get("weights", RANDOM), done.get("weights_step", 0)
    if weights != (due := _scored(of)):
        yield f"{file}: the weights are {weights}, this run's score is of {due}"
        return
    mine = [scores[claim.key] for claim in claims if claim.key[:2] == (weights, step)]
    if len(mine) < of.episodes:
        yield (
            f"{file} is of {of.episodes} games of the {weights} network of step {step}, "
            f"{of.table.name} has {len(mine)}"
        )
        return
    if weights == "best" and step != (best := _best_step(of.table)):
        yield f"{file}: the best network is said to be that of step {step}, the table says {best}"
        return
    for name, ours in protocols.summary(mine[: of.episodes]).items():
        if not _same(done.get(name), ours):
            yield f"{file}: {name} is {done.get(name)}, the games give {ours}"


def _best_step(table: Path) -> int | None:
    """Training step of the best periodic evaluation, the first of equals (ledger row 24).

    One in which no game ended has no score, and any that has is better.
    """
    returns: dict[int, list[float]] = {}
    for row in records.read_rows(table):
        if row["kind"] == "periodic":
            ended = [row["return"]] if row["completed"] else []
            returns.setdefault(row["step"], []).extend(ended)
    means = {step: float(np.mean(each)) if each else -math.inf for step, each in returns.items()}
    return max(means, key=lambda step: (means[step], -step), default=None)


def named(keys: Collection[Key]) -> str:
    """Games in words, as many as a line holds."""
    numbers: dict[str, list[str]] = {}
    for key in keys:
        numbers.setdefault(_network(key), []).append(str(key.episode))
    return " and ".join(
        f"game{'s' if len(found) > 1 else ''} {', '.join(found[:_NAMED])}"
        f"{f' and {len(found) - _NAMED} more' if len(found) > _NAMED else ''} of {network}"
        for network, found in numbers.items()
    )


def _network(key: Key) -> str:
    if key.weights == RANDOM:
        return "the random player"
    return f"the {key.weights} network of step {key.step:,}"


def _scored(of: Subject) -> str:
    """Whose games the score is made of: the best network, if there were evaluations."""
    if of.random:
        return RANDOM
    return "best" if of.run.config.evaluates else "last"


def _evaluated(of: Subject, weights: str, step: int) -> bool:
    """Whether a run has such weights: no step may be chosen for the luck of its seeds."""
    if of.random:
        return (weights, step) == (RANDOM, 0)
    setup: Config = of.run.config
    if weights == "last":
        return step == setup.steps
    every = setup.training.eval_every_steps
    return weights == "best" and every > 0 and 0 < step <= setup.steps and step % every == 0


def _same(there: object, ours: float | None) -> bool:
    if ours is None or not isinstance(there, int | float) or isinstance(there, bool):
        return there is ours
    return abs(there) <= LARGEST and math.isclose(there, ours, rel_tol=1e-9, abs_tol=1e-9)
