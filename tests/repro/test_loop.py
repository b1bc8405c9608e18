"""The training loop: order, step numbers, what is stored (ledger rows 13 to 16 and 21)."""

import dataclasses
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from repro.config import preset
from repro.loop import Loop
from repro.player import Player
from wrappers import envs

NATURE = preset("nature").agent
SHORT = dataclasses.replace(
    NATURE, learning_starts_steps=10, update_every_steps=4, target_every_steps=6,
    epsilon_hold_steps=10, epsilon_decay_steps=20,
)  # fmt: skip


class RecordingEnv(gym.Env):
    """Numbered observations; episodes of given lengths, some cut short, some lost lives."""

    def __init__(self, journal, episodes=((7, "over"), (3, "life"), (5, "over"), (4, "cut"))):
        self.observation_space = spaces.Box(0, 2**31 - 1, (3, 1), np.int64)
        self.action_space = spaces.Discrete(4)
        self._journal = journal
        self._episodes = episodes
        self._episode, self._left, self._shown = -1, 0, 0

    def _observe(self):
        self._shown += 1
        # Like a stack: only the last entry is new.
        return np.array([[self._shown - 2], [self._shown - 1], [self._shown]])

    def reset(self, *, seed=None, options=None):
        self._episode += 1
        self._left, self._kind = self._episodes[self._episode % len(self._episodes)]
        seen = self._observe()
        self._journal.append(("reset", int(seen[-1, 0])))
        return seen, {}

    def step(self, action):
        self._left -= 1
        over = self._left == 0
        info = {}
        if over and self._kind != "life":
            info = {"game_return": 100.0 + self._episode, "game_frames": 10 * self._episode}
        seen = self._observe()
        self._journal.append(("step", action))
        terminal, cut = over and self._kind != "cut", over and self._kind == "cut"
        return seen, float(self._shown % 5), terminal, cut, info


class Recorder:
    """Agent, memory and queue at once: writes down every call."""

    def __init__(self, config, journal):
        self.config = config
        self._journal = journal
        self._chosen = 0

    def act(self, observation, epsilon, generator=None):
        self._chosen += 1
        self._journal.append(("act", int(observation[-1, 0]), epsilon, self._chosen % 4))
        return self._chosen % 4

    def update(self, batch):
        self._journal.append(("update", batch))
        return 0.25

    def renew_target(self):
        self._journal.append(("copy",))

    def add(self, frame, action, reward, terminal, truncated=False):
        self._journal.append(("add", int(frame[0]), action, reward, terminal, truncated))

    def next(self):
        return "minibatch"


def play(config, steps, env=None):
    journal = []
    both = Recorder(config, journal)
    loop = Loop(Player(env or RecordingEnv(journal), both), both, both)
    return list(loop.run(steps)), journal, loop


def split_by_step(journal):
    """The calls of each step; the first entry is what came before any."""
    parts = [[]]
    for call in journal:
        if call[0] == "step":
            parts.append([])
        parts[-1].append(call)
    return parts


def test_order_within_a_step():
    _, journal, _ = play(SHORT, 40)
    before, *steps = split_by_step(journal)
    assert [call[0] for call in before] == ["reset", "act"]
    full = ["step", "add", "reset", "act", "update", "copy"]
    for calls in steps:
        names = [call[0] for call in calls]
        assert names == [name for name in full if name in names]  # each once, in this order
        assert {"step", "add", "act"} <= set(names)
    # Update and copy meet in step 12, so that the order was put to the test.
    assert [call[0] for call in steps[11]] == ["step", "add", "act", "update", "copy"]


def test_an_agent_may_change_what_it_was_shown():
    class Careless(Recorder):
        def act(self, observation, epsilon, generator=None):
            action = super().act(observation, epsilon, generator)
            observation[:] = -1
            return action

    journal = []
    both = Careless(SHORT, journal)
    list(Loop(Player(RecordingEnv(journal), both), both, both).run(40))
    assert journal == play(SHORT, 40)[1]


def test_step_numbers_of_updates_and_copies():
    events, journal, loop = play(SHORT, 40)
    _, *steps = split_by_step(journal)
    named = {
        name: [n for n, calls in enumerate(steps, 1) if name in [call[0] for call in calls]]
        for name in ("update", "copy")
    }
    assert named["update"] == [12, 16, 20, 24, 28, 32, 36, 40]
    assert named["copy"] == [6, 12, 18, 24, 30, 36]
    assert [event.step for event in events] == list(range(1, 41))
    assert [event.step for event in events if event.loss is not None] == named["update"]
    assert {event.loss for event in events} == {None, 0.25}
    assert loop.updates == 8
    assert ("update", "minibatch") in journal


def test_a_target_that_is_due_is_copied_after_the_step_was_observed():
    """Row 31: what is logged at step 10,000 is of the target of step 1. Also when resumed there."""
    journal = []
    both = Recorder(SHORT, journal)
    loop = Loop(Player(RecordingEnv(journal), both), both, both)
    copies = {}
    for event in loop.run(13):
        copies[event.step] = journal.count(("copy",))
    assert {step: copies[step] for step in (5, 6, 7, 12, 13)} == {5: 0, 6: 0, 7: 1, 12: 1, 13: 2}

    resumed = Loop(Player(RecordingEnv(journal), both), both, both)
    resumed.restore(loop.state() | {"step": 12})
    resumed.player.observation = loop.player.observation
    journal.clear()
    next(resumed.run(13))
    assert journal[0] == ("copy",)


