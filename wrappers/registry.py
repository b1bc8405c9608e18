"""The wrapped games under ids of gymnasium, such as ``AtariRepro/Pong-Nature-v0``.

``import wrappers`` registers them, before or after ``import gymnasium``, which it does not load.
``gymnasium.make("wrappers:AtariRepro/Pong-Nature-v0")`` needs no import at all.
"""

import importlib.util
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wrappers.protocol import PRESETS

if TYPE_CHECKING:
    import gymnasium as gym

    from wrappers.frames import Bytes

NAMESPACE = "AtariRepro"
# The 57 games that are usual today, by the names of their ROMs: the paper's 49, and eight more.
GAMES = (
    "alien", "amidar", "assault", "asterix", "asteroids", "atlantis", "bank_heist", "battle_zone",
    "beam_rider", "berzerk", "bowling", "boxing", "breakout", "centipede", "chopper_command",
    "crazy_climber", "defender", "demon_attack", "double_dunk", "enduro", "fishing_derby",
    "freeway", "frostbite", "gopher", "gravitar", "hero", "ice_hockey", "jamesbond", "kangaroo",
    "krull", "kung_fu_master", "montezuma_revenge", "ms_pacman", "name_this_game", "phoenix",
    "pitfall", "pong", "private_eye", "qbert", "riverraid", "road_runner", "robotank", "seaquest",
    "skiing", "solaris", "space_invaders", "star_gunner", "surround", "tennis", "time_pilot",
    "tutankham", "up_n_down", "venture", "video_pinball", "wizard_of_wor", "yars_revenge",
    "zaxxon",
)  # fmt: skip


def make(
    game: str, preset: str = "nature", training: bool = True, render_mode: str | None = None
) -> "gym.Env[Bytes, Any]":
    """What gymnasium calls for one of the ids; the first reset is the caller's.

    Args:
        game: the ROM's name.
        preset: of wrappers.PRESETS.
        training: as the agent trains; if not, as it is scored: whole games, raw rewards.
        render_mode: as for ``gymnasium.make``.

    Raises:
        MissingROMError: if the game's ROM is not installed.
    """
    from wrappers.envs import apply, make_emulator

    protocol = PRESETS[preset]
    return apply(make_emulator(game, protocol, render_mode), protocol, training=training)


def ids() -> Iterator[tuple[str, dict[str, str]]]:
    """Every id with the arguments of :func:`make` that it stands for."""
    for game in GAMES:
        for preset in PRESETS:
            name = f"{_joined(game, '_')}-{_joined(preset, '-')}"
            yield f"{NAMESPACE}/{name}-v0", {"game": game, "preset": preset}


def register() -> None:
    """Register every id with gymnasium: now if it is loaded, else as soon as it is."""
    if "gymnasium.envs.registration" not in sys.modules:
        sys.meta_path.insert(0, _Later())
        return
    from gymnasium.envs import registration

    for name, arguments in ids():
        if name not in registration.registry:
            registration.register(name, "wrappers.registry:make", kwargs=dict(arguments))


class _Later(MetaPathFinder):
    """Registers after the import of gymnasium, for which it finds nothing itself."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """Let the others find it, and follow its loader."""
        if name != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _joined(name: str, mark: str) -> str:
    return "".join(word.capitalize() for word in name.split(mark))
