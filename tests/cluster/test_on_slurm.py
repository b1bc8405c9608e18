"""The cluster side on a real SLURM: arrays, signals, limits, lost nodes, preemption, failures."""

import json
import os
import shutil

import pytest
from slurm_cluster import TINY, rows, tiny

PROGRAMS = ("sbatch", "munged", "slurmctld", "slurmd")
if not all(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for name in PROGRAMS):
    pytest.skip(
        "SLURM is not installed here (Debian: apt-get install slurm-wlm munge)",
        allow_module_level=True,
    )

pytestmark = pytest.mark.slow
SAME_BYTES = (
    "config.json", "train_episodes.csv", "evaluations.csv", "last.safetensors",
    "best.safetensors", "games.zst",
)  # fmt: skip


def assert_same_run(one, two):
    """Everything but the clock agrees, to the byte."""
    for name in SAME_BYTES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    timeless = [
        [
            {name: value for name, value in row.items() if name != "frames_per_second"}
            for row in rows(run / "learning.csv")
        ]
        for run in (one, two)
    ]
    assert timeless[0] == timeless[1]
    scores = [json.loads((run / "done.json").read_text()) for run in (one, two)]
    for score in scores:
        del score["sha256"]  # of the clock, too
    assert scores[0] == scores[1]


def events(suite, game="breakout", seed=0):
    found = rows(suite / "jobs" / "runs" / f"{game}-seed-{seed}.csv")
    return [one["event"] for one in found]


def test_six_runs_one_deleted_and_submitted_again(cluster, suite):
    words = ["pong", "breakout", "freeway", "--seeds", "0-1"]
    # Two may run at a time: so that some are seen to wait.
    job = cluster.submit(suite, *words, "--throttle", 2, frames=1_200)
    record = json.loads((suite / "jobs" / "1" / "submission.json").read_text())
    assert record["job"] == job
    runs = {(game, seed) for game in ("pong", "breakout", "freeway") for seed in (0, 1)}
    assert {tuple(run) for (run,) in record["elements"]} == runs
    cluster.wait(lambda: "running" in {one["state"] for one in cluster.status(suite).values()})
    assert {one["state"] for one in cluster.status(suite).values()} <= {"running", "queued"}
    flags = tiny(frames=1_200)
    again = cluster.repro("submit", *words, *flags, "--out", suite)
    assert "nothing to submit" in again.stdout
    cluster.wait_end(*(suite / game / f"seed-{seed}" for game, seed in runs))
    found = cluster.status(suite)
    assert set(found) == runs
    assert {one["state"] for one in found.values()} == {"done"}
    assert {one["frames"] for one in found.values()} == {1_200}
    assert {one["attempts"] for one in found.values()} == {1}

    # A finished job that is queued again ends at once and starts nothing.
    cluster.call("scontrol", "requeue", f"{job}_0")
    cluster.wait_empty()
    assert events(suite, "pong") == ["started", "done"]

    gone = suite / "freeway" / "seed-1"
    kept = suite.parent / "kept"
    shutil.move(gone, kept)
    assert cluster.status(suite)["freeway", 1]["state"] == "missing"
    cluster.submit(suite, *words, "--missing", frames=1_200)
    record = json.loads((suite / "jobs" / "2" / "submission.json").read_text())
    assert record["elements"] == [[["freeway", 1]]]
    assert cluster.status(suite)["freeway", 1]["state"] in ("queued", "requeued", "running")
    cluster.wait_end(gone)
    assert_same_run(gone, kept)


def test_runs_that_wait_are_known_whatever_becomes_of_the_answer(cluster, suite):
    """More jobs than an array may have, a foreign environment, and an sbatch that is not heard."""
    tools = suite.with_name("lossy-tools")
    cluster.call("mkdir", tools)
    lossy = (
        f'{shutil.which("sbatch")} "$@" >/dev/null\n'
        "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv "
        "operation' >&2; exit 1"
    )
    cluster.call("sh", "-c", 'echo "#!/bin/sh\n$1" >$0; chmod +x $0', tools / "sbatch", lossy)
    words = ["submit", "pong", "--extra=--hold", *tiny(), "--out", suite, "--run"]
    refused = cluster.repro(*words, "--seeds", "0-10", check=False)
    assert refused.returncode == 1
    assert "Invalid job array specification" in refused.stderr
    sent = cluster.repro(
        *words, "--seeds", "0-10", "--max-array", 8, SBATCH_JOB_NAME="mine", SBATCH_WAIT="1"
    )
    counts = [line.split(" as job ")[0] for line in sent.stdout.splitlines()]
    assert counts == ["8 runs submitted", "3 runs submitted"]
    words += ["--seeds", "0-11"]
    lost = cluster.repro(*words, check=False, PATH=f"{tools}:{cluster.environment['PATH']}")
    assert lost.returncode == 1
    assert "jobs/4/submit.sh is in the queue all the same" in lost.stderr
    foreign = {"SQUEUE_STATES": "RUNNING", "SQUEUE_USERS": "root", "SQUEUE_FORMAT": "%A"}
    again = cluster.repro(*words, **foreign)
    assert again.stdout == f"nothing to submit to {suite}: 12 runs: 12 queued\n"
    assert {one["state"] for one in cluster.status(suite).values()} == {"queued"}
    cluster.call("scancel", "--state=PENDING", "--quiet", *set(cluster.queue("%F")) - {""})
    cluster.wait_empty()


