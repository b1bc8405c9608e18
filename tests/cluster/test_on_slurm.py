"""The cluster side on a real SLURM: arrays, signals, limits, lost nodes, preemption, failures."""

import json
import os
import shutil

import pytest
from slurm_cluster import rows, tiny

PROGRAMS = ("sbatch", "munged", "slurmctld", "slurmd")
if not all(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for name in PROGRAMS):
    pytest.skip(
        "SLURM is not installed here (Debian: apt-get install slurm-wlm munge)",
        allow_module_level=True,
    )

pytestmark = pytest.mark.slow
SAME_BYTES = (
    "config.json", "train_episodes.csv", "evaluations.csv", "last.safetensors",
    "best.safetensors", "done.json",
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


def events(suite, game="breakout", seed=0):
    found = rows(suite / "jobs" / "runs" / f"{game}-seed-{seed}.csv")
    return [one["event"] for one in found]


def test_six_runs_one_deleted_and_submitted_again(cluster, tmp_path):
    words = ["pong", "breakout", "freeway", "--seeds", "0-1"]
    # Two may run at a time: so that some are seen to wait.
    job = cluster.submit(tmp_path, *words, "--throttle", 2, frames=1_200)
    record = json.loads((tmp_path / "jobs" / "1" / "submission.json").read_text())
    assert record["job"] == job
    runs = {(game, seed) for game in ("pong", "breakout", "freeway") for seed in (0, 1)}
    assert {tuple(run) for (run,) in record["elements"]} == runs
    cluster.wait(lambda: "running" in {one["state"] for one in cluster.status(tmp_path).values()})
    assert {one["state"] for one in cluster.status(tmp_path).values()} <= {"running", "queued"}
    flags = tiny(frames=1_200)
    again = cluster.repro("submit", *words, *flags, "--out", tmp_path)
    assert "nothing to submit" in again.stdout
    cluster.wait_end(*(tmp_path / game / f"seed-{seed}" for game, seed in runs))
    found = cluster.status(tmp_path)
    assert set(found) == runs
    assert {one["state"] for one in found.values()} == {"done"}
    assert {one["frames"] for one in found.values()} == {1_200}
    assert {one["attempts"] for one in found.values()} == {1}

    # A finished job that is queued again ends at once and starts nothing.
    cluster.call("scontrol", "requeue", f"{job}_0")
    cluster.wait_empty()
    assert events(tmp_path, "pong") == ["started", "done"]

    gone = tmp_path / "freeway" / "seed-1"
    kept = tmp_path.parent / "kept"
    shutil.move(gone, kept)
    assert cluster.status(tmp_path)["freeway", 1]["state"] == "missing"
    cluster.submit(tmp_path, *words, "--missing", frames=1_200)
    record = json.loads((tmp_path / "jobs" / "2" / "submission.json").read_text())
    assert record["elements"] == [[["freeway", 1]]]
    assert cluster.status(tmp_path)["freeway", 1]["state"] in ("queued", "requeued", "running")
    cluster.wait_end(gone)
    assert_same_run(gone, kept)


def test_usr1_saves_and_the_job_goes_on_exactly(cluster, tmp_path, whole):
    job = cluster.submit(tmp_path, "breakout", "pong", "--games-per-job", 2)
    run, other = tmp_path / "breakout" / "seed-0", tmp_path / "pong" / "seed-0"
    cluster.wait_step(run, 120)
    cluster.wait_step(other, 30)
    cluster.call("scancel", "--batch", "--signal=USR1", f"{job}_0")
    cluster.wait(lambda: "interrupted" in events(tmp_path))
    seen = cluster.wait(
        lambda: (
            cluster.status(tmp_path)["breakout", 0]["state"] == "requeued"
            and cluster.status(tmp_path)
        )
    )
    assert 480 <= seen["breakout", 0]["frames"] < 2_400
    cluster.wait_end(run, other)
    assert_same_run(run, whole)
    assert events(tmp_path) == ["started", "interrupted", "started", "done"]
    interrupted = rows(tmp_path / "jobs" / "runs" / "breakout-seed-0.csv")[1]
    assert (interrupted["exit_code"], interrupted["job"]) == ("138", f"{job}_0")
    assert "goes back into the queue" in (tmp_path / "jobs" / "1" / "0.log").read_text()


def test_a_real_time_limit_is_met_by_going_back_into_the_queue(cluster, tmp_path):
    """One minute, of which the last 30 to 60 seconds are for saving."""
    frames = 12_000
    cluster.submit(
        tmp_path, "breakout", "--time", "1", "--signal-seconds", 30, frames=frames
    )  # fmt: skip
    run = tmp_path / "breakout" / "seed-0"
    cluster.wait_end(run, seconds=280)
    found = cluster.status(tmp_path)["breakout", 0]
    assert (found["state"], found["frames"]) == ("done", frames)
    assert "interrupted" in events(tmp_path)
    assert "failed" not in events(tmp_path)
    steps = [int(row["step"]) for row in rows(run / "learning.csv")]
    assert steps == list(range(30, frames // 4 + 1, 30))
    assert "TIME LIMIT" not in (tmp_path / "jobs" / "1" / "0.log").read_text()


def test_a_lost_node_is_no_failure(cluster, tmp_path, whole):
    cluster.submit(tmp_path, "breakout", "--attempts", 1)
    run = tmp_path / "breakout" / "seed-0"
    cluster.wait_step(run, 120)
    node = cluster.call("sinfo", "-h", "-o", "%n").stdout.split()[0]
    cluster.call("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        cluster.wait(lambda: "PENDING" in "".join(cluster.queue()))
        assert cluster.status(tmp_path)["breakout", 0]["state"] == "requeued"
    finally:
        # It may have reported back already.
        cluster.call("scontrol", "update", f"nodename={node}", "state=resume", check=False)
    cluster.wait_end(run)
    assert_same_run(run, whole)
    assert events(tmp_path).count("started") == 2
    assert "failed" not in events(tmp_path)


def test_a_preempted_run_saves_itself_and_goes_on(cluster, tmp_path, whole):
    options = ["--partition", "spare", "--attempts", 1, "--extra=--exclusive"]
    cluster.submit(tmp_path, "breakout", *options)
    run = tmp_path / "breakout" / "seed-0"
    cluster.wait_step(run, 120)
    cluster.call("sbatch", "--exclusive", "--output=/dev/null", "--wrap", "sleep 1")
    cluster.wait(lambda: "interrupted" in events(tmp_path))
    cluster.wait_end(run)
    assert_same_run(run, whole)
    assert events(tmp_path) == ["started", "interrupted", "started", "done"]


def test_a_cancelled_run_stays_away_until_it_is_submitted_again(cluster, tmp_path, whole):
    job = cluster.submit(tmp_path, "breakout")
    run = tmp_path / "breakout" / "seed-0"
    cluster.wait_step(run, 120)
    cluster.call("scancel", job)
    cluster.wait_empty()
    found = cluster.status(tmp_path)["breakout", 0]
    assert (found["state"], found["attempts"]) == ("stale", 1)
    cluster.submit(tmp_path, "breakout")
    cluster.wait_end(run)
    assert_same_run(run, whole)
    text = (tmp_path / "jobs" / "1" / "0.log").read_text()
    assert "goes back" not in text


def test_without_scontrol_a_job_is_left_to_go_on(cluster, tmp_path, whole):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sbatch", "grep"):
        (tools / name).symlink_to(shutil.which(name))
    suite = tmp_path / "suite"
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


def test_a_run_that_always_fails_is_given_up_with_the_reason(cluster, tmp_path):
    options = ["--attempts", 2, "--memory-gb", 1]
    cluster.submit(tmp_path, "breakout", *options, replay_steps=10**10)
    run = tmp_path / "breakout" / "seed-0"
    cluster.wait(lambda: (run / "failure.json").exists())
    cluster.wait_empty()
    assert events(tmp_path) == ["started", "failed", "started", "failed", "given up"]
    reason = json.loads((run / "failure.json").read_text())
    assert reason["exit_code"] == 1
    assert "GB of memory" in reason["last_line"]
    assert reason["node"] == os.uname().nodename
    found = cluster.status(tmp_path)["breakout", 0]
    assert found["state"] == "dead"
    assert "gave up after 2 failures" in found["note"]
    assert "GB of memory" in found["note"]
