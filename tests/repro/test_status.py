"""`repro status` on made-up run directories in every state, with a made-up squeue."""

import csv
import datetime
import fcntl
import json
import os
import re
import stat
import time
from pathlib import Path

import pytest

from repro import cli, config, job, records, survey
from repro.games import GAMES
from repro.slurm import Queued

SCORES = Path(__file__).parents[2] / "paper_tables" / "reference" / "nature2015_scores.csv"
LONG_AGO = 86_400


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/bash\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def use(capsys, *words):
    try:
        code = cli.main(list(map(str, words)))
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def write_table(path, rows):
    columns = records.TABLES[path.name]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def begin(suite, game, seed, frames=40_000_000, rate=1_000.0, age_seconds=0.0, evaluations=()):
    """A run directory that was last touched so long ago; evaluations are (step, returns)."""
    run = records.run_path(suite, game, seed)
    run.mkdir(parents=True)
    chosen = config.to_dict(config.preset("nature"))
    records.write_json(run / "config.json", {"game": game, "seed": seed, "config": chosen})
    step = frames // 4
    write_table(
        run / "learning.csv",
        [
            {"step": at, "frames": 4 * at, "frames_per_second": rate}
            for at in range(10_000, step + 1, 10_000)
        ],
    )
    write_table(
        run / "evaluations.csv",
        [
            {"kind": "periodic", "step": at, "episode": n, "return": score, "completed": True}
            for at, returns in evaluations
            for n, score in enumerate(returns)
        ],
    )
    (run / ".lock").touch()
    when = time.time() - age_seconds
    for file in run.iterdir():
        os.utime(file, (when, when))
    return run


def note(suite, game, seed, *events):
    """What its jobs noted: pairs of event and age in seconds."""
    path = job.events_file(suite, game, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, job.EVENTS, lineterminator="\n", restval="")
        writer.writeheader()
        for event, age in events:
            when = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age)
            said = "repro: no room" if event == "failed" else ""
            writer.writerow(
                {"time": when.isoformat(timespec="seconds"), "event": event, "job": "7_0"}
                | {"step": 10, "last_line": said}
            )  # fmt: skip


def plan(suite, *elements, name="dqn-suite", number=1):
    """A submission; returns its script's path."""
    folder = suite / "jobs" / str(number)
    folder.mkdir(parents=True)
    record = {"name": name, "job": "7", "frames": 200_000_000, "elements": elements}
    records.write_json(folder / "submission.json", record)
    return str(folder.resolve() / "submit.sh")


def best_weights(run, step):
    header = json.dumps({"__metadata__": {"step": str(step)}, "w": {"shape": [3]}}).encode()
    (run / "best.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 12)


def look(suite, queue=None):
    found = survey.survey(suite, survey.submissions(suite), queue)
    return {(one.game, one.seed): one for one in found}


@pytest.fixture(autouse=True)
def _no_squeue(tmp_path_factory, monkeypatch):
    """Whatever this machine has: without one that a test makes there is no squeue."""
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))


# --- states ----------------------------------------------------------------------------------


@pytest.fixture
def suite(tmp_path):
    """A run in every state, known by its seed of Pong."""
    script = plan(tmp_path, *([["pong", seed]] for seed in range(9)))
    done = begin(tmp_path, "pong", 0, 200_000_000, age_seconds=LONG_AGO)
    records.write_json(done / "done.json", {"mean_return": 18.9, "frames": 200_000_000})
    dead = begin(tmp_path, "pong", 1, age_seconds=LONG_AGO)
    reason = {"failures": 3, "exit_code": 1, "last_line": "repro: no room", "job": "7_1"}
    records.write_json(dead / "failure.json", reason)
    begin(tmp_path, "pong", 2)  # 2 runs in the queue's eyes
    begin(tmp_path, "pong", 3, age_seconds=LONG_AGO)  # 3 was preempted and waits
    note(tmp_path, "pong", 3, ("started", LONG_AGO), ("interrupted", LONG_AGO))
    # 4 waits for the first time; 5 was never begun and is nowhere
    begin(tmp_path, "pong", 6, age_seconds=LONG_AGO)  # silent
    begin(tmp_path, "pong", 7)  # cancelled a moment ago: the queue knows it no more
    note(tmp_path, "pong", 7, ("started", 60))
    begin(tmp_path, "pong", 8)  # somebody trains it by hand
    note(tmp_path, "pong", 8, ("started", LONG_AGO), ("interrupted", LONG_AGO))
    begin(tmp_path, "breakout", 0, age_seconds=LONG_AGO)  # never submitted
    queue = {
        (script, 1): Queued("RUNNING", "None"), (script, 2): Queued("RUNNING", "None"),
        (script, 3): Queued("PENDING", "BeginTime"), (script, 4): Queued("PENDING", "Priority"),
    }  # fmt: skip
    return tmp_path, queue


