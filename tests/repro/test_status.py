"""`repro status` on made-up run directories in every state, with a made-up squeue."""

import csv
import datetime
import fcntl
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import executable, use

from repro import config, records, tables
from repro.cluster import evidence, status, submissions, survey
from repro.cluster.slurm import Queued
from repro.games import GAMES
from repro.storage.run import Run

SCORES = Path(__file__).parents[2] / "paper_tables" / "reference" / "nature2015_scores.csv"
LONG_AGO = 86_400
NATURE = config.preset("nature")
ELSEWHERE = {"host": "node-17", "pid": 4321, "since": "2026-01-02 03:04:05+00:00"}


def write_table(path, rows):
    columns = tables.TABLES[path.name]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def begin(suite, game, seed, frames=40_000_000, rate=1_000.0, age_seconds=0.0, evaluations=()):
    """A run that another host last touched so long ago; evaluations are (step, returns)."""
    run = records.run_path(suite, game, seed)
    run.mkdir(parents=True)
    chosen = config.to_dict(NATURE)
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
    (run / ".lock").write_text(json.dumps(ELSEWHERE) + "\n")
    when = time.time() - age_seconds
    for file in run.iterdir():
        os.utime(file, (when, when))
    return run


def note(suite, game, seed, *events):
    """What its jobs noted: pairs of event and age in seconds."""
    path = evidence.events_file(suite, game, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, tables.EVENTS, lineterminator="\n", restval="")
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


