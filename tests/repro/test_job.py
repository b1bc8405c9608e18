"""The watcher of one run inside a job: attempts, progress, signals, giving up."""

import json
import signal
import subprocess
import sys
import time

import pytest

from repro import config, records
from repro.cluster import evidence, watcher
from repro.storage import directory, logs
from repro.storage.run import Run


def write_rows(path, *steps):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("step,frames\n" + "".join(f"{step},{4 * step}\n" for step in steps))


def watch(suite, shell, attempts=3):
    """Watch some lines of shell in place of a training; ``$run`` is the run directory."""
    run = suite / "pong" / "seed-0"
    run.mkdir(parents=True, exist_ok=True)
    pong = Run("pong", 0, "nature", config.preset("nature"))
    code = watcher.Watcher(pong, suite, attempts, 0).watch(["bash", "-c", f"run={run}\n{shell}"])
    return code, run, read_events(suite, "pong", 0)


def read_events(suite, game, seed):
    return evidence.read(suite, game, seed).events


def names(events):
    return [one["event"] for one in events]


def test_a_run_that_finishes(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setenv("SLURMD_NODENAME", "n17")
    code, _, events = watch(tmp_path, "echo hello; touch $run/done.json")
    assert (code, names(events)) == (0, ["started", "done"])
    assert {(one["job"], one["node"]) for one in events} == {("12_3", "n17")}
    assert logs.log_file(tmp_path, "pong", 0).read_text() == "hello\n"
    # Once more, and nothing is started.
    assert watch(tmp_path, "exit 1") == (0, tmp_path / "pong" / "seed-0", events)


def test_a_run_that_fails_is_tried_again_and_given_up_with_the_reason(tmp_path):
    code, run, events = watch(tmp_path, "echo one; echo repro: no room >&2; exit 1")
    assert (code, names(events)) == (1, ["started", "failed"] * 3 + ["given up"])
    assert {one["last_line"] for one in events if one["event"] == "failed"} == {"repro: no room"}
    failure = json.loads((run / "failure.json").read_text())
    assert (failure["exit_code"], failure["failures"]) == (1, 3)
    assert failure["last_line"] == "repro: no room"
    assert failure["log"] == str(logs.log_file(tmp_path, "pong", 0))
    assert {"time", "job", "node", "step"} <= set(failure)
    # Submitted again, it has as many attempts as at first.
    (run / "failure.json").unlink()
    _, _, again = watch(tmp_path, "exit 1", attempts=2)
    assert names(again[len(events) :]) == ["started", "failed"] * 2 + ["given up"]


def test_a_failure_after_progress_counts_from_one(tmp_path):
    shell = (
        "n=$(cat $run/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n >$run/n\n"
        "(echo step,frames,frames_per_second; echo $((n < 4 ? n : 4))0,0,) >$run/learning.csv\n"
        "exit 1"
    )
    code, _, events = watch(tmp_path, shell)
    assert code == 1
    steps = [int(one["step"]) for one in events if one["event"] == "failed"]
    assert steps == [10, 20, 30, 40, 40, 40]


def test_only_what_this_attempt_said_is_its_reason(tmp_path):
    watch(tmp_path, "echo the first; exit 1", attempts=1)
    (tmp_path / "pong" / "seed-0" / "failure.json").unlink()
    _, run, _ = watch(tmp_path, "exit 3", attempts=1)
    assert json.loads((run / "failure.json").read_text())["last_line"] == ""


@pytest.mark.parametrize("code", [138, 143])
def test_a_training_that_saved_itself_is_no_failure(tmp_path, code):
    found, run, events = watch(tmp_path, f"exit {code}", attempts=1)
    assert (found, names(events)) == (code, ["started", "interrupted"])
    assert not (run / "failure.json").exists()


def test_lost_machines_are_no_failures():
    starts = [{"event": "started", "step": 10}] * 9
    assert evidence.failures_in_a_row(starts) == 0


def test_a_run_that_another_process_holds_is_waited_for(tmp_path, monkeypatch):
    """As `repro train` itself says so."""
    run = tmp_path / "pong" / "seed-0"
    shell = f"exec {sys.executable} -m repro.cli train pong --out {tmp_path} --quiet"
    with directory.RunDirectory(run, {}):
        monkeypatch.setattr(watcher, "BUSY_SECONDS", 1.0)
        code, _, events = watch(tmp_path, shell, attempts=1)
    assert code == 1
    assert names(events)[:2] == ["started", "busy"]
    assert set(names(events)) == {"started", "busy"}  # not given up: it is another's
    assert not (run / "failure.json").exists()
    assert "is in use by" in events[-1]["last_line"]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_is_handed_on_and_its_code_handed_back(tmp_path, number):
    """The command itself, with a training that only says how it ended."""
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/bash\ntrap 'exit 138' USR1\ntrap 'exit 143' TERM\n"
        'echo "$@"\nwhile true; do sleep 0.05; done\n'
    )
    python.chmod(0o755)
    code = (
        "import sys\nfrom repro.cluster import watcher as job\n"
        f"sys.executable = {str(python)!r}\nsys.exit(job.main(sys.argv[1:]))"
    )
    train = ["--frames", "100", "--no-minimal-actions", "--luminance-weights", "1", "0", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--attempts", "1", tmp_path, "pong", "3", *train]
    )
    log = logs.log_file(tmp_path, "pong", 3)
    end = time.monotonic() + 30
    while time.monotonic() < end and not (log.exists() and log.read_text()):
        time.sleep(0.05)
    words = ["-m", "repro.cli", "train", "pong", "--seed", "3", "--out", str(tmp_path), *train]
    assert log.read_text().split() == words
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    events = read_events(tmp_path, "pong", 3)
    assert names(events) == ["started", "interrupted"]


