"""A study: configurations that are compared, each over the same games and seeds.

Those of this project are TOML files in ``studies/`` beside this module; a person's own are files of
the same form::

    summary = "what is asked, in a line"
    preset = "cartpole"
    games = ["CartPole-v1"]
    seeds = 10

    [settings]              # of all configurations, by the names of `repro protocol`
    frames = 30_000

    [grid]                  # each combination of these is a configuration
    learning_rate = [0.001, 0.0005]

    [cells."no replay"]     # and so is each of these; they have names of their own
    replay = "latest"
"""

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.config import files, presets
from repro.config.settings import Config, ConfigError
from repro.system import disk

_OURS = Path(__file__).parent / "studies"
_KEYS = (
    "summary",
    "shortened",
    "start_values",
    "preset",
    "games",
    "seeds",
    "settings",
    "grid",
    "cells",
)
_MOST_CELLS = 1_000
FILE = "study.toml"  # what a folder of results keeps of its study


@dataclass(frozen=True)
class Cell:
    """One configuration of a study; ``folder`` is the name of its suite."""

    title: str
    folder: str
    config: Config


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        name: of the file, without its ending.
        summary: what is asked, in a line.
        shortened: what is less than in the paper that asked it; empty if nothing is.
        preset: that the configurations start from.
        games: that each plays.
        seeds: 0 to one less than this, of each game.
        start_values: whether what each network expects of a new game is compared with what it
            then collects.
        cells: the configurations, in the order of the file.
        text: the file.
    """

    name: str
    summary: str
    shortened: str
    preset: str
    games: tuple[str, ...]
    seeds: int
    start_values: bool
    cells: tuple[Cell, ...]
    text: str


def names() -> list[str]:
    """The studies of this project."""
    return sorted(path.stem for path in _OURS.glob("*.toml"))


def read(wanted: str) -> Study:
    """Read a study of this project by its name, or a file, or what a folder of its results keeps.

    Raises:
        ConfigError: naming the file, and what in it is wrong.
    """
    file = Path(wanted)
    if wanted in names():
        file = _OURS / f"{wanted}.toml"
    elif file.is_dir():
        file /= FILE
    elif file.suffix.lower() != ".toml":
        raise ConfigError(
            f"no study named {wanted!r}; there are: {', '.join(names())}; or name a TOML file"
        )
    try:
        text = disk.read_text(file)
        table = tomllib.loads(text)
        name = file.parent.resolve().name if file.name == FILE else file.stem
        return _study(name, table, text)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{disk.one_line(file)}: {disk.reason(error)}") from error


def keep(study: Study, folder: Path) -> None:
    """Leave the study beside its results, so that they can be read, and gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    disk.replace(folder / FILE, study.text.encode())


def _study(name: str, table: Mapping[str, Any], text: str) -> Study:
    if unknown := [key for key in table if key not in _KEYS]:
        raise ValueError(f"unknown key {unknown[0]!r}; there are: {', '.join(_KEYS)}")
    for key, kind in (("summary", str), ("preset", str), ("games", list), ("seeds", int)):
        if type(table.get(key)) is not kind:
            raise ValueError(f"{key} is missing, or no {kind.__name__}")
    if type(table.get("start_values", False)) is not bool or not isinstance(
        table.get("shortened", ""), str
    ):
        raise ValueError("shortened must be a text, and start_values true or false")
    if not table["games"] or not all(isinstance(game, str) for game in table["games"]):
        raise ValueError("games must be a list of names")
    if table["seeds"] < 1:
        raise ValueError("seeds must be 1 or more: how many, from 0 on")
    # Of hundreds of short runs nobody wants to make one longer.
    base = files.changed(presets.preset(table["preset"]), {"keep_checkpoint": False})
    base = files.changed(base, table.get("settings", {}))
    cells = [
        Cell(title, _folder(title), files.changed(base, changes))
        for title, changes in _cells(table)
    ]
    folders = [cell.folder for cell in cells]
    if len(set(folders)) < len(folders):
        raise ValueError("two configurations would have the same folder; give them other names")
    return Study(
        name, table["summary"], table.get("shortened", ""), table["preset"],
        tuple(table["games"]), table["seeds"], table.get("start_values", False), tuple(cells), text,
    )  # fmt: skip


def _cells(table: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    grid, cells = table.get("grid", {}), table.get("cells", {})
    if not all(isinstance(values, list) and values for values in grid.values()):
        raise ValueError("each setting of [grid] needs a list of values")
    count = 1
    for values in grid.values():
        count *= len(values)
    if not 0 < count * bool(grid) + len(cells) <= _MOST_CELLS:
        raise ValueError(f"a study has 1 to {_MOST_CELLS:,} configurations, in [grid] or [cells]")
    for values in itertools.product(*grid.values()) if grid else ():
        chosen = dict(zip(grid, values, strict=True))
        yield ", ".join(f"{name} {_shown(value)}" for name, value in chosen.items()), chosen
    for title, changes in cells.items():
        if not isinstance(changes, dict):
            raise ValueError(f"cells.{title} must be a table of settings")
        yield title, changes


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _folder(title: str) -> str:
    folder = re.sub(r"[^\w.]+", "-", title, flags=re.ASCII).strip("-.")
    if not folder:
        raise ValueError(f"the configuration {title!r} needs a letter in its name")
    return folder
