"""Games by the ids that gymnasium has for them, and what those would have been.

``ALE/Pong-v5`` or ``PongNoFrameskip-v4`` names a game and settings of the emulator. Here it names
the game; the settings are the protocol's. Standard library only.
"""

import re
import warnings
from dataclasses import dataclass

_ID = re.compile(
    r"(?:(?P<new>ALE/(?P<title>[a-z0-9]+)-v5)"
    r"|(?P<old>[a-z0-9]+?)(?P<kind>NoFrameskip|Deterministic)?-v(?P<version>[04]))",
    re.IGNORECASE | re.ASCII,
)


class OtherProtocolWarning(UserWarning):
    """A game was named by an id whose own settings are not used."""


@dataclass(frozen=True)
class GameId:
    """What an id of gymnasium says.

    Attributes:
        title: of the game, such as SpaceInvaders.
        frame_skip: emulator frames per action, in words where it is drawn at random.
        sticky_probability: chance that the emulator repeats the last action instead.
    """

    title: str
    frame_skip: str
    sticky_probability: float


def read(name: str) -> GameId | None:
    """Read an id of an Atari game; None if it is none. Upper and lower case are alike."""
    match = _ID.fullmatch(name)
    if match is None:
        return None
    if match["new"]:
        return GameId(match["title"], "4", 0.25)
    kind = (match["kind"] or "").lower()
    # The one exception: lasers blink every fourth frame.
    steady = "3" if match["old"].lower() == "spaceinvaders" else "4"
    skips = {"": "2 to 4 at random", "noframeskip": "1", "deterministic": steady}
    return GameId(match["old"], skips[kind], 0.25 if match["version"] == "0" else 0.0)


def warn(name: str, game: str, stacklevel: int = 2) -> None:
    """Say that an id was taken for a game and nothing else.

    Raises:
        OtherProtocolWarning: as a warning, if the name is an id.
    """
    if found := read(name):
        warnings.warn(
            f"{name} is taken for the game {game} alone: its own frame skip "
            f"({found.frame_skip}) and sticky actions (repeat_action_probability "
            f"{found.sticky_probability:g}) are not used, but the protocol's",
            OtherProtocolWarning,
            stacklevel=stacklevel + 1,
        )