def best_weights(run, step, score):
    metadata = {"step": str(step), "score": repr(score)}
    header = json.dumps({"__metadata__": metadata, "w": {"shape": [3]}}).encode()
    (run / "best.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 12)


def look(suite, queue=None):
    found = survey.survey(suite, submissions.read(suite), queue, survey.STALE_SECONDS)
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
    chosen = config.to_dict(NATURE)
    run = records.run_path(tmp_path, "pong", 0)
    run.mkdir(parents=True)
    records.write_json(run / "config.json", {"game": "pong", "seed": 0, "config": chosen})
    found = look(tmp_path)["pong", 0]
    assert (found.state, found.frames, found.note) == ("stale", 0, "")


TAKES_THE_LOCK = """
import os, signal, sys
from pathlib import Path
from repro.storage.lock import Lock
lock = Lock(Path(sys.argv[1]))
lock.take()
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
lock.release()
"""


@pytest.mark.parametrize("end", ["killed", "let go"])
def test_a_process_of_this_host_that_is_gone_is_known_to_be_gone(tmp_path, capsys, end):
    """However fresh its files are; and what it left is submitted again."""
    run = begin(tmp_path, "pong", 0)
    (run / ".lock").unlink()
    subprocess.run([sys.executable, "-c", TAKES_THE_LOCK, run, end], check=False)
    assert bool((run / ".lock").read_text()) == (end == "killed")
    assert look(tmp_path)["pong", 0].state == "stale"
    records.write_json(
        run / "config.json", {"schema": 1, **Run("pong", 0, "nature", NATURE).identity()}
    )
    code, out, err = use(capsys, "submit", "pong", "--out", tmp_path)
    assert code == 0
    assert "'pong 0'" in out
    assert "element 0: pong seed 0 (stale after 40,000,000 frames)" in err


def test_a_start_that_failed_touches_a_lock_and_is_not_at_work(tmp_path):
    run = records.run_path(tmp_path, "pong", 0)
    run.mkdir(parents=True)
    records.write_json(run / "config.json", {"config": config.to_dict(NATURE)})
    (run / ".lock").touch()
    assert look(tmp_path)["pong", 0].state == "stale"


@pytest.mark.parametrize(
    ("age_seconds", "state"), [(0, "running"), (590, "running"), (610, "stale")]
)
def test_another_hosts_lock_is_believed_for_ten_minutes(tmp_path, age_seconds, state):
    begin(tmp_path, "pong", 0, age_seconds=age_seconds)
    assert look(tmp_path)["pong", 0].state == state


def test_where_locks_cannot_be_listed_this_host_is_believed_too(tmp_path, monkeypatch):
    run = begin(tmp_path, "pong", 0)
    (run / ".lock").write_text(json.dumps(ELSEWHERE | {"host": socket.gethostname()}))
    assert look(tmp_path)["pong", 0].state == "stale"
    monkeypatch.setattr(survey, "_locked_inodes", lambda: None)
    assert look(tmp_path)["pong", 0].state == "running"


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


# --- damage ----------------------------------------------------------------------------------


def whole_run(suite, game, seed):
    """With every file that a run can have at once; returns them."""
    run = begin(suite, game, seed, 800_000, evaluations=[(100_000, [3.0, 5.0]), (200_000, [4.0])])
    best_weights(run, 100_000, 4.0)
    records.write_json(run / "done.json", {"mean_return": 4.5, "frames": 800_000})
    records.write_json(run / "failure.json", {"failures": 3, "exit_code": 1, "last_line": "no"})
    note(suite, game, seed, ("started", 300), ("failed", 200), ("started", 100))
    return [*run.iterdir(), evidence.events_file(suite, game, seed)]


def test_single_bytes_and_cuts_anywhere_hide_no_run(tmp_path):
    """Seeded. What is left of the damaged run must still be a line of the table, and JSON."""
    generator = random.Random(4)
    for seed in range(3):  # whole; given up; at work
        whole_run(tmp_path, "pong", seed)
    others = [whole_run(tmp_path, "pong", seed) for seed in (3, 4, 5)]
    for seed in (1, 2, 4, 5):
        (records.run_path(tmp_path, "pong", seed) / "done.json").unlink()
    for seed in (2, 5):
        (records.run_path(tmp_path, "pong", seed) / "failure.json").unlink()
    before = look(tmp_path)
    assert [one.state for one in before.values()] == ["done", "dead", "running"] * 2
    files = [file for paths in others for file in paths if file.exists()]
    assert len(files) == 3 * 8 - 3
    for _ in range(25):
        for file in files:
            content = file.read_bytes()
            place = generator.randrange(len(content))
            damaged = bytearray(content)
            damaged[place] = generator.choice(
                [0, 10, 13, 34, 44, 45, 255, generator.randrange(256)]
            )
            file.write_bytes(generator.choice([damaged, content[:place]]))
            found = look(tmp_path)
            assert list(found) == list(before)
            assert all(found["pong", seed] == before["pong", seed] for seed in range(3))
            assert status.table(list(found.values())).count("\n") == 8
            json.dumps([status.record(one) for one in found.values()], allow_nan=False)
            file.write_bytes(content)
    assert look(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "content", "lost"),
    [
        ("config.json", '{"config": []}', {"planned_frames": 0}),
        ("config.json", '{"config": {"training": {"frames": "x"}}}', {"planned_frames": 0}),
        ("config.json", '{"config": {"training": {"frames": -4}}}', {"planned_frames": 0}),
        ("config.json", "[" * 100_000, {"planned_frames": 0}),
        ("learning.csv", "step,frame\n1,2\n", {"frames": 0, "frames_per_second": None}),
        ("evaluations.csv", '"\xff', {"last_score": None}),
        ("evaluations.csv", "kind,stop\n", {"last_score": None}),
        ("best.safetensors", "\xff" * 99, {"best_score": None}),
        ("best.safetensors", "\2\0\0\0\0\0\0\0[]", {"best_score": None}),
        ("best.safetensors", "", {"best_score": None}),
        ("pong-seed-0.csv", "time,event\n", {"attempts": 0}),
    ],
)
def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path, name, content, lost):
    files = {file.name: file for file in whole_run(tmp_path, "pong", 0)}
    for marker in ("done.json", "failure.json"):
        files[marker].unlink()
    before = status.record(look(tmp_path)["pong", 0])
    assert (before["frames"], before["last_score"], before["best_score"]) == (800_000, 4.0, 4.0)
    files[name].write_text(content, encoding="latin-1")
    found = status.record(look(tmp_path)["pong", 0])
    assert found["note"].startswith(f"damaged: {name}")
    may_change = {"note", "last_percent", "best_percent", "seconds_left", *lost}
    assert {key: found[key] for key in lost} == lost
    assert all(found[key] == before[key] for key in found.keys() - may_change)


@pytest.mark.parametrize(
    "row", ["x,9,1\n", "9,x,1\n", "\u00b2,9,1\n", '"9,9,1\n', "9,9,nan\n", "9\n"]
)
def test_a_row_that_is_no_row_counts_as_absent(tmp_path, row):
    run = begin(tmp_path, "pong", 0)
    (run / "learning.csv").write_text("step,frames,frames_per_second\n1,4,50\n" + row)
    found = look(tmp_path)["pong", 0]
    assert (found.frames, found.frames_per_second, found.note) == (4, 50.0, "")


