"""Rows 6, 7, 8, 25 and 28 on the real emulator: what make_train_env and make_eval_env promise."""

import dataclasses
import shutil
import warnings
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from ale_py import roms
from fake_emulator import FakeEmulator
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

import wrappers
from wrappers.actions import ActionRepeat
from wrappers.envs import (
    MissingROMError,
    UnknownGameError,
    apply,
    check_emulator,
    make_emulator,
    make_eval_env,
    make_train_env,
    make_vector_env,
)
from wrappers.protocol import MACHADO2018, NATURE, NATURE_TEXT, Protocol, ProtocolError
from wrappers.roms import rom_path
from wrappers.starts import TimeCap

MAKERS = (make_train_env, make_eval_env)
# Sizes of the minimal action sets, as printed in the emulator's manual.
MINIMAL = {
    "freeway": 3,
    "atlantis": 4,
    "breakout": 4,
    "bowling": 6,
    "pong": 6,
    "qbert": 6,
    "space_invaders": 6,
    "assault": 7,
    "gopher": 8,
    "enduro": 9,
    "ms_pacman": 9,
    "amidar": 10,
    "asteroids": 14,
    "seaquest": 18,
}


KEYS = ("lives", "episode_frame_number", "frame_number")


def raw(game: str = "Pong", **settings: Any) -> gym.Env[Any, Any]:
    """An emulator as gymnasium makes it, with the protocol's settings unless told otherwise."""
    gym.register_envs(ale_py)
    fitting = {
        "frameskip": 1,
        "repeat_action_probability": 0.0,
        "full_action_space": False,
        "max_num_frames_per_episode": 0,
    }
    return gym.make(f"ALE/{game}-v5", **(fitting | settings))


def play(env: gym.Env[Any, Any], decisions: int, seed: int = 0) -> list[tuple[Any, ...]]:
    """Everything the agent would see of a fixed sequence of actions."""
    actions = np.random.default_rng(seed).integers(0, env.action_space.n, decisions)  # type: ignore[attr-defined]
    seen: list[tuple[Any, ...]] = []
    observation, info = env.reset()
    seen.append((observation.tobytes(), info["lives"], info["frame_number"]))
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append((observation.tobytes(), reward, terminated, truncated, *map(info.get, KEYS)))
        if terminated or truncated:
            observation, info = env.reset()
            seen.append((observation.tobytes(), info["lives"], info["frame_number"]))
    return seen


@pytest.mark.parametrize("make", MAKERS)
def test_contract_of_observation_info_and_actions(make: Any) -> None:
    env = make("breakout", seed=1)
    assert env.observation_space == spaces.Box(0, 255, (4, 84, 84), np.uint8)
    assert isinstance(env.action_space, spaces.Discrete)
    observation, info = env.reset()
    for _ in range(20):
        assert observation.shape == (4, 84, 84)
        assert observation.dtype == np.uint8
        assert observation in env.observation_space
        assert {"lives", "episode_frame_number", "frame_number"} <= set(info)
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert type(reward) is float
        assert type(terminated) is bool
        assert type(truncated) is bool
        if terminated:
            observation, info = env.reset()
    env.close()


@pytest.mark.parametrize("game", MINIMAL)
def test_row_7_minimal_action_sets(game: str) -> None:
    env = make_emulator(game)
    assert env.action_space.n == MINIMAL[game]  # type: ignore[attr-defined]
    assert env.unwrapped.get_action_meanings()[0] == "NOOP"  # type: ignore[attr-defined]
    env.close()


def test_row_7_all_18_actions_in_machado2018() -> None:
    for make in MAKERS:
        assert make("freeway", 0, MACHADO2018).action_space.n == 18


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("protocol", [NATURE, NATURE_TEXT, MACHADO2018])
def test_same_seed_same_play(make: Any, protocol: Protocol) -> None:
    one, two = make("seaquest", 11, protocol), make("seaquest", 11, protocol)
    assert play(one, 150) == play(two, 150)
    assert one.action_space.sample() == two.action_space.sample()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("protocol", [NATURE, MACHADO2018])
def test_other_seed_other_play(make: Any, protocol: Protocol) -> None:
    plays = {tuple(play(make("seaquest", seed, protocol), 100)) for seed in range(3)}
    assert len(plays) == 3


def test_reset_with_the_seed_begins_again() -> None:
    env = make_train_env("breakout", seed=5)
    env.reset(seed=5)
    first = play(env, 100)
    env.reset(seed=5)
    assert play(env, 100) == first


def test_row_28_no_stickiness_no_chance() -> None:
    """Without no-op starts nothing is left to chance: seeds make no difference, unless sticky."""
    still = dataclasses.replace(NATURE, noop_max_frames=0)
    assert play(make_eval_env("seaquest", 1, still), 100) == play(
        make_eval_env("seaquest", 2, still), 100
    )
    sticky = dataclasses.replace(still, sticky_probability=0.25)
    assert play(make_eval_env("seaquest", 1, sticky), 100) != play(
        make_eval_env("seaquest", 2, sticky), 100
    )


