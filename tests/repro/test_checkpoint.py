"""Checkpoints and weights: round trip, damage, strangers, interrupted saves, pickles."""

import errno
import json
import os
import pickle
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
import zstandard
from torch import nn

from repro import records
from repro.networks import LinearNetwork, NatureCNN
from repro.replay import ReplayMemory
from repro.storage import checkpoint, segments, weights_file
from repro.storage.checkpoint import CheckpointError, Checkpoints
from repro.storage.weights_file import WeightsError
from repro.system import disk

RUN = {"game": "pong", "seed": 1, "config": {"stack": (4, 84), "rate": 0.1}}
CAPACITY = 50
ARRAYS, HEAD, TAIL = (f"{name}.safetensors.zst" for name in ("arrays", "head", "tail"))


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch):
    monkeypatch.setattr(segments, "STEPS", 10)


def a_state(step=7):
    generator = np.random.default_rng(step)
    generator.integers(10)  # leaves half a draw in the generator's buffer
    return {
        "agent": {
            "network": {"layer.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3)},
            "channels_last": torch.arange(48.0)
            .reshape(2, 4, 2, 3)
            .contiguous(memory_format=torch.channels_last),
            "generator": generator.bit_generator.state,
        },
        "loop": {
            "step": step,
            "number": np.int64(5),
            "score": -np.inf,
            "observation": np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, ::-1],
            "nothing": None,
            "flag": True,
        },
        "numbers": np.array([1.5, -2.25], np.float32),
        "whole": np.array([[2**40, -1]], np.int64),
        "flags": np.array([True, False]),
        "empty": np.zeros((0,), np.uint8),
        "list": [1.5, 2, "x", None],
        "text": "é",
    }


def a_memory(added=0):
    """A replay after so many transitions; each has a frame of its own."""
    memory = ReplayMemory(CAPACITY, (2, 2), 3, np.random.default_rng(added), discount=0.99)
    for number in range(added):
        frame = np.full((2, 2), number % 251, np.uint8)
        memory.add(frame, number % 5, number % 3 - 1, number % 17 == 0, number % 13 == 0)
    return memory


def saved(tmp_path, step=7):
    """A checkpoint of as many transitions as steps, after those that are there already."""
    checkpoints = Checkpoints(tmp_path / "checkpoint", RUN)
    checkpoints.load(a_memory())
    checkpoints.save(step, a_state(step), a_memory(step))
    return tmp_path / "checkpoint"


def load(folder, run=RUN, memory=None):
    return Checkpoints(folder, run).load(a_memory() if memory is None else memory)


def contents(folder):
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def segment_files(folder):
    """First and second copies of all segments."""
    return [path for name in ("segments", "copies") for path in sorted((folder / name).iterdir())]


def rewrite_state(place, **changes):
    """Change state.json as someone would who knows about its checksum."""
    whole = json.loads((place / "state.json").read_text()) | changes
    del whole["checksum"]
    whole["checksum"] = checkpoint._checksum(whole)
    (place / "state.json").write_text(json.dumps(whole))


def equal(one, two):
    """Compare nested states; tensors may have become arrays."""
    if isinstance(one, torch.Tensor):
        one = one.numpy()
    if isinstance(one, np.ndarray):
        return (
            isinstance(two, np.ndarray)
            and one.dtype == two.dtype
            and one.shape == two.shape
            and np.array_equal(one, two)
        )
    if isinstance(one, dict):
        return set(one) == set(two) and all(equal(value, two[key]) for key, value in one.items())
    return one == two


def same_replay(one, two):
    return one.state() == two.state() and equal(
        one.read(one.oldest, one.added), two.read(two.oldest, two.added)
    )


# --- there and back --------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 7, 10, 49, 50, 73, 120, 121])
def test_a_checkpoint_comes_back_as_it_was(tmp_path, step):
    memory = a_memory()
    found = load(saved(tmp_path, step), memory=memory)
    assert (found.step, found.damage) == (step, "")
    assert equal(a_state(step), found.state)
    assert same_replay(memory, a_memory(step))


