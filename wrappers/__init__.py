"""Paper-faithful Atari environments: raw emulator frames in, what the 2015 agent saw out.

The names below load the emulator only when they are used, so that reading a
:class:`~wrappers.protocol.Protocol` costs nothing. Gymnasium knows the games afterwards as
``AtariRepro/Pong-Nature-v0`` and so on: see :mod:`wrappers.registry`.
"""

from typing import TYPE_CHECKING, Any

from wrappers import registry
from wrappers.protocol import PRESETS, Protocol

if TYPE_CHECKING:
    from wrappers.envs import apply, make_emulator, make_eval_env, make_train_env

__all__ = [
    "PRESETS",
    "Protocol",
    "apply",
    "make_emulator",
    "make_eval_env",
    "make_train_env",
]


def __getattr__(name: str) -> Any:
    if name in {"apply", "make_emulator", "make_eval_env", "make_train_env"}:
        from wrappers import envs

        return getattr(envs, name)
    raise AttributeError(f"module 'wrappers' has no attribute {name!r}")


registry.register()
