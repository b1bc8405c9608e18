"""`repro submit --estimate`: numbers worked out here by hand, and nothing is sent."""

import json
import re
from pathlib import Path

import pytest
from command_line import executable, use

from repro import config, networks, records
from repro.cluster import estimate
from repro.storage.run import Run

DAY_HOURS = 24
# Preset nature: 50 million steps of four frames; after each 250,000 of them 125,000 of evaluation.
RUN_HOURS_AT_1000 = 4 * (50_000_000 + 200 * 125_000) / 1_000 / 3_600


@pytest.fixture(autouse=True)
def called(tmp_path, monkeypatch):
    """A machine with an sbatch that would be heard, in a folder without a measurement."""
    tools = tmp_path / "tools"
    for name in ("sbatch", "scontrol"):
        executable(tools / name, f"echo {name} >>{tmp_path}/called; echo 1")
    executable(tools / "squeue", "true")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "called"


def account(capsys, *words, out="suite"):
    """What the lines say, by their first word."""
    code, said, err = use(capsys, "submit", *words, "--out", out, "--estimate")
    assert (code, err) == (0, "")
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in said.splitlines()}


def numbers(line):
    return [float(number.replace(",", "")) for number in re.findall(r"[0-9][0-9,]*\.?[0-9]*", line)]


def measurement(path, **changes):
    row = {"name": "training", "unit": "frames/s", "median": 500.0}
    where = {"processor": "AMD EPYC", "cores": 2, "time": "2026-11-20T16:44:18+00:00"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"provenance": where, "measurements": [row | changes]}))
    return path


def test_the_whole_suite(tmp_path, capsys, called):
    words = ["all", "--seeds", "0-4", "--gres", "gpu:a100:2", "--cpus", 4, "--throttle", 50]
    found = account(capsys, *words, "--frames-per-second", 1_000)
    assert found["runs"] == "245, in 245 jobs, 50 at a time at most"
    assert found["speed"] == "1,000 frames a second and run (as given)"
    assert numbers(found["a"])[:3] == [200e6, 100e6, round(RUN_HOURS_AT_1000, 1)]
    total = 245 * RUN_HOURS_AT_1000
    assert numbers(found["hours"]) == pytest.approx([total, 4 * total], abs=0.05)
    assert numbers(found["GPU-hours"]) == pytest.approx([2 * total], abs=0.05)
    assert numbers(found["days"]) == pytest.approx([total / 50 / DAY_HOURS], abs=0.05)
    # Of a replay of 7.06 GB four tenths for its checkpoints, and 0.3 GB of weights and the like.
    assert found["disk"].startswith("765.6 GB for checkpoints of 245 unfinished runs, ")
    found = account(capsys, *words, "--frames-per-second", 5_000)  # a job is long enough for a run
    assert found["disk"].startswith("156.2 GB for checkpoints of 50 unfinished runs, ")
    assert not called.exists()
    assert not (tmp_path / "suite").exists()


def test_runs_that_share_a_job_and_end_together(capsys):
    words = ["pong", "breakout", "--seeds", "0-1", "--games-per-job", 2, "--time", "2-0"]
    found = account(capsys, *words, "--frames-per-second", 1_000)
    assert found["runs"] == "4, in 2 jobs, 2 at a time at most"
    assert found["a"].endswith(" 83.3 hours, 2 spells of 2-0")
    assert numbers(found["hours"]) == [166.7, 333.3]
    assert found["GPU-hours"] == "0.0: no job asks for a GPU"
    assert numbers(found["days"]) == [3.5]
    assert "checkpoints of 4 unfinished runs" in found["disk"]


def test_what_is_begun_needs_only_the_rest_and_says_how_fast_it_was(tmp_path, capsys):
    nature = config.preset("nature")
    for seed, (frames, rate) in enumerate([(100_000_000, 2_000), (0, 4_000), (0, 3_000)]):
        run = tmp_path / "suite" / "pong" / f"seed-{seed}"
        run.mkdir(parents=True)
        identity = Run("pong", seed, "nature", nature).identity()
        records.write_json(run / "config.json", {"schema": 1, **identity})
        table = f"step,frames,frames_per_second\n{frames // 4},{frames},{rate}\n"
        (run / "learning.csv").write_text(table)
    found = account(capsys, "pong", "--seeds", "0")
    assert found["speed"] == "3,000 frames a second and run (median of 3 runs of this suite)"
    assert numbers(found["hours"])[0] == pytest.approx(RUN_HOURS_AT_1000 / 3 / 2, abs=0.05)
    # A job is over when the last of its runs is.
    found = account(capsys, "pong", "--seeds", "0-1", "--games-per-job", 2)
    assert numbers(found["hours"])[0] == pytest.approx(RUN_HOURS_AT_1000 / 3, abs=0.05)


def test_a_measurement_by_name_and_this_machines_own(tmp_path, capsys):
    named = measurement(tmp_path / "node.json")
    found = account(capsys, "pong", "--measurement", named)
    assert found["speed"] == f"500 frames a second and run ({named}, AMD EPYC, 2 cores, 2026-11-20)"
    assert numbers(found["hours"])[0] == pytest.approx(2 * RUN_HOURS_AT_1000, abs=0.05)
    measurement(tmp_path / "results" / "benchmark.json", median=250.0)
    assert account(capsys, "pong")["speed"].startswith("250 frames a second and run (results/")


@pytest.mark.parametrize(
    ("words", "code", "needle"),
    [
        ([], 2, "how fast a run is here is not known: there is no results/benchmark.json"),
        (["--measurement", "none.json"], 2, "cannot read none.json"),
        (["--measurement", "other.json"], 2, "other.json holds no measurement of `training`"),
        (["--measurement", "nan.json"], 2, "nan.json holds no measurement of `training`"),
        (["--frames-per-second", "0"], 2, "more than zero"),
        (["--frames-per-second", "9", "--run"], 2, "not allowed with"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, capsys, called, words, code, needle):
    measurement(tmp_path / "other.json", name="update")
    measurement(tmp_path / "nan.json", median=float("nan"))
    found, out, err = use(capsys, "submit", "pong", "--out", "s", "--estimate", *words)
    assert (found, out) == (code, "")
    assert needle in err
    assert len(err.splitlines()) == 1
    assert not called.exists()


def test_the_benchmark_that_is_committed_can_be_used(capsys):
    root = Path(__file__).parents[2]
    found = account(
        capsys, "pong", "--measurement", root / "results" / "published" / "benchmark.json"
    )
    file = json.loads((root / "results" / "published" / "benchmark.json").read_text())
    (median,) = (one["median"] for one in file["measurements"] if one["name"] == "training")
    assert numbers(found["speed"])[0] == round(median)


def test_a_finished_run_is_no_larger():
    """Its two files of weights are most of it: float32 numbers of the largest network."""
    weights = sum(one.numel() for one in networks.NatureCNN(18).parameters()) * 4
    assert 2 * weights < estimate.FINISHED_BYTES < 6 * weights
