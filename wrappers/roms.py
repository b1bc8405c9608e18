"""The emulator's ROMs: where it looks for them, and loading them without a word on stdout."""

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from ale_py import roms
from ale_py.env import AtariEnv
from numpy.typing import NDArray

from wrappers import state

FOLDER_VARIABLE = "ALE_ROMS_DIR"  # names the emulator's ROM folder; unset: its own package


class MissingROMError(FileNotFoundError):
    """The emulator knows the game but its ROM is not there."""


class Emulator(AtariEnv):
    """The emulator as gymnasium has it, but silent.

    Given a folder of ROMs it prints that folder's name at every seeded reset, to the stdout that
    belongs to the caller.
    """

    def load_game(self) -> None:
        """Load the ROM."""
        with contextlib.redirect_stdout(None):
            super().load_game()

    def __getstate__(self) -> dict[str, Any]:
        """For ``copy.deepcopy`` and ``pickle``, after which gymnasium's would begin anew."""
        return super().__getstate__() | {"machine": state.save_machine(self), "spec": self.spec}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Put the copy where the original stood."""
        super().__setstate__(saved)
        self.spec = saved["spec"]
        state.load_copy(self, saved["machine"])


class DarkEmulator(Emulator):
    """The same games, their screens all black: for playing recorded actions again."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._black = np.zeros_like(super()._get_obs())

    def _get_obs(self) -> NDArray[np.uint8]:
        return self._black


def rom_path(game: str) -> Path:
    """Find a game's ROM where the emulator looks for it.

    Raises:
        MissingROMError: if it is not there or damaged; the message says what to do.
    """
    found, reason = None, "unknown to the emulator"
    try:
        with contextlib.redirect_stdout(None):
            found = roms.get_rom_path(game)
    except OSError as error:
        reason = " ".join(str(error).split())
    if found is None:
        raise MissingROMError(f"the ROM of {game} is missing or damaged ({reason}); {_remedy()}")
    return Path(found)


def _remedy() -> str:
    if folder := os.environ.get(FOLDER_VARIABLE):
        return (
            f"{FOLDER_VARIABLE}={folder} is where the emulator looks: unset {FOLDER_VARIABLE} to "
            "use the ROMs that come with it"
        )
    return (
        "reinstall the emulator that brings it: "
        "pip install --force-reinstall --no-deps 'ale-py>=0.11,!=0.12.0,<0.13'"
    )
