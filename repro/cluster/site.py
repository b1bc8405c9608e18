"""What a cluster wants to be told: partition, time, memory and the like; from flags or a file."""

import argparse
import dataclasses
import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.config import ConfigError, check
from repro.config.flags import natural
from repro.system import disk

_NUMBER = "[0-9]{1,9}"
_TIME = re.compile(rf"(?:{_NUMBER}-)?{_NUMBER}(?::{_NUMBER}){{0,2}}")
_LARGEST = 10**9
_AT_LEAST_ONE = ("games_per_job", "attempts", "max_array")
_WORDS = ("partition", "account", "gres")  # each a part of an option of sbatch
_BREAKS_A_WORD = re.compile(r"[\s\"'\\#]")
_MEMORY_OPTIONS = ("mem", "mem-per-cpu", "none")
# An option of sbatch, as NAME=VALUE, that asks for GPUs, whose kind may come before their number.
_GPUS = re.compile(
    r"(?:--gpus(?:-per-\w+)?=|--(?:gres|tres-per-\w+)=(?:.+,)?(?:gres[:/])?gpu(?=[:=,]|$)[:=]?)"
    r"(?:[a-zA-Z][^:=,]*[:=]?)?(?P<number>[0-9]+)?"
)
_DEFAULTS = ("GRES", "GPUS", "GPUS_PER_NODE", "GPUS_PER_TASK")  # SBATCH_*, which a user may set
_MOST_SIGNAL_SECONDS = 65_535  # all that sbatch takes


