"""Rows 1 to 10 on all 49 games: short scripted games against recorded hashes.

The input is checked before the output: where the emulator itself shows other frames, the
preprocessing is not to blame. The outputs were verified against exact arithmetic (exact.py)
before they were recorded.
"""

from pathlib import Path
from typing import Any

import ale_py
import golden_trajectories
import numpy as np
import pytest

import wrappers
from repro.games import GAMES


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return golden_trajectories.load()


@pytest.mark.parametrize("game", GAMES)
def test_rows_1_to_10_golden_trajectory(golden: dict[str, Any], game: str) -> None:
    expected = golden["games"][game]
    got = golden_trajectories.play(game)
    version = f"recorded with ale-py {golden['ale_py']}, this is {ale_py.__version__}"
    assert (got["frames"], got["input"]) == (expected["frames"], expected["input"]), (
        f"{game}: the emulator was driven differently or shows other frames ({version})"
    )
    assert got["output"] == expected["output"], (
        f"{game}: the same frames became other screens; the preprocessing has changed"
    )
    for key in ("rewards", "lives", "ends"):
        assert got[key] == expected[key], f"{game}: other {key} from the same frames"


def test_the_golden_file_covers_the_49_games(golden: dict[str, Any]) -> None:
    assert list(golden["games"]) == list(GAMES)
    assert golden["seed"] == golden_trajectories.SEED
    assert golden["decisions"] == golden_trajectories.DECISIONS
    assert golden["ale_py"]
    # The scripts are worth something: most games score, and many lose lives.
    games = golden["games"].values()
    assert len({entry["input"] for entry in games}) == len({e["output"] for e in games}) == 49
    assert sum(bool(entry["rewards"]) for entry in games) >= 25
    assert sum(bool(entry["ends"]) for entry in games) >= 10


def test_a_missing_golden_file_is_a_failure_and_stays_missing(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    with pytest.raises(FileNotFoundError, match="missing"):
        golden_trajectories.load(path)
    assert not path.exists()


def test_the_script_is_what_it_was() -> None:
    """Independent of NumPy and of Python's generators."""
    actions = golden_trajectories.script(6)
    assert len(actions) == golden_trajectories.DECISIONS
    assert set(actions) == set(range(6))


def test_the_golden_assembly_is_the_training_environment() -> None:
    """The recording wrapper changes nothing that make_train_env shows."""
    ours = wrappers.apply(
        golden_trajectories.Shown(wrappers.make_emulator("breakout")), training=True
    )
    theirs = wrappers.make_train_env("breakout", golden_trajectories.SEED)
    one, _ = ours.reset(seed=golden_trajectories.SEED)
    two, _ = theirs.reset(seed=golden_trajectories.SEED)
    np.testing.assert_array_equal(one, two)
    for action in golden_trajectories.script(4):
        one, *rest_one = ours.step(action)
        two, *rest_two = theirs.step(action)
        np.testing.assert_array_equal(one, two)
        assert rest_one == rest_two
        if rest_one[1]:
            np.testing.assert_array_equal(ours.reset()[0], theirs.reset()[0])


def test_teeth_one_pixel_level_changes_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding instead of truncating: the input hash agrees, the output hash does not."""
    expected = golden_trajectories.load()["games"]["pong"]
    monkeypatch.setitem(wrappers.frames._BYTE_OFFSET, "truncate", 0.5)
    got = golden_trajectories.play("pong")
    assert got["input"] == expected["input"]
    assert got["output"] != expected["output"]
