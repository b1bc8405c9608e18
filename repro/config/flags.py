"""Command-line flags made from the configuration's fields."""

import argparse
import re
import typing
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from repro import config
from repro.config import LARGEST, files
from repro.config.parser import HelpAll, make_rare, path
from repro.config.parser import OneLineParser as OneLineParser

# The setting that --help shows. The others are the experiment itself.
_SHOWN = {"frames"}
_MOST_THREADS = 1024  # more than any machine has for one process


def count(text: str) -> int:
    """A whole number more than zero; accepts 1_000_000 and 1e6."""
    return _whole(text, 1, "must be more than zero")


def natural(text: str) -> int:
    """A whole number, zero or more."""
    return _whole(text, 0, "must be zero or more")


def threads(text: str) -> int:
    """A number of processor threads."""
    return _whole(text, 1, "must be more than zero", _MOST_THREADS)


def seeds(text: str) -> list[int]:
    """One seed, or a range such as 0-4 with both its ends."""
    match = re.fullmatch(r"(\d+)-(\d+)", text)
    if match is None:
        return [natural(text)]
    first, last = int(match[1]), int(match[2])
    if last < first or last - first > 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds such as 0-4")
    return list(range(first, last + 1))


def threads_or_auto(text: str) -> int | str:
    """A number of processor threads, or "auto"."""
    return text if text == "auto" else threads(text)


def minutes(text: str) -> float:
    """A length of time, more than zero."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than zero, got {text}")
    return value


def _whole(text: str, least: int, bound: str, most: int = LARGEST) -> int:
    try:
        exact = Decimal(text.replace("_", ""))
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not exact.is_finite() or exact != exact.to_integral_value():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    if exact < least:
        raise argparse.ArgumentTypeError(f"{bound}, got {text}")
    if exact > most:
        raise argparse.ArgumentTypeError(f"must be at most {most:,}, got {text}")
    return int(exact)


def _folder(text: str) -> str:
    return str(path(text)) if text else text


_PLAIN = {int: (natural, "N"), float: (float, "X"), str: (_folder, "FOLDER")}


def add_settings(parser: argparse.ArgumentParser, base: config.Config) -> None:
    """Add one flag per configuration field; one that is not given leaves no attribute.

    --help shows the few that matter, --help-all the rest.
    """
    parser.add_argument(
        "--help-all", action=HelpAll,
        help=f"also show the other {len(list(config.fields(base))) - len(_SHOWN)} settings",
    )  # fmt: skip
    groups = {
        "": parser.add_argument_group("experiment"),
        "protocol.": parser.add_argument_group("environment (see `repro protocol`)"),
        "agent.": parser.add_argument_group("agent"),
        "training.": parser.add_argument_group("training and evaluation"),
    }
    for owner, part, item, value in config.fields(base):
        hint = typing.get_type_hints(type(owner))[item.name]
        unit = item.metadata["unit"]
        default = " ".join(map(str, value)) if isinstance(value, tuple) else value
        default = "none" if value in ("", ()) else default
        options: dict[str, Any] = {
            "dest": part + item.name,
            "default": argparse.SUPPRESS,
            "help": f"{item.metadata['doc']} [{unit}{', ' * bool(unit)}default {default}]",
        }
        if hint is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(hint) is typing.Literal:
            options["choices"] = typing.get_args(hint)
            options["type"] = type(value)
        elif typing.get_args(hint)[1:] == (...,):
            options |= {"nargs": "*", "type": count, "metavar": "N"}
        elif isinstance(value, tuple):
            options |= {"nargs": len(value), "type": float, "metavar": "X"}
        else:
            options["type"], options["metavar"] = _PLAIN[hint]
        action = groups[part].add_argument("--" + item.name.replace("_", "-"), **options)
        if item.name not in _SHOWN:
            make_rare(action)


def add_preset(parser: argparse.ArgumentParser) -> None:
    """Add --preset, and --out, whose default follows from it."""
    parser.add_argument(
        "--preset", choices=config.PRESETS, default="nature",
        help="configuration to start from; its values are the defaults below: "
        + "; ".join(f"{name}, {one.summary}" for name, one in config.PRESETS.items())
        + " [default nature]",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="SUITE", help="folder of the runs [default results/PRESET]"
    )


def chosen_preset(arguments: Sequence[str]) -> config.Config:
    """The preset among the arguments, found before they are parsed: its values are the defaults.

    Raises:
        ConfigError: if there is no such preset.
    """
    early = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    early.add_argument("--preset", default="nature")
    try:
        return config.preset(early.parse_known_args(list(arguments))[0].preset)
    except argparse.ArgumentError:  # which the whole parser will report
        return config.preset("nature")


def chosen_file(arguments: Sequence[str]) -> files.Chosen | None:
    """What the file after --config says, found before the other arguments are parsed.

    Raises:
        ConfigError: naming the file, if it cannot be read or holds what is no setting.
    """
    early = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    early.add_argument("--config", type=Path)
    try:
        file = early.parse_known_args(list(arguments))[0].config
    except argparse.ArgumentError:  # which the whole parser will report
        return None
    return files.read(file, chosen_preset(arguments)) if file else None


def write_settings(default: config.Config, chosen: config.Config) -> list[str]:
    """The flags that make ``chosen`` of ``default``; :func:`read_settings` backwards."""
    words: list[str] = []
    for name, (_, value) in config.differences(default, chosen).items():
        flag = name.split(".")[-1].replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{flag}", *map(str, values)]
    return words


def read_settings(arguments: argparse.Namespace, default: config.Config) -> config.Config:
    """Replace in ``default`` the fields whose flags were given.

    Raises:
        ConfigError, ProtocolError: if a value is out of range.
    """
    given = vars(arguments)
    names = (part + item.name for _, part, item, _ in config.fields(default))
    return config.replaced(default, {name: given[name] for name in names if name in given})
