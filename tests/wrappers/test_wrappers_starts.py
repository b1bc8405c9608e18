"""Rows 1, 2, 6, 8, 9, 10, 25 and 26 over time: how frames become steps, and games episodes.

Against a scripted emulator that keeps a log of every frame it was asked for. The agent of these
tests never chooses action 0, so every 0 in the log is a no-op of the wrappers.
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from fake_emulator import (
    EMPTY,
    FIRE,
    LEFT,
    RIGHT,
    Event,
    FakeEmulator,
    Game,
    pool,
    read_stack,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import wrappers
from wrappers.protocol import MACHADO2018, NATURE, NATURE_TEXT, Protocol
from wrappers.starts import LifeLoss, NoopStart

PLAIN = dataclasses.replace(NATURE, noop_max_frames=0)
SMALL = (84, 84)


def wrap(
    *games: Game,
    protocol: Protocol = PLAIN,
    training: bool = True,
    screen_shape: tuple[int, int] = (210, 160),
) -> tuple[gym.Env[Any, Any], FakeEmulator]:
    emulator = FakeEmulator(*games, screen_shape=screen_shape)
    return wrappers.apply(emulator, protocol, training=training), emulator


# --- row 1: action repeat -------------------------------------------------------------------


def test_row_1_each_action_lasts_four_frames() -> None:
    env, emulator = wrap()
    env.reset(seed=0)
    for action in (FIRE, LEFT, RIGHT):
        env.step(action)
    assert emulator.actions == [FIRE] * 4 + [LEFT] * 4 + [RIGHT] * 4


def test_row_26_six_frames_for_the_random_player() -> None:
    """10 Hz: one action every sixth frame."""
    env, emulator = wrap(protocol=dataclasses.replace(PLAIN, action_repeat_frames=6))
    env.reset(seed=0)
    _, _, _, _, info = env.step(LEFT)
    assert emulator.actions == [LEFT] * 6
    assert info["episode_frame_number"] == 6


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("frames", "last"), [(5, 1), (6, 2), (7, 3), (8, 4)])
def test_row_1_stops_early_when_the_game_ends(training: bool, frames: int, last: int) -> None:
    env, emulator = wrap(Game(frames, rewards=dict.fromkeys(range(9), 0.125)), training=training)
    env.reset(seed=0)
    env.step(FIRE)
    _, reward, terminated, truncated, _ = env.step(FIRE)
    assert (terminated, truncated) == (True, False)
    assert len(emulator.actions) == frames
    assert reward == 0.125 * last


@pytest.mark.parametrize(("lost_at", "frames"), [(5, 5), (6, 6), (7, 7), (8, 8)])
def test_rows_1_and_9_stops_early_at_a_lost_life_in_training(lost_at: int, frames: int) -> None:
    env, emulator = wrap(Game(lost_at=[lost_at]))
    env.reset(seed=0)
    assert env.step(FIRE)[2] is False
    _, _, terminated, truncated, info = env.step(FIRE)
    assert (terminated, truncated) == (True, False)
    assert len(emulator.actions) == frames
    assert info["lives"] == 2


def test_rows_1_and_9_a_lost_life_does_not_stop_the_repeat_in_evaluation() -> None:
    env, emulator = wrap(Game(lost_at=[2, 7]), training=False)
    env.reset(seed=0)
    for frames in (4, 8, 12):
        _, _, terminated, truncated, info = env.step(FIRE)
        assert (terminated, truncated) == (False, False)
        assert len(emulator.actions) == frames
    assert info["lives"] == 1
    assert emulator.games_started == 1


# --- row 2: which frames are pooled ---------------------------------------------------------


def test_row_2_pools_the_last_two_frames_of_each_step() -> None:
    """Screen 1 is the reset's; steps end on screens 5 and 9."""
    env, _ = wrap()
    observation, _ = env.reset(seed=0)
    assert read_stack(observation)[-1] == pool(1)
    for screens in ((4, 5), (8, 9), (12, 13)):
        observation, *_ = env.step(FIRE)
        assert read_stack(observation)[-1] == pool(*screens)


