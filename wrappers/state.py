"""Saving an environment in the middle of a game, and going on from there exactly.

Each wrapper of ours names the attributes that make up its state in ``STATE``.
The result holds only arrays and plain values, so nothing that is loaded can
run code.
"""

from collections.abc import Iterator
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np

from wrappers.protocol import ProtocolError

# What must be saved of gymnasium's own.
_OF_GYMNASIUM = {
    "OrderEnforcing": ("_has_reset",), "PassiveEnvChecker": (), "TimeLimit": ("_elapsed_steps",),
}  # fmt: skip


def save(env: gym.Env[Any, Any]) -> dict[str, Any]:
    """Describe where an environment stands.

    Returns:
        ``"Wrapper.attribute"`` to array, number, text or JSON-like value.

    Raises:
        ProtocolError: for an environment that is neither an emulator nor has a ``state``, or a
            wrapper that does not say which attributes are its own.
    """
    state: dict[str, Any] = {
        f"{layer}.{name}": getattr(wrapper, name)
        for layer, wrapper, names in _layers(env)
        for name in names
    }
    return state | {"game": _game(env)} | save_machine(env.unwrapped)


def load(env: gym.Env[Any, Any], state: dict[str, Any]) -> None:
    """Put an environment, made in the same way, where another one stood.

    Raises:
        ProtocolError: if the state is of an environment that was made in another way.
    """
    if state.get("game") != _game(env):
        raise ProtocolError(
            f"the saved environment is the game {state.get('game')}, this is {_game(env)}"
        )
    layers = list(_layers(env))
    wanted = {f"{layer}.{name}" for layer, _, names in layers for name in names}
    base = env.unwrapped
    wanted |= {"game", "generator", "emulator" if hasattr(base, "ale") else "state"}
    if wanted != set(state):
        raise ProtocolError(
            f"the saved environment differs in {', '.join(sorted(wanted ^ set(state)))}"
        )
    for layer, wrapper, names in layers:
        for name in names:
            setattr(wrapper, name, state[f"{layer}.{name}"])
    load_machine(base, state)


def save_machine(base: gym.Env[Any, Any]) -> dict[str, Any]:
    """Of :func:`save` what is below all wrappers: the emulator, and the random numbers to come.

    Raises:
        ProtocolError: if it is neither an emulator nor has a ``state``.
    """
    state: dict[str, Any] = {"generator": base.np_random.bit_generator.state}
    if hasattr(base, "ale"):
        saved = base.ale.cloneState(include_rng=True).serialize()
        return state | {"emulator": np.frombuffer(saved, np.uint8)}
    if hasattr(base, "state"):
        return state | {"state": np.asarray(base.state)}
    raise ProtocolError(f"{base} cannot be saved in the middle of an episode")


def load_machine(base: gym.Env[Any, Any], state: dict[str, Any]) -> None:
    """Put back what :func:`save_machine` saved."""
    base.np_random.bit_generator.state = state["generator"]
    if hasattr(base, "ale"):
        base.ale.restoreState(ale_py.ALEState(state["emulator"].tobytes()))
    else:
        base.state = state["state"]  # type: ignore[attr-defined]


def load_copy(base: gym.Env[Any, Any], state: dict[str, Any]) -> None:
    """As :func:`load_machine`, on an emulator that has just been made and has shown nothing yet."""
    load_machine(base, state)
    base.ale.act(ale_py.Action.NOOP)  # type: ignore[attr-defined]  # Q*bert redraws only in part
    load_machine(base, state)


def _game(env: gym.Env[Any, Any]) -> str:
    spec = env.unwrapped.spec
    return spec.id if spec else type(env.unwrapped).__name__


def _layers(env: gym.Env[Any, Any]) -> Iterator[tuple[str, gym.Env[Any, Any], tuple[str, ...]]]:
    """Yield each wrapper: its class name, itself, the attributes that are its state.

    Raises:
        ProtocolError: for one that does not say, of which something might be left out.
    """
    while isinstance(env, gym.Wrapper):
        kind, name = type(env), type(env).__name__
        if "STATE" in vars(kind):
            yield name, env, kind.STATE  # type: ignore[attr-defined]
        elif name in _OF_GYMNASIUM and kind.__module__.startswith("gymnasium."):
            yield name, env, _OF_GYMNASIUM[name]
        else:
            raise ProtocolError(
                f"the wrapper {name} does not say which of its attributes are its state, so it "
                "cannot be saved: list them in a class attribute STATE, () for none"
            )
        env = env.env