def _key(default: Any, doc: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Site:
    """How jobs are asked for. Nothing of any one cluster is built in.

    Raises:
        ConfigError: when a value cannot be right, naming it.
    """

    partition: str = _key("", "partition, if not the cluster's default")
    account: str = _key("", "account to charge")
    time: str = _key("24:00:00", "time limit of a job, as sbatch takes it: D-HH:MM:SS, minutes")
    gres: str = _key("", "generic resources of a job, such as gpu:1")
    cpus: int = _key(0, "processor cores of a job; 0 for one per run")
    memory_gb: float = _key(0.0, "memory of a job, GB; 0 for what its replays need, and a margin")
    memory_option: str = _key("mem", "how sbatch is asked for it: mem, mem-per-cpu or none")
    games_per_job: int = _key(1, "runs that share a job, its cores and its GPU")
    throttle: int = _key(0, "most jobs of an array that run at a time; 0 for no bound")
    max_array: int = _key(1000, "most jobs in an array; below SLURM's MaxArraySize")
    signal_seconds: int = _key(300, "seconds before the time limit at which runs save themselves")
    attempts: int = _key(3, "failures in a row, without progress, after which a run is given up")
    retry_seconds: int = _key(60, "seconds between a failure and the next attempt")
    modules: str = _key("", "words after `module load`")
    setup: str = _key("", "line of shell before anything else, such as `source env/bin/activate`")
    container: str = _key("", "words before `python`, such as `apptainer exec --nv image.sif`")
    python: str = _key("", "Python to run; default: this one, or python3 in a container")
    extra: tuple[str, ...] = _key((), "further option of sbatch, as in --extra=--qos=long")

    def __post_init__(self) -> None:
        """Refuse what sbatch, or a reader of the script, would stumble over."""
        for name, value in vars(self).items():
            _check(name, value)
        limit = self.time_seconds
        most = min(limit // 2, _MOST_SIGNAL_SECONDS)
        if self.signal_seconds > most:
            raise ConfigError(
                f"signal_seconds ({self.signal_seconds}) must be at most {most:,}, half the time "
                f"limit of {limit:,} seconds, or runs would do little but save themselves"
            )

    @property
    def time_seconds(self) -> int:
        """The time limit of a job.

        Raises:
            ConfigError: if it is not one that sbatch takes.
        """
        if not _TIME.fullmatch(self.time):
            raise ConfigError(f"time {self.time!r} is not a limit such as 24:00:00, 2-12 or 90")
        days, _, clock = self.time.rpartition("-")
        numbers = [int(number) for number in clock.split(":")]
        units = (3600, 60, 1) if days or len(numbers) == 3 else (60, 1)  # of sbatch's choice
        seconds = sum(number * unit for number, unit in zip(numbers, units, strict=False))
        total = int(days or 0) * 86_400 + seconds
        if total == 0:
            raise ConfigError(f"time {self.time!r} is no time at all")
        return total

    @property
    def asks_for_memory(self) -> bool:
        """Whether an option of the site's own does, next to which sbatch takes no other."""
        return any(re.match("--mem(?!-bind)", option) for option in self.extra)

    def gpus(self, environment: Mapping[str, str]) -> tuple[int, str]:
        """How many GPUs a job gets, and by which option, in any of SLURM's spellings.

        Args:
            environment: variables of the process that calls sbatch, which reads some, too.
        """
        asked = {option: "=".join(shlex.split(option)) for option in self.extra}
        asked |= {option: option for option in [f"--gres={self.gres}", *_defaults(environment)]}
        for option, spelled in asked.items():
            if spelled.startswith("-G"):
                spelled = f"--gpus={spelled[2:].removeprefix('=')}"
            if found := _GPUS.match(spelled):
                number = found["number"]
                if number is None or int(number):
                    return int(number or 1), option
        return 0, ""

    @property
    def threads(self) -> int:
        """Processor threads of one run; a fixed number, for the same number gives the same run."""
        return max(1, self.cpus // self.games_per_job)


def _defaults(environment: Mapping[str, str]) -> list[str]:
    """What a user's environment asks sbatch for, as options."""
    found = {name: environment.get(f"SBATCH_{name}") for name in _DEFAULTS}
    return [f"--{name.lower().replace('_', '-')}={value}" for name, value in found.items() if value]


_KINDS = {item.name: type(item.default) for item in dataclasses.fields(Site)}


def _check(name: str, value: Any) -> None:
    """Refuse a value that cannot be right, or would say more in the script than its key does."""
    kind = _KINDS.get(name)
    if kind is None:
        raise ConfigError(f"unknown key {name!r}; there are: {', '.join(_KINDS)}")
    if kind is not tuple:
        check(name, value, kind)
    elif not isinstance(value, tuple) or not all(type(text) is str for text in value):
        raise ConfigError(f"{name} must be a list of texts, got {value!r}")
    least = int(name in _AT_LEAST_ONE)
    if kind in (int, float) and not least <= value <= _LARGEST:
        raise ConfigError(f"{name} must be at least {least} and at most {_LARGEST:,}, got {value}")
    text = readable("".join(value) if kind is tuple else str(value))
    if not all(one.isprintable() or (name == "setup" and one in "\n\t") for one in text):
        raise ConfigError(f"{name} must be one line of printable characters")
    if name in _WORDS and _BREAKS_A_WORD.search(text):
        raise ConfigError(f"{name} {text!r} must be one word, without quotes, '\\' and '#'")
    if name == "memory_option" and value not in _MEMORY_OPTIONS:
        raise ConfigError(f"{name} must be one of {', '.join(_MEMORY_OPTIONS)}, got {value!r}")
    for option in value if name == "extra" else ():
        if not _is_one_option(option):
            raise ConfigError(
                f"extra {option!r} is not an option of sbatch, such as --qos=long; each needs a "
                "text of its own"
            )


def readable(text: str) -> str:
    """A path or the like as people see it: in UTF-8, if it can be, whatever the locale."""
    try:
        return os.fsencode(text).decode()
    except UnicodeError:
        return text


def _is_one_option(text: str) -> bool:
    """Whether sbatch finds one option there, with its value in the same word or the next."""
    try:
        first, *rest = shlex.split(text)
    except ValueError:
        return False
    return first.startswith("-") and len(rest) <= 1 and not any(one[:1] == "-" for one in rest)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add --site and a flag per key; one that is not given leaves no attribute."""
    group = parser.add_argument_group("cluster (each also a key of the --site file)")
    group.add_argument(
        "--site", type=Path, metavar="FILE", help="TOML file of these values; flags go before it"
    )
    for item in dataclasses.fields(Site):
        kind = type(item.default)
        shown = "" if item.default in ("", ()) else f" [default {item.default}]"
        reading: dict[str, Any] = {"type": natural if kind is int else kind}
        group.add_argument(
            "--" + item.name.replace("_", "-"), dest=f"site.{item.name}",
            default=argparse.SUPPRESS, metavar={int: "N", float: "X"}.get(kind, "TEXT"),
            help=item.metadata["doc"] + shown,
            **({"action": "append"} if kind is tuple else reading),
        )  # fmt: skip


def read_flags(options: argparse.Namespace) -> Site:
    """The file's values, replaced by those flags that were given.

    Raises:
        ConfigError: if the file is unreadable, a key unknown, or a value cannot be right.
    """
    values = _load(options.site) if options.site else {}
    for name in _KINDS:
        given = vars(options).get(f"site.{name}", values.get(name))
        if given is not None:
            values[name] = tuple(given) if isinstance(given, list) else given
    return Site(**values)


def _load(path: Path) -> dict[str, Any]:
    """Read a site file, whose bytes will be the script's: its texts are as if typed as flags."""
    try:
        values = tomllib.loads(disk.read_text(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the site file {path}: {disk.reason(error)}") from error
    try:
        for name, value in values.items():
            values[name] = _typed(value)
            _check(name, values[name])
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return values


def _typed(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_typed, value))
    return os.fsdecode(value.encode()) if isinstance(value, str) else value