def test_row_2_a_step_of_one_frame_pools_with_the_frame_shown_before() -> None:
    """The last two frames shown, whichever step they belong to."""
    env, _ = wrap(Game(frames=5))
    env.reset(seed=0)
    env.step(FIRE)
    observation, _, terminated, _, _ = env.step(FIRE)
    assert terminated
    assert read_stack(observation)[-1] == pool(5, 6)


def test_row_2_nothing_is_pooled_across_games() -> None:
    env, _ = wrap(Game(frames=6))
    env.reset(seed=0)
    env.step(FIRE)
    env.step(FIRE)  # ends on screen 7
    observation, _ = env.reset()
    assert read_stack(observation)[-1] == pool(8)


def test_row_2_pooling_can_be_switched_off() -> None:
    env, _ = wrap(protocol=dataclasses.replace(PLAIN, max_pool_frames=1))
    env.reset(seed=0)
    observation, *_ = env.step(FIRE)
    assert read_stack(observation)[-1] == pool(5)


# --- row 6: the stack -----------------------------------------------------------------------


def test_row_6_stack_across_steps() -> None:
    env, _ = wrap()
    observation, _ = env.reset(seed=0)
    seen = [EMPTY, EMPTY, EMPTY, pool(1)]
    for last in range(5, 34, 4):
        assert read_stack(observation) == seen[-4:]
        observation, *_ = env.step(FIRE)
        seen.append(pool(last - 1, last))
    assert read_stack(observation) == seen[-4:]


def test_row_6_nothing_older_than_a_lost_life_is_in_later_stacks() -> None:
    """Not even the screen on which the life was lost."""
    env, emulator = wrap(Game(lost_at=[70]), protocol=NATURE)
    env.reset(seed=1)
    terminated = False
    while not terminated:
        observation, _, terminated, _, _ = env.step(FIRE)
    terminal_screen = emulator.log[-1].screen
    assert EMPTY not in read_stack(observation)
    observation, _ = env.reset()
    assert emulator.games_started == 1
    for filled in (1, 2, 3, 4):
        stack = read_stack(observation)
        assert stack[: 4 - filled] == [EMPTY] * (4 - filled)
        for _, right in stack[4 - filled :]:
            assert 250 - right > terminal_screen, "pooled a screen from before the restart"
        observation, *_ = env.step(FIRE)


# --- row 8: no-op starts --------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_row_8_a_new_game_starts_with_one_to_thirty_single_noops(training: bool) -> None:
    """Single frames, not multiples of four, each count about as often as any other."""
    env, emulator = wrap(Game(frames=40), protocol=NATURE, training=training, screen_shape=(84, 84))
    resets = 1500
    counts: Counter[int] = Counter()
    env.reset(seed=7)
    for _ in range(resets):
        terminated = False
        while not terminated:
            *_, terminated, _, _ = env.step(FIRE)
        before = len(emulator.log)
        _, info = env.reset()
        asked = emulator.log[before:]
        assert asked[0].action is None
        assert {event.action for event in asked[1:]} == {0}
        assert info["episode_frame_number"] == len(asked) - 1
        counts[len(asked) - 1] += 1
    assert set(counts) == set(range(1, 31))
    # Chi-squared of 29 degrees of freedom: 58.3 is passed once in a thousand by chance.
    expected = resets / 30
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 58.3


def test_row_8_the_very_first_game_has_noops_too() -> None:
    counts = set()
    for seed in range(60):
        env, emulator = wrap(protocol=NATURE, screen_shape=SMALL)
        env.reset(seed=seed)
        assert set(emulator.actions) == {0}
        counts.add(len(emulator.actions))
    assert counts <= set(range(1, 31))
    assert len(counts) > 10


def test_row_8_one_more_after_a_lost_life_in_training() -> None:
    """K + 1 with k uniform on 1..30, and the emulator is not reset."""
    resets = 1500
    lost_at = range(40, 40 * (resets + 2), 40)
    env, emulator = wrap(
        Game(frames=10**9, lives=10**6, lost_at=lost_at), protocol=NATURE, screen_shape=SMALL
    )
    env.reset(seed=3)
    counts: Counter[int] = Counter()
    for _ in range(resets):
        terminated = False
        while not terminated:
            *_, terminated, _, _ = env.step(FIRE)
        before = len(emulator.log)
        env.reset()
        asked = emulator.log[before:]
        assert {event.action for event in asked} == {0}
        counts[len(asked)] += 1
    assert emulator.games_started == 1
    assert set(counts) == set(range(2, 32))
    expected = resets / 30
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 58.3


