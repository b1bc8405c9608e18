"""The paper's tables with our numbers beside the printed ones, game by game."""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from paper_tables import reference
from paper_tables.caveats import caveats, setting
from paper_tables.collect import Results
from paper_tables.normalise import human_normalised, scale
from paper_tables.reference import BASELINES, COLUMNS, SOURCES
from paper_tables.render import Column, Table
from paper_tables.standing import NOT_RUN, Standing, our_scores, standings
from paper_tables.verdicts import NO_SCORE, TEST
from repro.games import GAMES

# Of tables whose rows are names of games.
GAME = (Column("game", "", str), Column("title", "game", lambda game: GAMES[game].title))
MISPRINTS = (
    "Six printed percentages do not follow from the printed scores and are recomputed here: "
    "Double Dunk (printed 17.1), Boxing (1707.9), Robotank (509.0), Tennis (143.2), Gravitar "
    "(5.3), Krull (277.0). The contingency learner is below random play on 13 games, as printed."
)


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
            Column("ours", "ours", ours),
            Column("field", "setting"),
            Column("source", ""),
            Column("note", "note", missing=""),
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
    printed = reference.load("nature2015_scores")
    games = standings(results)
    ours_random = dict.fromkeys(GAMES, NO_SCORE) | our_scores(random)
    zero, one = (bounds.reindex(list(GAMES)) for bounds in scale(baseline))
    unfinished = Counter(run.game for run in results.runs if not run.finished)

    def percent(score: float, game: str) -> float:
        return 100 * human_normalised(score, zero[game], one[game])

    aside = functools.partial(Column, decimals=1, aside=True)

    def ours(name: str, title: str, of: Callable[[Standing], float | None], **look: Any) -> Column:
        return aside(name, title, lambda game: of(games[game]), **look)

    def published(key: str) -> Column:
        return aside(key, COLUMNS[key].title, COLUMNS[key].load().get)

    def verdict(game: str) -> str:
        return games[game].verdict_text

    return Table(
        "table2",
        "Scores on 49 games (Extended Data Table 2)",
        (
            *GAME,
            aside("random", "random", printed["random"].get),
            aside("our_random", "random, ours", lambda g: ours_random[g].mean, missing=NOT_RUN),
            aside("best_linear", "linear", printed["best_linear"].get),
            aside("contingency", "contingency", printed["contingency_sarsa"].get),
            aside("human", "human", printed["human"].get),
            Column("dqn", "DQN", printed["dqn"].get, 1),
            aside("dqn_sd", "s.d.", printed["dqn_sd"].get),
            *map(published, dict.fromkeys(also)),
            ours("ours", "ours", lambda one: one.ours.mean, missing=verdict, aside=False),
            ours("ours_low", "from", lambda one: one.ours.low),
            ours("ours_high", "to", lambda one: one.ours.high),
            ours("ours_episode_sd", "s.d., games", lambda one: one.ours.episode_sd),
            ours("ours_seed_sd", "s.d., seeds", lambda one: one.ours.seed_sd),
            ours("seeds", "seeds", lambda one: one.ours.seeds, decimals=0),
            Column("unfinished", "", lambda game: unfinished[game]),
            Column("episodes", "", lambda game: games[game].ours.episodes),
            ours("train_frames", "frames", lambda one: one.train_frames or None, decimals=0),
            Column("dqn_percent_printed", "", printed["dqn_percent_human_printed"].get),
            aside("dqn_percent", "DQN %", lambda game: percent(printed["dqn"][game], game)),
            aside("ours_percent", "ours %", lambda game: percent(games[game].ours.mean, game)),
            Column(
                "percent_of_dqn",
                "% of DQN",
                lambda game: games[game].percent,
                0,
                shown=lambda game: games[game].percent_text,
            ),
            Column("percent_of_dqn_low", "", lambda game: games[game].interval[0]),
            Column("percent_of_dqn_high", "", lambda game: games[game].interval[1]),
            Column("verdict", "verdict", lambda game: games[game].verdict, shown=verdict),
        ),
        list(GAMES),
        (
            "Percent of DQN: random play 0, the printed DQN 100, with a 95% interval.",
            f"Other percentages: random play 0, human 100; {BASELINES[baseline].title}, from "
            "unrounded scores where these are known.",
            TEST,
            *caveats(results),
            *(f"Random player: {note}" for note in (caveats(random) if random else ())),
            *((MISPRINTS,) if baseline == "nature2015" else ()),
        ),
        folded=lambda game: games[game].verdict == NOT_RUN,
    )


def brief(table: Table) -> Table:
    """Only the games of Table 2 that were run, and the columns that say how they went."""
    names = ("game", "seeds", "train_frames")
    frame = table.frame
    return Table(
        "summary",
        f"{frame['ours'].count()} of {len(frame)} games run",
        tuple(
            column
            for column in table.columns
            if column.name in names or (column.title and not column.aside)
        ),
        [game for game, away in zip(table.rows, table.away, strict=True) if not away],
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
        folded=lambda game: game not in ours,
    )


def _percent_column(
    name: str, title: str, scores: "pd.Series[float]", baseline: str, missing: str = "-"
) -> Column:
    percent = 100 * human_normalised(scores, *scale(baseline))
    return Column(name, title, percent.get, 1, missing)
