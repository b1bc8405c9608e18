"""Reading a result tree: what is sound is read, what is not is named by file and line."""

import json

import pytest

from paper_tables.collect import collect, protocol_mixture
from paper_tables.rows import learning_problems
from repro.records import RunDirectoryError
from repro.tables import LEARNING


def problems(results):
    return [(one.file.name, one.line, one.what) for one in results.problems]


def test_sound_runs_are_read_in_full(suite):
    suite.run("pong", 0, final=[1.0, 3.0], periodic=[(250, [5.0, 7.0]), (500, [9.0])])
    suite.run("alien", 4, final=[2.0])
    results = collect(suite.folder)
    assert [(run.game, run.seed, run.train_frames) for run in results.runs] == [
        ("alien", 4, 200_000_000), ("pong", 0, 200_000_000),
    ]  # fmt: skip
    assert results.problems == ()
    final = results.final_scores()
    assert list(final.itertuples(index=False, name=None)) == [
        (0, 2.0, "alien"), (1, 1.0, "pong"), (1, 3.0, "pong"),
    ]  # fmt: skip
    periodic = results.periodic()
    assert list(periodic["mean"]) == [6.0, 9.0]


def test_unfinished_runs_have_no_final_score(suite):
    suite.run("pong", 0, final=[1.0], finished=False)
    results = collect(suite.folder)
    assert not results.runs[0].finished
    assert results.final_scores().empty


def test_best_weights_and_the_latest_step_count(suite):
    path = suite.run("pong", 0, final=[5.0]) / "evaluations.csv"
    with path.open("a") as file:
        file.write("final,last,2000,0,1,99.0,900,False,True\n")
        file.write("final,best,500,0,1,-99.0,900,False,True\n")
    assert list(collect(suite.folder).final_scores()["return"]) == [5.0]


def test_the_network_that_done_json_names_counts(suite):
    path = suite.run("pong", 0) / "evaluations.csv"
    with path.open("a") as file:
        file.write("final,last,2000,0,1,9.0,900,False,True\n")
    suite.finish(path.parent, [9.0], "last", 2000)
    assert list(collect(suite.folder).final_scores()["return"]) == [9.0]


def test_games_cut_short_by_the_evaluation_do_not_count_and_none_count_as_zero(suite):
    path = suite.run("pong", 0, periodic=[(250, [8.0])], finished=False) / "evaluations.csv"
    with path.open("a") as file:
        file.write("periodic,last,250,1,1,-50.0,900,False,False\n")
        file.write("periodic,last,500,0,1,-50.0,900,False,False\n")
    assert list(collect(suite.folder).periodic()["mean"]) == [8.0, 0.0]


GOOD = "final,best,1000,7,7,1.5,900,False,True"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("final,best,1000,7,7,1.5,900,False", "8 cells instead of 9"),
        (f"{GOOD},x", "10 cells"),
        ("final,best,1000,7,7,nan,900,False,True", "return 'nan' is not a finite number"),
        ("final,best,1000,7,7,,900,False,True", "return '' is not"),
        ("final,best,1000,7,7,inf,900,False,True", "return 'inf'"),
        ("final,best,1000,7,7,1.5x,900,False,True", "return '1.5x'"),
        ("final,best,1k,7,7,1.5,900,False,True", "step '1k' is not a whole number"),
        ("final,best,1000,7,7,1.5,-900,False,True", "frames '-900'"),
        ("finale,best,1000,7,7,1.5,900,False,True", "kind 'finale' is none of"),
        ("final,worst,1000,7,7,1.5,900,False,True", "weights 'worst' is none of"),
        ("final,best,1000,7,7,1.5,900,no,True", "truncated 'no' is neither"),
        ("", "0 cells"),
        ("final,best,1000,7,7,-2_1.0,900,False,True", "return '-2_1.0' is not a finite number"),
        ("final,best,1000,0000,7,1.5,900,False,True", "game 0 of this evaluation is there"),
        (f"final,best,1000,{'9' * 400},7,1.5,900,False,True", "is not a whole number"),
        ("final,best,1000,\u0667,7,1.5,900,False,True", "is not a whole number"),
    ],
)
def test_a_bad_row_is_named_and_its_run_left_out(suite, line, what):
    path = suite.run("pong", 0, final=[1.0, 2.0]) / "evaluations.csv"
    suite.run("pong", 1, final=[5.0])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    results = collect(suite.folder)
    ((file, number, said),) = problems(results)
    assert (file, number) == ("evaluations.csv", 3)
    assert what in said
    assert list(results.final_scores()["return"]) == [5.0]
    assert [run.seed for run in results.runs] == [1]