def test_row_8_nature_text_has_noops_only_when_a_game_starts() -> None:
    env, emulator = wrap(Game(frames=80, lost_at=[45]), protocol=NATURE_TEXT)
    env.reset(seed=0)
    terminated = False
    while not terminated:
        *_, terminated, _, _ = env.step(FIRE)
    before = len(emulator.log)
    _, info = env.reset()
    assert len(emulator.log) == before, "a lost life is followed by no frame of doing nothing"
    assert info["lives"] == 2
    terminated = False
    while not terminated:
        *_, terminated, _, _ = env.step(FIRE)
    before = len(emulator.log)
    env.reset()
    asked = emulator.log[before:]
    assert asked[0].action is None
    assert 1 <= len(asked) - 1 <= 30
    assert {event.action for event in asked[1:]} == {0}


def test_row_8_rewards_met_in_noops_are_dropped() -> None:
    """A point on each of 100 frames: only the agent's own frames count."""
    env, emulator = wrap(
        Game(frames=100, lost_at=[50], rewards=dict.fromkeys(range(1, 101), 1.0)),
        protocol=dataclasses.replace(NATURE, clip_rewards=False),
    )
    env.reset(seed=5)
    total = 0.0
    info: dict[str, Any] = {}
    while "game_return" not in info:
        _, reward, terminated, _, info = env.step(FIRE)
        total += float(reward)
        if info["life_lost"]:
            assert terminated
            env.reset()
    own_frames = sum(action == FIRE for action in emulator.actions)
    assert own_frames < 100
    assert total == own_frames
    assert info["game_return"] == own_frames
    assert info["game_frames"] == 100


def test_row_8_noops_can_be_switched_off() -> None:
    env, emulator = wrap(Game(frames=9), protocol=PLAIN)
    for _ in range(5):
        env.reset()
        assert emulator.log[-1].action is None


@pytest.mark.parametrize("frames", [1, 2, 5, 20])
@pytest.mark.parametrize("training", [True, False])
def test_row_8_a_game_over_within_the_noops_starts_the_next_game(
    frames: int, training: bool
) -> None:
    """The result of a reset is never a finished game. The emulator fails if one is played on."""
    for seed in range(10):
        env, emulator = wrap(
            *[Game(frames)] * 40, Game(), protocol=NATURE, training=training, screen_shape=SMALL
        )
        observation, info = env.reset(seed=seed)
        assert not emulator.log[-1].over
        since_start = []
        for event in reversed(emulator.log):
            since_start.append(event.screen)
            if event.action is None:
                break
        # Screens of the game that was over are neither pooled nor stacked.
        assert read_stack(observation) == [EMPTY] * 3 + [pool(*since_start[:2])]
        assert info["episode_frame_number"] == len(since_start) - 1
        _, _, _, _, info = env.step(FIRE)
        assert "game_return" not in info or info["game_frames"] <= frames


def test_row_8_a_game_over_within_the_noops_after_a_lost_life() -> None:
    """The score starts again from nothing, and the new game is a new game."""
    games = [Game(frames=34, lost_at=[32], rewards={33: 7.0}), Game(frames=100)]
    seen = 0
    for seed in range(30):
        env, emulator = wrap(*games, protocol=NATURE)
        env.reset(seed=seed)
        terminated = False
        while not terminated:
            *_, terminated, _, _ = env.step(FIRE)
        env.reset()  # two frames are left in the first game, and two no-ops the least
        if emulator.games_started == 2:
            seen += 1
            info: dict[str, Any] = {}
            while "game_return" not in info:
                *_, info = env.step(FIRE)
            assert info["game_return"] == 0.0
            assert info["game_frames"] == 100
    assert seen == 30


def test_row_8_a_life_lost_within_the_noops_is_no_terminal() -> None:
    """The agent is not there to be told; the first life it can lose is the next one."""
    env, emulator = wrap(Game(lives=5, lost_at=[1, 60]), protocol=NATURE)
    _, info = env.reset(seed=0)
    assert info["lives"] == 4
    *_, terminated, _, info = env.step(FIRE)
    while not terminated:
        *_, terminated, _, info = env.step(FIRE)
    assert info["lives"] == 3
    assert info["episode_frame_number"] == 60
    assert emulator.games_started == 1


