"""Row 29 and 30: the games as the emulator of 2014 counted them.

``game_rules_2014.json.gz`` was recorded from Xitari's own game definitions on made-up memory: per
game eight cases of 120 frames, each with the bytes at the addresses that the definition reads,
what it said after a reset, and the reward, lives and end that it gave frame by frame.
"""

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from fake_emulator import FakeEmulator

import wrappers
from wrappers import rules, state
from wrappers.protocol import MACHADO2018, NATURE, ProtocolError
from wrappers.starts import TimeCap

RECORDED = json.loads(
    gzip.decompress(Path(__file__).with_name("game_rules_2014.json.gz").read_bytes())
)
NOOP = 0


def test_the_recording_covers_the_games_with_rules() -> None:
    assert set(RECORDED) == set(rules.RULES)
    assert all(len(cases) == 8 for cases in RECORDED.values())


@pytest.mark.parametrize("case", range(8))
@pytest.mark.parametrize("game", RECORDED)
def test_a_game_counts_as_recorded(game: str, case: int) -> None:
    recorded = RECORDED[game][case]
    rule, count = rules.RULES[game]
    assert [0, count.lives, int(count.over)] == recorded["after_reset"]
    ram = np.zeros(128, np.uint8)
    for number, memory in enumerate(recorded["ram"]):
        for address, byte in zip(recorded["addresses"], memory, strict=True):
            ram[address - 0x80] = byte
        before, count = count, rules.count_frame(rule, ram, count)
        said = (count.score - before.score, 0 if count.over else count.lives, int(count.over))
        wanted = tuple(recorded[name][number] for name in ("reward", "lives", "terminal"))
        assert said == wanted, f"frame {number}"


def poked(env: gym.Env[Any, Any], **memory: int) -> tuple[float, int, bool, bool]:
    """Write bytes at addresses, play a frame: reward, lives and end, and the emulator's own end."""
    ale = env.unwrapped.ale  # type: ignore[attr-defined]
    for address, byte in memory.items():
        ale.setRAM(int(address[1:], 16) - 0x80, byte)
    seen = []
    inner, step = env.env, env.env.step  # type: ignore[attr-defined]
    inner.step = lambda action: seen.append(step(action)) or seen[-1]
    _, reward, over, _, info = env.step(NOOP)
    inner.step = step
    ram = ale.getRAM()
    for address, byte in memory.items():
        assert ram[int(address[1:], 16) - 0x80] == byte, "the game wrote over it"
    return float(reward), info["lives"], over, seen[0][2]


def started(game: str, frames: int = 100) -> gym.Env[Any, Any]:
    """A game under way."""
    env = rules.Rules2014(wrappers.make_emulator(game))
    env.reset(seed=0)
    for _ in range(frames):
        env.step(NOOP)
    return env


def test_frostbite_is_over_at_any_flag_on_the_last_life() -> None:
    env = started("frostbite")
    assert poked(env, xCC=1, xF1=0x01)[1:] == (2, False, False)
    assert poked(env, xCC=0, xF1=0x01)[1:] == (0, True, False)  # today's goes on
    assert poked(env, xCC=0, xF1=0x81)[1:] == (0, True, True)


@pytest.mark.parametrize("lives", [8, 15])
def test_zaxxon_has_up_to_15_lives(lives: int) -> None:
    env = started("zaxxon")
    before = env.unwrapped.ale.getEpisodeFrameNumber()  # type: ignore[attr-defined]
    for frame in range(1, 21):
        reward, left, over, over_today = poked(env, xEA=lives)
        assert (reward, left, over, over_today) == (0.0, lives, False, lives == 8)
        assert env.unwrapped.ale.getEpisodeFrameNumber() == before + frame  # type: ignore[attr-defined]
    assert poked(env, xEA=0)[1:] == (0, True, True)


def test_qbert_goes_on_when_a_new_game_begins_within_a_frame() -> None:
    env = started("qbert", 300)
    ale = env.unwrapped.ale  # type: ignore[attr-defined]
    poked(env, x88=0xFF)
    _, lives, over, over_today = poked(env, x88=2)
    assert (over, over_today) == (False, True)
    assert lives > 0
    ram = ale.getRAM().copy()
    for _ in range(60):  # the console plays on
        _, _, over, _, _ = env.step(NOOP)
        assert not over
    assert not np.array_equal(ale.getRAM(), ram)
    assert poked(env, x88=0xFE)[1:] == (0, True, True)


def test_going_on_changes_nothing_but_that_the_game_is_over() -> None:
    """The same machine, random numbers included, with and without a game that was over."""
    after = []
    for lives in (9, 8):  # today's emulator reads 1 and 0
        env = rules.Rules2014(wrappers.make_emulator("zaxxon"))
        env.reset(seed=0)
        for _ in range(100):
            env.step(NOOP)
        ale = env.unwrapped.ale  # type: ignore[attr-defined]
        ale.setRAM(0xEA - 0x80, lives)
        screen, *_ = env.step(NOOP)
        ale.setRAM(0xEA - 0x80, 5)
        for _ in range(30):
            env.step(NOOP)
        saved = ale.cloneState(include_rng=True).serialize()
        after.append((screen.tobytes(), ale.getRAM().tobytes(), saved))
    assert after[0][1:] == after[1][1:]