# --- the ends of files ---------------------------------------------------------------------


def test_a_tail_has_only_whole_rows(tmp_path):
    path = tmp_path / "learning.csv"
    write_rows(path, *range(1_000))
    with path.open("a") as file:
        file.write("1000,40")
    found = [int(row["step"]) for row in evidence.rows(path, {"step": int}, 200)]
    assert found == list(range(1_000 - len(found), 1_000))
    assert 15 < len(found) < 25
    assert len(evidence.rows(path, {"step": int})) == 1_000
    path.write_text("step,fra")
    assert evidence.rows(path, {"step": int}) == []


def test_the_last_line_of_a_progress_bar(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"a\r 10%\r 20%\n\n  \n")
    assert logs.last_line(path) == "20%"
    assert logs.last_line(path, start=path.stat().st_size) == ""
    assert logs.last_line(tmp_path / "none") == ""


def test_a_damaged_run_is_given_up_with_the_reason(tmp_path):
    said = "repro: evaluations.csv, line 7: 3 cells instead of 9"
    code, _, events = watch(tmp_path, f"echo '{said}' >&2; exit 2", attempts=2)
    assert code == 1
    assert names(events) == ["started", "failed", "started", "failed", "given up"]
    reason = json.loads((tmp_path / "pong" / "seed-0" / "failure.json").read_text())
    assert (reason["exit_code"], reason["last_line"]) == (2, said)


def test_nothing_is_written_into_what_is_anothers(tmp_path, capfd):
    """As `repro train` itself refuses it."""
    run = tmp_path / "pong" / "seed-0"
    run.mkdir(parents=True)
    (run / "thesis.txt").write_text("precious")
    train = f"{sys.executable} -m repro.cli train pong --out {tmp_path} --frames 400 --quiet"
    for identity in (None, {"schema": 1, "game": "pong", "seed": 0, "preset": "other"}):
        if identity:
            records.write_json(run / "config.json", identity)
        before = {file.name for file in run.iterdir()} - {".lock"}
        code, _, events = watch(tmp_path, train, attempts=1)
        assert code == 1
        assert names(events)[-1] == "given up"
        assert {file.name for file in run.iterdir()} - {".lock"} == before


def test_a_run_whose_configuration_is_damaged_is_given_up_all_the_same(tmp_path):
    run = tmp_path / "pong" / "seed-0"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{")
    (run / "learning.csv").touch()
    train = f"{sys.executable} -m repro.cli train pong --out {tmp_path} --frames 400 --quiet"
    assert watch(tmp_path, train, attempts=1)[0] == 1
    assert "config.json" in json.loads((run / "failure.json").read_text())["last_line"]


@pytest.mark.parametrize(
    "words", [["pong", "x"], ["pong", "0", "--frames", "x"], ["pong", "0", "--minibatch", "0"]]
)
def test_flags_that_no_training_would_take_are_one_line(tmp_path, capsys, words):
    with pytest.raises(SystemExit, match="2"):
        watcher.main([str(tmp_path), *words])
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_events_file_that_a_full_disk_left_empty_or_torn_does_no_harm(tmp_path):
    path = evidence.events_file(tmp_path, "pong", 0)
    path.parent.mkdir(parents=True)
    path.touch()
    watch(tmp_path, "exit 1", attempts=1)
    assert names(read_events(tmp_path, "pong", 0))[:2] == ["started", "failed"]
    path.write_text("2026,started\n")
    assert read_events(tmp_path, "pong", 0) == ()