def test_every_bad_row_is_named(suite):
    path = suite.run("pong", 0, final=[1.0]) / "evaluations.csv"
    with path.open("a") as file:
        file.write(f"{GOOD}\nfinal\n{GOOD.replace('1.5', 'x')}\n")
    assert [line for _, line, _ in problems(collect(suite.folder))] == [4, 5]


def test_a_line_cut_short_is_named_even_if_it_would_read(suite):
    path = suite.run("pong", 0, final=[1.0, 25.0]) / "evaluations.csv"
    path.write_text(path.read_text().removesuffix("\n"))
    assert problems(collect(suite.folder)) == [("evaluations.csv", 3, "the line was cut short")]


def test_rows_of_a_step_that_the_training_never_had_are_named(suite):
    """8,000 frames are 2,000 decisions of four frames."""
    suite.run("pong", 0, periodic=[(2_000, [1.0])], finished=False, training__frames=8_000)
    suite.run(
        "breakout", 0, periodic=[(2_000, [1.0]), (2_001, [1.0, 2.0])], finished=False,
        training__frames=8_000,
    )  # fmt: skip
    results = collect(suite.folder)
    assert [run.game for run in results.runs] == ["pong"]
    what = "step 2,001, in a training of 2,000"
    assert problems(results) == [("evaluations.csv", line, what) for line in (3, 4)]


def test_other_columns_are_refused(suite):
    path = suite.run("pong", 0, final=[1.0]) / "evaluations.csv"
    path.write_text(path.read_text().replace("return", "score", 1))
    ((_, line, what),) = problems(collect(suite.folder))
    assert line == 1
    assert "columns" in what


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"schema": 2}, "schema 2, where this version reads 1"),
        ({"game": "pongg"}, "'pongg' is not one of the 49 games"),
        ({"seed": 3}, "it says seed 3, the folder 'seed-0'"),
    ],
)
def test_a_run_that_is_not_what_it_says_is_left_out(suite, changed, what):
    path = suite.run("pong", 0, final=[1.0]) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    results = collect(suite.folder)
    assert results.runs == ()
    assert what in [said for _, _, said in problems(results)]


def test_unreadable_files_are_named(suite):
    path = suite.run("pong", 0, final=[1.0])
    (path / "config.json").write_text("{")
    other = suite.run("alien", 0, final=[1.0])
    (other / "evaluations.csv").write_bytes(b"\xff\xfe\x00")
    results = collect(suite.folder)
    assert {one.file.parent for one in results.problems} == {path, other}


def test_two_runs_that_claim_one_seed_are_both_left_out(suite):
    first = suite.run("pong", 0, final=[1.0])
    suite.run("pong", 1, final=[3.0])
    copy = suite.folder / "copy" / "pong" / "seed-0"
    copy.mkdir(parents=True)
    for file in first.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    results = collect(suite.folder)
    assert [run.seed for run in results.runs] == [1]
    assert list(results.final_scores()["return"]) == [3.0]
    assert {one.file.parent for one in results.problems} == {first, copy}
    assert all("pong seed 0 is claimed by" in one.what for one in results.problems)


def test_runs_of_another_protocol_are_named_with_what_differs(suite):
    for seed in range(2):
        suite.run("pong", seed, final=[1.0])
    odd = suite.run("alien", 0, final=[1.0], protocol__sticky_probability=0.25)
    results = collect(suite.folder)
    (problem,) = protocol_mixture(results)
    assert problem.file.parent == odd
    assert "protocol.sticky_probability 0.25 (other runs have 0.0)" in problem.what
    kept = results.without([problem])
    assert [run.game for run in kept.runs] == ["pong", "pong"]
    assert list(kept.final_scores()["run"]) == [0, 1]
    assert kept.problems == (problem,)


