"""Each field of the Protocol has its effect on the environment that is made from it."""

import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from fake_emulator import EMPTY, FIRE, LEFT, FakeEmulator, Game, pool, read_stack
from numpy.typing import NDArray

import wrappers
from wrappers.protocol import NATURE, Protocol

Bytes = NDArray[np.uint8]
PLAIN = dataclasses.replace(NATURE, noop_max_frames=0)


class Painting(FakeEmulator):
    """Shows one picture for ever."""

    def __init__(self, picture: Bytes) -> None:
        super().__init__(screen_shape=(picture.shape[0], picture.shape[1]))
        self.picture = picture

    def _show(self, action: int | None, reward: float) -> Bytes:
        super()._show(action, reward)
        return self.picture.copy()


def wrap(
    *games: Game, training: bool = True, **changes: Any
) -> tuple[gym.Env[Any, Any], FakeEmulator]:
    emulator = FakeEmulator(*games)
    protocol = dataclasses.replace(PLAIN, **changes)
    return wrappers.apply(emulator, protocol, training=training), emulator


def flat(*colour: int) -> Bytes:
    return np.full((210, 160, 3), colour, np.uint8)


def seen(picture: Bytes, **changes: Any) -> Bytes:
    """The newest screen of the observation that the agent gets of this picture."""
    protocol = dataclasses.replace(PLAIN, **changes)
    observation, _ = wrappers.apply(Painting(picture), protocol, training=True).reset(seed=0)
    newest: Bytes = observation[-1]
    return newest


def until_over(env: gym.Env[Any, Any]) -> tuple[bool, bool, dict[str, Any]]:
    terminated = truncated = False
    while not (terminated or truncated):
        _, _, terminated, truncated, info = env.step(FIRE)
    return terminated, truncated, info


def test_every_field_has_its_test_here() -> None:
    for field in dataclasses.fields(Protocol):
        assert f"test_{field.name}" in globals()


def test_action_repeat_frames() -> None:
    env, emulator = wrap(action_repeat_frames=3)
    env.reset(seed=0)
    env.step(FIRE)
    env.step(LEFT)
    assert emulator.actions == [FIRE] * 3 + [LEFT] * 3


@pytest.mark.parametrize(("frames", "shown"), [(1, pool(5)), (2, pool(4, 5))])
def test_max_pool_frames(frames: int, shown: tuple[int, int]) -> None:
    env, _ = wrap(max_pool_frames=frames)
    env.reset(seed=0)
    assert read_stack(env.step(FIRE)[0])[-1] == shown


@pytest.mark.parametrize(
    ("weights", "level"),
    [
        ((0.299, 0.587, 0.114), 124),  # 59.8 + 58.7 + 5.7
        ((0.5, 0.25, 0.125), 131),  # 100 + 25 + 6.25
        ((1.0, 0.0, 0.0), 200),
        ((0.0, 0.0, 1.0), 50),
    ],
)
def test_luminance_weights(weights: tuple[float, float, float], level: int) -> None:
    assert (seen(flat(200, 100, 50), luminance_weights=weights) == level).all()


@pytest.mark.parametrize("pixels", [20, 42])
def test_screen_pixels(pixels: int) -> None:
    env, _ = wrap(screen_pixels=pixels)
    env.reset(seed=0)
    observation, *_ = env.step(FIRE)
    assert env.observation_space.shape == observation.shape == (4, pixels, pixels)
    assert read_stack(observation)[-1] == pool(4, 5)


def test_resize() -> None:
    """Lines of random greys: a screen row is 2.5 of them, or a point between two of them."""
    greys = np.random.default_rng(0).integers(0, 256, 210)
    picture = np.zeros((210, 160, 3), np.uint8)
    picture[:] = greys[:, None, None]
    fifths = greys.repeat(2).reshape(84, 5)  # halves of lines, five to each row
    centres = (np.arange(84) + 0.5) * 2.5 - 0.5
    expected = {"area": fifths.mean(axis=1), "linear": np.interp(centres, range(210), greys)}
    assert np.abs(expected["area"] - expected["linear"]).max() > 50
    for resize, rows in expected.items():
        screen = seen(picture, resize=resize)
        np.testing.assert_allclose(screen, np.tile(np.floor(rows)[:, None], 84), atol=1)