def test_one_after_the_other_comes_back_as_it_was(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint", RUN)
    for step in (3, 9, 10, 25, 71, 72, 300):
        checkpoints.save(step, a_state(step), a_memory(step))
        memory = a_memory()
        assert load(tmp_path / "checkpoint", memory=memory).step == step
        assert same_replay(memory, a_memory(step))


def test_arrays_without_a_shape_come_back_without_one(tmp_path):
    Checkpoints(tmp_path, RUN).save(1, {"zero": np.array(2.5)}, None)
    assert load(tmp_path).state["zero"].shape == ()


def test_what_comes_back_can_be_written_to(tmp_path):
    found = load(saved(tmp_path))
    found.state["numbers"][0] = 9
    assert found.state["numbers"][0] == 9


def test_a_checkpoint_may_lack_the_replay(tmp_path):
    folder = saved(tmp_path, 30)
    checkpoints = Checkpoints(folder, RUN)
    checkpoints.load(a_memory())
    checkpoints.save(33, a_state(33), None)
    memory = a_memory()
    assert load(folder, memory=memory).step == 33
    assert len(memory) == 0
    (folder / "step-000000033" / ARRAYS).unlink()  # the one before still has its own
    assert load(folder, memory=memory).step == 30
    assert same_replay(memory, a_memory(30))


def test_no_checkpoint_is_none(tmp_path):
    assert load(tmp_path / "nowhere") is None
    (tmp_path / "empty").mkdir()
    assert load(tmp_path / "empty") is None


def test_only_what_is_new_is_written(tmp_path):
    folder = saved(tmp_path, 42)
    before = {path: path.stat() for path in segment_files(folder)}
    assert len(before) == 2 * 4
    saved(tmp_path, 67)
    after = {path: path.stat() for path in segment_files(folder)}
    assert len(after) == 2 * 6
    assert all(
        (after[name].st_ino, after[name].st_mtime_ns) == (one.st_ino, one.st_mtime_ns)
        for name, one in before.items()
    )


# --- two are kept ----------------------------------------------------------------------


def test_the_newest_two_are_kept_with_the_segments_they_need(tmp_path):
    for step in (9, 20, 31, 42, 63, 99):
        folder = saved(tmp_path, step)
    places = sorted(item.name for item in folder.iterdir())
    assert places == ["copies", "segments", "step-000000063", "step-000000099"]
    # 63 holds transitions 13 to 62, 99 holds 49 to 98.
    there = [path.name for path in segment_files(folder)]
    assert there == 2 * [f"segment-{number:08d}.safetensors.zst" for number in range(1, 9)]
    files = {place: sorted(path.name for path in (folder / place).iterdir()) for place in places}
    assert files["step-000000063"] == [ARRAYS, "state.json", TAIL]
    assert files["step-000000099"] == [ARRAYS, "state.json", TAIL]


def test_a_segment_overwritten_in_part_and_never_written_before_goes_into_the_head(tmp_path):
    folder = saved(tmp_path, 73)
    place = folder / "step-000000073"
    assert sorted(path.name for path in place.iterdir()) == [ARRAYS, HEAD, "state.json", TAIL]
    assert sorted(path.name for path in (folder / "segments").iterdir())[0].startswith(
        "segment-00000003"
    )


def test_two_checkpoints_of_one_step_are_two(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint", RUN)
    for number in range(3):
        checkpoints.save(20, {"number": number}, a_memory(20))
    assert load(tmp_path / "checkpoint").state == {"number": 2}
    assert checkpoint.newest_step(tmp_path / "checkpoint") == 20
    names = sorted(path.name for path in (tmp_path / "checkpoint").glob("step-*"))
    assert names == ["step-000000020+", "step-000000020++"]


def test_the_newest_step_is_found_without_reading(tmp_path):
    assert checkpoint.newest_step(tmp_path / "nowhere") is None
    saved(tmp_path, 900)
    assert checkpoint.newest_step(saved(tmp_path, 1_000)) == 1_000


# --- interrupted saves -----------------------------------------------------------------


def test_a_save_that_fails_at_any_write_leaves_the_older_ones(tmp_path, monkeypatch):
    folder = saved(tmp_path, 20)
    saved(tmp_path, 31)
    before = contents(folder)
    checkpoints = Checkpoints(folder, RUN)
    checkpoints.load(a_memory())
    sync, left = os.fsync, 0

    def full(file):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("no space left on device")
        sync(file)

    monkeypatch.setattr(os, "fsync", full)
    failures = 0
    while True:
        left = failures
        try:
            checkpoints.save(67, a_state(67), a_memory(67))
            break
        except OSError:
            failures += 1
        if not (folder / "step-000000067").exists():
            assert contents(folder) == before  # and what was begun takes no room
    # Three segments twice, tail, arrays, the segments' two folders, state.json and its folder,
    # the whole.
    assert failures == 6 + 1 + 1 + 2 + 2 + 1
    memory = a_memory()
    assert load(folder, memory=memory).step == 67
    assert same_replay(memory, a_memory(67))


def test_the_older_one_is_there_until_the_newer_is_complete(tmp_path, monkeypatch):
    folder = saved(tmp_path, 20)
    write_json, seen = records.write_json, []

    def watching(path, value):
        copy = shutil.copytree(folder, tmp_path / f"copy-{len(seen)}")
        seen.append(load(copy).step)
        write_json(path, value)

    monkeypatch.setattr(records, "write_json", watching)
    saved(tmp_path, 31)
    saved(tmp_path, 42)
    assert seen == [20, 31]
    assert load(folder).step == 42


def test_what_killed_writers_left_is_removed(tmp_path):
    folder = saved(tmp_path, 25)
    before = contents(folder)
    torso = folder / ".step-000000042.tmp"
    torso.mkdir()
    (torso / ARRAYS).write_bytes(b"half")
    (torso / ".state.json.tmp").write_bytes(b"{")
    (folder / "segments" / "segment-00000002.safetensors.zst").write_bytes(b"torn")
    (folder / "segments" / "segment-00000003.safetensors.zst").write_bytes(b"")
    assert load(folder).step == 25
    assert contents(folder) == before
    assert not torso.exists()


def test_what_a_writer_left_that_was_killed_in_the_first_save_is_removed(tmp_path):
    folder = tmp_path / "checkpoint"
    (folder / "segments").mkdir(parents=True)
    (folder / ".step-000000042.tmp").mkdir()
    (folder / "segments" / "segment-00000002.safetensors.zst").write_bytes(b"torn")
    assert load(folder) is None
    assert contents(folder) == {}


# --- damage ----------------------------------------------------------------------------

DAMAGE = {
    "flip": lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
    "flip in the middle": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 64]) + data[len(data) // 2 + 1 :]
    ),
    "truncate": lambda data: data[:-2],
    "empty": lambda data: b"",
    "append": lambda data: data + b"0",
    "remove": lambda data: None,
}
SEGMENT = "segments/segment-00000005.safetensors.zst"  # which only the newest needs
FILES = {"state": "step-000000067/state.json", "arrays": f"step-000000067/{ARRAYS}",
         "tail": f"step-000000067/{TAIL}", "segment": SEGMENT}  # fmt: skip