def test_length_may_differ_between_games_not_between_seeds(suite):
    suite.run("pong", 0, final=[1.0])
    suite.run("alien", 0, final=[1.0], training__frames=3_000_000)
    assert protocol_mixture(collect(suite.folder)) == []
    suite.run("alien", 1, final=[1.0], training__frames=4_000_000)
    (problem,) = protocol_mixture(collect(suite.folder))
    assert "alien: trained for 3,000,000 frames, another seed for 4,000,000" in problem.what


def test_a_longer_run_that_has_just_begun_evicts_nothing(suite):
    suite.run("pong", 0, final=[1.0], training__frames=3_000_000)
    suite.run("pong", 1, finished=False)
    assert protocol_mixture(collect(suite.folder)) == []


def test_without_a_majority_all_runs_are_named(suite):
    suite.run("pong", 0, final=[1.0])
    suite.run("alien", 0, final=[1.0], protocol__sticky_probability=0.25)
    assert len(protocol_mixture(collect(suite.folder))) == 2


def test_a_run_on_another_rom_is_named(suite):
    """Pong's sum is that of the emulator's own list."""
    for seed, md5 in enumerate(["60e0ea3cbe0913d39803477945e9e5ec", "deadbeef"]):
        path = suite.run("pong", seed, final=[1.0])
        (path / "provenance.json").write_text(json.dumps({"rom_md5": md5}))
    results = collect(suite.folder)
    assert [run.seed for run in results.runs] == [0]
    assert problems(results) == [("provenance.json", None, "ROM 'deadbeef' is not that of pong")]


def test_games_played_after_the_score_was_made_do_not_count(suite):
    path = suite.run("pong", 0, final=[-20.0, -21.0]) / "evaluations.csv"
    with path.open("a") as file:
        for game in range(2, 30):
            file.write(f"final,best,1000,{game},7,21.0,900,False,True\n")
    results = collect(suite.folder)
    assert results.problems == ()
    assert list(results.final_scores()["return"]) == [-20.0, -21.0]


@pytest.mark.parametrize("frames", [3_000_000, 200_000_004, "200000000", None])
def test_a_run_that_says_another_length_than_its_configuration_is_named(suite, frames):
    path = suite.run("pong", 0, final=[1.0])
    done = json.loads((path / "done.json").read_text())
    assert collect(suite.folder).problems == ()
    (path / "done.json").write_text(json.dumps(done | {"frames": frames}))
    ((file, line, what),) = problems(collect(suite.folder))
    assert (file, line) == ("done.json", None)
    assert what == f"says {frames!r} frames, config.json 200,000,000"


@pytest.mark.parametrize("folder", ["run0", "seed0", "seed-0"])
@pytest.mark.parametrize("file", ["learning.csv", "train_episodes.csv", "done.json"])
def test_what_looks_like_a_run_but_has_lost_its_configuration_is_named(suite, folder, file):
    suite.run("alien", 0, final=[1.0])
    lost = suite.folder / "pong" / folder
    lost.mkdir(parents=True)
    (lost / file).write_text("{}")
    ((name, _, what),) = problems(collect(suite.folder))
    assert name == "config.json"
    assert "is missing" in what


def test_a_setting_that_one_run_lacks_is_a_difference(suite):
    suite.run("pong", 0, final=[1.0])
    suite.run("pong", 1, final=[1.0])
    path = suite.run("pong", 2, final=[1.0]) / "config.json"
    config = json.loads(path.read_text())
    del config["config"]["agent"]["minibatch"]
    path.write_text(json.dumps(config))
    (problem,) = protocol_mixture(collect(suite.folder))
    assert "agent.minibatch None (other runs have 32)" in problem.what


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [
        ("evaluations.csv", None, "has 0 of the 2 final games that done.json counts"),
        ("evaluations.csv", "periodic", "has 0 of the 2"),
        ("evaluations.csv", "changed", "have a mean of 4, done.json says 2.0"),
        ("done.json", "{}", "does not say how many games"),
        ("done.json", "[", "cannot be read"),
        ("config.json", None, "is missing"),
    ],
)
def test_a_finished_run_must_agree_with_itself(suite, file, text, what):
    path = suite.run("pong", 0, final=[1.0, 3.0]) / file
    if text is None:
        path.unlink()
    elif text == "periodic":
        path.write_text(path.read_text().replace("final,best", "periodic,last"))
    elif text == "changed":
        path.write_text(path.read_text().replace("3.0", "7.0"))
    else:
        path.write_text(text)
    results = collect(suite.folder)
    assert results.runs == ()
    ((_, _, said),) = problems(results)
    assert what in said


