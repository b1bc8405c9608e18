"""The one assembly: emulator, then each row of the ledger in its place."""

import dataclasses
import difflib
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
from ale_py import roms
from gymnasium import spaces

from wrappers import ids
from wrappers.actions import ActionRepeat
from wrappers.frames import Bytes, FrameStack, Luminance, MaxPool
from wrappers.protocol import NATURE, Protocol, ProtocolError
from wrappers.rewards import ClipReward, GameScore
from wrappers.roms import MissingROMError as MissingROMError
from wrappers.roms import rom_path
from wrappers.rules import apply_rules, longest_game_frames
from wrappers.starts import LifeLoss, NoopStart, TimeCap


class UnknownGameError(ProtocolError):
    """No game of that name; the message names the nearest."""


def make_emulator(
    game: str,
    protocol: Protocol = NATURE,
    render_mode: str | None = None,
    *,
    screens: bool = True,
) -> gym.Env[Bytes, Any]:
    """Make the raw emulator: one step is one frame, RGB uint8, no cap of its own.

    Args:
        game: the ROM's snake_case name, such as ``space_invaders``; of an id such as
            ``ALE/SpaceInvaders-v5`` only the game is used, with an ids.OtherProtocolWarning.
        protocol: decides stickiness and action set.
        render_mode: as for ``gymnasium.make``.
        screens: if not, it plays as ever but shows black ones: fetching them takes time.

    Raises:
        UnknownGameError: if the emulator has no such game.
        MissingROMError: if the game's ROM is not installed.
    """
    known = roms.get_all_rom_ids()
    if found := ids.read(game):
        named = {name.replace("_", ""): name for name in known}.get(found.title.lower())
        if named:
            ids.warn(game, named)
            game = named
    if game not in known:
        near = difflib.get_close_matches(game.lower(), known, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownGameError(f"the emulator has no game named {game!r}{hint}")
    rom_path(game)  # or says why there is none
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    gym.register_envs(ale_py)
    emulator = "wrappers.roms:Emulator" if screens else "wrappers.roms:DarkEmulator"
    title = "".join(word.capitalize() for word in game.split("_"))
    return gym.make(
        dataclasses.replace(gym.spec(f"ALE/{title}-v5"), entry_point=emulator),
        frameskip=1,
        repeat_action_probability=protocol.sticky_probability,
        full_action_space=not protocol.minimal_actions,
        max_num_frames_per_episode=0,
        obs_type="rgb",
        render_mode=render_mode,
        disable_env_checker=True,
    )


def check_emulator(env: gym.Env[Any, Any], protocol: Protocol, cap_frames: int) -> None:
    """Refuse an environment that would quietly break the protocol or its time cap.

    Raises:
        ProtocolError: naming what is wrong and how to make the environment instead.
    """
    space = env.observation_space
    if (
        not isinstance(space, spaces.Box)
        or space.dtype != np.uint8
        or len(space.shape) != 3
        or space.shape[2] != 3
    ):
        raise ProtocolError(
            f"the emulator must show uint8 RGB screens (height, width, 3), not {space}; "
            'make it with obs_type="rgb"'
        )
    if not isinstance(env.action_space, spaces.Discrete):
        raise ProtocolError(
            f"the emulator must take discrete actions, not {env.action_space}; "
            "make it with continuous=False"
        )
    _check_layers(env)
    frameskip = getattr(env.unwrapped, "_frameskip", 1)
    if frameskip != 1:
        raise ProtocolError(
            f"the emulator skips frames itself (frameskip={frameskip}), so every action would be "
            "repeated twice over; make it with frameskip=1"
        )
    ale = getattr(env.unwrapped, "ale", None)
    if ale is None:
        return
    sticky = ale.getFloat("repeat_action_probability")
    if abs(sticky - protocol.sticky_probability) > 1e-6:
        raise ProtocolError(
            f"the emulator repeats actions with probability {sticky:g}, the protocol says "
            f"{protocol.sticky_probability:g}; make it with "
            f"repeat_action_probability={protocol.sticky_probability:g}"
        )
    own_cap = ale.getInt("max_num_frames_per_episode")
    if own_cap and not 0 < cap_frames <= own_cap:
        raise ProtocolError(
            f"the emulator ends games after {own_cap:,} frames itself, the protocol after "
            f"{cap_frames or 'none'}; make it with max_num_frames_per_episode=0"
        )
    minimal = len(ale.getMinimalActionSet())
    expected = minimal if protocol.minimal_actions else len(ale.getLegalActionSet())
    if env.action_space.n != expected:
        raise ProtocolError(
            f"the emulator offers {env.action_space.n} actions, the protocol wants {expected}; "
            f"make it with full_action_space={not protocol.minimal_actions}"
        )


def _check_layers(layer: gym.Env[Any, Any]) -> None:
    """Refuse wrappers known to play frames of their own or to cut games."""
    while isinstance(layer, gym.Wrapper):
        name = type(layer).__name__
        if any(word in name for word in ("Skip", "Repeat", "Sticky", "AtariPreprocessing")):
            raise ProtocolError(
                f"the wrapper {name} already skips or repeats frames; hand over the raw emulator"
            )
        if name in ("TimeLimit", "TimeCap"):
            raise ProtocolError(
                f"the wrapper {name} already cuts games short; hand over the raw emulator, made "
                "without max_episode_steps: the protocol has caps of its own"
            )
        layer = layer.env


def apply(
    env: gym.Env[Bytes, Any],
    protocol: Protocol = NATURE,
    *,
    training: bool,
    observations: bool = True,
) -> gym.Env[Bytes, Any]:
    """Wrap a raw emulator, for training or for scoring.

    Args:
        env: one step is one emulator frame; uint8 RGB screens; discrete actions, 0 doing
            nothing; ``info`` has ``lives`` and ``episode_frame_number``.
        protocol: what to do to it.
        training: with lost lives as terminals, clipped rewards and the training cap, if the
            protocol has them. Scoring has neither of the first two.
        observations: if not, without the layers that only make what the agent sees.

    Returns:
        An environment whose observations are uint8 ``(stack, 84, 84)``, oldest frame first; or
        the emulator's screens.

    Raises:
        ProtocolError: if ``env`` does not fit; from ``step()`` if it plays frames unasked.
    """
    cap_frames = protocol.train_cap_frames if training else protocol.eval_cap_frames
    cap_frames = longest_game_frames(env, protocol, cap_frames)
    check_emulator(env, protocol, cap_frames)
    # One step of these is one emulator frame ...
    env = apply_rules(env, protocol)
    if cap_frames:
        env = TimeCap(env, cap_frames)
    if observations and protocol.max_pool_frames == 2:
        env = MaxPool(env)
    if training and protocol.life_loss_terminal:
        env = LifeLoss(env)
    if protocol.noop_max_frames:
        env = NoopStart(env, protocol.noop_max_frames, protocol.noops_after_lost_life)
    # ... and from here on one agent decision.
    env = ActionRepeat(env, protocol.action_repeat_frames)
    env = GameScore(env)
    if observations:
        env = Luminance(
            env, protocol.luminance_weights, protocol.screen_pixels, protocol.resize,
            protocol.to_byte,
        )  # fmt: skip
        env = FrameStack(env, protocol.stack_frames)
    if training and protocol.clip_rewards:
        env = ClipReward(env)
    return env


def make_train_env(
    game: str, seed: int, protocol: Protocol = NATURE, render_mode: str | None = None
) -> gym.Env[Bytes, Any]:
    """Make a game as the agent trains on it: uint8 (4, 84, 84), oldest frame first, seeded.

    Raises:
        UnknownGameError, MissingROMError: as :func:`make_emulator`.
    """
    return _seeded(apply(make_emulator(game, protocol, render_mode), protocol, training=True), seed)


def make_eval_env(
    game: str, seed: int, protocol: Protocol = NATURE, render_mode: str | None = None
) -> gym.Env[Bytes, Any]:
    """Make a game as it is scored: whole games, raw rewards, time cap; otherwise alike.

    Raises:
        UnknownGameError, MissingROMError: as :func:`make_emulator`.
    """
    emulator = make_emulator(game, protocol, render_mode)
    return _seeded(apply(emulator, protocol, training=False), seed)


def make_replay_env(game: str, protocol: Protocol = NATURE) -> gym.Env[Bytes, Any]:
    """Make a game as it is scored, for whoever has the actions and needs no observations.

    Every reset must have a seed.

    Raises:
        UnknownGameError, MissingROMError: as :func:`make_emulator`.
    """
    emulator = make_emulator(game, protocol, screens=False)
    return apply(emulator, protocol, training=False, observations=False)


def make_vector_env(name: str, seed: int, stack: int = 1) -> gym.Env[Any, Any]:
    """Make a gymnasium environment of vector observations for the same agent and loop.

    Args:
        name: a gymnasium id, such as ``CartPole-v1``.
        seed: of the environment.
        stack: observations shown at a time.

    Returns:
        An environment whose observations are float32 ``(stack, size)``.

    Raises:
        UnknownGameError: if gymnasium has no such environment.
        ProtocolError: if its spaces are not a vector Box and Discrete actions.
    """
    try:
        env = gym.make(name)
    except (gym.error.Error, ImportError) as error:
        raise UnknownGameError(f"gymnasium has no environment {name!r}: {error}") from error
    space = env.observation_space
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise ProtocolError(f"{name} must observe vectors, not {space}")
    if not isinstance(env.action_space, spaces.Discrete):
        raise ProtocolError(f"{name} must take discrete actions, not {env.action_space}")
    return _seeded(FrameStack(GameScore(env), stack), seed)


def _seeded(env: gym.Env[Bytes, Any], seed: int) -> gym.Env[Bytes, Any]:
    env.reset(seed=seed)
    env.action_space.seed(seed)
    return env