def harm(path, damage):
    data = DAMAGE[damage](path.read_bytes())
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


def harm_both(folder, name, damage):
    """Of a segment both copies."""
    harm(folder / name, damage)
    if name.startswith("segments/"):
        harm(folder / name.replace("segments/", "copies/"), damage)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
def test_if_the_newest_is_damaged_the_one_before_is_used(tmp_path, name, damage):
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    harm_both(folder, name, damage)
    memory = a_memory()
    found = load(folder, memory=memory)
    assert found.step == 42
    assert equal(a_state(42), found.state)
    assert same_replay(memory, a_memory(42))
    for word in ("damaged", "step-000000067", name.split("/")[-1], "going on from step-000000042"):
        assert word in found.damage
    assert "\n" not in found.damage
    # What came after it will be made again.
    assert not (folder / "step-000000067").exists()
    assert load(folder).step == 42
    saved(tmp_path, 67)
    memory = a_memory()
    assert load(folder, memory=memory).damage == ""
    assert same_replay(memory, a_memory(67))


@pytest.mark.parametrize("name", ["arrays", "state"])
def test_a_damaged_checkpoint_stays_aside_until_the_next_one_is_complete(
    tmp_path, monkeypatch, name
):
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    harm(folder / FILES[name], "flip")
    before = contents(folder)
    for _ in range(2):  # and if the next process comes to nothing, likewise
        assert load(folder).step == 42
        assert contents(folder) == {
            path.replace("step-000000067", "damaged-step-000000067"): data
            for path, data in before.items()
        }
    checkpoints = Checkpoints(folder, RUN)
    checkpoints.load(a_memory())
    with monkeypatch.context() as patch:
        patch.setattr(records, "write_json", lambda *_: (_ for _ in ()).throw(OSError("no space")))
        with pytest.raises(OSError, match="no space"):
            checkpoints.save(60, a_state(60), a_memory(60))
    assert {path.name for path in (folder / "damaged-step-000000067").iterdir()} == {
        ARRAYS, "state.json", TAIL,
    }  # fmt: skip
    harm(folder / "damaged-step-000000067" / Path(FILES[name]).name, "flip")  # it is mended
    (folder / "damaged-step-000000067").rename(folder / "step-000000067")
    memory = a_memory()
    assert load(folder, memory=memory).step == 67
    assert same_replay(memory, a_memory(67))
    harm(folder / FILES[name], "flip")
    saved(tmp_path, 60)
    assert sorted(path.name for path in folder.iterdir()) == [
        "copies", "segments", "step-000000042", "step-000000060",
    ]  # fmt: skip
    assert {path.name for path in segment_files(folder)} == {
        f"segment-{number:08d}.safetensors.zst" for number in range(6)
    }


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["step-000000042/state.json", f"step-000000042/{ARRAYS}"])
def test_a_damaged_older_one_does_no_harm(tmp_path, name, damage):
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    harm(folder / name, damage)
    assert load(folder).step == 67
    saved(tmp_path, 70)
    assert sorted(folder.glob("damaged-*")) == []
    harm(folder / "step-000000070" / ARRAYS, "flip")
    assert load(folder).step == 67


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("copies", ["segments", "copies"])
def test_a_segment_is_lost_with_both_copies_only(tmp_path, capfd, copies, number, damage):
    """Checkpoints 42 and 67 share segments 1 to 3."""
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    before = contents(folder)
    damaged = folder / copies / f"segment-{number:08d}.safetensors.zst"
    harm(damaged, damage)
    memory = a_memory()
    found = load(folder, memory=memory)
    assert (found.step, found.damage) == (67, "")
    assert same_replay(memory, a_memory(67))
    err = capfd.readouterr().err
    if copies == "segments" and number > 0:
        assert contents(folder) == before
        assert err == f"repro: {damaged} was damaged; mended, nothing is lost\n"
    else:  # not read
        assert err == ""


