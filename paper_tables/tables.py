"""The paper's tables with our numbers beside the printed ones, game by game."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from paper_tables import reference
from paper_tables.caveats import caveats, setting
from paper_tables.collect import Results
from paper_tables.normalise import human_normalised, scale
from paper_tables.reference import BASELINES, COLUMNS
from paper_tables.render import Column, Table
from paper_tables.verdicts import TEST, Score, score, verdict
from repro.games import GAMES

NOT_RUN, UNFINISHED, LEFT_OUT = "not run", "unfinished", "left out"
MISPRINTS = (
    "Six printed percentages do not follow from the printed scores and are recomputed here: "
    "Double Dunk (printed 17.1), Boxing (1707.9), Robotank (509.0), Tennis (143.2), Gravitar "
    "(5.3), Krull (277.0). The contingency learner is below random play on 13 games, as printed."
)


def our_scores(results: Results) -> dict[str, Score]:
    """Summarise the finished runs of each game that has one."""
    return {
        str(game): score(rows) for game, rows in results.final_scores().groupby("game", sort=False)
    }


def state(results: Results, game: str) -> str:
    """Say why a game has no score of ours: not run, unfinished, or left out as damaged."""
    if any(run.game == game for run in results.runs):
        return UNFINISHED
    damaged = {problem.file.parent.parent.name for problem in results.fatal}
    return LEFT_OUT if game in damaged else NOT_RUN


def hyperparameters(results: Results) -> Table:
    """Extended Data Table 1: the printed settings, beside those of the runs."""
    frame = reference.load("nature2015_hyperparameters").reset_index()
    frame["ours"] = [
        " or ".join(sorted({_text(setting(run, field)) for run in results.runs})) or NOT_RUN
        for field in frame["field"]
    ]
    frame["printed"] = [_text(value) for value in frame["printed"]]
    frame["note"] = frame["note"].fillna("")
    columns = ("name", "printed", "unit", "ours", "field", "note")
    titles = ("hyperparameter", "printed", "unit", "ours", "setting", "note")
    return Table(
        "table1",
        "Hyperparameters (Extended Data Table 1 and Methods)",
        frame,
        tuple(Column(*pair, missing="") for pair in zip(columns, titles, strict=True)),
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
    ours, ours_random = our_scores(results), our_scores(random) if random else {}
    zero, one = (bounds.reindex(list(GAMES)) for bounds in scale(baseline))
    trained = {run.game: run.train_frames for run in results.runs if run.finished}
    rows = []
    for name, game in GAMES.items():
        line, mine, low = printed[name], ours.get(name), ours_random.get(name)
        rows.append(
            {
                "game": name,
                "title": game.title,
                "random": line["random"],
                "our_random": low.mean if low else np.nan,
                "best_linear": line["best_linear"],
                "contingency": line["contingency_sarsa"],
                "human": line["human"],
                "dqn": line["dqn"],
                "dqn_sd": line["dqn_sd"],
                **({key: COLUMNS[key].load().get(name) for key in also}),
                "ours": mine.mean if mine else np.nan,
                "ours_low": mine.low if mine else np.nan,
                "ours_high": mine.high if mine else np.nan,
                "ours_episode_sd": mine.episode_sd if mine else np.nan,
                "ours_seed_sd": mine.seed_sd if mine else np.nan,
                "seeds": mine.seeds if mine else 0,
                "unfinished": sum(run.game == name and not run.finished for run in results.runs),
                "episodes": mine.episodes if mine else 0,
                "train_frames": trained.get(name),
                "dqn_percent_printed": line["dqn_percent_human_printed"],
                "dqn_percent": 100 * human_normalised(line["dqn"], zero[name], one[name]),
                "ours_percent": 100 * human_normalised(mine.mean, zero[name], one[name])
                if mine
                else np.nan,
                "verdict": verdict(mine, line["dqn"], line["dqn_sd"])
                if mine
                else state(results, name),
            }
        )
    frame = pd.DataFrame(rows).astype({"train_frames": "Int64"})
    shown = [
        Column("title", "game"),
        Column("random", "random", 1),
        Column("our_random", "random, ours", 1, NOT_RUN),
        Column("best_linear", "linear", 1),
        Column("contingency", "contingency", 1),
        Column("human", "human", 1),
        Column("dqn", "DQN", 1),
        Column("dqn_sd", "s.d.", 1),
        *(Column(key, COLUMNS[key].title, 1) for key in dict.fromkeys(also)),
        Column("ours", "ours", 1, instead="verdict"),
        Column("ours_low", "from", 1),
        Column("ours_high", "to", 1),
        Column("ours_episode_sd", "s.d., games", 1),
        Column("ours_seed_sd", "s.d., seeds", 1),
        Column("seeds", "seeds", 0),
        Column("train_frames", "frames", 0),
        Column("dqn_percent", "DQN %", 1),
        Column("ours_percent", "ours %", 1),
        Column("verdict", "verdict"),
    ]
    return Table(
        "table2",
        "Scores on 49 games (Extended Data Table 2)",
        frame,
        tuple(shown),
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
    names = ["title", "random", "human", "dqn", "dqn_sd", "ours", "ours_episode_sd", "seeds",
             "train_frames", "dqn_percent", "ours_percent", "verdict"]  # fmt: skip
    run = table.frame[table.frame["verdict"] != NOT_RUN]
    scored = int(run["ours"].notna().sum())
    return Table(
        "summary",
        f"{scored} of {len(table.frame)} games run",
        run,
        tuple(column for column in table.columns if column.name in names),
        tuple(note for note in table.notes if note != MISPRINTS),
    )


def normalised(results: Results) -> Table:
    """The same scores in percent of four humans, each in columns of its own."""
    ours = our_scores(results)
    dqn = COLUMNS["dqn"].load()
    frame = pd.DataFrame({"game": list(GAMES), "title": [game.title for game in GAMES.values()]})
    shown = [Column("title", "game")]
    for key, humans in BASELINES.items():
        zero, one = (bounds.reindex(list(GAMES)) for bounds in scale(key))
        for name, scored in (
            ("dqn", dqn),
            ("ours", pd.Series({game: found.mean for game, found in ours.items()}, dtype=float)),
        ):
            percent = 100 * human_normalised(scored.reindex(list(GAMES)), zero, one)
            frame[f"{name}_{key}"] = percent.to_numpy()
            who = "DQN" if name == "dqn" else "ours"
            missing = NOT_RUN if name == "ours" else "-"
            shown.append(Column(f"{name}_{key}", f"{who}, {humans.title}", 1, missing))
    return Table(
        "normalised",
        "Percent of four humans, random play 0",
        frame,
        tuple(shown),
        (
            *(
                f"{humans.title}: {humans.human.title} from "
                f"{reference.SOURCES[humans.human.table].publication} "
                f"({reference.SOURCES[humans.human.table].protocol}); random play from "
                f"{reference.SOURCES[humans.random.table].publication}."
                for humans in BASELINES.values()
            ),
            "No percentage where a human is not above random play (human starts: Video Pinball).",
            *caveats(results),
        ),
    )