def states(found):
    return {seed: one.state for (game, seed), one in found.items() if game == "pong"}


def test_states_with_a_queue(suite):
    found = look(*suite)
    assert states(found) == {
        0: "done", 1: "dead", 2: "running", 3: "requeued", 4: "queued", 5: "missing",
        6: "stale", 7: "stale", 8: "running",
    }  # fmt: skip
    assert found["breakout", 0].state == "stale"
    assert found["pong", 1].note == "gave up after 3 failures, exit code 1: repro: no room"
    assert found["pong", 4].note == "Priority"
    assert [found["pong", seed].attempts for seed in (3, 4)] == [1, 0]


def test_states_without_a_queue(suite):
    found = look(suite[0])
    assert states(found) == {
        0: "done", 1: "dead", 2: "running", 3: "stale", 4: "missing", 5: "missing",
        6: "stale", 7: "running", 8: "running",
    }  # fmt: skip


def test_a_lock_that_is_held_here_is_seen_and_not_taken(suite):
    folder = suite[0]
    with (folder / "pong" / "seed-6" / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert look(folder)["pong", 6].state == "running"
    assert look(folder)["pong", 6].state == "stale"


def test_a_start_that_came_to_nothing_is_not_at_work(tmp_path):
    """For lack of memory, say: it leaves config.json alone."""
    chosen = config.to_dict(config.preset("nature"))
    run = records.run_path(tmp_path, "pong", 0)
    run.mkdir(parents=True)
    records.write_json(run / "config.json", {"game": "pong", "seed": 0, "config": chosen})
    found = look(tmp_path)["pong", 0]
    assert (found.state, found.frames, found.note) == ("stale", 0, "")


def test_a_silent_job_a_failing_run_and_a_job_that_could_not_start(tmp_path):
    script = plan(tmp_path, [["pong", 0], ["pong", 1]], [["pong", 2]])
    begin(tmp_path, "pong", 0, age_seconds=3_600)
    begin(tmp_path, "pong", 1)
    note(tmp_path, "pong", 1, ("started", 20), ("failed", 10), ("started", 5))
    (tmp_path / "jobs" / "1" / "1.log").write_text("python: not found\n")
    found = look(tmp_path, {(script, 0): Queued("RUNNING", "None")})
    assert found["pong", 0].note == "no sign of life for 60 min"
    assert found["pong", 1].note == "failed 1 times in a row: repro: no room"
    assert (found["pong", 2].state, found["pong", 2].note) == ("missing", "python: not found")


def test_a_damaged_file_stops_nothing(tmp_path):
    run = begin(tmp_path, "pong", 0)
    for name in ("config.json", "learning.csv", "evaluations.csv", "best.safetensors"):
        (run / name).write_bytes(b"\xff{,\n\n1,2")
    assert look(tmp_path)["pong", 0].frames == 0


# --- numbers ---------------------------------------------------------------------------------


def test_frames_speed_scores_and_time_left(tmp_path):
    evaluations = [(250_000, [-21.0, -21.0]), (500_000, [9.0, 9.6]), (750_000, [-6.0])]
    run = begin(tmp_path, "pong", 0, 3_200_000, 500.0, evaluations=evaluations)
    best_weights(run, 500_000)
    found = look(tmp_path)["pong", 0]
    assert (found.frames, found.planned_frames, found.frames_per_second) == (
        3_200_000, 200_000_000, 500.0,
    )  # fmt: skip
    assert (found.last_score, found.best_score) == (-6.0, 9.3)
    assert found.best_percent == pytest.approx(100.0)
    assert found.last_percent == pytest.approx(100 * (-6 + 20.7) / 30)
    # A half as many steps again are evaluation.
    assert found.seconds_left == pytest.approx((200_000_000 - 3_200_000) * 1.5 / 500)


def test_evaluations_of_very_many_games(tmp_path):
    """More rows than the tail that is read at first, and final games behind them."""
    many = [(step, [step / 1e6] * 2_000) for step in range(250_000, 5_000_001, 250_000)]
    run = begin(tmp_path, "breakout", 0, 20_000_000, evaluations=many)
    best_weights(run, 2_500_000)
    with (run / "evaluations.csv").open("a") as file:
        file.write("final,best,2500000,0,1,400.0,9000,False,True\n")
    found = look(tmp_path)["breakout", 0]
    assert (found.last_score, found.best_score) == (pytest.approx(5.0), pytest.approx(2.5))


def test_the_scale_is_the_papers():
    with SCORES.open(newline="") as file:
        printed = {row["game"]: row for row in csv.DictReader(file)}
    assert set(printed) == set(GAMES)
    for name, game in GAMES.items():
        assert game.random == float(printed[name]["random_unrounded"])
        assert game.human == float(printed[name]["human_unrounded"])
        assert game.percent_of_human(game.human) == pytest.approx(100)
        assert game.percent_of_human(game.random) == 0.0


# --- the command ------------------------------------------------------------------------------


def test_the_table(suite, capsys, monkeypatch):
    folder, queue = suite
    tools = folder / "tools"
    lines = [f"{one.state}|{index}|{one.reason}|{file}" for (file, index), one in queue.items()]
    executable(tools / "squeue", f"echo \"$@\" >{folder}/asked\n" + "".join(
        f"echo '{line}'\n" for line in lines
    ))  # fmt: skip
    monkeypatch.setenv("PATH", str(tools))
    code, out, err = use(capsys, "status", folder)
    assert (code, err) == (0, "")
    rows = [re.split(r"  +", line) for line in out.splitlines()]
    assert rows[0][:4] == ["game", "seed", "state", "frames"]
    assert rows[2][:5] == ["pong", "0", "done", "200,000,000", "200,000,000"]
    assert "132.0" in rows[2]
    assert out.splitlines()[-1] == (
        "10 runs: 2 running, 1 queued, 1 requeued, 3 stale, 1 missing, 1 dead, 1 done"
    )
    assert "--name=dqn-suite" in (folder / "asked").read_text()
    code, out, _ = use(capsys, "status", folder, "--json", "--only", "dead", "stale")
    found = json.loads(out)
    assert {one["state"] for one in found} == {"dead", "stale"}
    assert all(isinstance(one["seed"], int) for one in found)


def test_nothing_is_written(suite, capsys):
    folder, _ = suite
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert use(capsys, "status", folder)[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_queue_that_cannot_be_asked_is_named(suite, capsys, monkeypatch):
    folder, _ = suite
    executable(folder / "tools" / "squeue", "echo 'no controller' >&2; exit 1")
    monkeypatch.setenv("PATH", str(folder / "tools"))
    code, out, err = use(capsys, "status", folder)
    assert code == 0
    assert err == "repro: squeue failed: no controller; states are from files alone\n"
    assert "10 runs" in out


def test_watching_ends_with_ctrl_c(suite, capsys, monkeypatch):
    looked = []

    def sleep(seconds):
        assert seconds == 7
        looked.append(seconds)
        if len(looked) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    code, out, _ = use(capsys, "status", suite[0], "--watch", 7)
    assert (code, looked) == (0, [7, 7])
    assert out.count("10 runs") == 2


@pytest.mark.parametrize(
    ("words", "needle"),
    [(["{tmp}"], "no run was begun"), (["{tmp}/none"], "no run was begun"),
     (["{tmp}", "--watch", "0"], "more than zero"), (["{tmp}", "--json", "--watch"], "not allowed"),
     (["{tmp}", "--only", "lost"], "invalid choice")],
)  # fmt: skip
def test_wrong_use_is_one_line_and_exit_code_2(words, needle, tmp_path, capsys):
    code, out, err = use(
        capsys, "status", *(word.replace("{tmp}", str(tmp_path)) for word in words)
    )
    assert (code, out) == (2, "")
    assert needle in err
    assert len(err.splitlines()) == 1


def test_a_whole_suite_of_245_runs_is_read(tmp_path, capsys):
    """Whole runs are as long as here: 5,000 rows of learning, 200 evaluations of 30 games."""
    runs = [(game, seed) for game in GAMES for seed in range(5)]
    plan(tmp_path, *([list(run)] for run in runs))
    evaluations = [(step, [1.0] * 30) for step in range(250_000, 50_000_001, 250_000)]
    first = begin(tmp_path, *runs[0], 200_000_000, evaluations=evaluations)
    best_weights(first, 10_000_000)
    for game, seed in runs[1:]:
        run = records.run_path(tmp_path, game, seed)
        run.mkdir(parents=True)
        for file in first.iterdir():
            (run / file.name).hardlink_to(file)
    found = look(tmp_path)
    assert len(found) == 245
    assert {one.state for one in found.values()} == {"running"}
    assert {one.best_score for one in found.values()} == {1.0}
