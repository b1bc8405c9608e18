"""Saving an environment in the middle of a game, and going on bit for bit."""

import copy
import io
import json
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from fake_emulator import FakeEmulator

import wrappers
from wrappers import state
from wrappers.envs import make_eval_env, make_train_env, make_vector_env
from wrappers.protocol import MACHADO2018, NATURE, Protocol, ProtocolError

KINDS = {
    "train": (make_train_env, NATURE),
    "eval": (make_eval_env, NATURE),
    "machado2018": (make_train_env, MACHADO2018),
}
KEYS = ("lives", "episode_frame_number", "frame_number", "life_lost", "game_return", "game_frames")


def through_bytes(saved: dict[str, Any]) -> dict[str, Any]:
    """Write arrays as npz without pickle and the rest as JSON, and read both back."""
    arrays = {name: value for name, value in saved.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in saved.items() if name not in arrays}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    text = json.dumps(rest)
    with np.load(io.BytesIO(buffer.getvalue()), allow_pickle=False) as loaded:
        return dict(loaded) | json.loads(text)


def advance(
    env: gym.Env[Any, Any], actions: np.ndarray[Any, Any], *, over: bool = False
) -> tuple[list[tuple[Any, ...]], bool]:
    """Play; everything the agent would see, resets included, and whether a reset is due."""
    seen: list[tuple[Any, ...]] = []
    for action in actions:
        if over:
            observation, info = env.reset()
            seen.append((observation.tobytes(), *(info.get(key) for key in KEYS)))
        observation, reward, terminated, truncated, info = env.step(action)
        over = terminated or truncated
        seen.append(
            (observation.tobytes(), reward, terminated, truncated, *map(info.get, KEYS)),
        )
    return seen, over


def random_actions(env: gym.Env[Any, Any], number: int, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, env.action_space.n, number)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "game", ["breakout", "seaquest", "pong", "montezuma_revenge", "double_dunk", "qbert"]
)
def test_goes_on_exactly_in_a_new_environment(game: str, kind: str) -> None:
    """Three hundred decisions and all the resets among them, in an object of another seed."""
    make, protocol = KINDS[kind]
    one = make(game, 1, protocol)
    one.reset()
    _, over = advance(one, random_actions(one, 150, seed=1))
    saved = through_bytes(state.save(one))
    two = make(game, 2, protocol)
    advance(two, random_actions(two, 20, seed=3))
    state.load(two, saved)
    actions = random_actions(one, 300, seed=2)
    expected, _ = advance(one, actions, over=over)
    got, _ = advance(two, actions, over=over)
    for step, (want, have) in enumerate(zip(expected, got, strict=True)):
        assert have == want, f"differs {step} results after the save"


@pytest.mark.parametrize("kind", ["train", "machado2018"])
def test_goes_on_exactly_from_a_terminal(kind: str) -> None:
    """Between a lost life, or a game over, and the reset it calls for."""
    make, protocol = KINDS[kind]
    one = make("breakout", 4, protocol)
    one.reset()
    for trial in range(6):
        over = False
        for action in random_actions(one, 5000, seed=trial):
            _, over = advance(one, np.array([action]))
            if over:
                break
        assert over
        saved = through_bytes(state.save(one))
        two = make("breakout", 5, protocol)
        state.load(two, saved)
        actions = random_actions(one, 60, seed=trial)
        expected, over = advance(one, actions, over=True)
        assert advance(two, actions, over=True) == (expected, over)
        if over:
            one.reset()


def test_a_save_is_a_picture_and_not_a_view() -> None:
    """Playing on must not change what was saved."""
    env = make_train_env("seaquest", 6)
    env.reset()
    over = advance(env, random_actions(env, 50, seed=0))[1]
    saved = state.save(env)
    kept = through_bytes(saved)
    expected, _ = advance(env, random_actions(env, 200, seed=1), over=over)
    again = through_bytes(saved)
    assert set(again) == set(kept)
    for name, value in kept.items():
        np.testing.assert_equal(again[name], value)
    state.load(env, saved)  # back in time, in the same object
    assert advance(env, random_actions(env, 200, seed=1), over=over)[0] == expected


def test_saving_does_not_disturb_the_game() -> None:
    one, two = make_train_env("breakout", 7), make_train_env("breakout", 7)
    one.reset()
    two.reset()
    over = [False, False]
    for number in range(150):
        actions = random_actions(one, 1, seed=number)
        seen_one, over[0] = advance(one, actions, over=over[0])
        state.save(two)
        seen_two, over[1] = advance(two, actions, over=over[1])
        assert seen_one == seen_two


def test_holds_only_arrays_and_plain_values() -> None:
    env = make_train_env("pong", 0)
    env.step(0)
    for name, value in state.save(env).items():
        if isinstance(value, np.ndarray):
            assert value.dtype != object, name
        else:
            json.dumps(value)


def test_vector_environment_goes_on_exactly_time_limit_included() -> None:
    one = make_vector_env("CartPole-v1", 0, stack=2)
    over = False
    _, over = advance(one, random_actions(one, 37, seed=0))
    two = make_vector_env("CartPole-v1", 1, stack=2)
    state.load(two, through_bytes(state.save(one)))
    actions = random_actions(one, 300, seed=1)
    assert advance(two, actions, over=over) == advance(one, actions, over=over)


