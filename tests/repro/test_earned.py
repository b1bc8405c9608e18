"""Nothing that a run earned is lost: what is complete is completed, the rest is asked about."""

import json
import shutil

import pytest
from small import (
    StopAt,
    assert_one_line,
    assert_same_run,
    files,
    go,
    make_run,
    rows,
    train_words,
    use,
)  # fmt: skip

from repro import records


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path, _ = go(make_run(), tmp_path_factory.mktemp("whole"))
    return path


@pytest.fixture
def finished(whole, tmp_path):
    """A copy of it, in a suite of its own."""
    path = records.run_path(tmp_path / "suite", "breakout", 1)
    shutil.copytree(whole, path)
    return path


def words(path, *more):
    return [*train_words(path.parent.parent, network="linear"), "--seed", 1, *more]


def contents(path):
    return {item: item.read_bytes() for item in path.rglob("*") if item.is_file()}


@pytest.mark.parametrize("harm", ["removed", "emptied", "cut", "a digit"])
def test_a_marker_that_is_damaged_is_made_again(whole, finished, capfd, harm):
    marker = finished / "done.json"
    there = marker.read_text()
    changes = {
        "removed": None, "emptied": "", "cut": there[:30],
        "a digit": there.replace('"frames": 2400', '"frames": 2401'),
    }  # fmt: skip
    if changes[harm] is None:
        marker.unlink()
    else:
        assert changes[harm] != there
        marker.write_text(changes[harm])
    before = {item.name: item.read_bytes() for item in finished.glob("*[.][cs]*[vs]")}
    assert len(before) == 5
    code, out, err = use(capfd, *words(finished))
    assert (code, "finished after 2,400 frames" in out) == (0, True)
    if changes[harm] is not None:
        assert_one_line(err, str(marker))
        assert (finished / "done.json.damaged").read_text() == changes[harm]
    assert {name: (finished / name).read_bytes() for name in before} == before
    assert_same_run(finished, whole)
    assert marker.read_text() == there


def test_final_games_that_are_missing_are_played(whole, finished, capfd):
    (finished / "done.json").unlink()
    table = finished / "evaluations.csv"
    table.write_text(table.read_text()[: table.read_text().rindex("final")])
    code, _, _ = use(capfd, *words(finished))
    assert code == 0
    assert_same_run(finished, whole)


@pytest.mark.parametrize("lost", ["last.safetensors", "checkpoint"])
def test_what_cannot_be_continued_is_left_alone(capfd, finished, tmp_path, lost):
    """Copied without its checkpoint or weights, say, or from a scratch disk that was cleaned."""
    if lost == "checkpoint":
        finished, _ = go(make_run(), tmp_path / "unfinished", StopAt(400, kill=True))
        shutil.rmtree(finished / "checkpoint")
    else:
        (finished / "done.json").unlink()
        (finished / lost).unlink()
    before = contents(finished)
    code, out, err = use(capfd, *words(finished))
    assert (code, out) == (2, "")
    number = len(rows(finished / "learning.csv"))
    assert_one_line(err, str(finished), f"{number} rows of learning.csv", "--restart", "restore")
    assert contents(finished) == before


def test_restart_sets_the_old_run_aside(whole, finished, capfd):
    (finished / "done.json").unlink()
    (finished / "last.safetensors").unlink()
    before = {name: (finished / name).read_bytes() for name in files(finished)}
    suite = finished.parent.parent
    code, _, err = use(capfd, *words(finished, "--restart"))
    aside = finished.with_name("seed-1.set-aside-1")
    assert code == 0
    assert_one_line(err, str(finished), str(aside))
    assert {name: (aside / name).read_bytes() for name in files(aside)} == before
    assert_same_run(finished, whole)
    assert list(records.runs(suite)) == [finished.resolve()]
    code, _, err = use(capfd, "tables", suite, "--out", suite.parent / "tables")
    assert (code, err) == (0, "")
    use(capfd, *words(finished, "--restart"))
    assert finished.with_name("seed-1.set-aside-2").exists()
    assert {name: (aside / name).read_bytes() for name in files(aside)} == before


def test_a_run_has_a_checkpoint_from_its_first_step_on(whole, capfd, tmp_path):
    path, _ = go(make_run(checkpoint_every_steps=0), tmp_path, StopAt(100, kill=True))
    assert [item.name for item in path.glob("checkpoint/step-*")] == ["step-000000000"]
    code, _, err = use(capfd, *words(path, "--checkpoint-every-steps", 0))
    assert (code, err) == (0, "")
    for name in ("last.safetensors", "evaluations.csv", "train_episodes.csv", "games.zst"):
        assert (path / name).read_bytes() == (whole / name).read_bytes()


def test_the_distance_of_checkpoints_may_change_within_a_run(whole, capfd, tmp_path):
    path, _ = go(make_run(), tmp_path, StopAt(300))
    code, _, err = use(capfd, *words(path, "--checkpoint-every-steps", 40))
    assert (code, err) == (0, "")
    assert_same_run(path, whole)


# --- what was changed since ------------------------------------------------------------

