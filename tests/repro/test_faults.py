"""Disks, directories, clocks, files and numbers that fail: what is said, what is kept."""

import errno
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from repro import experiment, records
from repro.storage import checkpoint, directory, segments
from repro.system import disk
from repro.training import session, trackers
from tests.repro.small import (
    STEPS,
    KilledError,
    StopAt,
    assert_one_line,
    assert_same_run,
    go,
    make_run,
    rows,
    start,
    train_words,
    use,
    wait_for_step,
)

SEED = 0
SHORT = {
    "frames": 4_000, "eval_every_steps": 500, "network": "linear", "checkpoint_every_steps": 50,
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """An uninterrupted run of the command."""
    suite = tmp_path_factory.mktemp("short")
    out, err = start(suite, **SHORT).communicate()
    assert "finished" in out, err
    return records.run_path(suite, "breakout", SEED)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run in this process."""
    path, end = go(make_run(), tmp_path_factory.mktemp("whole"))
    assert end is None
    return path


def ends_with(process, code, *words):
    """The process ends so, with one line that has these words."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert out == ""
    assert_one_line(err, *words)


def contents(folder):
    """Every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finish(suite, **changes):
    out, err = start(suite, **changes).communicate()
    assert "finished" in out, err
    assert err == ""


def wait_for_checkpoint(process, path):
    """Wait until there are two."""
    while len(list((path / "checkpoint").glob("step-*"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


# --- the disk --------------------------------------------------------------------------


def mount(place, options):
    """Mount a file system in memory, or skip the test."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")