def test_of_many_damaged_segments_one_is_named(tmp_path, capfd):
    folder = saved(tmp_path, 42)
    before = contents(folder)
    shutil.rmtree(folder / "segments")
    (folder / "segments").mkdir()
    assert load(folder).step == 42
    assert contents(folder) == before
    first = folder / "segments" / "segment-00000000.safetensors.zst"
    err = capfd.readouterr().err
    assert err == f"repro: {first} (and 3 more) was damaged; mended, nothing is lost\n"


def test_a_process_that_has_the_replay_mends_what_it_needs(tmp_path, capfd):
    """However the segments that both checkpoints share are damaged meanwhile."""
    folder = tmp_path / "checkpoint"
    checkpoints = Checkpoints(folder, RUN)
    for step in (40, 44):
        checkpoints.save(step, a_state(step), a_memory(step))
    for path in segment_files(folder):
        harm(path, "empty")
    checkpoints.save(48, a_state(48), a_memory(48))
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert f"{folder / 'segments' / 'segment-00000000.safetensors.zst'} (and 7 more)" in err
    for path in segment_files(folder):
        harm(path, "flip")
    for step in range(49, 49 + segments.ROUND):
        checkpoints.save(step, a_state(step), a_memory(step))
    capfd.readouterr()
    memory = a_memory()
    assert load(folder, memory=memory).damage == ""
    assert same_replay(memory, a_memory(step))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "damaged",
    [
        ["segments/segment-00000003.safetensors.zst"],  # which both need
        [f"step-000000042/{TAIL}", f"step-000000067/{TAIL}"],
        ["step-000000042/state.json", SEGMENT],
    ],
    ids=len,
)
def test_if_both_are_damaged_the_remedy_is_named(tmp_path, damaged):
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    for name in damaged:
        harm_both(folder, name, "flip")
    before = contents(folder)
    with pytest.raises(CheckpointError, match="damaged") as caught:
        load(folder)
    message = str(caught.value)
    assert "--restart" in message
    assert "\n" not in message
    assert all(name.split("/")[-1] in message for name in damaged)
    assert contents(folder) == before