def test_natures_first_update_comes_at_step_50_004():
    events, journal, _ = play(NATURE, 60_000)
    updates, copies, stored = [], [], 0
    for call in journal:
        stored += call[0] == "add"
        if call[0] == "update":
            updates.append(stored)
        elif call[0] == "copy":
            copies.append((stored, len(updates)))
    assert updates == list(range(50_004, 60_001, 4))
    # The copy at 60,000 comes after that step's own update.
    assert copies == [*((n, 0) for n in range(10_000, 50_001, 10_000)), (60_000, 2_500)]
    assert events[50_003].loss == 0.25


def test_actions_are_chosen_with_the_epsilon_of_the_steps_so_far():
    events, journal, _ = play(SHORT, 40)
    chosen = [call[2] for call in journal if call[0] == "act"]
    for step, epsilon in enumerate(chosen):  # the n-th choice after the first follows step n
        expected = 1.0 - 0.9 * min(max(step - 10, 0) / 20, 1)
        assert epsilon == pytest.approx(expected, abs=1e-12)
    assert [event.epsilon for event in events] == chosen[1:]


def test_what_is_stored_is_the_newest_frame_seen_when_choosing():
    _, journal, _ = play(SHORT, 60)
    chosen = [call for call in journal if call[0] == "act"]
    played = [call[1] for call in journal if call[0] == "step"]
    stored = [call for call in journal if call[0] == "add"]
    assert len(stored) == 60
    for (_, frame, _, action), taken, (_, kept, kept_action, *_) in zip(
        chosen[:-1], played, stored, strict=True
    ):
        assert (kept, kept_action) == (frame, action)
        assert taken == action
    # The reward of a step is told by the observation after it (see RecordingEnv), and the
    # episode ends after 7, 3, 5 and, cut, 4 steps.
    ends = {7: (True, False), 10: (True, False), 15: (True, False), 19: (False, True)}
    for number, (_, frame, _, reward, *ended) in enumerate(stored[:20], 1):
        assert reward == float((frame + 1) % 5)
        assert tuple(ended) == ends.get(number, (False, False))


def test_every_end_is_followed_by_a_reset_and_a_choice_from_it():
    _, journal, _ = play(SHORT, 60)
    for index, call in enumerate(journal):
        if call[0] == "add":
            ended = call[4] or call[5]
            following = journal[index + 1]
            assert (following[0] == "reset") == ended
            if ended:
                assert journal[index + 2][:2] == ("act", following[1])


def test_returns_surface_on_whole_games_only():
    events, _, loop = play(SHORT, 38)  # twice through the episodes
    shown = {event.step: (event.game_return, event.game_frames) for event in events}
    whole = {step: value for step, value in shown.items() if value != (None, None)}
    # Not at steps 10 and 29, where a life was lost.
    assert whole == {
        7: (100.0, 0), 15: (102.0, 20), 19: (103.0, 30),
        26: (104.0, 40), 34: (106.0, 60), 38: (107.0, 70),
    }  # fmt: skip
    assert loop.games == 6


def test_a_loop_can_stop_and_go_on():
    config = SHORT
    whole, journal, _ = play(config, 40)
    parts = []
    both = Recorder(config, parts)
    loop = Loop(Player(RecordingEnv(parts), both), both, both)
    first = list(loop.run(17))
    again = Loop(Player(loop.player.env, both), both, both)
    again.restore(loop.state())
    again.player.observation = loop.player.observation
    assert first + list(again.run(40)) == whole
    assert parts == journal
    assert (again.step, again.updates, again.games) == (40, 8, 6)


def test_a_loop_that_is_through_does_nothing():
    _, journal, loop = play(SHORT, 5)
    length = len(journal)
    assert list(loop.run(5)) == []
    assert len(journal) == length


def test_returns_of_a_real_game_are_whole_and_unclipped():
    # Breakout has five lives and ends when the last one is lost; the random agent needs about
    # 180 steps for a game.
    env = envs.make_train_env("breakout", 3)
    generator = np.random.default_rng(0)
    stored = []
    agent = SimpleNamespace(
        config=NATURE, act=lambda *_: int(generator.integers(4)), renew_target=lambda: None
    )
    memory = SimpleNamespace(add=lambda *values: stored.append(values))
    raw = score = 0.0
    lives_lost, games = 0, []
    emulator = env.unwrapped
    original = emulator.step

    def listening(action):
        nonlocal raw
        result = original(action)
        raw += float(result[1])
        return result

    emulator.step = listening
    loop = Loop(Player(env, memory), agent, None)
    for event in loop.run(900):
        lives_lost += stored[-1][3]
        if event.game_return is not None:
            games.append((event.game_return, raw - score, lives_lost))
            score, lives_lost = raw, 0
    env.close()
    assert len(games) >= 2
    for game_return, heard, lives in games:
        # What scored during no-op starts is dropped; in Breakout nothing does.
        assert game_return == heard
        assert lives == 5
    assert all(-1.0 <= values[2] <= 1.0 for values in stored)
