"""The paper's tables with our numbers beside the printed ones, game by game."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from paper_tables import reference
from paper_tables.caveats import caveats, setting
from paper_tables.collect import Results
from paper_tables.normalise import human_normalised, scale
from paper_tables.reference import BASELINES, COLUMNS, SOURCES
from paper_tables.render import Column, Table
from paper_tables.verdicts import NO_SCORE, TEST, Score, score, verdict
from repro.games import GAMES

# Of tables whose rows are names of games.
GAME = (Column("game", "", str), Column("title", "game", lambda game: GAMES[game].title))
NOT_RUN, UNFINISHED, LEFT_OUT = "not run", "unfinished", "left out"
MISPRINTS = (
    "Six printed percentages do not follow from the printed scores and are recomputed here: "
    "Double Dunk (printed 17.1), Boxing (1707.9), Robotank (509.0), Tennis (143.2), Gravitar "
    "(5.3), Krull (277.0). The contingency learner is below random play on 13 games, as printed."
)


def our_scores(results: Results | None) -> dict[str, Score]:
    """Summarise the finished runs of each game that has one."""
    by_game = results.final_scores().groupby("game", sort=False) if results else ()
    return {str(game): score(rows) for game, rows in by_game}


def state(results: Results, game: str) -> str:
    """Say why a game has no score of ours: not run, unfinished, or left out as damaged."""
    if any(run.game == game for run in results.runs):
        return UNFINISHED
    damaged = {problem.file.parent.parent.name for problem in results.fatal}
    return LEFT_OUT if game in damaged else NOT_RUN


def hyperparameters(results: Results) -> Table:
    """Extended Data Table 1: the printed settings, beside those of the runs."""

    def ours(row: Mapping[str, Any]) -> str:
        values = {_text(setting(run, row["field"])) for run in results.runs}
        return " or ".join(sorted(values)) or NOT_RUN

    return Table(
        "table1",
        "Hyperparameters (Extended Data Table 1 and Methods)",
        (
            Column("name", "hyperparameter"),
            Column("printed", "printed", lambda row: _text(row["printed"])),
            Column("unit", "unit", missing=""),
            Column("", "ours", ours),
            Column("field", "setting"),
            Column("source", ""),
            Column("note", "note", missing=""),
            Column("ours", "", ours),
        ),
        reference.load("nature2015_hyperparameters").reset_index().to_dict("records"),
        ("Ours: of all runs of the suite; several values mean that runs differ.",),
    )


def _text(value: object) -> str:
    """A setting as a reader likes it; the reference's numbers come as text."""
    if value is None:
        return "not recorded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    try:
        return f"{float(str(value)):,.10g}"
    except ValueError:
        return str(value)