FILES = [
    "config.json", "train_episodes.csv", "evaluations.csv", "learning.csv", "games.zst",
    "best.safetensors", "last.safetensors",
]  # fmt: skip


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_one_bit_of_a_finished_run_is_noticed(finished, capfd, name):
    flip(finished / name)
    commands = [["train", *words(finished)[1:]], ["verify", finished]]
    if name != "last.safetensors":
        commands.append(["evaluate", finished, "--episodes", 3])
        commands.append(["play", finished, "--out", finished.parent / "x.gif", "--frames", 20])
    before = contents(finished)
    for command in commands:
        code, _, err = use(capfd, *command)
        assert code in (1, 2), command
        assert name.removesuffix(".json") in err, command
        assert "Traceback" not in err
        assert {item: data for item, data in contents(finished).items() if item in before} == before


@pytest.mark.parametrize("name", FILES[:5])
def test_no_table_is_made_of_what_was_changed(finished, capfd, name):
    flip(finished / name)
    suite = finished.parent.parent
    for command in (["tables", suite, "--out", suite.parent / "t"], ["status", suite]):
        _, out, err = use(capfd, *command)
        assert name in out + err, command
        assert "Traceback" not in err


def test_games_that_are_added_renew_the_digests(finished, capfd):
    before = json.loads((finished / "done.json").read_text())
    code, _, _ = use(capfd, "evaluate", finished, "--episodes", 3)
    assert code == 0
    after = json.loads((finished / "done.json").read_text())
    changed = {name for name, one in after["sha256"].items() if one != before["sha256"][name]}
    assert changed == {"evaluations.csv", "games.zst", "done.json"}
    assert after | {"sha256": 0} == before | {"sha256": 0}
    assert use(capfd, "verify", finished)[0] == 0


def test_an_evaluation_that_was_killed_leaves_a_sound_run(finished, capfd, monkeypatch):
    from repro.evaluation import protocols

    monkeypatch.setattr(protocols, "play_game", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        use(capfd, "evaluate", finished, "--episodes", 3)
    monkeypatch.undo()
    capfd.readouterr()
    assert use(capfd, "verify", finished)[0] == 0
    assert use(capfd, "evaluate", finished, "--episodes", 3)[0] == 0
    assert "evaluations.csv" in json.loads((finished / "done.json").read_text())["sha256"]


# --- checkpoints elsewhere -------------------------------------------------------------


def test_what_is_not_ours_in_the_checkpoints_folder_stays(whole, capfd, tmp_path):
    path, _ = go(make_run(), tmp_path / "suite", StopAt(300, kill=True))
    theirs = path / "checkpoint" / "thesis" / "data.txt"
    theirs.parent.mkdir()
    theirs.write_text("years")
    (path / "checkpoint" / "segments" / "notes.txt").write_text("x")
    code, _, err = use(capfd, *words(path))
    assert (code, err) == (0, "")
    there = sorted(
        str(file.relative_to(path / "checkpoint")) for file in contents(path / "checkpoint")
    )
    assert there == ["segments/notes.txt", "thesis/data.txt"]
    assert_same_run(path, whole)


@pytest.mark.parametrize("name", ["checkpoint", "checkpoint/segments"])
@pytest.mark.parametrize("moment", [300, -1], ids=["unfinished", "finished"])
def test_nobody_follows_a_link(capfd, tmp_path, name, moment):
    path, _ = go(make_run(), tmp_path / "suite", StopAt(moment, kill=True))
    home = tmp_path / "home"
    home.mkdir()
    for theirs in ("notes.txt", "step-000000001", "segment-00000000.safetensors.zst"):
        (home / theirs).write_text("years")
    shutil.rmtree(path / name, ignore_errors=True)
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).symlink_to(home)
    for more in ([], ["--checkpoint-dir", tmp_path / "scratch"]):
        code, _, err = use(capfd, *words(path, *more))
        assert code == 2
        assert_one_line(err, str(path / name), "link")
    assert len(contents(home)) == 3


def test_checkpoints_can_be_kept_on_another_disk(whole, capfd, tmp_path):
    scratch = tmp_path / "scratch"
    run = make_run(checkpoint_dir=str(scratch))
    path, _ = go(run, tmp_path / "suite", StopAt(300))
    (place,) = scratch.iterdir()
    assert place.name.startswith("breakout-seed-1-")
    assert (path / "checkpoint").resolve() == place
    assert list(place.glob("step-*"))
    code, _, err = use(capfd, *words(path))
    assert code == 2
    assert_one_line(err, "--checkpoint-dir", str(scratch))
    code, _, err = use(capfd, *words(path, "--checkpoint-dir", scratch))
    assert (code, err) == (0, "")
    assert list(scratch.iterdir()) == []
    assert not (path / "checkpoint").is_symlink()
    names = ["last.safetensors", "best.safetensors", "evaluations.csv", "train_episodes.csv"]
    for name in names:
        assert (path / name).read_bytes() == (whole / name).read_bytes()


def test_a_scratch_disk_that_was_cleaned_loses_no_rows(capfd, tmp_path):
    scratch = tmp_path / "scratch"
    path, _ = go(make_run(checkpoint_dir=str(scratch)), tmp_path / "suite", StopAt(300))
    shutil.rmtree(scratch)
    before = contents(path)
    code, _, err = use(capfd, *words(path, "--checkpoint-dir", scratch))
    assert code == 2
    assert_one_line(err, "no checkpoint to go on from", "--restart")
    assert contents(path) == before