# --- row 9: lost lives ----------------------------------------------------------------------


def test_row_9_a_lost_life_is_terminal_but_the_game_goes_on() -> None:
    env, emulator = wrap(Game(frames=50, lives=3, lost_at=[10, 20]))
    env.reset(seed=0)
    terminals = []
    over = False
    while not over:
        *_, terminated, truncated, info = env.step(FIRE)
        assert not truncated
        if terminated:
            over = "game_return" in info
            terminals.append((info["episode_frame_number"], info["lives"], info["life_lost"]))
            assert emulator.games_started == 1
            env.reset()
    assert terminals == [(10, 2, True), (20, 1, True), (50, 1, False)]
    assert emulator.games_started == 2


def test_row_9_the_last_life_is_a_true_game_over() -> None:
    """Where the game ends on the frame that costs the last life, the emulator is reset."""
    env, emulator = wrap(Game(frames=6, lives=1, lost_at=[6]))
    env.reset(seed=0)
    env.step(FIRE)
    *_, terminated, _, info = env.step(FIRE)
    assert terminated
    assert info["lives"] == 0
    assert info["life_lost"] is False
    assert info["game_frames"] == 6
    env.reset()
    assert emulator.games_started == 2


def test_row_9_gaining_a_life_is_not_losing_one() -> None:
    class Generous(FakeEmulator):
        """Gives a life on frame 3, which is lost again on frame 9."""

        def _info(self) -> dict[str, Any]:
            return super()._info() | {"lives": 4 if 3 <= self._frame < 9 else 3}

    emulator = Generous()
    env = wrappers.apply(emulator, PLAIN, training=True)
    env.reset(seed=0)
    assert env.step(FIRE)[2] is False
    assert env.step(FIRE)[2] is False
    *_, terminated, _, info = env.step(FIRE)
    assert terminated
    assert info["episode_frame_number"] == 9


@pytest.mark.parametrize("protocol", [NATURE, NATURE_TEXT, MACHADO2018])
def test_row_9_never_in_evaluation(protocol: Protocol) -> None:
    env, emulator = wrap(
        Game(frames=80, lives=9, lost_at=range(32, 76, 3)), protocol=protocol, training=False
    )
    env.reset(seed=0)
    terminated = False
    while not terminated:
        *_, terminated, _, info = env.step(FIRE)
        assert terminated == ("game_return" in info)
    assert len(emulator.log) == 81
    assert "life_lost" not in info or not info["life_lost"]


def test_row_9_a_reset_in_the_middle_or_with_a_seed_starts_a_new_game() -> None:
    env, emulator = wrap(Game(lost_at=[4]))
    env.reset(seed=0)
    assert env.step(FIRE)[2] is True
    env.reset(seed=0)  # a seed asks for a known beginning, lost life or not
    assert emulator.games_started == 2
    assert env.step(FIRE)[2] is True
    env.reset()
    env.step(FIRE)
    env.reset()
    assert emulator.games_started == 3


def test_row_9_life_loss_alone_plays_no_frame_on_reset() -> None:
    emulator = FakeEmulator(Game(lost_at=[2]))
    env = LifeLoss(emulator)
    env.reset(seed=0)
    env.step(FIRE)
    last, *_ = env.step(FIRE)
    frame, info = env.reset()
    np.testing.assert_array_equal(frame, last)
    assert info["game_continues"]
    assert len(emulator.actions) == 2


# --- row 10: rewards ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rewards", "total", "clipped"),
    [
        ((0, 0, 0, 0), 0, 0),
        ((1, 1, 0, 0), 2, 1),
        ((-1, -1, 0, 0), -2, -1),
        ((5, -4.5, 0, 0), 0.5, 0.5),  # summed first: clipping each frame would give 0
        ((200, 0, -300, 0), -100, -1),
        ((0.25, 0.25, 0, 0), 0.5, 0.5),
    ],
)
def test_row_10_summed_then_clipped_in_training_only(
    rewards: Sequence[float], total: float, clipped: float
) -> None:
    game = Game(rewards=dict(enumerate(map(float, rewards), start=1)))
    for training, expected in ((True, clipped), (False, total)):
        env, _ = wrap(game, training=training)
        env.reset(seed=0)
        assert env.step(FIRE)[1] == expected
    env, _ = wrap(game, protocol=dataclasses.replace(PLAIN, clip_rewards=False))
    env.reset(seed=0)
    assert env.step(FIRE)[1] == total


