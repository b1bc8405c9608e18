"""The rule of the trace, on runs made of the original's own rows and on runs known to be wrong."""

import json
import math

import numpy as np
import pytest
import tracing

from paper_tables.trace import original, rule, runs, words

FIRST_MEANS = (0.03125, 0.0220971, 0.0208333, 0.0089286, 0.0220971)  # half of 1 / sqrt(fan-in)
UNIFORM_TO_NORMAL = math.sqrt(2 / math.pi) / 0.5  # mean |w| at equal 1 / sqrt(fan-in)


def judged(path):
    (judgement,) = rule.trace(runs.read([path])).judgements
    return judgement


def times(factor, *columns, after=0):
    """A change of those columns, from behind a step on."""

    def change(step, row):
        return {
            name: float(value) * factor if name in columns and step > after else value
            for name, value in row.items()
        }

    return change


def grown(factor):
    """A change of how much every weight has grown since the first row."""
    firsts = {}

    def change(step, row):
        for name in row:
            if name.endswith("_weight"):
                first = firsts.setdefault(name, row[name])
                row[name] = first + factor * (row[name] - first)
        return row

    return change


def test_the_copies_of_the_logs_are_whole():
    evaluations = [len(tracing.rows("evaluations", game)) for game in original.games()]
    weights = [len(tracing.rows("weights", game)) for game in original.games()]
    assert (sum(evaluations), sum(weights)) == (1001, 3024)
    assert original.games() == ("beam_rider", "breakout", "enduro", "freeway", "ms_pacman", "pong")
    assert original.source("breakout").startswith("peterzcc/")
    assert original.source("pong").startswith("orcax/")
    with pytest.raises(KeyError, match="seaquest"):
        original.curve("seaquest")


@pytest.mark.parametrize("game", original.games())
def test_the_original_began_with_the_first_weights_of_the_paper(game):
    """But for the luck of the draw, four standard deviations of a mean of |U(-b, b)|."""
    first = original.curve(game).iloc[0]
    weights = (8 * 8 * 4 * 32, 4 * 4 * 32 * 64, 3 * 3 * 64 * 64, 3136 * 512, 512 * 3)
    for layer, mean, number in zip(tracing.LAYERS, FIRST_MEANS, weights, strict=True):
        luck = 4 / math.sqrt(3 * number)
        assert first[f"{layer}_mean_abs_weight"] == pytest.approx(mean, rel=luck)


def test_a_curve_holds_what_the_files_hold():
    breakout = original.curve("breakout")
    assert breakout["v"].dropna().round(3).tolist()[:3] == [0.230, 0.389, 0.422]
    for game in ("breakout", "pong"):
        curve = original.curve(game)
        for row in tracing.rows("evaluations", game):
            values = curve.loc[int(row["step"]), ["v", "mean_abs_td_error", "score"]]
            printed = (row["mean_max_q"], row["mean_abs_td_error"], row["mean_return"])
            assert values.tolist() == [float(text) for text in printed]
        for row in tracing.rows("weights", game):
            names = [f"{layer}_{row['statistic']}" for layer in tracing.LAYERS]
            values = curve.loc[int(row["step"]), names].tolist()
            assert values == [float(row[layer]) for layer in tracing.LAYERS]


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "distance"),
    [
        ("first_weights", 0.5, 0.5, 0.0),
        ("first_weights", 2.0, 1.0, 0.5),
        ("first_weights", 1.0, 4.0, 0.75),
        ("first_weights", -1.0, 1.0, 2.0),
        ("first_weights", 0.0, 0.0, 0.0),
    ],
)
def test_the_distance_is_relative_to_the_larger_number(kind, ours, theirs, distance):
    """First weights have no floor."""
    assert rule.BOUNDS[kind].floor == 0
    one = rule.Comparison(kind, "hidden", 20_000, theirs, ours)
    assert one.distance == pytest.approx(distance)


def test_a_floor_makes_small_differences_small():
    floor = rule.BOUNDS["v"].floor
    one = rule.Comparison("v", "", 100_000, floor / 10, -floor / 10)
    assert one.distance == pytest.approx(0.2 / 1.1)


@pytest.mark.parametrize("game", original.games())
def test_the_original_itself_is_alike(tmp_path, game):
    judgement = judged(tracing.write_run(tmp_path, game, 400_000))
    assert judgement.verdict == "alike"
    assert {one.distance for one in judgement.compared} == {0.0}
    assert max(one.step for one in judgement.compared) <= rule.JUDGED_STEPS
    kinds = {(one.kind, one.layer) for one in judgement.compared}
    assert len(kinds) == 1 + 3 * len(tracing.LAYERS)


@pytest.mark.parametrize("game", original.games())
def test_luck_of_some_percent_is_alike(tmp_path, game):
    random = np.random.default_rng(0)

    def change(step, row):
        row = grown(random.uniform(0.85, 1.15))(step, row)
        return {n: float(x) * random.uniform(0.9, 1.1) if n == "v" else x for n, x in row.items()}

    assert judged(tracing.write_run(tmp_path, game, 300_000, change)).verdict == "alike"