@pytest.mark.parametrize(("to_byte", "level"), [("truncate", 1), ("round", 2)])
def test_to_byte(to_byte: str, level: int) -> None:
    """A quarter of a red of 7 is 1.75."""
    screen = seen(flat(7, 0, 0), luminance_weights=(0.25, 0.0, 0.0), to_byte=to_byte)
    assert (screen == level).all()


def test_stack_frames() -> None:
    env, _ = wrap(stack_frames=3)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.shape == (3, 84, 84)
    assert read_stack(observation) == [EMPTY, EMPTY, pool(1)]
    env.step(FIRE)
    assert read_stack(env.step(FIRE)[0]) == [pool(1), pool(4, 5), pool(8, 9)]


@pytest.mark.parametrize("make", [wrappers.make_train_env, wrappers.make_eval_env])
def test_minimal_actions(make: Any) -> None:
    """Freeway's road is crossed up or down."""
    for minimal, actions in ((True, 3), (False, 18)):
        protocol = dataclasses.replace(PLAIN, minimal_actions=minimal)
        assert make("freeway", 0, protocol).action_space.n == actions


@pytest.mark.parametrize("training", [True, False])
def test_noop_max_frames(training: bool) -> None:
    env, _ = wrap(noop_max_frames=3, training=training)
    env.reset(seed=0)
    assert {env.reset()[1]["episode_frame_number"] for _ in range(40)} == {1, 2, 3}


@pytest.mark.parametrize(("after", "frames"), [(True, {2, 3, 4}), (False, {0})])
def test_noops_after_lost_life(after: bool, frames: set[int]) -> None:
    env, emulator = wrap(
        Game(lives=99, lost_at=range(20, 2000, 20)), noop_max_frames=3, noops_after_lost_life=after
    )
    env.reset(seed=0)
    counts = set()
    for _ in range(40):
        until_over(env)
        before = len(emulator.log)
        env.reset()
        counts.add(len(emulator.log) - before)
    assert counts == frames


@pytest.mark.parametrize(("terminal", "frame"), [(True, 10), (False, 50)])
def test_life_loss_terminal(terminal: bool, frame: int) -> None:
    env, _ = wrap(Game(frames=50, lost_at=[10]), life_loss_terminal=terminal)
    env.reset(seed=0)
    terminated, _, info = until_over(env)
    assert terminated
    assert info["episode_frame_number"] == frame


@pytest.mark.parametrize(("clip", "reward"), [(True, 1.0), (False, 7.0)])
def test_clip_rewards(clip: bool, reward: float) -> None:
    env, _ = wrap(Game(rewards={2: 7.0}), clip_rewards=clip)
    env.reset(seed=0)
    assert env.step(FIRE)[1] == reward


def test_train_cap_frames() -> None:
    check_cap(training=True, train_cap_frames=26, eval_cap_frames=30)


def test_eval_cap_frames() -> None:
    check_cap(training=False, train_cap_frames=30, eval_cap_frames=26)


def check_cap(*, training: bool, **caps: int) -> None:
    env, _ = wrap(training=training, **caps)
    env.reset(seed=0)
    terminated, truncated, info = until_over(env)
    assert (terminated, truncated) == (False, True)
    assert info["episode_frame_number"] == 26


@pytest.mark.parametrize("make", [wrappers.make_train_env, wrappers.make_eval_env])
def test_sticky_probability(make: Any) -> None:
    """Chance is all that can tell two games without no-op starts apart."""
    for probability, games in ((0.0, 1), (0.5, 3)):
        protocol = dataclasses.replace(PLAIN, sticky_probability=probability)
        ends = set()
        for seed in range(3):
            env = make("seaquest", seed, protocol)
            assert env.unwrapped.ale.getFloat("repeat_action_probability") == probability
            for step in range(40):
                observation, *_ = env.step(step % 18)
            ends.add(observation.tobytes())
        assert len(ends) == games


@pytest.mark.parametrize(("rules", "actions"), [("2014", 3), ("emulator", 6)])
def test_game_rules(rules: Any, actions: int) -> None:
    env = wrappers.make_train_env("pong", 0, dataclasses.replace(PLAIN, game_rules=rules))
    assert env.action_space == gym.spaces.Discrete(actions)
