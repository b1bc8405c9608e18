"""The replay's segments: what is written when, what comes back, how much there is of it."""

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from repro import config
from repro.replay import ReplayMemory
from repro.storage import segments
from repro.storage.checkpoint import Checkpoints
from repro.storage.segments import DamageError, Shared
from repro.system import disk
from repro.system.disk import UnreadableError, checksum

SHAPE = (2, 2)


def fill(memory, steps, start=0):
    for number in range(start, start + steps):
        frame = np.full(SHAPE, number % 251, np.uint8)
        memory.add(frame, number % 18, number % 3 - 1, number % 101 == 0, number % 37 == 0)


def a_memory(capacity, steps=0):
    memory = ReplayMemory(capacity, SHAPE, 4, np.random.default_rng(steps), discount=0.99)
    fill(memory, steps)
    return memory


def same(one, two):
    assert one.state() == two.state()
    there, here = (memory.read(memory.oldest, memory.added) for memory in (one, two))
    for name in here:
        np.testing.assert_array_equal(there[name], here[name])


@pytest.fixture
def own(tmp_path):
    """A checkpoint's own folder."""
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.fixture
def pair(tmp_path):
    """The folders of the first and of the second copies."""
    return tmp_path / "first", tmp_path / "second"


@pytest.fixture
def shared(pair):
    found = Shared(*pair)
    found.make_folders()
    return found


@pytest.fixture
def _short(monkeypatch):
    monkeypatch.setattr(segments, "STEPS", 10)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def name(number):
    return f"segment-{number:08d}.safetensors.zst"


# --- one file --------------------------------------------------------------------------


def test_arrays_come_back(tmp_path):
    arrays = {
        "bytes": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        "part": np.arange(20.0).reshape(4, 5)[::2, ::2].copy(),
        "flags": np.array([True, False]),
        "none": np.zeros((0, 3), np.int64),
        "scalar": np.array(2.5, np.float32),
    }
    path = tmp_path / "x"
    found = segments.read(path, segments.write(arrays, path))
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        assert (found[key].dtype, found[key].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[key], array)


def test_the_same_arrays_are_the_same_bytes(tmp_path):
    """So that a training that is repeated writes the segments that are there."""
    one = segments.write(a_memory(50, 50).read(0, 50), tmp_path / "one")
    two = segments.write(a_memory(50, 50).read(0, 50), tmp_path / "two")
    assert one == two
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_every_single_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "x"
    written = segments.write({"a": np.arange(5)}, path)
    data = path.read_bytes()
    for place in range(len(data)):
        for bit in range(8):
            changed = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            path.write_bytes(changed)
            with pytest.raises(DamageError, match="not as it was written"):
                segments.read(path, written)