def test_a_suite_may_have_an_odd_name(cluster, suite):
    odd = suite / 'it\'s 100% #1, (a) [b] {c} é $HOME & "more"; |x|'
    cluster.submit(odd, "pong", "--memory-option", "mem-per-cpu", frames=1_200)
    cluster.wait(lambda: cluster.status(odd)["pong", 0]["state"] == "running")
    cluster.wait_end(odd / "pong" / "seed-0")
    assert (odd / "jobs" / "1" / "0.log").exists()
    assert cluster.status(odd)["pong", 0]["state"] == "done"


def test_usr1_saves_and_the_job_goes_on_exactly(cluster, suite, whole):
    job = cluster.submit(suite, "breakout", "pong", "--games-per-job", 2)
    run, other = suite / "breakout" / "seed-0", suite / "pong" / "seed-0"
    cluster.wait_step(run, 120)
    cluster.wait_step(other, 30)
    cluster.call("scancel", "--batch", "--signal=USR1", f"{job}_0")
    cluster.wait(lambda: "interrupted" in events(suite))
    seen = cluster.wait(
        lambda: (
            cluster.status(suite)["breakout", 0]["state"] == "requeued" and cluster.status(suite)
        )
    )
    assert 480 <= seen["breakout", 0]["frames"] < TINY["frames"]
    cluster.wait_end(run, other)
    assert_same_run(run, whole)
    assert events(suite) == ["started", "interrupted", "started", "done"]
    interrupted = rows(suite / "jobs" / "runs" / "breakout-seed-0.csv")[1]
    assert (interrupted["exit_code"], interrupted["job"]) == ("138", f"{job}_0")
    assert "goes back into the queue" in (suite / "jobs" / "1" / "0.log").read_text()


def test_a_real_time_limit_is_met_by_going_back_into_the_queue(cluster, suite):
    """One minute, of which the last 30 to 60 seconds are for saving; too short on any machine."""
    endless = 400_000_000
    job = cluster.submit(
        suite, "breakout", "--time", "1", "--signal-seconds", 30, frames=endless
    )  # fmt: skip
    run = suite / "breakout" / "seed-0"
    cluster.wait(lambda: events(suite) == ["started", "interrupted", "started"])
    stopped = int(rows(suite / "jobs" / "runs" / "breakout-seed-0.csv")[1]["step"])
    cluster.wait_step(run, stopped + 60)
    found = cluster.status(suite)["breakout", 0]
    assert (found["state"], found["attempts"]) == ("running", 2)
    assert found["frames"] > stopped * 4
    cluster.call("scancel", job)
    cluster.wait_empty()
    steps = [int(row["step"]) for row in rows(run / "learning.csv")]
    assert steps == list(range(30, steps[-1] + 1, 30))
    log = (suite / "jobs" / "1" / "0.log").read_text()
    assert "goes back into the queue" in log
    assert "TIME LIMIT" not in log