def unmount(place):
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own."""
    mount(tmp_path, "size=420m")
    yield tmp_path
    unmount(tmp_path)


@pytest.fixture
def readonly(tmp_path):
    """A directory that cannot be written; root, who may write anywhere, needs a file system."""
    if os.geteuid() == 0:
        mount(tmp_path, "ro")
        yield tmp_path
        unmount(tmp_path)
    else:
        tmp_path.chmod(0o555)
        yield tmp_path
        tmp_path.chmod(0o755)


def fill_up(path):
    """Take all the room that is left."""
    with path.open("wb") as file:
        size = 1 << 24
        while size >= 4096:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), size)
                file.seek(0, os.SEEK_END)
            except OSError:
                size //= 2


@pytest.mark.slow
def test_a_full_disk_ends_the_training_and_with_room_it_goes_on(short, small_disk):
    path = records.run_path(small_disk, "breakout", SEED)
    process = start(small_disk, **SHORT)
    wait_for_checkpoint(process, path)
    fill_up(small_disk / "filler")
    ends_with(process, 1, str(path), "No space left", "the checkpoint of step", "same command")
    # As long as there is no room nothing is lost.
    ends_with(start(small_disk, **SHORT), 1, "free some")
    (small_disk / "filler").unlink()
    finish(small_disk, **SHORT)
    assert_same_run(path, short)


@pytest.mark.slow
def test_files_that_cannot_grow_end_the_training_likewise(short, tmp_path):
    """What a quota does, without the need to be root."""
    path = records.run_path(tmp_path, "breakout", SEED)
    process = start(tmp_path, **SHORT)
    wait_for_checkpoint(process, path)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (2_000, 2_000))
    ends_with(process, 1, str(path), "File too large", "the checkpoint of step", "same command")
    finish(tmp_path, **SHORT)
    assert_same_run(path, short)


@pytest.mark.parametrize(
    ("number", "call"),
    [(errno.ENOSPC, 1), (errno.EROFS, 3), (errno.EIO, 5), (errno.EDQUOT, 8), (errno.ENOSPC, 13)],
)
def test_a_write_that_fails_is_an_end_like_any_other(
    whole, capfd, monkeypatch, tmp_path, number, call
):
    monkeypatch.setattr(segments, "STEPS", 50)
    write, calls = segments.write, 0

    def failing(arrays, *paths):
        nonlocal calls
        calls += 1
        if calls == call:
            paths[0].write_bytes(b"half")
            raise OSError(number, os.strerror(number))
        return write(arrays, *paths)

    words = [*train_words(tmp_path, network="linear"), "--seed", 1]
    with monkeypatch.context() as patch:
        patch.setattr(segments, "write", failing)
        code, out, err = use(capfd, *words)
    assert (code, out) == (1, "")
    path = records.run_path(tmp_path, "breakout", 1)
    step = checkpoint.newest_step(path / "checkpoint")
    none = "there is no checkpoint yet"
    kept = none if step is None else f"checkpoint of step {step} is kept"
    assert_one_line(err, str(path), os.strerror(number), kept, "the same command goes on")
    code, out, err = use(capfd, *words)
    assert (code, err) == (0, "")
    assert_same_run(path, whole)


def test_a_row_that_is_cut_by_a_full_disk_is_mended(whole, capfd, monkeypatch, tmp_path):
    append, left = records.Table.append, 25

    def failing(self, row):
        nonlocal left
        left -= 1
        if left == 0:
            self._file.write(b"99,1")
            self._file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, row)

    words = [*train_words(tmp_path, network="linear"), "--seed", 1]
    with monkeypatch.context() as patch:
        patch.setattr(records.Table, "append", failing)
        code, _, err = use(capfd, *words)
    assert code == 1
    assert_one_line(err, "No space left")
    code, _, err = use(capfd, *words)
    assert (code, err) == (0, "")
    assert_same_run(records.run_path(tmp_path, "breakout", 1), whole)


def test_what_cannot_be_closed_does_not_hide_the_reason(capfd, monkeypatch, tmp_path):
    def fail(*_):
        raise OSError(errno.ENOSPC, "closing failed")

    monkeypatch.setattr(trackers.TensorBoardTracker, "close", fail)
    monkeypatch.setattr(segments, "write", lambda *_: (_ for _ in ()).throw(OSError(5, "saving")))
    code, _, err = use(capfd, *train_words(tmp_path, network="linear"))
    assert code == 1
    assert_one_line(err, "(saving)")


def test_a_directory_that_cannot_be_written_is_refused(capfd, readonly):
    code, out, err = use(capfd, *train_words(readonly))
    assert (code, out) == (1, "")
    assert_one_line(err, "cannot be written", str(readonly), "--out")


# --- the directory ---------------------------------------------------------------------


@pytest.mark.slow
def test_a_directory_removed_while_training_is_noticed_and_not_made_again(tmp_path):
    path = records.run_path(tmp_path, "breakout", SEED)
    process = start(tmp_path, **SHORT)
    wait_for_checkpoint(process, path)
    path.rename(tmp_path / "rubbish")
    shutil.rmtree(tmp_path / "rubbish", ignore_errors=True)
    ends_with(process, 1, str(path), "removed")
    assert not path.exists()


@pytest.mark.slow
def test_a_table_edited_under_a_training_costs_no_row(whole, tmp_path):
    """An editor puts another file in its place, into which the training does not write."""
    process = start(tmp_path, "--seed", 1, network="linear")
    path = tmp_path / "breakout" / "seed-1"
    wait_for_step(process, path, 60)
    beside = path / "mine.csv"
    beside.write_text((path / "learning.csv").read_text().replace("30,120", "30,9990"))
    beside.rename(path / "learning.csv")
    _, err = process.communicate()
    assert process.returncode == 0
    assert_one_line(err, "learning.csv was changed", "learning.csv.damaged")
    assert_same_run(path, whole)


def test_a_second_process_is_told_of_the_first(tmp_path):
    """The first has work for years, and stands still meanwhile."""
    path, endless = records.run_path(tmp_path, "breakout", SEED), SHORT | {"frames": 4 * 10**10}
    process = start(tmp_path, **endless)
    wait_for_step(process, path, 30)
    process.send_signal(signal.SIGSTOP)
    owner = json.loads((path / ".lock").read_text())
    assert owner["pid"] == process.pid
    before = contents(path)
    second = start(tmp_path, **endless)
    ends_with(second, 75, "in use", *(str(owner[name]) for name in ("pid", "host", "since")))
    assert contents(path) == before
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    ends_with(process, 128 + signal.SIGTERM, "stopped at step", "the same command goes on")
    assert checkpoint.newest_step(path / "checkpoint") >= 30


def test_another_hosts_process_is_believed_and_then_not(whole, capfd, tmp_path):
    run = make_run()
    path, _ = go(run, tmp_path, StopAt(200, kill=True))
    lock = path / ".lock"
    lock.write_text('{"host": "node-17", "pid": 4321, "since": "yesterday"}')
    words = [*train_words(tmp_path, network="linear"), "--seed", 1]
    code, out, err = use(capfd, *words)
    assert (code, out) == (75, "")
    assert_one_line(err, "process 4321 on node-17 since yesterday", f"remove {lock}")
    os.utime(lock, (0, 0))
    code, _, err = use(capfd, *words)
    assert code == 0
    assert_one_line(err, "taking over from process 4321 on node-17")
    assert_same_run(path, whole)


# --- the clock -------------------------------------------------------------------------


def test_a_clock_that_jumps_changes_nothing(whole, tmp_path, monkeypatch):
    generator, real = np.random.default_rng(0), time.time

    def jumping():
        return max(real() + generator.choice([-1e9, -3_600, 0, 3_600, 1e9]), 0.0)

    monkeypatch.setattr(time, "time", jumping)
    run = make_run()
    for check in (130, 200, -1):
        path, _ = go(run, tmp_path, StopAt(check, kill=True))
    assert_same_run(path, whole)
    assert all(float(row["frames_per_second"]) > 0 for row in rows(path / "learning.csv"))


# --- damaged checkpoints ---------------------------------------------------------------

# Of the checks, 600 follow the training's steps and 50 fall into each of its evaluations. After
# step 400 the checkpoints are of steps 360 and 300; in the final evaluation they are of step 600,
# and there are rows of final games already.
MOMENTS = {"while training": 400 + 100, "in the final evaluation": 600 + 200 + 90}


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def segments_of(place):
    return json.loads((place / "state.json").read_text())["segments"]


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("moment", "part", "harm"),
    [
        ("while training", "state.json", flip),
        ("while training", "arrays", truncate),
        ("while training", "tail", flip),
        ("while training", "segment", flip),
        ("while training", "segment", truncate),
        ("in the final evaluation", "state.json", truncate),
        ("in the final evaluation", "arrays", flip),
    ],
)
def test_with_a_damaged_checkpoint_it_ends_in_the_same_bytes(
    whole, capfd, monkeypatch, tmp_path, part, moment, harm
):
    monkeypatch.setattr(segments, "STEPS", 50)
    run = make_run()
    path, end = go(run, tmp_path, StopAt(MOMENTS[moment], kill=True))
    assert end is KilledError
    older, newest = sorted(path.glob("checkpoint/step-*"))
    if part == "segment":
        name = min(segments_of(newest).keys() - segments_of(older).keys())
        damaged = [path / "checkpoint" / copies / name for copies in ("segments", "copies")]
    else:
        damaged = list(newest.glob(f"{part}*"))
    for file in damaged:
        harm(file)
    final = [row for row in rows(path / "evaluations.csv") if row["kind"] == "final"]
    assert bool(final) == (moment == "in the final evaluation")
    capfd.readouterr()
    go(run, tmp_path)
    assert_one_line(capfd.readouterr().err, damaged[0].name, newest.name, f"from {older.name}")
    assert_same_run(path, whole)


@pytest.mark.parametrize("harm", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("copies", ["segments", "copies"])
def test_with_a_damaged_segment_that_all_checkpoints_need_it_ends_in_the_same_bytes(
    whole, capfd, monkeypatch, tmp_path, harm, copies
):
    monkeypatch.setattr(segments, "STEPS", 50)
    run = make_run()
    path, _ = go(run, tmp_path, StopAt(MOMENTS["while training"], kill=True))
    one, two = (segments_of(place) for place in path.glob("checkpoint/step-*"))
    shared = sorted(one.keys() & two.keys())
    assert len(shared) >= 3
    for name in shared:
        harm(path / "checkpoint" / copies / name)
    capfd.readouterr()
    go(run, tmp_path)
    err = capfd.readouterr().err
    if copies == "segments":
        assert_one_line(err, str(path / "checkpoint" / copies / shared[0]), "mended")
    else:  # looked at by the saves that follow, some each time
        assert all("mended" in line for line in err.splitlines())
    assert_same_run(path, whole)


class HarmAt(StopAt):
    """Kills at one check, and damages files at an earlier one."""

    def __init__(self, check, kill_check, harm, folder):
        super().__init__(kill_check, kill=True)
        self._check, self._harm, self._folder = check, harm, folder

    def check(self, step):
        super().check(step)
        if self.checks == self._check:
            for path in self._folder.glob("checkpoint/*/segment-*"):
                self._harm(path)


@pytest.mark.parametrize("harm", [truncate, Path.unlink])
def test_segments_damaged_meanwhile_are_mended_by_the_next_checkpoint(
    whole, capfd, monkeypatch, tmp_path, harm
):
    """All of them, in both folders: what they held is still in memory."""
    monkeypatch.setattr(segments, "STEPS", 50)
    run, path = make_run(), records.run_path(tmp_path, "breakout", 1)
    # Damaged at step 330, killed at step 370; there are checkpoints at steps 300 and 360.
    go(run, tmp_path, HarmAt(330 + 100, 370 + 100, harm, path))
    assert_one_line(capfd.readouterr().err, "segment-00000000", "more", "mended")
    go(run, tmp_path)
    assert capfd.readouterr().err == ""
    assert_same_run(path, whole)


@pytest.mark.parametrize("name", ["state.json", "arrays.safetensors.zst", "segments", "checkpoint"])
def test_what_cannot_be_read_now_is_not_given_up(whole, capfd, monkeypatch, tmp_path, name):
    monkeypatch.setattr(segments, "STEPS", 50)
    path, _ = go(make_run(), tmp_path, StopAt(MOMENTS["while training"], kill=True))
    before = contents(path / "checkpoint")
    words = [*train_words(tmp_path, network="linear"), "--seed", 1]
    with monkeypatch.context() as patch:
        for owner, call in ((disk, "open_to_read"), (Path, "iterdir")):
            patch.setattr(owner, call, stale(getattr(owner, call), name))
        patch.setattr(time, "sleep", lambda _: None)
        code, out, err = use(capfd, *words)
    assert (code, out) == (1, "")
    assert_one_line(err, name, os.strerror(errno.ESTALE), "nothing was removed")
    assert contents(path / "checkpoint") == before
    code, _, err = use(capfd, *words)
    assert (code, err) == (0, "")
    assert_same_run(path, whole)


def stale(read, name):
    """A call that fails as on a file server that was restarted, for one name."""

    def reading(path, *bound):
        if path.name == name:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return read(path, *bound)

    return reading


# --- damaged tables --------------------------------------------------------------------


TORN = {
    "train_episodes.csv": ["\0" * 300, "²,1,2,3,4,5\n"],
    "evaluations.csv": ["final,best,150,0,\0\0\0\0\n", "periodic,last,9"],
    "learning.csv": ["12,3\n", "2\0,4,5\n300,1"],
}


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("moment", [*MOMENTS, "before the second checkpoint"])
def test_what_a_power_cut_left_of_later_rows_is_made_again(whole, tmp_path, moment, which):
    run = make_run()
    path, _ = go(run, tmp_path, StopAt(MOMENTS.get(moment, 80), kill=True))
    steps = {place.name for place in path.glob("checkpoint/step-*")}
    assert (steps == {"step-000000000"}) == (moment not in MOMENTS)
    for name, torn in TORN.items():
        with (path / name).open("a") as file:
            file.write(torn[which])
    go(run, tmp_path)
    assert_same_run(path, whole)


LOSSES = {
    "removed": lambda data: None,
    "emptied": lambda data: b"",
    "shortened": lambda data: data[: data.index(b"\n") + 1],
    "changed": lambda data: data.replace(b",0,", b",1,", 1),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_tables_that_were_damaged_are_put_back(whole, capfd, tmp_path, loss):
    path, _ = go(make_run(), tmp_path, StopAt(MOMENTS["while training"], kill=True))
    words = [*train_words(tmp_path, network="linear"), "--seed", 1]
    before = {name: (path / name).read_bytes() for name in records.TABLES}
    for name in records.TABLES:
        changed = loss(before[name])
        (path / name).unlink()
        if changed is not None:
            assert changed != before[name]
            (path / name).write_bytes(changed)
    code, _, err = use(capfd, *words)
    assert code == 0
    assert err.count("\n") == len(records.TABLES)
    for name in records.TABLES:
        assert f"{path / name} was damaged; mended, nothing is lost" in err
        if (changed := loss(before[name])) is not None:
            assert (path / f"{name}.damaged").read_bytes() == changed
    assert_same_run(path, whole)


def test_games_scored_in_between_stay_and_do_no_harm(whole, capfd, tmp_path):
    """`repro evaluate` on an unfinished run adds rows after those that the checkpoint knows."""
    path, _ = go(make_run(), tmp_path, StopAt(200 + 50 + 20, kill=True))
    code, _, err = use(capfd, "evaluate", path, "--episodes", 2)
    assert (code, err) == (0, "")
    played = [row for row in rows(path / "evaluations.csv") if row["kind"] == "final"]
    assert len(played) == 2
    code, _, err = use(capfd, *train_words(tmp_path, network="linear"), "--seed", 1)
    assert (code, err) == (0, "")
    found = rows(path / "evaluations.csv")
    assert [row for row in found if row["kind"] == "periodic"] == [
        row for row in rows(whole / "evaluations.csv") if row["kind"] == "periodic"
    ]
    assert [row for row in found if row["kind"] == "final"][:2] == played
    assert (path / "last.safetensors").read_bytes() == (whole / "last.safetensors").read_bytes()


def test_the_best_network_is_that_of_the_checkpoint_used(whole, monkeypatch, tmp_path):
    """A file of later steps, or anyone's, does not get into the run."""
    run = make_run()
    path, _ = go(run, tmp_path, StopAt(150 + 50 + 60, kill=True))
    before = (path / "best.safetensors").read_bytes()
    (path / "best.safetensors").write_bytes(b"not the network")
    (path / "last.safetensors").write_bytes(b"of another time")
    go(run, tmp_path, StopAt(1, kill=True))
    assert (path / "best.safetensors").read_bytes() == before
    assert not (path / "last.safetensors").exists()
    go(run, tmp_path)
    assert_same_run(path, whole)