def test_what_is_no_such_file_is_damage(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(DamageError, match="cannot be read"):
        segments.read(path, checksum(b""))
    for data in (b"", b"x", b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00x"):
        path.write_bytes(data)
        with pytest.raises(DamageError, match="cannot be read"):
            segments.read(path, checksum(data))


# --- a replay --------------------------------------------------------------------------


def test_segments_are_of_2000_consecutive_transitions(shared, pair, own):
    memory = a_memory(9_000, 7_300)
    needed, files = segments.store(memory, shared, own, {})
    assert sorted(needed) == [name(0), name(1), name(2)]
    assert names(pair[0]) == names(pair[1]) == sorted(needed)
    assert list(files) == ["tail.safetensors.zst"]
    for folder in pair:
        found = segments.read(folder / name(1), needed[name(1)])
        assert found.keys() == {"frames", "actions", "rewards", "ends"}
        for key, array in memory.read(2_000, 4_000).items():
            np.testing.assert_array_equal(found[key], array)
    assert len(segments.read(own / "tail.safetensors.zst", next(iter(files.values())))["ends"]) == (
        1_300
    )


@pytest.mark.parametrize("length", [7, 10, 64])
@pytest.mark.parametrize("steps", [0, 1, 9, 10, 49, 50, 51, 60, 63, 129, 130])
def test_whatever_is_held_comes_back(shared, own, monkeypatch, length, steps):
    monkeypatch.setattr(segments, "STEPS", length)
    memory, other = a_memory(50, steps), a_memory(50)
    needed, files = segments.store(memory, shared, own, {})
    segments.restore(other, memory.state(), shared, own, needed, files)
    same(other, memory)
    for one in (memory, other):
        fill(one, 30, steps)
    same(other, memory)


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("every", [1, 9, 10, 23, 50, 70])
def test_known_segments_are_not_written_again(shared, own, monkeypatch, every):
    memory, known, written = a_memory(50), {}, []
    real = Shared.write
    monkeypatch.setattr(
        Shared, "write", lambda self, *about: (written.append(about[0]), real(self, *about))[1]
    )
    for turn, start in enumerate(range(0, 400, every)):
        fill(memory, every, start)
        known, files = segments.store(memory, shared, own, known, turn)
        other = a_memory(50)
        segments.restore(other, memory.state(), shared, own, known, files)
        same(other, memory)
    assert len(written) == len(set(written))
    assert shared.damaged() == []


# --- two copies ------------------------------------------------------------------------

HARM = {
    "flip": lambda path: path.write_bytes(
        bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]
    ),
    "truncate": lambda path: os.truncate(path, path.stat().st_size - 1),
    "empty": lambda path: os.truncate(path, 0),
    "remove": Path.unlink,
}


def contents(pair):
    return [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in pair]


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
@pytest.mark.parametrize("which", [0, 1])
def test_a_damaged_copy_is_read_from_the_other_one_and_mended(shared, pair, own, harm, which):
    memory, other = a_memory(50, 73), a_memory(50)
    needed, files = segments.store(memory, shared, own, {})
    before = contents(pair)
    harm(pair[which] / name(4))
    segments.restore(other, memory.state(), shared, own, needed, files)
    same(other, memory)
    if which == 0:  # the second copy is not looked at before it is needed, or a save comes
        assert contents(pair) == before
        assert shared.damaged() == [pair[0] / name(4)]
    assert shared.damaged() == []


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)], ids=str)
@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_damaged_copies_are_mended_by_the_saves_that_follow(shared, pair, own, harm, which):
    """From the other copy, or from memory; also of the oldest segment, half of it overwritten."""
    memory = a_memory(50, 60)
    known, _ = segments.store(memory, shared, own, {})
    fill(memory, 5, 60)
    before = contents(pair)
    for folder in which:
        harm(pair[folder] / name(3))
    for turn in range(segments.ROUND):
        known, files = segments.store(memory, shared, own, known, turn)
    assert contents(pair) == before
    assert shared.damaged() == [pair[folder] / name(3) for folder in which]
    for folder in which:
        harm(pair[folder] / name(1))  # of transitions 10 to 19, 15 to 19 are held
    for turn in range(segments.ROUND):
        known, files = segments.store(memory, shared, own, known, turn)
    assert shared.damaged() == [pair[folder] / name(1) for folder in which]
    assert ("head.safetensors.zst" in files) == (len(which) == 2)
    other = a_memory(50)
    segments.restore(other, memory.state(), shared, own, known, files)
    same(other, memory)


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("harm", ["truncate", "empty", "remove"])
def test_what_is_of_another_size_is_noticed_by_the_next_save(shared, pair, own, harm):
    memory = a_memory(50, 50)
    known, _ = segments.store(memory, shared, own, {})
    before = contents(pair)
    for turn in range(5):
        for number in range(5):
            HARM[harm](pair[turn % 2] / name(number))
        known, _ = segments.store(memory, shared, own, known, turn)
        assert contents(pair) == before


# --- errors that pass ------------------------------------------------------------------


@pytest.fixture
def flaky(monkeypatch):
    """Make reading some files fail so many times; the pauses in between are noted, not made."""
    real, pauses = disk.open_to_read, []
    left = {}

    def open_to_read(path, most_bytes):
        if left.get(path, 0) > 0:
            left[path] -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(path, most_bytes)

    monkeypatch.setattr(disk, "open_to_read", open_to_read)
    monkeypatch.setattr(time, "sleep", pauses.append)

    def fail(times, *paths):
        left.clear()
        left.update(dict.fromkeys(paths, times))
        pauses.clear()
        return pauses

    return fail


