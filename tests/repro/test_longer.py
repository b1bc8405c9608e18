"""A run is made longer, several are trained at once, settings come from a file."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro import records
from tests.repro.small import (
    KEPT,
    StopAt,
    assert_one_line,
    assert_same_run,
    files,
    flags,
    go,
    make_run,
    use,
)

LINEAR = {"network": "linear", "keep_checkpoint": True}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run comes to that was begun with all its frames."""
    return go(make_run(**LINEAR), tmp_path_factory.mktemp("whole"))[0]


def test_a_finished_run_is_made_longer_as_if_it_had_been_meant_so(whole, tmp_path, capfd):
    path, _ = go(make_run(**LINEAR, frames=1_600), tmp_path)
    finished = {name: (path / name).read_bytes() for name in files(path)}
    assert finished.keys() == KEPT
    code, _, err = use(capfd, "resume", path, "--frames", 2_400, "--threads", 1, "--quiet")
    assert code == 0, err
    assert_same_run(path, whole)
    aside = path.with_name("seed-1.set-aside-1")
    assert {name: (aside / name).read_bytes() for name in files(aside)} == finished
    assert use(capfd, "verify", path, aside)[0] == 0
    assert len(records.read_results(tmp_path)) == len(records.read_results(whole))


@pytest.mark.parametrize("moment", [100, 330])
def test_an_interrupted_run_is_made_longer(whole, tmp_path, capfd, moment):
    path, _ = go(make_run(**LINEAR, frames=1_600), tmp_path, StopAt(moment))
    code, _, err = use(capfd, "resume", path, "--frames", 2_400, "--threads", 1, "--quiet")
    assert code == 0, err
    assert_same_run(path, whole)
    assert not path.with_name("seed-1.set-aside-1").exists()


def test_one_killed_while_it_is_made_longer_goes_on(whole, tmp_path, capfd, monkeypatch):
    path, _ = go(make_run(**LINEAR, frames=1_600), tmp_path)
    for name in ("done.json", "last.safetensors"):  # as if it had come so far
        (path / name).unlink()
    code, _, err = use(capfd, "resume", path, "--frames", 2_400, "--threads", 1, "--quiet")
    assert code == 0, err
    assert_same_run(path, whole)


def test_without_its_replay_a_finished_run_stays_as_it_is(tmp_path, capfd):
    path, _ = go(make_run(network="linear", frames=1_600), tmp_path)
    before = {name: (path / name).read_bytes() for name in files(path)}
    code, _, err = use(capfd, "resume", path, "--frames", 2_400)
    assert code == 2
    assert_one_line(err, str(path), "--keep-checkpoint", "--restart")
    assert before == {name: (path / name).read_bytes() for name in files(path)}


def test_a_run_is_made_no_shorter(whole, capfd):
    code, _, err = use(capfd, "resume", whole, "--frames", 1_600)
    assert code == 2
    assert_one_line(err, "training.frames is 2400 there, 1600 here")


def test_what_is_free_may_change_on_the_way(whole, tmp_path, capfd):
    path, _ = go(make_run(**LINEAR), tmp_path, StopAt(100))
    words = flags(**LINEAR | {"checkpoint_every_steps": 50})
    code, _, err = use(
        capfd, "train", "breakout", "--seed", 1, *words, "--threads", 1, "--quiet",
        "--out", tmp_path, "--device", "auto",
    )  # fmt: skip
    assert code == 0, err
    for name in ("last.safetensors", "evaluations.csv", "train_episodes.csv", "games.zst"):
        assert (path / name).read_bytes() == (whole / name).read_bytes(), name


def test_resume_refuses_what_is_no_run_in_its_place(whole, tmp_path, capfd):
    code, _, err = use(capfd, "resume", tmp_path)
    assert code == 2
    assert_one_line(err, "no config.json")
    moved = tmp_path / "pong" / "seed-3"
    shutil.copytree(whole, moved)
    code, _, err = use(capfd, "resume", moved)
    assert code == 2
    assert_one_line(err, "SUITE/breakout/seed-1")


# --- several at once -------------------------------------------------------------------


def several(suite, *more):
    words = flags(network="linear", frames=1_600, final_episodes=1)
    return [
        sys.executable, "-m", "repro.cli", "train", "pong", "breakout", "--seeds", "0-1", "--jobs",
        "2", *words, "--threads", "1", "--out", str(suite), *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_several_runs_end_as_each_would_alone_and_one_failure_stops_no_other(tmp_path, capfd):
    (tmp_path / "pong").mkdir()
    (tmp_path / "pong" / "seed-1").write_text("in the way")
    done = subprocess.run(several(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pong seed 1 ended with 2" in done.stderr
    assert "is a file" in done.stderr
    assert done.stdout.count("finished after 1,600 frames") == 3
    one = records.run_path(tmp_path, "breakout", 1)
    path, _ = go(make_run(network="linear", frames=1_600, final_episodes=1), tmp_path / "alone")
    assert_same_run(one, path)


@pytest.mark.slow
def test_a_signal_reaches_all_of_them_and_the_same_command_goes_on(tmp_path):
    process = subprocess.Popen(several(tmp_path), stderr=subprocess.PIPE, text=True)
    learning = [tmp_path / game / "seed-0" / "learning.csv" for game in ("pong", "breakout")]
    while not all(file.exists() and file.read_text().count("\n") > 1 for file in learning):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate()
    assert process.returncode == 128 + signal.SIGHUP
    assert "the same command goes on" in err
    assert (tmp_path / "pong" / "seed-0" / "checkpoint").is_dir()
    done = subprocess.run(several(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished after 1,600 frames") == 4


# --- settings from a file --------------------------------------------------------------


def test_settings_from_toml_and_from_a_runs_own_file(whole, tmp_path, capfd):
    there = json.loads((whole / "config.json").read_text())["config"]
    lines = ["# as a person writes it", "frames = 2400"]
    for part in ("protocol", "agent", "training"):
        lines.append(f"[{part}]")
        for name, value in there[part].items():
            if name != "frames":
                lines.append(f"{name} = {json.dumps(value)}")
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    common = ("--threads", 1, "--quiet")
    for name, words in (
        ("toml", ("breakout", "--seed", 1, "--config", tmp_path / "mine.toml")),
        ("json", ("--config", whole / "config.json")),
    ):
        suite = tmp_path / name
        code, _, err = use(capfd, "train", *words, *common, "--out", suite)
        assert code == 0, err
        assert_same_run(records.run_path(suite, "breakout", 1), whole)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("discout = 0.9", "no setting 'discout'"),
        ("discount = 2.0", "agent.discount must be in [0, 1]"),
        ("minibatch = 'x'", "agent.minibatch must be a whole number"),
        ("discount", "bad.toml"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path, capfd, text, said):
    file = tmp_path / "bad.toml"
    if text is not None:
        file.write_text(text)
    code, out, err = use(capfd, "train", "pong", "--config", file, "--out", tmp_path / "s")
    assert (code, out) == (2, "")
    assert_one_line(err, said)
    assert not (tmp_path / "s").exists()


def test_where_there_is_no_commit_there_is_the_version_and_always_the_command(whole):
    from repro import __version__

    there = json.loads((whole / "provenance.json").read_text())
    assert there["version"] == __version__
    assert there["command"].split()[0] == Path(sys.argv[0]).name
