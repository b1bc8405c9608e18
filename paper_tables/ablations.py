"""Extended Data Tables 3 and 4: trainings without replay, target network or hidden layers."""

from collections.abc import Mapping, Sequence

import pandas as pd

from paper_tables import reference
from paper_tables.caveats import caveats, setting
from paper_tables.collect import Results
from paper_tables.render import Column, Table
from paper_tables.rows import Problem
from paper_tables.standing import NOT_RUN, state
from paper_tables.tables import GAME

ABLATION_FRAMES = 40_000_000  # 10 million steps: Extended Data Tables 3 and 4
# What a variant may choose, and how long its periodic evaluations are.
_WANTED: dict[str, object] = {
    "agent.network": None,
    "agent.replay_steps": None,
    "agent.replay_draw": None,
    "agent.replay": None,
    "agent.target_every_steps": None,
    "agent.target_network": None,
    "agent.learning_rate": None,
    "training.eval_steps": 135_000,
}
ABLATIONS = {
    "replay_and_target": "replay, target network",
    "replay_no_target": "replay, no target network",
    "no_replay_target": "no replay, target network",
    "no_replay_no_target": "no replay, no target network",
    "linear_network": "linear network",
}

_AT = "-at-"


def ablations(suites: Mapping[str, Results]) -> tuple[Table, Table]:
    """Extended Data Tables 3 and 4: without replay, target network, or hidden layers.

    Args:
        suites: trained runs of each variant, by its key in ``ABLATIONS``; those with another
            learning rate by ``<key>-at-<rate>``.

    Returns:
        Table 3 (replay and target network) and Table 4 (linear network). Ours is the mean over
        seeds of the highest periodic evaluation, and of several learning rates the best.
    """
    printed = reference.load("nature2015_ablations")
    columns = {
        key: _columns(key, [suites[name] for name in suites if key_of(name) == key], printed[key])
        for key in ABLATIONS
    }

    def table(key: str, title: str, variants: Sequence[str]) -> Table:
        notes = [
            f"{ABLATIONS[variant]}: {note}"
            for variant in variants
            for name in suites
            if key_of(name) == variant
            for note in caveats(suites[name], ABLATION_FRAMES, _WANTED)
        ]
        first = (
            "Printed and ours: the highest periodic evaluation; ours is the mean, with s.d., over "
            "seeds, of several learning rates the best."
        )
        shown = [column for variant in variants for column in columns[variant]]
        return Table(key, title, (*GAME, *shown), list(printed.index), (first, *notes))

    return (
        table("table3", "Replay and target network (Extended Data Table 3)", list(ABLATIONS)[:4]),
        table(
            "table4",
            "Deep against linear network (Extended Data Table 4)",
            ["replay_and_target", "linear_network"],
        ),
    )


def key_of(name: str) -> str:
    """Of a suite's name, without its learning rate."""
    return name.partition(_AT)[0]


def _columns(
    variant: str, suites: Sequence[Results], printed: "pd.Series[float]"
) -> tuple[Column, ...]:
    """The printed score of a variant beside ours."""
    each = [_highest(results) for results in suites]
    every = pd.concat(each) if each else pd.DataFrame(columns=["mean", "std", "count"])
    best = every.sort_values("mean", ascending=False)
    best = best[~best.index.duplicated()].reindex(printed.index).astype(float)

    def said(game: str) -> str:
        if best["count"][game] > 0:
            return "done"
        return state(suites[0], game) if suites else NOT_RUN

    return (
        Column(variant, ABLATIONS[variant], printed.get, 1),
        Column(f"our_{variant}", "ours", best["mean"].get, 1, said),
        Column(f"sd_{variant}", "s.d.", best["std"].get, 1),
        Column(f"seeds_{variant}", "seeds", best["count"].get, 0),
        Column(f"state_{variant}", "", said),
    )


def foreign(name: str, results: Results) -> list[Problem]:
    """Name the runs of an ablation suite that are not of its variant."""
    problems, variant = [], key_of(name)
    wanted = {
        "network": "linear" if variant == "linear_network" else "nature",
        "replay": not variant.startswith("no_replay"),
        "target network": not variant.endswith("no_target"),
    }
    for run in results.runs:
        replay, batch = setting(run, "agent.replay_steps"), setting(run, "agent.minibatch")
        target, update = (setting(run, f"agent.{n}_every_steps") for n in ("target", "update"))
        has = {"network": setting(run, "agent.network")}
        if None not in (replay, batch, target, update):
            has |= {
                "replay": replay > 10 * batch and setting(run, "agent.replay") != "latest",
                "target network": target > update
                and setting(run, "agent.target_network") is not False,
            }
        wrong = [f"{name} {has.get(name)!r}" for name in wanted if has.get(name) != wanted[name]]
        if wrong:
            what = f"not of the variant {variant}: {', '.join(wrong)}"
            problems.append(Problem(run.path / "config.json", None, what))
    return problems


def _highest(results: Results) -> pd.DataFrame:
    """``mean``, ``std`` and ``count`` by game of finished runs' highest periodic evaluations."""
    rows = results.periodic()
    rows = rows[[results.runs[number].finished for number in rows["run"]]]
    highest = rows.groupby(["game", "run"])["mean"].max()
    return highest.groupby("game").agg(["mean", "std", "count"])