# --- environments made in another way -------------------------------------------------------


def saved_by(protocol: Protocol = NATURE, *, training: bool = True, game: str = "pong") -> Any:
    make = make_train_env if training else make_eval_env
    return state.save(make(game, 0, protocol))


def test_a_training_state_is_refused_in_evaluation_and_the_other_way_round() -> None:
    with pytest.raises(ProtocolError, match="LifeLoss"):
        state.load(make_eval_env("pong", 0), saved_by())
    with pytest.raises(ProtocolError, match="LifeLoss"):
        state.load(make_train_env("pong", 0), saved_by(training=False))


def test_a_state_of_another_protocol_is_refused() -> None:
    with pytest.raises(ProtocolError, match="LifeLoss"):
        state.load(make_train_env("pong", 0, MACHADO2018), saved_by())


def test_a_state_of_another_kind_of_environment_is_refused() -> None:
    with pytest.raises(ProtocolError, match="CartPole"):
        state.load(make_vector_env("CartPole-v1", 0), saved_by())


def test_a_state_with_something_missing_is_refused_and_changes_nothing() -> None:
    saved = saved_by()
    del saved["MaxPool._previous"]
    one, two = make_train_env("pong", 1), make_train_env("pong", 1)
    with pytest.raises(ProtocolError, match=r"MaxPool\._previous"):
        state.load(one, saved)
    actions = random_actions(one, 30, seed=0)
    assert advance(one, actions) == advance(two, actions)


def test_a_state_of_another_game_is_refused() -> None:
    """Its memory would make no sense there, and nothing would say so."""
    with pytest.raises(ProtocolError, match=r"game|breakout"):
        state.load(make_train_env("pong", 0), saved_by(game="breakout"))


def test_an_environment_that_cannot_be_saved_says_so() -> None:
    env = wrappers.apply(FakeEmulator(), NATURE, training=True)
    env.reset(seed=0)
    with pytest.raises(ProtocolError, match="cannot be saved"):
        state.save(env)


def test_a_wrapper_that_does_not_say_what_its_state_is_is_refused() -> None:
    class Counter(gym.Wrapper[Any, Any, Any, Any]):
        steps = 0

    env = Counter(make_train_env("pong", 0))
    with pytest.raises(ProtocolError, match=r"the wrapper Counter does not say.*STATE"):
        state.save(env)
    Counter.STATE = ("steps",)  # type: ignore[attr-defined]
    env.steps = 3
    assert state.save(env)["Counter.steps"] == 3
    env.close()


# --- copies and what callers do with what they get ------------------------------------------


def raw(game: str, seed: int, protocol: Protocol) -> gym.Env[Any, Any]:
    """The emulator as gymnasium has it, wrapped: a copy of it alone would begin anew."""
    made = gym.make(
        f"ALE/{game.title().replace('_', '')}-v5", frameskip=1, max_num_frames_per_episode=0,
        repeat_action_probability=protocol.sticky_probability,
        full_action_space=not protocol.minimal_actions,
    )  # fmt: skip
    env = wrappers.apply(made, protocol, training=True)
    env.reset(seed=seed)
    return env


def bare(game: str, seed: int, protocol: Protocol) -> gym.Env[Any, Any]:
    """Our emulator without any wrapper of ours."""
    env = wrappers.make_emulator(game, protocol)
    env.reset(seed=seed)
    return env


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("protocol", [NATURE, MACHADO2018])
@pytest.mark.parametrize("make", [make_train_env, make_eval_env, raw, bare])
@pytest.mark.parametrize("game", ["breakout", "qbert"])
def test_a_copy_plays_on_from_where_the_original_stood(
    game: str, make: Any, protocol: Protocol, copied: Any
) -> None:
    one = make(game, 3, protocol)
    over = advance(one, random_actions(one, 150, seed=0))[1]
    two = copied(one)
    actions = random_actions(one, 300, seed=1)
    expected = advance(one, actions, over=over)
    assert advance(two, actions, over=over) == expected  # after the original, which went on alone
    assert str(two) == str(one)
    assert two.unwrapped.spec.id == one.unwrapped.spec.id
    assert set(state.save(two)) == set(state.save(one))


@pytest.mark.parametrize("make", [make_train_env, make_eval_env])
def test_what_a_caller_does_to_an_observation_or_to_info_stays_with_the_caller(make: Any) -> None:
    one, two = make("breakout", 8), make("breakout", 8)
    one.reset(seed=1)
    over, ends = False, 0
    seen, info = one.reset(seed=1)
    calm, _ = two.reset(seed=1)
    for action in random_actions(one, 400, seed=2):
        assert (seen == calm).all()
        seen[:] = 7
        info.clear()
        info["lives"] = -1
        if over:
            (seen, info), (calm, told) = one.reset(), two.reset()
            over, ends = False, ends + 1
        else:
            seen, reward, terminated, truncated, info = one.step(action)
            calm, *others, told = two.step(action)
            assert [reward, terminated, truncated] == others
            over = terminated or truncated
        assert info == told
    assert ends > 0