# --- errors that pass ------------------------------------------------------------------


def failing(monkeypatch, call, name, times):
    """Make a call fail so many times for paths that end so; returns the pauses made."""
    owner = Path if call == "iterdir" else disk
    real, pauses, left = getattr(owner, call), [], times

    def fail(path, *about):
        nonlocal left
        if left and str(path).endswith(name):
            left -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(path, *about)

    monkeypatch.setattr(owner, call, fail)
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


NEWEST = "step-000000067"
CALLS = [
    ("iterdir", "checkpoint"), ("iterdir", "segments"), ("open_to_read", "42/state.json"),
    ("open_to_read", f"{NEWEST}/state.json"), ("open_to_read", f"{NEWEST}/{ARRAYS}"),
    ("open_to_read", f"{NEWEST}/{TAIL}"), ("open_to_read", "00005.safetensors.zst"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "name"), CALLS)
def test_an_error_that_passes_is_no_damage(tmp_path, monkeypatch, call, name):
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    before = contents(folder)
    with monkeypatch.context() as patch:
        pauses = failing(patch, call, name, 2)
        found = load(folder)
    assert (found.step, found.damage, len(pauses)) == (67, "", 2)
    assert contents(folder) == before


@pytest.mark.parametrize(("call", "name"), CALLS[:2])
def test_a_folder_that_cannot_be_read_stays_as_it_is(tmp_path, monkeypatch, call, name):
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    before = contents(folder)
    with monkeypatch.context() as patch:
        failing(patch, call, name, 99)
        with pytest.raises(disk.UnreadableError, match="Stale") as caught:
            load(folder)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(folder) == before
    assert load(folder).step == 67


@pytest.mark.parametrize("name", [name for _, name in CALLS[3:6]])
def test_a_newest_one_that_cannot_be_read_is_set_aside_as_it_is(tmp_path, monkeypatch, name):
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    before = contents(folder / NEWEST)
    with monkeypatch.context() as patch:
        failing(patch, "open_to_read", name, 99)
        found = load(folder)
    assert (found.step, "Stale" in found.damage) == (42, True)
    assert contents(folder / f"damaged-{NEWEST}") == before
    assert not (folder / NEWEST).exists()


