"""The paper's tables with our numbers beside the printed ones, game by game."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from paper_tables import reference
from paper_tables.caveats import caveats, setting
from paper_tables.collect import Problem, Results
from paper_tables.normalise import human_normalised, scale
from paper_tables.reference import BASELINES, COLUMNS
from paper_tables.render import Column, Table
from paper_tables.verdicts import TEST, Score, score, verdict
from repro.games import GAMES

NOT_RUN, UNFINISHED, LEFT_OUT = "not run", "unfinished", "left out"
ABLATION_FRAMES = 40_000_000  # 10 million steps: Extended Data Tables 3 and 4
ABLATIONS = {
    "replay_and_target": "replay, target network",
    "replay_no_target": "replay, no target network",
    "no_replay_target": "no replay, target network",
    "no_replay_no_target": "no replay, no target network",
    "linear_network": "linear network",
}
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
    damaged = {problem.file.parent.parent.name for problem in results.problems}
    return LEFT_OUT if game in damaged else NOT_RUN


def hyperparameters(results: Results) -> Table:
    """Extended Data Table 1: the printed settings, beside those of the runs."""
    frame = reference.load("nature2015_hyperparameters").reset_index()
    frame["ours"] = [
        " or ".join(sorted({_text(v) for run in results.runs if (v := setting(run, field))
                            is not None})) or NOT_RUN
        for field in frame["field"]
    ]  # fmt: skip
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
    planned = {run.game: run.train_frames for run in results.runs if run.game not in ours}
    planned |= {run.game: run.train_frames for run in results.runs if run.finished}
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
                "train_frames": planned.get(name),
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
            *(f"Random player: {note}" for note in (caveats(random, 0) if random else ())),
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


def ablations(suites: Mapping[str, Results]) -> tuple[Table, Table]:
    """Extended Data Tables 3 and 4: without replay, target network, or hidden layers.

    Args:
        suites: trained runs of each variant, by its key in ``ABLATIONS``.

    Returns:
        Table 3 (replay and target network) and Table 4 (linear network). Ours is the highest
        periodic evaluation, averaged over seeds.
    """
    printed = reference.load("nature2015_ablations")
    values: dict[str, list[object]] = {
        "game": list(printed.index), "title": [GAMES[name].title for name in printed.index]
    }  # fmt: skip
    for key in ABLATIONS:
        results = suites.get(key)
        best = _highest(results) if results else {}
        values[key] = list(printed[key])
        values[f"our_{key}"] = [best.get(name, np.nan) for name in printed.index]
        values[f"state_{key}"] = [
            "done" if name in best else state(results, name) if results else NOT_RUN
            for name in printed.index
        ]
    frame = pd.DataFrame(values)

    def table(key: str, title: str, variants: Sequence[str]) -> Table:
        shown, notes = [Column("title", "game")], []
        for variant in variants:
            title_ = ABLATIONS[variant]
            shown.append(Column(variant, title_, 1))
            shown.append(Column(f"our_{variant}", "ours", 1, instead=f"state_{variant}"))
            if suite := suites.get(variant):
                notes += [f"{title_}: {note}" for note in caveats(suite, ABLATION_FRAMES)]
        names = ["game", "title", *(f"{o}{v}" for v in variants for o in ("", "our_", "state_"))]
        first = "Printed and ours: the highest periodic evaluation; ours averaged over seeds."
        return Table(key, title, frame[names], tuple(shown), (first, *notes))

    return (
        table("table3", "Replay and target network (Extended Data Table 3)", list(ABLATIONS)[:4]),
        table(
            "table4",
            "Deep against linear network (Extended Data Table 4)",
            ["replay_and_target", "linear_network"],
        ),
    )


def foreign(variant: str, results: Results) -> list[Problem]:
    """Name the runs of an ablation suite that are not of that variant."""
    problems = []
    for run in results.runs:
        replay, batch = setting(run, "agent.replay_steps"), setting(run, "agent.minibatch")
        target, update = (setting(run, f"agent.{n}_every_steps") for n in ("target", "update"))
        numbers = (replay, batch, target, update)
        if not all(isinstance(one, int) for one in numbers):
            has = {"network": setting(run, "agent.network")}
        else:
            replay, batch, target, update = (int(str(one)) for one in numbers)
            has = {
                "network": setting(run, "agent.network"),
                "replay": replay > 10 * batch,
                "target network": target > update,
            }
        wanted = {
            "network": "linear" if variant == "linear_network" else "nature",
            "replay": not variant.startswith("no_replay"),
            "target network": not variant.endswith("no_target"),
        }
        wrong = [f"{name} {has.get(name)!r}" for name in wanted if has.get(name) != wanted[name]]
        if wrong:
            what = f"not of the variant {variant}: {', '.join(wrong)}"
            problems.append(Problem(run.path / "config.json", None, what))
    return problems


def _highest(results: Results) -> dict[str, float]:
    """Mean over finished runs of a game of their highest periodic evaluation."""
    rows = results.periodic()
    rows = rows[[results.runs[number].finished for number in rows["run"]]]
    return {
        str(game): float(mean)
        for game, mean in rows.groupby(["game", "run"])["mean"].max().groupby("game").mean().items()
    }