@pytest.mark.parametrize("factor", [0.1, 10, -1])
def test_a_value_off_by_a_factor_is_apart_from_that_step_on(tmp_path, factor):
    path = tracing.write_run(tmp_path, "ms_pacman", 300_000, times(factor, "v", after=100_000))
    judgement = judged(path)
    assert judgement.verdict == "apart"
    assert list(judgement.apart) == ["v"]
    assert [one.step for one in judgement.apart["v"]] == [150_000, 200_000, 250_000]
    said = words.as_text(rule.trace(runs.read([path])))
    assert "V: " in said
    assert "beyond its bound from step 150,000 on" in said


def test_a_value_that_comes_back_is_alike(tmp_path):
    def change(step, row):
        return times(10, "v")(step, row) if step == 100_000 else row

    assert judged(tracing.write_run(tmp_path, "ms_pacman", 250_000, change)).verdict == "alike"


def test_what_is_apart_only_after_the_judged_steps_is_not_judged(tmp_path):
    change = times(10, "v", after=rule.JUDGED_STEPS)
    assert judged(tracing.write_run(tmp_path, "pong", 2_000_000, change)).verdict == "alike"


@pytest.mark.parametrize("factor", [0.0, 10])
def test_weights_that_do_not_grow_or_grow_too_much_are_apart(tmp_path, factor):
    judgement = judged(tracing.write_run(tmp_path, "ms_pacman", 200_000, grown(factor)))
    assert judgement.verdict == "apart"
    assert "largest_growth of hidden" in judgement.apart
    assert "v" not in judgement.apart


def test_other_first_weights_are_apart_before_anything_is_learned(tmp_path):
    columns = [f"{layer}_mean_abs_weight" for layer in tracing.LAYERS]
    path = tracing.write_run(tmp_path, "pong", 40_000, times(UNIFORM_TO_NORMAL, *columns))
    judgement = judged(path)
    assert judgement.verdict == "apart"
    assert list(judgement.apart) == [f"first_weights of {layer}" for layer in tracing.LAYERS]
    assert {rows[0].step for rows in judgement.apart.values()} == {20_000}


@pytest.mark.parametrize(
    ("game", "steps", "verdict"),
    [("pong", 140_000, "too short"), ("pong", 150_000, "alike"),
     ("breakout", 240_000, "too short"), ("breakout", 250_000, "alike")],
)  # fmt: skip
def test_alike_needs_the_value_of_a_late_step(tmp_path, game, steps, verdict):
    assert judged(tracing.write_run(tmp_path, game, steps)).verdict == verdict


@pytest.mark.parametrize(
    ("lengths", "verdict"),
    [((250_000, 150_000), "alike"), ((250_000, 90_000), "too short"), ((90_000, -1), "apart")],
)
def test_of_several_runs_the_worst_counts(tmp_path, lengths, verdict):
    """A negative length: a run with a wrong value."""
    for seed, steps in enumerate(lengths):
        change = times(-10 if steps < 0 else 1, "v")
        tracing.write_run(tmp_path, "pong", steps if steps > 0 else 200_000, change, seed)
    assert rule.trace(runs.read([tmp_path])).verdict == verdict


def test_growth_needs_a_row_from_before_learning(tmp_path):
    path = tracing.write_run(tmp_path, "pong", 200_000)
    lines = (path / "learning.csv").read_text().splitlines(keepends=True)
    (path / "learning.csv").write_text("".join([lines[0], *lines[3:]]))  # of 60,000 on
    assert {one.kind for one in judged(path).compared} == {"v"}


def test_departures_are_named_but_for_a_replay_that_forgot_nothing(tmp_path):
    kept = tracing.write_run(tmp_path / "a", "pong", 100_000, agent__replay_steps=100_000)
    lost = tracing.write_run(
        tmp_path / "b", "pong", 100_000, agent__replay_steps=99_999, agent__loss_reduction="mean",
        training__frames=4_000_000, training__log_every_steps=20_000,
    )  # fmt: skip
    kept, lost = (runs.read([path])[0].departures() for path in (kept, lost))
    assert kept == []
    assert len(lost) == 2
    assert any("99999" in text for text in lost)
    assert any("mean" in text for text in lost)


def test_json_holds_every_comparison_and_nothing_that_is_no_number(tmp_path):
    path = tracing.write_run(tmp_path, "pong", 500_000, times(3, "v"))
    told = json.loads(json.dumps(words.as_json(rule.trace(runs.read([path]))), allow_nan=False))
    (one,) = told["runs"]
    assert told["verdict"] == one["verdict"] == "apart"
    values = {row["step"]: row for row in one["compared"] if row["kind"] == "v"}
    printed = {int(row["step"]): float(row["mean_max_q"])
               for row in tracing.rows("evaluations", "pong")}  # fmt: skip
    assert list(values) == list(range(100_000, 500_001, 50_000))
    for step, row in values.items():
        assert row["original"] == printed[step]
        assert row["ours"] == pytest.approx(3 * printed[step])
        assert row["judged"] == (step <= told["rule"]["judged_steps"])
    assert one["apart"]["v"] == min(step for step, row in values.items() if row["beyond"])
