"""Checkpoints and weights: round trip, damage, strangers, interrupted saves, pickles."""

import json
import pickle
import zlib

import numpy as np
import pytest
import torch

from repro import checkpoint, records
from repro.checkpoint import CheckpointError
from repro.networks import LinearNetwork, NatureCNN

RUN = {"game": "pong", "seed": 1, "config": {"stack": (4, 84), "rate": 0.1}}


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


def a_replay():
    return {
        "frames": np.random.default_rng(0).integers(0, 256, (30, 4, 4), np.uint8),
        "rewards": np.linspace(-1, 1, 30, dtype=np.float32),
    }


def saved(tmp_path, step=7):
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder, step, a_state(step), a_replay(), RUN)
    return folder


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


# --- there and back --------------------------------------------------------------------


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    found = checkpoint.load(saved(tmp_path), RUN)
    assert found.step == 7
    assert equal(a_state(), found.state)
    assert equal(a_replay(), {name: np.array(array) for name, array in found.replay.items()})


def test_arrays_without_a_shape_come_back_without_one(tmp_path):
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder, 1, {"zero": np.array(2.5)}, {}, RUN)
    assert checkpoint.load(folder, RUN).state["zero"].shape == ()


def test_what_comes_back_can_be_written_to(tmp_path):
    found = checkpoint.load(saved(tmp_path), RUN)
    found.state["numbers"][0] = 9
    assert found.state["numbers"][0] == 9


def test_a_checkpoint_may_lack_the_replay(tmp_path):
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder, 3, a_state(3), {}, RUN)
    assert checkpoint.load(folder, RUN).replay == {}


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.load(tmp_path / "nowhere", RUN) is None
    (tmp_path / "empty").mkdir()
    assert checkpoint.load(tmp_path / "empty", RUN) is None


# --- interrupted saves -----------------------------------------------------------------


def test_the_newest_replaces_the_older_ones(tmp_path):
    folder = saved(tmp_path, 900)
    saved(tmp_path, 1_000)
    assert checkpoint.load(folder, RUN).step == 1_000
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("failing", ["write_json", "np.save", "save_file"])
def test_a_save_that_fails_leaves_the_older_one(tmp_path, monkeypatch, failing):
    folder = saved(tmp_path, 5)

    def fail(*_, **__):
        raise OSError("no space left on device")

    where = {
        "write_json": (records, "write_json"),
        "np.save": (checkpoint.np, "save"),
        "save_file": (checkpoint.safetensors.numpy, "save_file"),
    }[failing]
    with monkeypatch.context() as patch:
        patch.setattr(*where, fail)
        with pytest.raises(OSError, match="no space"):
            saved(tmp_path, 6)
    found = checkpoint.load(folder, RUN)
    assert found.step == 5
    assert equal(a_state(5), found.state)


def test_the_older_one_is_there_until_the_newer_is_complete(tmp_path, monkeypatch):
    folder = saved(tmp_path, 5)
    write_json = records.write_json

    def watching(path, value):
        assert checkpoint.load(folder, RUN).step == 5
        write_json(path, value)
        assert checkpoint.load(folder, RUN).step == 6

    monkeypatch.setattr(records, "write_json", watching)
    saved(tmp_path, 6)
    assert checkpoint.load(folder, RUN).step == 6


def test_a_save_that_was_killed_does_not_count(tmp_path):
    folder = saved(tmp_path, 5)
    torso = folder / "step-000000006"
    torso.mkdir()
    (torso / "arrays.safetensors").write_bytes(b"half")
    (torso / ".state.json.tmp").write_bytes(b"{")
    assert checkpoint.load(folder, RUN).step == 5
    saved(tmp_path, 6)  # in the same place
    assert checkpoint.load(folder, RUN).step == 6
    assert equal(a_state(6), checkpoint.load(folder, RUN).state)


# --- damage ----------------------------------------------------------------------------


def names(folder):
    return sorted(path.name for path in next(folder.iterdir()).iterdir())


