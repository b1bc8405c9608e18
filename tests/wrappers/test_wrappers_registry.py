"""The games under gymnasium's ids: each is what the functions of this package make."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from ale_py import roms

import wrappers
from wrappers import PRESETS, make_eval_env, make_train_env, registry

# What is usual beside the paper's 49: those of Machado et al. and of many tables since.
EIGHT_MORE = {
    "berzerk", "defender", "phoenix", "pitfall", "skiing", "solaris", "surround", "yars_revenge",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_warning() -> Iterator[None]:
    """Least of all one of the checker that gymnasium puts around every environment."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def registered() -> set[str]:
    return {name for name in gym.registry if name.startswith("AtariRepro/")}


def test_all_57_games_in_every_preset() -> None:
    from repro.games import GAMES

    assert set(registry.GAMES) == set(GAMES) | EIGHT_MORE
    assert set(registry.GAMES) <= set(roms.get_all_rom_ids())
    assert len(registry.GAMES) == 57
    named = {
        title: rom
        for rom in registry.GAMES
        if (title := gym.spec(f"ALE/{rom.title().replace('_', '')}-v5").name)
    }
    assert registered() == {
        f"AtariRepro/{title}-{preset}-v0"
        for title in named
        for preset in ("Nature", "NatureText", "Machado2018")
    }
    for name, spec in gym.registry.items():
        if name in registered():
            assert named[spec.name.split("-")[0]] == spec.kwargs["game"]
            assert spec.kwargs["preset"].replace("-", "") == spec.name.split("-")[1].lower()


@pytest.mark.parametrize("game", registry.GAMES)
def test_every_game_plays(game: str) -> None:
    title = game.title().replace("_", "")
    env = gym.make(f"AtariRepro/{title}-Nature-v0")
    observation, _ = env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(5):
        observation, *_ = env.step(env.action_space.sample())
    assert observation.dtype == np.uint8
    assert observation.shape == (4, 84, 84)
    assert env.observation_space == gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)
    env.close()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("name", "game", "preset"),
    [
        ("SpaceInvaders-Nature", "space_invaders", "nature"),
        ("Breakout-NatureText", "breakout", "nature-text"),
        ("Pong-Machado2018", "pong", "machado2018"),
    ],
)
def test_an_id_is_what_the_functions_make(
    name: str, game: str, preset: str, training: bool
) -> None:
    one = gym.make(f"AtariRepro/{name}-v0", training=training)
    other = (make_train_env if training else make_eval_env)(game, 0, PRESETS[preset])
    assert one.action_space == other.action_space
    results = [[env.reset(seed=7)] for env in (one, other)]
    actions = np.random.default_rng(0).integers(0, other.action_space.n, 400)  # type: ignore[attr-defined]
    for env, seen in zip((one, other), results, strict=True):
        for action in actions:
            seen.append(env.step(action))
            if seen[-1][2] or seen[-1][3]:
                seen.append(env.reset())
    for mine, theirs in zip(*results, strict=True):
        assert (mine[0] == theirs[0]).all()
        assert [str(value) for value in mine[1:]] == [str(value) for value in theirs[1:]]


def test_an_environment_is_made_again_from_its_spec() -> None:
    env = gym.make("AtariRepro/Pong-Nature-v0", training=False, render_mode="rgb_array")
    assert env.spec is not None
    again = gym.make(env.spec)
    assert str(again) == str(env)
    assert (again.reset(seed=3)[0] == env.reset(seed=3)[0]).all()
    screen: Any = again.render()
    assert screen.shape == (210, 160, 3)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_vector_of_environments(mode: str) -> None:
    """Each plays the game of its seed; a lost life ends an episode and not the game."""
    vector = gym.make_vec("AtariRepro/Breakout-Nature-v0", num_envs=2, vectorization_mode=mode)
    alone = [gym.make("AtariRepro/Breakout-Nature-v0") for _ in range(2)]
    observations, _ = vector.reset(seed=[5, 6])
    assert observations.shape == (2, 4, 84, 84)
    for observation, env, seed in zip(observations, alone, (5, 6), strict=True):
        assert (observation == env.reset(seed=seed)[0]).all()
    rng, over, ends = np.random.default_rng(0), np.zeros(2, bool), 0
    for _ in range(300):
        actions = rng.integers(0, 4, 2)
        observations, rewards, terminated, truncated, _ = vector.step(actions)
        for at, env in enumerate(alone):
            if over[at]:  # the step after an episode's end is the reset
                assert (observations[at] == env.reset()[0]).all()
            else:
                observation, reward, *_ = env.step(actions[at])
                assert (observations[at] == observation).all()
                assert rewards[at] == reward
        over = terminated | truncated
        ends += over.sum()
    assert ends > 2
    vector.close()


@pytest.mark.parametrize(
    "code",
    [
        "import gymnasium, wrappers",
        "import wrappers, gymnasium",
        "import wrappers.protocol, gymnasium",
        "from wrappers import make_train_env; import wrappers.envs, gymnasium",
    ],
)
def test_the_ids_are_there_in_whichever_order_one_imports(code: str) -> None:
    code += "; print(gymnasium.spec('AtariRepro/Pong-Nature-v0').kwargs['game'])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "pong\n", "")


def test_gymnasium_imports_what_stands_before_the_colon() -> None:
    code = (
        "import gymnasium, sys; assert 'wrappers' not in sys.modules\n"
        "env = gymnasium.make('wrappers:AtariRepro/Pong-Nature-v0')\n"
        "print(env.reset(seed=0)[0].shape)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "(4, 84, 84)\n", "")


def test_registering_again_changes_nothing() -> None:
    before = dict(gym.registry)
    wrappers.registry.register()
    assert dict(gym.registry) == before