@pytest.mark.parametrize("schema", [1, 2, 3, 4, 5, 7])
def test_another_versions_checkpoint_is_refused_in_one_line(capfd, tmp_path, schema):
    path, _ = go(make_run(), tmp_path, StopAt(200, kill=True))
    for state in path.glob("checkpoint/step-*/state.json"):
        state.write_text(json.dumps(json.loads(state.read_text()) | {"schema": schema}))
    words = [*train_words(tmp_path, network="linear"), "--seed", 1]
    code, out, err = use(capfd, *words)
    assert (code, out) == (1, "")
    assert_one_line(err, "another version", f"schema {schema}", "--restart")


def test_a_run_made_before_a_field_was_invented_goes_on(whole, capfd, tmp_path):
    path, _ = go(make_run(), tmp_path, StopAt(200, kill=True))
    older = json.loads((path / "config.json").read_text())
    del older["config"]["agent"]["initial_weights"], older["sha256"]
    (path / "config.json").write_text(json.dumps(older, indent=2) + "\n")
    for place in path.glob("checkpoint/step-*"):
        state = json.loads((place / "state.json").read_text())
        del state["run"]["config"]["agent"]["initial_weights"], state["checksum"]
        state["checksum"] = checkpoint._checksum(state)
        (place / "state.json").write_text(json.dumps(state))
    words = [*train_words(tmp_path, network="linear"), "--seed", 1]
    code, _, err = use(capfd, *words)
    assert (code, err) == (0, "")
    assert (path / "last.safetensors").read_bytes() == (whole / "last.safetensors").read_bytes()