@pytest.mark.parametrize("training", [True, False])
def test_row_10_reported_score_is_raw_and_of_the_whole_game(training: bool) -> None:
    """Across lost lives, unclipped, once per game, on its last step."""
    rewards = {3: 100.0, 11: 30.0, 12: -5.0, 25: 7.0, 40: 1000.0}
    env, _ = wrap(Game(frames=40, lost_at=[10, 24], rewards=rewards), training=training)
    env.reset(seed=0)
    scores = []
    while len(scores) < 3:
        *_, terminated, _, info = env.step(FIRE)
        if "game_return" in info:
            assert terminated
            scores.append((info["game_return"], info["game_frames"]))
        if terminated:
            env.reset()
    assert scores == [(1132.0, 40)] * 3


# --- row 25: time cap -----------------------------------------------------------------------


@pytest.mark.parametrize("noop_max_frames", [0, 30])
@pytest.mark.parametrize("cap", [50, 51, 52, 53])
def test_row_25_a_scored_game_is_cut_at_the_cap(cap: int, noop_max_frames: int) -> None:
    """Emulator frames, no-op start included; the last step is cut short to fit."""
    protocol = dataclasses.replace(NATURE, eval_cap_frames=cap, noop_max_frames=noop_max_frames)
    env, emulator = wrap(
        Game(rewards=dict.fromkeys(range(1000), 2.0)), protocol=protocol, training=False
    )
    for game in range(1, 6):
        env.reset()
        truncated, score = False, 0.0
        while not truncated:
            _, reward, terminated, truncated, info = env.step(FIRE)
            score += float(reward)
            assert not terminated
            assert info["episode_frame_number"] <= cap
        assert info["episode_frame_number"] == info["game_frames"] == cap
        assert info["game_return"] == score
        assert emulator.games_started == game
    assert len(emulator.actions) == 5 * cap


def test_row_25_a_game_over_on_the_last_frame_is_a_game_over() -> None:
    env, _ = wrap(
        Game(frames=8), protocol=dataclasses.replace(PLAIN, eval_cap_frames=8), training=False
    )
    env.reset(seed=0)
    env.step(FIRE)
    *_, terminated, _, info = env.step(FIRE)
    assert terminated
    assert info["game_frames"] == 8


def test_row_25_the_cap_is_for_scores_not_for_training() -> None:
    env, _ = wrap(protocol=dataclasses.replace(PLAIN, eval_cap_frames=8))
    env.reset(seed=0)
    for _ in range(10):
        *_, terminated, truncated, _ = env.step(FIRE)
        assert not terminated
        assert not truncated


def test_row_25_a_capped_training_game_starts_anew() -> None:
    """After a lost life the cap goes on counting; after a truncation the emulator is reset."""
    env, emulator = wrap(
        Game(lost_at=[10]), protocol=dataclasses.replace(PLAIN, train_cap_frames=24)
    )
    env.reset(seed=0)
    ends = []
    while emulator.games_started < 3:
        *_, terminated, truncated, info = env.step(FIRE)
        if terminated or truncated:
            ends.append((info["episode_frame_number"], terminated, truncated))
            env.reset()
    assert ends == [(10, True, False), (24, False, True)] * 2


def test_row_25_a_cap_within_the_noops_does_not_return_a_finished_game() -> None:
    protocol = dataclasses.replace(NATURE, eval_cap_frames=10)
    for seed in range(20):
        env, _ = wrap(protocol=protocol, training=False, screen_shape=SMALL)
        _, info = env.reset(seed=seed)
        assert info["episode_frame_number"] < 10


# --- machado2018 ----------------------------------------------------------------------------