def test_a_lost_node_is_no_failure(cluster, suite, whole):
    cluster.submit(suite, "breakout", "--attempts", 1)
    run = suite / "breakout" / "seed-0"
    cluster.wait_step(run, 120)
    node = cluster.call("sinfo", "-h", "-o", "%n").stdout.split()[0]
    cluster.call("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        cluster.wait(lambda: "PENDING" in "".join(cluster.queue()))
        assert cluster.status(suite)["breakout", 0]["state"] == "requeued"
    finally:
        # It may have reported back already.
        cluster.call("scontrol", "update", f"nodename={node}", "state=resume", check=False)
    cluster.wait_end(run)
    assert_same_run(run, whole)
    assert events(suite).count("started") == 2
    assert "failed" not in events(suite)


def test_a_preempted_run_saves_itself_and_goes_on(cluster, suite, whole):
    options = ["--partition", "spare", "--attempts", 1, "--extra=--exclusive"]
    cluster.submit(suite, "breakout", *options)
    run = suite / "breakout" / "seed-0"
    cluster.wait_step(run, 120)
    cluster.call("sbatch", "--exclusive", "--output=/dev/null", "--wrap", "sleep 1")
    cluster.wait(lambda: "interrupted" in events(suite))
    cluster.wait_end(run)
    assert_same_run(run, whole)
    assert events(suite) == ["started", "interrupted", "started", "done"]


def test_a_cancelled_run_stays_away_until_it_is_submitted_again(cluster, suite, whole):
    job = cluster.submit(suite, "breakout")
    run = suite / "breakout" / "seed-0"
    cluster.wait_step(run, 120)
    cluster.call("scancel", job)
    cluster.wait_empty()
    found = cluster.status(suite)["breakout", 0]
    assert (found["state"], found["attempts"]) == ("stale", 1)
    cluster.submit(suite, "breakout")
    cluster.wait_end(run)
    assert_same_run(run, whole)
    text = (suite / "jobs" / "1" / "0.log").read_text()
    assert "goes back" not in text


def test_a_run_killed_without_a_word_goes_on_when_it_is_submitted_again(cluster, suite, whole):
    cluster.submit(suite, "breakout")
    run = suite / "breakout" / "seed-0"
    cluster.wait_step(run, 120)
    cluster.call("pkill", "-KILL", "-f", f"repro.* {suite} ")
    cluster.wait_empty()
    assert cluster.status(suite)["breakout", 0]["state"] == "stale"
    assert events(suite) == ["started"]
    cluster.submit(suite, "breakout")
    cluster.wait_end(run)
    assert_same_run(run, whole)
    assert events(suite) == ["started", "started", "done"]


def test_jobs_that_ask_for_the_only_gpu_take_turns(cluster, suite):
    """The GPU is a made-up one: what is tried is the asking."""
    shown = 'echo "GPU $CUDA_VISIBLE_DEVICES"'
    cluster.submit(
        suite, "pong", "breakout", "--gres", "gpu:1", "--device", "cpu", "--setup", shown,
        frames=1_200,
    )  # fmt: skip
    cluster.wait_end(*(suite / game / "seed-0" for game in ("pong", "breakout")))
    for index in (0, 1):
        assert "GPU 0" in (suite / "jobs" / "1" / f"{index}.log").read_text()
    ends = [rows(suite / "jobs" / "runs" / f"{game}-seed-0.csv") for game in ("pong", "breakout")]
    first, second = sorted(ends, key=lambda found: found[0]["time"])
    assert first[-1]["time"] <= second[0]["time"]


def test_without_scontrol_a_job_is_left_to_go_on(cluster, suite, whole):
    tools = suite.with_name("few-tools")
    cluster.call("mkdir", tools)
    for name in ("sbatch", "grep"):
        cluster.call("ln", "-s", shutil.which(name), tools / name)
    job = cluster.submit(suite, "breakout", "--setup", f"export PATH={tools}")
    run = suite / "breakout" / "seed-0"
    cluster.wait_step(run, 120)
    cluster.call("scancel", "--batch", "--signal=USR1", f"{job}_0")
    cluster.wait(lambda: "interrupted" in events(suite))
    cluster.wait(lambda: [one for one in cluster.queue("%F") if one and one != job])
    assert cluster.status(suite)["breakout", 0]["state"] in ("requeued", "running")
    assert "nothing to submit" in (
        cluster.repro("submit", "breakout", *tiny(), "--out", suite).stdout
    )
    cluster.wait_end(run)
    assert_same_run(run, whole)
    assert events(suite) == ["started", "interrupted", "started", "done"]


def test_a_run_that_always_fails_is_given_up_with_the_reason(cluster, suite):
    options = ["--attempts", 2, "--memory-gb", 1]
    cluster.submit(suite, "breakout", *options, replay_steps=10**10)
    run = suite / "breakout" / "seed-0"
    cluster.wait(lambda: (run / "failure.json").exists())
    cluster.wait_empty()
    assert events(suite) == ["started", "failed", "started", "failed", "given up"]
    reason = json.loads((run / "failure.json").read_text())
    assert reason["exit_code"] == 1
    assert "GB of memory" in reason["last_line"]
    assert reason["node"] == os.uname().nodename
    found = cluster.status(suite)["breakout", 0]
    assert found["state"] == "dead"
    assert "gave up after 2 failures" in found["note"]
    assert "GB of memory" in found["note"]