@pytest.mark.parametrize(("protocol", "probability"), [(NATURE, 0.0), (MACHADO2018, 0.25)])
@pytest.mark.parametrize("make", MAKERS)
def test_row_28_the_emulator_is_told(make: Any, protocol: Protocol, probability: float) -> None:
    base = make("pong", 0, protocol).unwrapped
    assert base.ale.getFloat("repeat_action_probability") == probability
    assert base._frameskip == 1
    assert base.ale.getInt("max_num_frames_per_episode") == 0


@pytest.mark.parametrize(
    ("protocol", "low", "high"), [(NATURE, 0.0, 0.0), (MACHADO2018, 0.18, 0.32)]
)
def test_row_28_how_often_an_action_is_ignored(protocol: Protocol, low: float, high: float) -> None:
    """A joystick pushed for one frame moves breakout's paddle, unless doing nothing sticks.

    0.25 has a standard error of 0.022 over 400 trials.
    """
    env = make_emulator("breakout", protocol)
    names = env.unwrapped.get_action_meanings()  # type: ignore[attr-defined]
    right, left = names.index("RIGHT"), names.index("LEFT")

    def paddle() -> int:
        for _ in range(10):  # until it has come to rest
            env.step(0)
        return int(env.unwrapped.ale.getRAM()[72])  # type: ignore[attr-defined]

    env.reset(seed=0)
    place, ignored = paddle(), 0
    for _ in range(400):
        env.step(left if place > 120 else right)
        before, place = place, paddle()
        ignored += place == before
    assert low <= ignored / 400 <= high


def test_row_25_a_game_that_lasts_is_cut_at_18000_frames() -> None:
    """Unserved, breakout lasts for ever: five minutes at 60 frames a second, no-ops included."""
    env = make_eval_env("breakout", seed=0)
    env.reset()
    truncated, score, decisions = False, 0.0, 0
    while not truncated:
        _, reward, terminated, truncated, info = env.step(0)
        assert not terminated
        score += float(reward)
        decisions += 1
    assert info["episode_frame_number"] == info["game_frames"] == 5 * 60 * 60
    assert info["game_return"] == score
    assert 18_000 - 30 <= 4 * decisions <= 18_000
    _, info = env.reset()
    assert 1 <= info["episode_frame_number"] <= 30


def test_row_25_training_has_no_cap_of_the_emulators_own() -> None:
    """The emulator is registered with a cap of 108,000 frames; that must not cut the training."""
    env = make_train_env("breakout", seed=0)
    ale = env.unwrapped.ale  # type: ignore[attr-defined]
    assert ale.getInt("max_num_frames_per_episode") == 0


def test_row_8_a_game_starts_between_1_and_30_frames_in() -> None:
    """Every reset in the middle of a game starts another one."""
    env = make_eval_env("pong", seed=2)
    starts = [env.reset()[1]["episode_frame_number"] for _ in range(100)]
    assert min(starts) >= 1
    assert max(starts) <= 30
    assert len(set(starts)) > 15


def test_rows_8_and_9_lost_lives_in_breakout() -> None:
    """Five lives, five terminals, one game; the emulator's frame count tells it never restarted."""
    env = make_train_env("breakout", seed=3)
    env.reset()
    lives, info = [], {}
    frame = 0
    while "game_return" not in info:
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        assert not truncated
        assert 1 <= info["episode_frame_number"] - frame <= 4 or frame == 0
        frame = info["episode_frame_number"]
        if terminated and info["life_lost"]:
            lives.append(info["lives"])
            observation, info = env.reset()
            assert 2 <= info["episode_frame_number"] - frame <= 31
            assert not observation[:3].any()
            assert observation[3].any()
            frame = info["episode_frame_number"]
    assert lives == [4, 3, 2, 1]
    assert info["lives"] == 0
    _, info = env.reset()
    assert 1 <= info["episode_frame_number"] <= 30
    assert info["lives"] == 5