def test_repeated_games_are_named_by_line(suite):
    path = suite.run("pong", 0, final=[1.0, 3.0]) / "evaluations.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[2] + "\n")
    ((_, line, what),) = problems(collect(suite.folder))
    assert line == 4
    assert "there already" in what


def test_many_bad_lines_are_counted_not_listed(suite):
    path = suite.run("pong", 0, final=range(100)) / "evaluations.csv"
    path.write_text(path.read_text().replace("True\n", "True,\n"))
    told = problems(collect(suite.folder))
    assert len(told) == 21
    assert told[-1][2] == "and 80 more lines like these"


SOUND = {"protocol": {"noop_max_frames": 30}, "training": {"frames": 4}, "agent": {"minibatch": 2}}


@pytest.mark.parametrize(
    "changed",
    [
        {"config": None}, {"config": []}, {"config": {"training": None}}, {"game": ["pong"]},
        {"seed": "0"}, {"seed": True}, {"schema": True}, {"config": {"training": {"frames": "x"}}},
        {"config": {"protocol": {"a": 1}, "agent": {"a": 1}, "training": {"frames": -5}}},
        {"config": {"protocol": {"action_repeat_frames": "x"}}},
        {"preset": ["nature"]}, {"config": SOUND | {"agent": {"replay_steps": "x"}}},
        {"config": SOUND | {"agent": {"learning_rate": [0.1]}}},
        {"config": SOUND | {"agent": {"minibatch": 10**400}}},
        {"config": SOUND | {"environment": {}}, "preset": None},
    ],
)  # fmt: skip
def test_any_nonsense_in_config_json_is_a_problem_and_no_crash(suite, changed):
    path = suite.run("pong", 0, final=[1.0]) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    results = collect(suite.folder)
    assert results.runs == ()
    assert results.problems


def test_links_to_runs_elsewhere_are_followed(suite, tmp_path):
    other = type(suite)(tmp_path / "scratch")
    other.run("pong", 0, final=[1.0])
    (suite.folder / "pong").symlink_to(other.folder / "pong")
    (suite.folder / "back").symlink_to(suite.folder)
    assert [run.game for run in collect(suite.folder).runs] == ["pong"]


def test_a_setting_that_an_older_run_does_not_know_is_no_difference(suite):
    suite.run("pong", 0, final=[1.0])
    suite.run("pong", 1, final=[1.0], agent__initial_weights="uniform")
    assert protocol_mixture(collect(suite.folder)) == []


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(RunDirectoryError, match="no run at or below"):
        collect(tmp_path)


HEAD = "step,frames,updates,epsilon,loss,mean_max_q,frames_per_second\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, []),
        ("", []),
        (HEAD, []),
        (f"{HEAD}1,4,0,1.0,,,9\n2,8,0,1.0,inf,0.5,nan\n", []),  # losses are not drawn
        (f"{HEAD}1,4,0\n", [(2, "3 cells instead of 7")]),
        (f"{HEAD}2,8,0,1.0,,,9\n2,x,0,1.0,,,9\n1,4,0,1.0,,1e13,9\n1,4,0,1.0,,,9\n0,0", [
            (3, "frames 'x' is not a whole number"),
            (4, "mean_max_q '1e13' is not a finite number, or beyond any"),
            (5, "step 1 does not follow step 2"),
            (6, "the line was cut short"),
        ]),
        ("steps,frames\n1,4\n", [(1, f"the columns are not {','.join(LEARNING)}")]),
    ],
)  # fmt: skip
def test_rows_of_learning_that_cannot_be_drawn_are_named(tmp_path, text, expected):
    path = tmp_path / "learning.csv"
    if text is not None:
        path.write_text(text)
    assert [(one.line, one.what) for one in learning_problems(path)] == expected
