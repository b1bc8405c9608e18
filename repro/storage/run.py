"""Which training: a run's identity and directory. Loads neither torch nor the emulator."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro import config, records
from repro.config import Config, ConfigError, check
from repro.storage import directory

_FOLDER = re.compile(r"\w[\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Run:
    """Which training: one game, one seed, one configuration.

    Raises:
        ConfigError: if the game or the seed could not be part of SUITE/<game>/seed-<n>.
    """

    game: str
    seed: int
    preset: str
    config: Config

    def __post_init__(self) -> None:
        """Refuse what would lead out of the suite, or into folders within folders."""
        for name, kind in (("game", str), ("seed", int), ("preset", str)):
            check(name, getattr(self, name), kind)
        if not _FOLDER.fullmatch(self.game):
            raise ConfigError(
                f"game {self.game!r} cannot be the name of a run's folder; "
                "use a name of letters, digits, '_', '.' and '-'"
            )
        if self.seed < 0:
            raise ConfigError(f"seed must be zero or more, got {self.seed}")

    def directory(self, path: Path) -> directory.RunDirectory:
        """The directory that this training writes."""
        return directory.RunDirectory(path, self.identity())

    def identity(self) -> dict[str, Any]:
        """What config.json holds."""
        return {
            "game": self.game,
            "seed": self.seed,
            "preset": self.preset,
            "config": config.to_dict(self.config),
        }


def run_from(folder: Path | str) -> Run:
    """Read back which training a run directory holds.

    Raises:
        RunDirectoryError: if there is no config.json.
        ConfigError: if it is not a training's, naming what in it is wrong.
    """
    file = Path(folder) / "config.json"
    if not file.exists():
        raise records.RunDirectoryError(f"{folder} is not a run directory: it has no config.json")
    there = records.read_json(file)
    if there.get("preset") == "random":
        raise ConfigError(f"{folder} is the random player's, which has no network")
    try:
        return Run(there["game"], there["seed"], there["preset"], config.from_dict(there["config"]))
    except KeyError as error:
        raise ConfigError(f"{folder} does not hold a training of this version") from error
    except ConfigError as error:
        raise ConfigError(f"{file} is damaged, restore it: {error}") from error