def test_training_and_evaluation_show_the_same_of_the_same_game() -> None:
    """Until a life is lost they differ in the rewards' clipping only."""
    train, evaluation = make_train_env("qbert", seed=4), make_eval_env("qbert", seed=4)
    train.reset()
    evaluation.reset()
    clipped = False
    for action in np.random.default_rng(0).integers(0, 6, 200):
        one, two = train.step(action), evaluation.step(action)
        if one[2]:
            break
        np.testing.assert_array_equal(one[0], two[0])
        assert one[1] == min(1.0, float(two[1]))
        clipped |= float(two[1]) > 1
    assert clipped


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("protocol", [NATURE, NATURE_TEXT, MACHADO2018])
def test_gymnasiums_own_checker_is_content(
    make: Any, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one of its warnings is a failure, but the one about there being wrappers at all."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # it opens a window too
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    env = make("breakout", 0, protocol, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*different from the unwrapped version")
        check_env(env)
    env.close()


@pytest.mark.parametrize("training", [True, False])
def test_an_environment_made_again_from_its_spec_plays_the_same(training: bool) -> None:
    """With every wrapper there, and none of its settings forgotten."""
    unusual = Protocol(
        action_repeat_frames=3,
        luminance_weights=(0.5, 0.25, 0.125),
        screen_pixels=42,
        resize="linear",
        to_byte="round",
        stack_frames=2,
        noop_max_frames=7,
        noops_after_lost_life=False,
        train_cap_frames=160,
        eval_cap_frames=160,
    )
    env = apply(make_emulator("breakout", unusual), unusual, training=training)
    again = env.spec.make()  # type: ignore[union-attr]
    env.reset(seed=3)
    again.reset(seed=3)
    assert play(env, 200) == play(again, 200)


@pytest.mark.parametrize("make", MAKERS)
def test_render_mode_is_passed_on(make: Any) -> None:
    env = make("pong", 0, render_mode="rgb_array")
    env.reset()
    assert env.render().shape == (210, 160, 3)


# --- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "protocol", "words"),
    [
        ({"repeat_action_probability": 0.25}, NATURE, ["0.25", "repeat_action_probability=0"]),
        ({"full_action_space": True}, MACHADO2018, ["repeat_action_probability=0.25"]),
        ({"frameskip": 4}, NATURE, ["frameskip=4", "frameskip=1"]),
        ({"frameskip": (2, 5)}, NATURE, ["frameskip=(2, 5)", "frameskip=1"]),
        ({"obs_type": "ram"}, NATURE, ["RGB", 'obs_type="rgb"']),
        ({"obs_type": "grayscale"}, NATURE, ["RGB", 'obs_type="rgb"']),
        ({"sound_obs": True}, NATURE, ["RGB"]),
        ({"continuous": True}, NATURE, ["discrete", "continuous=False"]),
        ({"full_action_space": True}, NATURE, ["18", "6", "full_action_space=False"]),
        (
            {"repeat_action_probability": 0.25},
            MACHADO2018,
            ["6", "18", "full_action_space=True"],
        ),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_emulators_that_break_the_protocol_are_refused_with_the_remedy(
    settings: dict[str, Any], protocol: Protocol, words: list[str], training: bool
) -> None:
    env = raw(**settings)
    with pytest.raises(ProtocolError) as caught:
        apply(env, protocol, training=training)
    for word in words:
        assert word in str(caught.value)
    env.close()


def test_gymnasiums_default_emulator_is_refused() -> None:
    gym.register_envs(ale_py)
    with pytest.raises(ProtocolError, match="frameskip=4"):
        apply(gym.make("ALE/Pong-v5"), training=True)


def test_a_fitting_emulator_passes() -> None:
    check_emulator(raw(), NATURE, 18_000)
    check_emulator(
        raw(repeat_action_probability=0.25, full_action_space=True), MACHADO2018, 108_000
    )
    check_emulator(FakeEmulator(), NATURE, 0)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("pnog", "pong"),
        ("Breakout", "breakout"),
        ("Space Invaders", "space_invaders"),
        ("space-invaders", "space_invaders"),
        ("mspacman", "ms_pacman"),
        ("stargunner", "star_gunner"),
    ],
)
@pytest.mark.parametrize("make", MAKERS)
def test_unknown_game_names_the_nearest(make: Any, name: str, near: str) -> None:
    with pytest.raises(UnknownGameError) as caught:
        make(name, seed=0)
    assert repr(name) in str(caught.value)
    assert f"did you mean {near!r}?" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_unknown_game_without_a_neighbour() -> None:
    with pytest.raises(UnknownGameError, match=r"no game named '0000'$"):
        make_emulator("0000")


@pytest.mark.parametrize("make", MAKERS)
def test_missing_rom_says_so_and_how_to_mend_it(
    make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ALE_ROMS_DIR", raising=False)
    monkeypatch.setattr(roms, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(MissingROMError, match=r"pong.*reinstall"):
        make("pong", seed=0)


@pytest.mark.parametrize("folder", ["empty", "absent", "damaged"])
def test_missing_rom_in_a_folder_of_ones_own_names_the_variable(
    folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The emulator looks for ROMs where ALE_ROMS_DIR points; reinstalling it would not help."""
    place = tmp_path / folder
    if folder != "absent":
        place.mkdir()
    if folder == "damaged":
        (place / "pong.bin").write_bytes(b"not a game")
    monkeypatch.setenv("ALE_ROMS_DIR", str(place))
    with pytest.raises(MissingROMError, match=r"pong.*unset ALE_ROMS_DIR") as caught:
        make_emulator("pong")
    assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "reinstall" not in str(caught.value)


def test_a_folder_of_ones_own_says_nothing_on_stdout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Stdout may be a JSON document of the caller's."""
    shutil.copy(rom_path("pong"), tmp_path)
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    env = make_eval_env("pong", seed=0)
    env.reset(seed=1)
    assert rom_path("pong").parent == tmp_path
    assert capfd.readouterr().out == ""


def test_every_rom_of_the_emulator_has_an_environment() -> None:
    """The name of the gymnasium environment is worked out from the ROM's; none may be missed."""
    gym.register_envs(ale_py)
    from repro.games import GAMES

    for game in GAMES:
        title = "".join(word.capitalize() for word in game.split("_"))
        assert f"ALE/{title}-v5" in gym.registry, game


# --- vectors --------------------------------------------------------------------------------


def test_vector_environment_for_the_same_agent() -> None:
    env = make_vector_env("CartPole-v1", seed=0, stack=2)
    assert env.observation_space.shape == (2, 4)
    observation, _ = env.reset()
    assert observation.dtype == np.float32
    assert not observation[0].any()
    done, score = False, 0.0
    while not done:
        before = observation
        observation, reward, terminated, truncated, info = env.step(0)
        np.testing.assert_array_equal(observation[0], before[1])
        score += float(reward)
        done = terminated or truncated
    assert info["game_return"] == score == info["game_frames"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("NoSuchThing-v0", UnknownGameError),
        ("Pendulum-v1", ProtocolError),
        ("FrozenLake-v1", ProtocolError),
    ],
)
def test_vector_environment_refuses_what_does_not_fit(
    name: str, error: type[ProtocolError]
) -> None:
    with pytest.raises(error, match=name.split("-")[0]):
        make_vector_env(name, seed=0)


def test_the_package_offers_its_makers() -> None:
    for name in wrappers.__all__:
        assert getattr(wrappers, name) is not None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: gym.wrappers.MaxAndSkipObservation(env, 4),
        lambda env: gym.wrappers.StickyAction(env, 0.25),
        lambda env: gym.wrappers.RepeatAction(env, 4),
        ActionRepeat,
        lambda env: gym.wrappers.RecordEpisodeStatistics(ActionRepeat(env)),
    ],
)
def test_rows_1_and_28_a_wrapper_that_skips_or_sticks_is_refused(wrap) -> None:
    with pytest.raises(ProtocolError, match="raw emulator"):
        apply(wrap(raw()), NATURE, training=False)


class Hasty(gym.Wrapper[Any, Any, Any, Any]):
    """Plays frames of its own, under a name that tells nothing: one more every ``often`` steps."""

    def __init__(self, env: gym.Env[Any, Any], often: int = 1) -> None:
        super().__init__(env)
        self.often, self.steps = often, 0

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.steps % self.often == 0:
            self.env.step(action)
        return self.env.step(action)


@pytest.mark.parametrize("often", [1, 3])
@pytest.mark.parametrize("protocol", [NATURE, MACHADO2018])
@pytest.mark.parametrize("training", [True, False])
def test_row_1_frames_played_by_an_unknown_wrapper_are_noticed(
    training: bool, protocol: Protocol, often: int
) -> None:
    env = apply(Hasty(make_emulator("pong", protocol), often), protocol, training=training)
    env.reset(seed=0)
    with pytest.raises(ProtocolError, match=r"skips or repeats.*raw emulator"):
        env.step(0)


def test_row_1_a_wrapper_that_plays_no_frames_is_welcome() -> None:
    env = apply(gym.wrappers.RecordEpisodeStatistics(make_emulator("pong")), training=True)
    env.reset(seed=0)
    _, first = env.reset()
    for _ in range(5):
        *_, info = env.step(0)
    assert info["episode_frame_number"] == first["episode_frame_number"] + 20


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "wrap", [lambda env: gym.wrappers.TimeLimit(env, 100), lambda env: TimeCap(env, 100)]
)
def test_row_25_a_wrapper_that_cuts_games_is_refused(wrap, training: bool) -> None:
    with pytest.raises(ProtocolError, match="without max_episode_steps"):
        apply(wrap(raw()), training=training)
    with pytest.raises(ProtocolError, match="without max_episode_steps"):
        apply(raw(max_episode_steps=100), training=training)


def test_row_25_a_cap_of_the_emulators_own_is_refused_where_it_would_cut() -> None:
    """Made the usual way it ends games after 108,000 frames; training goes on for longer."""
    env = raw("Breakout", max_num_frames_per_episode=108_000)
    apply(env, NATURE, training=False)
    with pytest.raises(ProtocolError, match="max_num_frames_per_episode=0"):
        apply(env, NATURE, training=True)
