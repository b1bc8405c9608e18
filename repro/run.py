"""Which training: a run's identity and directory. Loads neither torch nor the emulator."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro import config, directory, records
from repro.config import Config


@dataclass(frozen=True)
class Run:
    """Which training: one game, one seed, one configuration."""

    game: str
    seed: int
    preset: str
    config: Config

    def directory(self, path: Path) -> directory.RunDirectory:
        """The directory that this training writes.

        One made by an older version is ours too: a setting that it does not know has a default
        that does what was done before.
        """
        defaults = {"config": config.to_dict(Config())}
        return directory.RunDirectory(path, self.identity(), defaults)

    def identity(self) -> dict[str, Any]:
        """What config.json holds."""
        return {
            "game": self.game,
            "seed": self.seed,
            "preset": self.preset,
            "config": config.to_dict(self.config),
        }


def run_from(folder: Path) -> Run:
    """Read back which training a run directory holds.

    Raises:
        RunDirectoryError: if there is no config.json.
        ConfigError: if it is not a training's.
    """
    if not (folder / "config.json").exists():
        raise records.RunDirectoryError(f"{folder} is not a run directory: it has no config.json")
    there = records.read_json(folder / "config.json")
    if there.get("preset") == "random":
        raise config.ConfigError(f"{folder} is the random player's, which has no network")
    try:
        return Run(there["game"], there["seed"], there["preset"], config.from_dict(there["config"]))
    except KeyError as error:
        raise config.ConfigError(f"{folder} does not hold a training of this version") from error