def test_machado2018_has_no_noops_no_lost_lives_and_a_cap_of_half_an_hour() -> None:
    """Row by row: 8 off, 9 off, 10 on; 30 minutes are 108,000 frames in training as well."""
    protocol = dataclasses.replace(MACHADO2018, train_cap_frames=48, eval_cap_frames=48)
    for training in (True, False):
        env, emulator = wrap(
            Game(lost_at=[5, 20], rewards={2: 9.0}), protocol=protocol, training=training
        )
        env.reset(seed=0)
        assert emulator.actions == []
        rewards, truncated = [], False
        while not truncated:
            _, reward, terminated, truncated, info = env.step(FIRE)
            rewards.append(reward)
            assert not terminated
        assert info["game_frames"] == 48
        assert emulator.actions == [FIRE] * 48
        assert rewards == [1.0 if training else 9.0] + [0.0] * 11
        assert info["game_return"] == 9.0
    assert MACHADO2018.train_cap_frames == MACHADO2018.eval_cap_frames == 30 * 60 * 60


# --- everything at once ---------------------------------------------------------------------

scripts = st.builds(
    Game,
    frames=st.integers(1, 120),
    lives=st.just(9),
    lost_at=st.lists(st.integers(1, 120), max_size=6, unique=True),
    rewards=st.dictionaries(
        st.integers(1, 120), st.sampled_from([-3.0, -1.0, 0.5, 1.0, 10.0]), max_size=20
    ),
)


@given(
    games=st.lists(scripts, min_size=1, max_size=4),
    actions=st.lists(st.integers(1, 3), min_size=40, max_size=60),
    seed=st.integers(0, 1000),
    training=st.booleans(),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_rows_1_to_10_together_as_the_emulators_log_tells_them(
    games: list[Game], actions: list[int], seed: int, training: bool
) -> None:
    """Work out from the emulator's log what the agent should have been shown at every step."""
    env, emulator = wrap(*games, protocol=NATURE, training=training, screen_shape=SMALL)
    log = emulator.log

    def after_reset(start: int) -> list[tuple[int, int]]:
        """Check what a reset did from log[start] on; the stack to expect."""
        new_game = start == 0 or log[start - 1].over
        asked = log[start:]
        assert (asked[0].action is None) == new_game
        assert all(event.action in (None, 0) for event in asked)
        assert all(event.action is None for event in asked if event.screen in restarts(asked))
        assert not asked[-1].over
        if not any(event.over for event in asked):
            noops = sum(event.action == 0 for event in asked)
            assert (1 if new_game else 2) <= noops <= (30 if new_game else 31)
        shown: list[int] = []
        for event in asked:
            shown = [event.screen] if event.action is None else [*shown, event.screen]
        return [EMPTY, EMPTY, EMPTY, pool(*shown[-2:])]

    observation, info = env.reset(seed=seed)
    stack = after_reset(0)
    score = 0.0
    for action in actions:
        assert read_stack(observation) == stack[-4:]
        assert info["lives"] == log[-1].lives
        start = len(log)
        observation, reward, terminated, truncated, info = env.step(action)
        # One decision: up to four frames, to the game's end or, in training, a life's.
        frames, lost = [], False
        for event in log[start:]:
            lost = training and event.lives < log[start + len(frames) - 1].lives
            frames.append(event)
            if event.over or lost:
                break
        assert log[start:] == frames
        assert len(frames) == 4 or frames[-1].over or lost
        assert [event.action for event in frames] == [action] * len(frames)
        total = sum(event.reward for event in frames)
        score += total
        assert reward == (min(1.0, max(-1.0, total)) if training else total)
        assert terminated == (frames[-1].over or lost)
        assert not truncated
        assert ("game_return" in info) == frames[-1].over
        if frames[-1].over:
            assert info["game_return"] == score
        stack = [*stack, pool(log[-2].screen, log[-1].screen)]
        assert read_stack(observation) == stack[-4:]
        if terminated:
            start = len(log)
            observation, info = env.reset()
            stack = after_reset(start)
            if any(event.action is None for event in log[start:]):
                score = 0.0


def restarts(events: list[Event]) -> set[int]:
    """Screens on which the emulator must have been reset: those right after a game over."""
    return {after.screen for before, after in itertools.pairwise(events) if before.over}


def test_noop_start_refuses_an_emulator_whose_action_0_does_something() -> None:
    class Restless(FakeEmulator):
        def get_action_meanings(self) -> list[str]:
            return ["FIRE", "NOOP", "RIGHT", "LEFT"]

    with pytest.raises(wrappers.protocol.ProtocolError, match="FIRE"):
        NoopStart(Restless())