def test_the_files_of_a_checkpoint(tmp_path):
    assert names(saved(tmp_path)) == [
        "arrays.safetensors", "replay-frames.npy", "replay-rewards.npy", "state.json",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["arrays.safetensors", "replay-frames.npy", "replay-rewards.npy"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove", "append"])
def test_damage_is_noticed_and_the_remedy_named(tmp_path, name, damage):
    folder = saved(tmp_path)
    path = next(folder.iterdir()) / name
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-5] ^= 1
    elif damage == "truncate":
        del data[-1:]
    elif damage == "empty":
        data.clear()
    elif damage == "append":
        data += b"\0"
    path.write_bytes(data)
    if damage == "remove":
        path.unlink()
    with pytest.raises(CheckpointError, match="damaged") as caught:
        checkpoint.load(folder, RUN)
    assert f"remove {folder}" in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}', "\udcff"])
def test_a_damaged_marker_is_noticed(tmp_path, text):
    folder = saved(tmp_path)
    marker = next(folder.iterdir()) / "state.json"
    marker.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match="remove") as caught:
        checkpoint.load(folder, RUN)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "run", [RUN | {"seed": 2}, RUN | {"config": {"stack": (4, 84), "rate": 0.2}}, {}]
)
def test_a_strangers_checkpoint_is_refused(tmp_path, run):
    folder = saved(tmp_path)
    with pytest.raises(CheckpointError, match="another run") as caught:
        checkpoint.load(folder, run)
    assert f"remove {folder}" in str(caught.value)
    assert checkpoint.load(folder, RUN) is not None  # nothing was touched


def test_another_versions_checkpoint_is_refused(tmp_path, monkeypatch):
    folder = saved(tmp_path)
    monkeypatch.setattr(records, "SCHEMA", records.SCHEMA + 1)
    with pytest.raises(CheckpointError, match="version"):
        checkpoint.load(folder, RUN)


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


@pytest.mark.parametrize("name", ["arrays.safetensors", "replay-frames.npy"])
@pytest.mark.parametrize("kind", ["pickle", "object array", "torch"])
def test_a_pickle_in_a_files_place_is_not_run(tmp_path, name, kind):
    folder = saved(tmp_path)
    place = next(folder.iterdir())
    bomb = Bomb(tmp_path / "bang")
    with (place / name).open("wb") as file:
        if kind == "pickle":
            pickle.dump(bomb, file)
        elif kind == "torch":
            torch.save(bomb, file)
        else:
            np.save(file, np.array([bomb], object), allow_pickle=True)
    # Whoever put it there has also mended the checksum.
    marker = json.loads((place / "state.json").read_text())
    marker["files"][name] = f"crc32:{zlib.crc32((place / name).read_bytes()):08x}"
    (place / "state.json").write_text(json.dumps(marker))
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(folder, RUN)
    assert not (tmp_path / "bang").exists()


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_pickle_in_the_weights_place_is_not_run(tmp_path, write):
    path = tmp_path / "best.safetensors"
    with path.open("wb") as file:
        write(Bomb(tmp_path / "bang"), file)
    with pytest.raises(CheckpointError, match=r"best\.safetensors"):
        checkpoint.load_weights(path, LinearNetwork(2, (3,)))
    assert not (tmp_path / "bang").exists()


# --- weights ---------------------------------------------------------------------------


def test_weights_come_back(tmp_path):
    path = tmp_path / "last.safetensors"
    one, two = NatureCNN(4), NatureCNN(4)
    checkpoint.save_weights(path, one, 7)
    checkpoint.load_weights(path, two)
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
    checkpoint.save_weights(path, network, 7)
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
    checkpoint.save_weights(path, NatureCNN(4), 7)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"best\.safetensors") as caught:
        checkpoint.load_weights(path, network)
    assert "\n" not in str(caught.value)
    if isinstance(network, LinearNetwork):
        assert all(torch.equal(before[name], new) for name, new in network.state_dict().items())


def test_missing_and_damaged_weights_are_refused(tmp_path):
    path = tmp_path / "best.safetensors"
    with pytest.raises(CheckpointError, match="train first"):
        checkpoint.load_weights(path, NatureCNN(4))
    checkpoint.save_weights(path, NatureCNN(4), 7)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="restore or remove"):
        checkpoint.load_weights(path, NatureCNN(4))