# --- strangers' files ------------------------------------------------------------------


class Bomb:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_no_file_of_a_stranger_is_run(capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(segments, "STEPS", 50)
    path, _ = go(make_run(), tmp_path, StopAt(400, kill=True))
    bombs = [*path.rglob("*.zst"), *path.rglob("state.json"), path / "best.safetensors"]
    assert len(bombs) > 10
    for bomb in bombs:
        bomb.write_bytes(pickle.dumps(Bomb(tmp_path / "bang")))
    words = [*train_words(tmp_path, network="linear"), "--seed", 1]
    code, out, err = use(capfd, *words)
    assert (code, out) == (1, "")
    assert_one_line(err, "damaged", str(path / "checkpoint"), "--restart")
    code, out, err = use(capfd, "evaluate", path)
    assert (code, out) == (1, "")
    assert_one_line(err, "best.safetensors")
    assert not (tmp_path / "bang").exists()


# --- numbers ---------------------------------------------------------------------------


def test_a_loss_that_is_no_number_leaves_what_is_known_of_it(capfd, tmp_path):
    words = train_words(
        tmp_path, network="linear", learning_rate=1e38, td_error_clip=0.0, checkpoint_every_steps=10
    )
    code, out, err = use(capfd, *words)
    assert (code, out) == (1, "")
    path = records.run_path(tmp_path, "breakout", SEED)
    (arrays,) = (path / "nonfinite").glob("step-*.npz")
    assert_one_line(err, str(arrays), "--learning-rate")
    step = int(arrays.stem.removeprefix("step-"))
    known = json.loads(arrays.with_suffix(".json").read_text())
    assert (known["step"], known["run"]["game"], known["run"]["seed"]) == (step, "breakout", SEED)
    assert known["updates"] >= 1
    assert "loss" in known["error"] or "value" in known["error"]
    assert known["weights"]["network.layer.weight"]["elements"] == 4 * 4 * 84 * 84
    assert known["weights"]["network.layer.weight"]["largest"] > 1e30
    with np.load(arrays, allow_pickle=False) as found:
        assert found["windows"].shape == (32, 5, 84, 84)
        assert found["q_values"].shape == (32, 4)
        assert {"actions", "rewards", "terminals"} <= set(found)
    # The last good checkpoint is there, and can be used.
    assert checkpoint.newest_step(path / "checkpoint") < step
    run = make_run(seed=SEED, learning_rate=1e38, td_error_clip=0.0, checkpoint_every_steps=10)
    envs = experiment.make_envs(run)
    parts = experiment.assemble(run, envs.train)
    with directory.RunDirectory(path, run.identity()) as place, pytest.raises(KilledError):  # noqa: SIM117
        with session.Training(run, place, envs, parts, StopAt(1, kill=True), False) as made:
            made.run()
    assert step < STEPS


# --- checkpoints made by hand ----------------------------------------------------------


def crafted(path, change):
    """Change the values of the newest checkpoint as somebody who mends all checksums would."""
    place = sorted(path.glob("checkpoint/step-*"))[-1]
    state = json.loads((place / "state.json").read_text())
    del state["checksum"]
    change(state["values"]["state"])
    state["checksum"] = checkpoint._checksum(state)
    (place / "state.json").write_text(json.dumps(state))


def put(where, value):
    def change(state):
        *parts, last = where.split(".")
        for part in parts:
            state = state[part]
        state[last] = value

    return change


def drop(where):
    def change(state):
        *parts, last = where.split(".")
        for part in parts:
            state = state[part]
        del state[last]

    return change


CRAFTED = {
    **{f"no {name}": drop(name) for name in (
        "agent", "loop", "queue", "player", "episodes", "learning", "best", "scoring", "tables",
        "agent.network", "loop.action", "player.env", "learning.heldout", "learning.updates",
    )},
    **{f"{where} {value!r:.20}": put(where, value) for where, value in (
        ("loop.step", "7"), ("loop.step", -1), ("loop.step", 10**9), ("loop.step", 1.5),
        ("loop.action", 99), ("loop.action", None),
        ("loop.updates", []), ("queue.used", "x"), ("queue.ahead", {"windows": 1}),
        ("queue.ahead", []), ("episodes.games", None), ("episodes.returns", ["a"]),
        ("episodes.returns", 7), ("learning.losses", {"a": 1}), ("learning.updates", "many"),
        ("learning.gradients", [1]), ("learning.heldout", {"actions": 3}),
        ("learning.generator", {}), ("agent.generator", "none"), ("agent.network", {}),
        ("agent.optimiser", {"7": {}}), ("agent.optimiser", {"0": {"mean": 1}}),
        ("best.score", "high"), ("best.weights", [1, 2]), ("player.observation", [0]),
        ("best.evaluated_step", -5), ("scoring.games", [{"score": 1}]), ("scoring.games", {"a": 1}),
        ("scoring.step", None), ("player.env.game", 7), ("player.env.emulator", None),
        ("player.env.generator", {}),
        ("tables", {}), ("tables", None), ("loop", []), ("agent", None),
    )},
}  # fmt: skip


@pytest.mark.parametrize("change", CRAFTED.values(), ids=CRAFTED)
def test_a_checkpoint_made_by_hand_is_refused_in_one_line(killed, capfd, tmp_path, change):
    path = records.run_path(tmp_path, "breakout", 1)
    shutil.copytree(killed, path)
    crafted(path, change)
    tables = {name: (path / name).read_bytes() for name in records.TABLES}
    code, out, err = use(capfd, *train_words(tmp_path, network="linear"), "--seed", 1)
    assert (code, out) == (1, "")
    assert_one_line(err, str(path), "--restart")
    assert {name: (path / name).read_bytes() for name in records.TABLES} == tables


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    path, _ = go(make_run(), tmp_path_factory.mktemp("killed"), StopAt(400, kill=True))
    return path