@pytest.mark.parametrize("name", [ARRAYS, TAIL, "00003.safetensors.zst"])
def test_what_cannot_be_read_at_all_now_stays_as_it_is(tmp_path, monkeypatch, name):
    folder = saved(tmp_path, 42)
    saved(tmp_path, 67)
    before = contents(folder)
    with monkeypatch.context() as patch:
        failing(patch, "open_to_read", name, 99)
        with pytest.raises(disk.UnreadableError, match="Stale"):
            load(folder)
    assert contents(folder) == before
    assert load(folder).step == 67


# --- states that make no sense ---------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '{"schema": 2}', "\udcff", "[" * 9**5]
)
def test_a_damaged_state_is_noticed(tmp_path, text):
    folder = saved(tmp_path)
    (folder / "step-000000007" / "state.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match="--restart") as caught:
        load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "7"}, {"files": None}, {"files": {}}, {"segments": []}, {"segments": {}},
        {"run": "pong"}, {"values": []}, {"values": {}}, {"values": {"memory": None}},
        {"values": {"memory": 7, "state": {}}}, {"values": {"memory": {}, "state": {}}},
        {"values": {"state": {"array": "/nowhere"}, "memory": None}},
        {"files": {ARRAYS: 7}},
    ],
    ids=str,
)  # fmt: skip
def test_a_state_that_makes_no_sense_is_damage(tmp_path, changes):
    """Whoever wrote it has also mended its checksum."""
    folder = saved(tmp_path, 25)
    rewrite_state(folder / "step-000000025", **changes)
    with pytest.raises(CheckpointError, match="damaged"):
        load(folder)


# --- strangers and versions ------------------------------------------------------------


@pytest.mark.parametrize(
    "run", [RUN | {"seed": 2}, RUN | {"config": {"stack": (4, 84), "rate": 0.2}}, {}]
)
def test_a_strangers_checkpoint_is_refused(tmp_path, run):
    folder = saved(tmp_path)
    before = contents(folder)
    with pytest.raises(CheckpointError, match="another run") as caught:
        load(folder, run)
    assert "--restart" in str(caught.value)
    assert contents(folder) == before


@pytest.mark.parametrize("change", [-1, 1])
def test_another_versions_checkpoint_is_refused(tmp_path, monkeypatch, change):
    folder = saved(tmp_path)
    before = contents(folder)
    monkeypatch.setattr(checkpoint, "SCHEMA", checkpoint.SCHEMA + change)
    with pytest.raises(CheckpointError, match="version") as caught:
        load(folder)
    assert "--restart" in str(caught.value)
    assert contents(folder) == before


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path, schema):
    place = tmp_path / "step-000000042"
    place.mkdir()
    old = {"schema": schema, "run": RUN, "step": 42, "files": {"replay-frames.npy": "crc32:0"}}
    (place / "state.json").write_text(json.dumps(old | {"values": {}}))
    with pytest.raises(CheckpointError, match=rf"version \(checkpoint schema {schema}, here 6\)"):
        load(tmp_path)
    assert (place / "state.json").exists()


# --- nothing that is loaded can run code ------------------------------------------------


class Bomb:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_the_bomb_works(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "bang"))).close()
    assert (tmp_path / "bang").exists()


@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
@pytest.mark.parametrize("kind", ["pickle", "compressed", "object array", "torch"])
def test_a_pickle_in_a_files_place_is_not_run(tmp_path, name, kind):
    folder = saved(tmp_path, 67)
    bomb, path = Bomb(tmp_path / "bang"), folder / name
    with path.open("wb") as file:
        if kind == "torch":
            torch.save(bomb, file)
        elif kind == "object array":
            np.save(file, np.array([bomb], object), allow_pickle=True)
        elif kind == "compressed":
            file.write(zstandard.compress(pickle.dumps(bomb)))
        else:
            pickle.dump(bomb, file)
    if path.name != "state.json":  # whoever put it there has also mended the checksums
        state = json.loads((folder / "step-000000067" / "state.json").read_text())
        lists = {key: state[key] for key in ("files", "segments")}
        for checksums in lists.values():
            if path.name in checksums:
                checksums[path.name] = disk.checksum(path.read_bytes())
        rewrite_state(folder / "step-000000067", **lists)
    with pytest.raises(CheckpointError, match="damaged") as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "bang").exists()


