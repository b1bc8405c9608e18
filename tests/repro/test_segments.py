"""The replay's segments: what is written when, what comes back, how much there is of it."""

import os

import numpy as np
import pytest

from repro import segments
from repro.checkpoint import Checkpoints
from repro.replay import ReplayMemory
from repro.segments import DamageError

SHAPE = (2, 2)


def fill(memory, steps, start=0):
    for number in range(start, start + steps):
        frame = np.full(SHAPE, number % 251, np.uint8)
        memory.add(frame, number % 18, number % 3 - 1, number % 101 == 0, number % 37 == 0)


def a_memory(capacity, steps=0):
    memory = ReplayMemory(capacity, SHAPE, 4, np.random.default_rng(steps))
    fill(memory, steps)
    return memory


def same(one, two):
    assert one.state() == two.state()
    there, here = (memory.read(memory.oldest, memory.added) for memory in (one, two))
    for name in here:
        np.testing.assert_array_equal(there[name], here[name])


@pytest.fixture
def folders(tmp_path):
    found = tmp_path / "shared", tmp_path / "own"
    for folder in found:
        folder.mkdir()
    return found


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
    found = segments.read(path, segments.write(path, arrays))
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        assert (found[key].dtype, found[key].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[key], array)


def test_the_same_arrays_are_the_same_bytes(tmp_path):
    """So that a training that is repeated writes the segments that are there."""
    one = segments.write(tmp_path / "one", a_memory(50, 50).read(0, 50))
    two = segments.write(tmp_path / "two", a_memory(50, 50).read(0, 50))
    assert one == two
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_every_single_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "x"
    checksum = segments.write(path, {"a": np.arange(5)})
    data = path.read_bytes()
    for place in range(len(data)):
        for bit in range(8):
            changed = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            path.write_bytes(changed)
            with pytest.raises(DamageError, match="not as it was written"):
                segments.read(path, checksum)


def test_what_is_no_such_file_is_damage(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(DamageError, match="cannot be read"):
        segments.read(path, "crc32:00000000")
    for data in (b"", b"x", b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00x"):
        path.write_bytes(data)
        with pytest.raises(DamageError, match="cannot be read"):
            segments.read(path, segments.checksum(data))


# --- a replay --------------------------------------------------------------------------


def test_segments_are_of_2000_consecutive_transitions(folders):
    shared, own = folders
    memory = a_memory(9_000, 7_300)
    needed, files = segments.store(memory, shared, own, {})
    assert sorted(needed) == [name(0), name(1), name(2)]
    assert sorted(path.name for path in shared.iterdir()) == sorted(needed)
    assert list(files) == ["tail.safetensors.zst"]
    found = segments.read(shared / name(1), needed[name(1)])
    assert found.keys() == {"frames", "actions", "rewards", "ends"}
    for key, array in memory.read(2_000, 4_000).items():
        np.testing.assert_array_equal(found[key], array)
    assert len(segments.read(own / "tail.safetensors.zst", next(iter(files.values())))["ends"]) == (
        1_300
    )


@pytest.mark.parametrize("length", [7, 10, 64])
@pytest.mark.parametrize("steps", [0, 1, 9, 10, 49, 50, 51, 60, 63, 129, 130])
def test_whatever_is_held_comes_back(folders, monkeypatch, length, steps):
    monkeypatch.setattr(segments, "STEPS", length)
    memory, other = a_memory(50, steps), a_memory(50)
    needed, files = segments.store(memory, *folders, {})
    segments.restore(other, memory.state(), *folders, needed, files)
    same(other, memory)
    for one in (memory, other):
        fill(one, 30, steps)
    same(other, memory)


@pytest.mark.parametrize("every", [1, 9, 10, 23, 50, 70])
def test_known_segments_are_not_written_again(folders, monkeypatch, every):
    monkeypatch.setattr(segments, "STEPS", 10)
    shared, own = folders
    memory, known, written = a_memory(50), {}, []
    real = segments.write

    def write(path, arrays):
        if path.parent == shared:
            written.append(path.name)
        return real(path, arrays)

    monkeypatch.setattr(segments, "write", write)
    for start in range(0, 400, every):
        fill(memory, every, start)
        known, files = segments.store(memory, shared, own, known)
        other = a_memory(50)
        segments.restore(other, memory.state(), shared, own, known, files)
        same(other, memory)
    assert len(written) == len(set(written))


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
    monkeypatch.setattr(os, "fsync", lambda _: None)  # 25,000 times: most of the time it took
    memory = BulkMemory(1_000_000, SHAPE, 4, np.random.default_rng(0))
    checkpoints = Checkpoints(tmp_path / "checkpoint", {})
    counts, sizes, new = [], [], []
    seen = set()
    for step in range(250_000, 50_000_001, 250_000):
        memory.advance(250_000)
        checkpoints.save(step, {"step": step}, memory)
        there = list((tmp_path / "checkpoint").rglob("*"))
        files = {path.name for path in there if path.name.startswith("segment-")}
        counts.append(len(files))
        new.append(len(files - seen))
        seen |= files
        sizes.append(sum(path.stat().st_size for path in there if path.is_file()))
        assert len(there) == len(files) + 1 + 2 * min(len(counts), 2) + min(len(counts), 2)
    # Two checkpoints, 250,000 steps apart, of a million transitions each.
    assert counts[:5] == [125, 250, 375, 500, 625]
    assert set(counts[4:]) == {625}
    assert set(new) == {125}
    assert len(seen) == 25_000
    assert max(sizes[5:]) < 1.1 * min(sizes[5:])
    other = BulkMemory(1_000_000, SHAPE, 4, np.random.default_rng(1))
    assert Checkpoints(tmp_path / "checkpoint", {}).load(other).step == 50_000_000
    same(other, memory)