def test_tables_that_an_editor_saved_say_the_same(tmp_path):
    """With a mark before the first column, other line ends and capitals."""
    run = begin(tmp_path, "pong", 0, evaluations=[(250_000, [1.0, 3.0]), (500_000, [5.0, 9.0])])
    before = look(tmp_path)["pong", 0]
    assert (before.last_score, before.frames_per_second) == (7.0, 1_000.0)
    for name in ("learning.csv", "evaluations.csv"):
        data = (run / name).read_bytes().replace(b"\n", b"\r\n").replace(b"True", b"TRUE")
        (run / name).write_bytes(b"\xef\xbb\xbf" + data)
    after = look(tmp_path)["pong", 0]
    assert (after.last_score, after.frames, after.note) == (7.0, before.frames, before.note)


def test_a_damaged_failure_json_still_says_that_the_run_was_given_up(tmp_path):
    run = begin(tmp_path, "pong", 0)
    (run / "failure.json").write_text("{")
    found = look(tmp_path)["pong", 0]
    assert (found.state, found.note) == ("dead", "damaged: failure.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"mean_return": "x"}',
                                     '{"mean_return": 1, "frames": "x"}'])  # fmt: skip
def test_a_damaged_marker_is_named_and_not_submitted(tmp_path, capsys, content):
    run = begin(tmp_path, "pong", 0)
    records.write_json(
        run / "config.json", {"schema": 1, **Run("pong", 0, "nature", NATURE).identity()}
    )
    (run / "done.json").write_text(content)
    found = look(tmp_path)["pong", 0]
    assert found.state == "dead"
    assert found.note == "damaged: done.json; its train command makes done.json again"
    reason = f"{run} was finished, and its files are damaged or changed"
    code, out, err = use(capsys, "submit", "pong", "--out", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"repro: {reason}")
    assert err.count("\n") == 1
    code, out, err = use(capsys, "submit", "pong", "breakout", "--out", tmp_path)  # not in its way
    assert code == 0
    assert "'pong 0'" not in out
    assert "'breakout 0'" in out
    assert f"left out: {reason}" in err


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5}, {"name": None}, {"frames": None}, {"frames": "x"}, {"cluster": 3},
        {"elements": None}, {"elements": [["pong", 0]]}, {"elements": [[["pong", "0"]]]},
        {"elements": [[[1, 0]]]}, {"elements": 7}, {"frames": 10**400}, {"frames": -1},
        {"elements": [[["po\0ng", 0]]]}, {"elements": [[["../pong", 0]]]},
        {"elements": [[["pong", 10**400]]]}, {"elements": [[["\ud800", 0]]]},
    ],
)  # fmt: skip
def test_a_damaged_record_of_a_submission_is_one_line(tmp_path, capsys, change):
    plan(tmp_path, [["pong", 0]])
    file = tmp_path / "jobs" / "1" / "submission.json"
    records.write_json(file, records.read_json(file) | change)
    for words in (["status", tmp_path], ["submit", "pong", "--out", tmp_path]):
        code, out, err = use(capsys, *words)
        assert (code, out) == (2, "")
        assert err == f"repro: {file} is damaged; mend or remove it\n"


# --- numbers ---------------------------------------------------------------------------------


def test_frames_speed_scores_and_time_left(tmp_path):
    evaluations = [(250_000, [-21.0, -21.0]), (500_000, [9.0, 9.6]), (750_000, [-6.0])]
    run = begin(tmp_path, "pong", 0, 3_200_000, 500.0, evaluations=evaluations)
    best_weights(run, 500_000, 9.3)
    found = look(tmp_path)["pong", 0]
    assert (found.frames, found.planned_frames, found.frames_per_second) == (
        3_200_000, 200_000_000, 500.0,
    )  # fmt: skip
    assert (found.last_score, found.best_score) == (-6.0, 9.3)
    assert found.percent("best") == pytest.approx(100.0)
    assert found.percent("last") == pytest.approx(100 * (-6 + 20.7) / 30)
    # A half as many steps again are evaluation.
    assert found.seconds_left == pytest.approx((200_000_000 - 3_200_000) * 1.5 / 500)


def test_evaluations_of_very_many_games(tmp_path):
    """More rows than the tail that is read at first, and final games behind them."""
    many = [(step, [step / 1e6] * 2_000) for step in range(250_000, 5_000_001, 250_000)]
    run = begin(tmp_path, "breakout", 0, 20_000_000, evaluations=many)
    best_weights(run, 2_500_000, 2.5)
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
    best_weights(first, 10_000_000, 1.0)
    for game, seed in runs[1:]:
        run = records.run_path(tmp_path, game, seed)
        run.mkdir(parents=True)
        for file in first.iterdir():
            (run / file.name).hardlink_to(file)
    found = look(tmp_path)
    assert len(found) == 245
    assert {one.state for one in found.values()} == {"running"}
    assert {one.best_score for one in found.values()} == {1.0}