def test_names_in_a_state_do_not_lead_elsewhere(tmp_path):
    folder = saved(tmp_path, 25)
    (tmp_path / "precious").write_text("x")
    place = folder / "step-000000025"
    state = json.loads((place / "state.json").read_text())
    rewrite_state(place, segments=state["segments"] | {"../../precious": "crc32:0"})
    assert load(folder).step == 25
    saved(tmp_path, 42)
    saved(tmp_path, 67)
    assert (tmp_path / "precious").read_text() == "x"


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_pickle_in_the_weights_place_is_not_run(tmp_path, write):
    path = tmp_path / "best.safetensors"
    with path.open("wb") as file:
        write(Bomb(tmp_path / "bang"), file)
    with pytest.raises(WeightsError, match=r"best\.safetensors"):
        weights_file.load(path, LinearNetwork(2, (3,)))
    assert not (tmp_path / "bang").exists()


# --- weights ---------------------------------------------------------------------------


def test_weights_come_back(tmp_path):
    path = tmp_path / "last.safetensors"
    one, two = NatureCNN(4), NatureCNN(4)
    weights_file.save(path, one, 7)
    weights_file.load(path, two)
    for (name, mine), theirs in zip(
        one.state_dict().items(), two.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs), name
    stacks = torch.randint(0, 256, (2, 4, 84, 84), dtype=torch.uint8)
    assert torch.equal(one(stacks), two(stacks))
    assert [item.name for item in tmp_path.iterdir()] == ["last.safetensors"]


def test_weights_are_in_the_standard_layout(tmp_path):
    # Read by other programs: channels first, whatever the layout in memory.
    from safetensors.numpy import load_file

    path = tmp_path / "last.safetensors"
    network = NatureCNN(4)
    weights_file.save(path, network, 7)
    arrays = load_file(path)
    assert {name: array.shape for name, array in arrays.items()} == {
        name: tuple(tensor.shape) for name, tensor in network.state_dict().items()
    }
    first = network.convolutions[0].weight.detach()
    kept = arrays["convolutions.0.weight"]
    for position in [(0, 0, 0, 1), (0, 1, 0, 0), (31, 3, 7, 2)]:
        assert kept[position] == float(first[position])


@pytest.mark.parametrize(
    "network", [NatureCNN(6), NatureCNN(4, hidden=16), LinearNetwork(4)], ids=["n", "h", "linear"]
)
def test_another_networks_weights_are_refused(tmp_path, network):
    path = tmp_path / "best.safetensors"
    weights_file.save(path, NatureCNN(4), 7)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=r"best\.safetensors") as caught:
        weights_file.load(path, network)
    assert "\n" not in str(caught.value)
    if isinstance(network, LinearNetwork):
        assert all(torch.equal(before[name], new) for name, new in network.state_dict().items())


def test_missing_and_damaged_weights_are_refused(tmp_path):
    path = tmp_path / "best.safetensors"
    with pytest.raises(WeightsError, match="train first"):
        weights_file.load(path, NatureCNN(4))
    weights_file.save(path, NatureCNN(4), 7)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="restore or remove"):
        weights_file.load(path, NatureCNN(4))


def test_weights_with_a_score_are_the_same_bytes_each_time(tmp_path):
    """The library's own order of metadata differs from call to call."""
    network = nn.Linear(3, 2)
    made = {weights_file.save(tmp_path / "best.safetensors", network, 7, -1.5) for _ in range(40)}
    assert len(made) == 1
    assert weights_file.load(tmp_path / "best.safetensors", nn.Linear(3, 2)) == 7
    with safetensors.safe_open(tmp_path / "best.safetensors", "numpy") as file:
        assert file.metadata() == {"step": "7", "score": "-1.5"}