def test_an_error_that_passes_is_waited_out(tmp_path, flaky):
    path = tmp_path / "x"
    written = segments.write({"a": np.arange(5)}, path)
    pauses = flaky(3, path)
    assert segments.read(path, written)["a"].tolist() == [0, 1, 2, 3, 4]
    assert len(pauses) == 3
    assert sum(pauses) <= 5
    pauses = flaky(99, path)
    with pytest.raises(UnreadableError, match=rf"{path} cannot be read \(Stale file handle\)"):
        segments.read(path, written)
    assert len(pauses) == 3


@pytest.mark.usefixtures("_short")
def test_a_segment_that_cannot_be_read_now_is_not_taken_for_damaged(shared, pair, own, flaky):
    memory, other = a_memory(50, 50), a_memory(50)
    needed, files = segments.store(memory, shared, own, {})
    before = contents(pair)
    flaky(99, pair[0] / name(2))
    segments.restore(other, memory.state(), shared, own, needed, files)
    same(other, memory)
    flaky(99, pair[0] / name(2), pair[1] / name(2))
    with pytest.raises(UnreadableError, match=name(2)):
        segments.restore(other, memory.state(), shared, own, needed, files)
    HARM["flip"](pair[0] / name(3))
    flaky(99, pair[1] / name(3))
    with pytest.raises(UnreadableError, match=name(3)):
        segments.restore(other, memory.state(), shared, own, needed, files)
    flaky(0)
    segments.restore(other, memory.state(), shared, own, needed, files)
    same(other, memory)
    assert contents(pair) == before


# --- 50 million steps ------------------------------------------------------------------


class BulkMemory(ReplayMemory):
    """A replay that can be moved ahead without playing: what it holds follows from its number."""

    def advance(self, steps):
        """Be as if so many more transitions had been added."""
        self._added += steps
        numbers = np.arange(max(self.oldest, self._added - steps), self._added)
        slots = numbers % self.capacity_steps
        self._frames[slots, 0, 0] = numbers % 256
        self._frames[slots, 0, 1] = numbers // 256 % 256
        self._actions[slots] = numbers % 18


@pytest.mark.slow
def test_disk_use_stays_bounded_over_50_million_steps(tmp_path, monkeypatch):
    """The default cadence and replay; only the screens are smaller."""
    chosen = config.preset("nature")
    every, capacity = chosen.training.checkpoint_every_steps, chosen.agent.replay_steps
    assert every % segments.STEPS  # so that there are segments begun and not yet filled
    monkeypatch.setattr(os, "fsync", lambda _: None)  # 50,000 times: most of the time it took
    memory = BulkMemory(capacity, SHAPE, 4, np.random.default_rng(0), discount=0.99)
    folder = tmp_path / "checkpoint"
    checkpoints = Checkpoints(folder, {})
    sizes, written = [], 0
    before = set()
    for step in range(every, 50_000_001, every):
        memory.advance(every)
        checkpoints.save(step, {"step": step}, memory)
        # Two checkpoints: this one, and the one before with transitions that are older.
        oldest = max(step - every - capacity, 0)
        needed = {name(number) for number in range(oldest // 2_000, step // 2_000)}
        for copies in ("segments", "copies"):
            assert set(names(folder / copies)) == needed
        written += len(needed - before)
        before = needed
        places = sorted(folder.glob("step-*"))
        assert len(places) == min(step // every, 2)
        tail = {"tail.safetensors.zst"} if step % 2_000 else set()
        assert set(names(places[-1])) == {"state.json", "arrays.safetensors.zst", *tail}
        sizes.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
    assert len(needed) <= (capacity + every) // 2_000 + 1
    assert written == 25_000
    assert max(sizes[10:]) < 1.1 * min(sizes[10:])
    other = BulkMemory(capacity, SHAPE, 4, np.random.default_rng(1), discount=0.99)
    assert Checkpoints(folder, {}).load(other).step == 50_000_000
    same(other, memory)
