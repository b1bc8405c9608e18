"""Gymnasium's ids: what is said of each is what gymnasium itself would make of it."""

import gymnasium as gym
import pytest

import wrappers
import wrappers.envs
from wrappers import ids

OF_ATARI = sorted(
    name
    for name, spec in gym.registry.items()
    if spec.entry_point == "ale_py.env:AtariEnv" and "obs_type" not in spec.kwargs
)


def test_there_are_ids_of_all_kinds() -> None:
    for name in ("ALE/Pong-v5", "Pong-v0", "Pong-v4", "PongNoFrameskip-v0", "PongNoFrameskip-v4"):
        assert name in OF_ATARI


@pytest.mark.parametrize("name", OF_ATARI)
def test_an_id_says_what_the_emulator_has_for_it(name: str) -> None:
    kwargs = gym.spec(name).kwargs
    for written in (name, name.upper(), name.lower()):
        found = ids.read(written)
        assert found is not None
        assert found.title.lower() == kwargs["game"].replace("_", "")
        assert found.sticky_probability == kwargs["repeat_action_probability"]
        skip = kwargs["frameskip"]
        assert found.frame_skip == ("2 to 4 at random" if skip == (2, 5) else str(skip))


def test_deterministic_ids_of_older_versions() -> None:
    """Four frames, but three where lasers blink."""
    for name, skip, sticky in (
        ("PongDeterministic-v4", "4", 0.0),
        ("PongDeterministic-v0", "4", 0.25),
        ("SpaceInvadersDeterministic-v4", "3", 0.0),
    ):
        found = ids.read(name)
        assert found is not None
        assert (found.frame_skip, found.sticky_probability) == (skip, sticky)


@pytest.mark.parametrize(
    "name",
    ["pong", "Pong", "CartPole-v1", "ALE/Pong-v4", "Pong-v5", "Pong-ram-v4", "AtariRepro/Pong-v0",
     "Pong-v40", "ALE/Pong-v5\n", ""],
)  # fmt: skip
def test_what_is_no_id(name: str) -> None:
    assert ids.read(name) is None


@pytest.mark.parametrize("make", [wrappers.make_train_env, wrappers.make_eval_env])
@pytest.mark.parametrize("name", ["ALE/SpaceInvaders-v5", "SpaceInvadersNoFrameskip-v4"])
def test_an_id_makes_the_same_environment_as_the_games_name(make: object, name: str) -> None:
    assert callable(make)
    with pytest.warns(ids.OtherProtocolWarning, match="protocol"):
        one = make(name, 0)
    other = make("space_invaders", 0)
    assert one.unwrapped.ale.getFloat("repeat_action_probability") == 0.0
    for action in (1, 2, 3, 1):
        assert (one.step(action)[0] == other.step(action)[0]).all()


def test_an_id_of_no_game_is_refused() -> None:
    with pytest.raises(wrappers.envs.UnknownGameError, match="ALE/NoSuch-v5"):
        wrappers.make_emulator("ALE/NoSuch-v5")