def scores(
    results: Results,
    random: Results | None = None,
    baseline: str = "nature2015",
    also: Sequence[str] = (),
) -> Table:
    """Extended Data Table 2: the 49 games, printed and ours.

    Args:
        results: trained runs, all under one protocol.
        random: of the random player.
        baseline: whose human is 100% (a key of ``reference.BASELINES``).
        also: further published columns (keys of ``reference.COLUMNS``).
    """
    printed = reference.load("nature2015_scores").to_dict("index")
    ours, ours_random = (
        dict.fromkeys(GAMES, NO_SCORE) | our_scores(suite) for suite in (results, random)
    )
    zero, one = (bounds.reindex(list(GAMES)) for bounds in scale(baseline))
    trained = {run.game: run.train_frames for run in results.runs if run.finished}
    unfinished = Counter(run.game for run in results.runs if not run.finished)

    def percent(score: float, game: str) -> float:
        return 100 * human_normalised(score, zero[game], one[game])

    def judged(game: str) -> str:
        if not ours[game].seeds:
            return state(results, game)
        return verdict(ours[game], printed[game]["dqn"], printed[game]["dqn_sd"])

    def published(key: str) -> Column:
        scores = COLUMNS[key].load()
        return Column(key, COLUMNS[key].title, scores.get, 1)

    return Table(
        "table2",
        "Scores on 49 games (Extended Data Table 2)",
        (
            *GAME,
            Column("random", "random", lambda game: printed[game]["random"], 1),
            Column("our_random", "random, ours", lambda game: ours_random[game].mean, 1, NOT_RUN),
            Column("best_linear", "linear", lambda game: printed[game]["best_linear"], 1),
            Column(
                "contingency", "contingency", lambda game: printed[game]["contingency_sarsa"], 1
            ),
            Column("human", "human", lambda game: printed[game]["human"], 1),
            Column("dqn", "DQN", lambda game: printed[game]["dqn"], 1),
            Column("dqn_sd", "s.d.", lambda game: printed[game]["dqn_sd"], 1),
            *map(published, dict.fromkeys(also)),
            Column("ours", "ours", lambda game: ours[game].mean, 1, judged),
            Column("ours_low", "from", lambda game: ours[game].low, 1),
            Column("ours_high", "to", lambda game: ours[game].high, 1),
            Column("ours_episode_sd", "s.d., games", lambda game: ours[game].episode_sd, 1),
            Column("ours_seed_sd", "s.d., seeds", lambda game: ours[game].seed_sd, 1),
            Column("seeds", "seeds", lambda game: ours[game].seeds, 0),
            Column("unfinished", "", lambda game: unfinished[game]),
            Column("episodes", "", lambda game: ours[game].episodes),
            Column("train_frames", "frames", trained.get, 0),
            Column(
                "dqn_percent_printed", "", lambda game: printed[game]["dqn_percent_human_printed"]
            ),
            Column("dqn_percent", "DQN %", lambda game: percent(printed[game]["dqn"], game), 1),
            Column("ours_percent", "ours %", lambda game: percent(ours[game].mean, game), 1),
            Column("verdict", "verdict", judged),
        ),
        list(GAMES),
        (
            f"Percentages: random play 0, human 100; {BASELINES[baseline].title}, from unrounded "
            "scores where these are known.",
            TEST,
            *caveats(results),
            *(f"Random player: {note}" for note in (caveats(random) if random else ())),
            *((MISPRINTS,) if baseline == "nature2015" else ()),
        ),
    )


def brief(table: Table) -> Table:
    """Only the games of Table 2 that were run, and the columns that say how they went."""
    names = [
        "game",
        "title",
        "random",
        "human",
        "dqn",
        "dqn_sd",
        "ours",
        "ours_episode_sd",
        "seeds",
        "train_frames",
        "dqn_percent",
        "ours_percent",
        "verdict",
    ]
    frame = table.frame
    return Table(
        "summary",
        f"{frame['ours'].count()} of {len(frame)} games run",
        tuple(column for column in table.columns if column.name in names),
        list(frame["game"][frame["verdict"] != NOT_RUN]),
        tuple(note for note in table.notes if note != MISPRINTS),
    )


def normalised(results: Results) -> Table:
    """The same scores in percent of four humans, each in columns of its own."""
    dqn = COLUMNS["dqn"].load()
    ours = pd.Series({game: score.mean for game, score in our_scores(results).items()}, dtype=float)
    columns = [*GAME]
    notes = []
    for key, humans in BASELINES.items():
        columns.append(_percent_column(f"dqn_{key}", f"DQN, {humans.title}", dqn, key))
        columns.append(_percent_column(f"ours_{key}", f"ours, {humans.title}", ours, key, NOT_RUN))
        human, random = (SOURCES[column.table] for column in (humans.human, humans.random))
        notes.append(
            f"{humans.title}: {humans.human.title} from {human.publication} ({human.protocol}); "
            f"random play from {random.publication}."
        )
    return Table(
        "normalised",
        "Percent of four humans, random play 0",
        tuple(columns),
        list(GAMES),
        (
            *notes,
            "No percentage where a human is not above random play (human starts: Video Pinball).",
            *caveats(results),
        ),
    )


def _percent_column(
    name: str, title: str, scores: "pd.Series[float]", baseline: str, missing: str = "-"
) -> Column:
    percent = 100 * human_normalised(scores, *scale(baseline))
    return Column(name, title, percent.get, 1, missing)