def test_atlantis_counts_two_bytes_and_the_last_frame() -> None:
    env = started("atlantis")
    assert poked(env, xA2=0x99, xA3=0x99)[0] == 999_900
    assert poked(env, xA1=0x01, xA2=0, xA3=0)[0] == -999_900  # a million, which has no room
    ale = env.unwrapped.ale  # type: ignore[attr-defined]
    env.reset(seed=0)
    over = False
    while not over:  # unattended, it takes 1,691 frames
        last, counted = ale.cloneState(include_rng=True), env._count  # type: ignore[attr-defined]
        *_, over, _, _ = env.step(NOOP)
    ale.restoreState(last)
    env._count = counted  # type: ignore[attr-defined]
    score = ale.getRAM()[0xA2 - 0x80]
    assert poked(env, xA2=int(score) + 5) == (500.0, 0, True, True)


def test_space_invaders_counter_costs_10_000_when_it_wraps() -> None:
    env = started("space_invaders")
    assert poked(env, xE6=0x99, xE8=0x95)[0] == 9_995
    assert poked(env, xE6=0x00, xE8=0x25)[0] == 25 - 9_995


def test_chopper_command_is_over_without_lives() -> None:
    """That of a game not begun is in the recording alone: the console begins in the first frame."""
    env = started("chopper_command")
    assert poked(env, xE4=0x23)[1:] == (3, False, False)
    assert poked(env, xE4=0x20)[1:] == (0, True, True)
    assert poked(env, xEE=0x50)[0] == 5_000


@pytest.mark.parametrize("game", rules.RULES)
def test_random_play_is_what_it_was(game: str) -> None:
    """None of it is met there: the six games count alike, frame for frame."""
    generator = np.random.default_rng(0)
    old = wrappers.make_emulator(game)
    new = rules.Rules2014(wrappers.make_emulator(game))
    for env in (old, new):
        env.reset(seed=0)
    for frame in range(6_000):
        if frame % 6 == 0:
            action = int(generator.integers(old.action_space.n))  # type: ignore[attr-defined]
        one, other = old.step(action), new.step(action)
        assert one[1:4] == other[1:4]
        assert one[4]["lives"] == other[4]["lives"]
        if one[2]:
            old.reset()
            new.reset()


@pytest.mark.parametrize("make", [wrappers.make_train_env, wrappers.make_eval_env])
def test_pong_has_three_actions(make: Any) -> None:
    env = make("pong", 0)
    assert env.action_space == gym.spaces.Discrete(3)
    assert env.get_wrapper_attr("get_action_meanings")() == ["NOOP", "RIGHT", "LEFT"]
    assert make("pong", 0, MACHADO2018).action_space == gym.spaces.Discrete(18)
    today = dataclasses.replace(NATURE, game_rules="emulator")
    assert make("pong", 0, today).action_space == gym.spaces.Discrete(6)
    every = dataclasses.replace(NATURE, minimal_actions=False)
    assert make("pong", 0, every).action_space == gym.spaces.Discrete(18)


@pytest.mark.parametrize(("ours", "consoles"), [(0, 0), (1, 3), (2, 4)])
def test_pongs_actions_are_the_consoles(ours: int, consoles: int) -> None:
    """0 does nothing, 3 is right, 4 is left, as the console's joystick is numbered."""
    env = wrappers.apply(wrappers.make_emulator("pong"), NATURE, training=False)
    env.reset(seed=0)
    ale = env.unwrapped.ale  # type: ignore[attr-defined]
    start = ale.cloneState(include_rng=True)
    env.step(ours)
    got = ale.getRAM().copy()
    ale.restoreState(start)
    for _ in range(4):
        ale.act(consoles)
    np.testing.assert_array_equal(got, ale.getRAM())


def test_row_30_the_longest_games() -> None:
    def frames(game: str, protocol: Any, training: bool) -> int:
        env = wrappers.make_emulator(game, protocol)
        return rules.longest_game_frames(
            env, protocol, protocol.train_cap_frames if training else protocol.eval_cap_frames
        )

    assert frames("breakout", NATURE, True) == 1_728_000
    assert frames("pong", NATURE, True) == 65_000
    assert frames("pong", NATURE, False) == 18_000
    assert frames("pong", MACHADO2018, True) == 108_000
    uncapped = dataclasses.replace(NATURE, train_cap_frames=0)
    assert frames("breakout", uncapped, True) == 0
    assert frames("pong", uncapped, True) == 65_000


def test_a_long_pong_game_is_cut() -> None:
    env = wrappers.make_train_env("pong", 0)
    time_cap = env
    while not isinstance(time_cap, TimeCap):
        time_cap = time_cap.env  # type: ignore[attr-defined]
    assert time_cap._frames == 65_000


@pytest.mark.parametrize("protocol", [NATURE, MACHADO2018])
def test_games_that_count_alike_are_left_alone(protocol: Any) -> None:
    emulator = wrappers.make_emulator("breakout", protocol)
    assert rules.apply_rules(emulator, protocol) is emulator
    fake = FakeEmulator()
    assert rules.apply_rules(fake, protocol) is fake


def test_rules_refuse_a_game_that_has_none() -> None:
    with pytest.raises(ProtocolError, match="breakout"):
        rules.Rules2014(wrappers.make_emulator("breakout"))


@pytest.mark.parametrize("game", rules.RULES)
def test_what_was_counted_is_saved(game: str) -> None:
    one = wrappers.make_train_env(game, 0)
    for step in range(200):
        if one.step(step % 3)[2]:
            one.reset()
    saved = json.loads(
        json.dumps(
            {name: value for name, value in state.save(one).items() if name.startswith("Rules")}
        )
    )
    other = wrappers.make_train_env(game, 1)
    state.load(other, state.save(one) | saved)
    for step in range(300):
        left, right = one.step(step % 4), other.step(step % 4)
        np.testing.assert_array_equal(left[0], right[0])
        assert left[1:4] == right[1:4]
        if left[2] or left[3]:
            one.reset()
            other.reset()
