"""Everything on one page: tables, figures, protocol, provenance, and what was left out."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from paper_tables import render
from paper_tables.collect import Results
from paper_tables.reading import Run
from paper_tables.render import Column, Table, counted
from paper_tables.rows import Problem
from repro import config, records
from repro.games import GAMES
from repro.storage import done

_UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Picture:
    """A figure: its name within the page, what it shows, its SVG as matplotlib writes it."""

    key: str
    title: str
    svg: str

    @property
    def data(self) -> Markup:
        """The SVG, for an image of its own: the names within an SVG are the same in each."""
        start = self.svg.find("<svg")  # after the XML prolog
        if start < 0:
            raise ValueError(f"the picture {self.key} holds no SVG")
        return Markup(base64.b64encode(self.svg[start:].encode()).decode())


@dataclass(frozen=True)
class _Problems:
    """A list of what cannot be used."""

    key: str
    title: str
    what: str
    problems: Sequence[Problem]


def report(
    title: str,
    tables: Sequence[Table],
    figures: Sequence[Picture],
    results: Results,
    beside: Mapping[str, Results] | None = None,
) -> str:
    """Write one HTML page that needs neither another file nor a network.

    Args:
        title: above the page, and of its window.
        tables: in order.
        figures: in order.
        results: the trained runs behind them, whose settings are listed.
        beside: further runs behind them, by the name of their suite.

    Raises:
        ValueError: if two parts of the page have one key, or a picture holds no SVG.
    """
    suites = {"": results, **(beside or {})}
    every: dict[str, list[_Problems | Table | Picture]] = {
        "Left out": _problems(suites),
        "Tables": [*tables],
        "Figures": [*figures],
        "How it was made": [settings(results), provenance(suites)],
    }
    chapters = {name: parts for name, parts in every.items() if parts}
    keys = Counter(part.key for parts in chapters.values() for part in parts)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise ValueError(f"several parts of the report are called {', '.join(twice)}")
    style, script = (
        Markup((render.PAGE / name).read_text()) for name in ("report.css", "report.js")
    )
    return render.HTML.get_template("report.html.j2").render(
        title=title,
        chapters=chapters,
        facts=_facts(suites),
        style=style,
        script=script,
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def settings(results: Results) -> Table:
    """Every setting of the runs; where they differ, each value and how many runs have it.

    But for those that bear on nothing, such as where checkpoints are.
    """
    free = config.free()
    flat = [_flat(run.settings) for run in results.runs]
    # A set that keeps the order.
    names = dict.fromkeys(name for one in flat for name in one if ".".join(name) not in free)
    rows = []
    for part, name in names:
        values = Counter(one.get((part, name), _UNKNOWN) for one in flat)
        shown = [f"{value} in {counted(number, 'run')}" for value, number in values.items()]
        only = next(iter(values)) if len(values) == 1 else "; ".join(shown)
        rows.append({"part": part, "setting": name, "value": only})
    return Table(
        "protocol",
        "Settings of the runs",
        (Column("part", "part"), Column("setting", "setting"), Column("value", "value")),
        rows,
    )


def provenance(suites: Mapping[str, Results]) -> Table:
    """Where each run comes from: a row per run, empty where a run does not say.

    Args:
        suites: by name; that of the trained runs is empty.
    """

    def made(name: str, title: str) -> Column:
        return Column(name, title, lambda row: row["run"].provenance.get(name), missing="")

    def version(name: str, title: str) -> Column:
        return Column(name, title, lambda row: row["versions"].get(name), missing="")

    columns = (
        Column("title", "game", lambda row: _title(row["run"])),
        Column("seed", "seed", lambda row: row["run"].seed),
        *([Column("suite", "suite")] if len(suites) > 1 else []),
        Column("preset", "preset", lambda row: row["run"].preset),
        Column("train_frames", "frames planned", lambda row: row["run"].train_frames, 0),
        Column("finished", "finished", lambda row: row["run"].finished),
        Column("verified", "final games", lambda row: _verified(row["run"].path)),
        version("torch", "torch"),
        version("ale-py", "emulator (ale-py)"),
        made("time", "time"),
        made("device", "device"),
        made("threads", "threads"),
        made("processor", "processor"),
        made("rom_md5", "ROM MD5"),
        made("commit", "commit"),
        made("dirty", "uncommitted changes"),
        Column("continued", "went on elsewhere", lambda row: _continued(row["run"]), missing=""),
    )
    rows = [
        {"suite": suite, "run": run, "versions": run.provenance.get("libraries", {})}
        for suite, results in suites.items()
        for run in results.runs
    ]
    notes = (
        "Frames are emulator frames, 60 to a second of play; 0 where nothing was trained.",
        "Final games: what `repro verify` noted in the run's folder when it last played them "
        "again. The note is a memo that whoever has the folder could write; the command is the "
        "check.",
    )
    return Table("runs", "Provenance of the runs", columns, rows, notes)


def _title(run: Run) -> str:
    return GAMES[run.game].title if run.game in GAMES else run.game


def _verified(path: Path) -> str:
    """What `repro verify` left to be known of a run's final games."""
    mark = path / records.VERIFIED
    try:
        if not mark.exists():
            return "not verified"
        same = records.read_json(mark).get("sha256") == done.digests(path, done.SCORED)
    except (records.RunDirectoryError, OSError):
        same = False
    return "verified" if same else "changed since they were verified"


def _continued(run: Run) -> str | None:
    """What was no longer the same when a run went on, such as "at step 500,000: commit"."""
    changes = []
    for one in run.provenance.get("continued", []):
        names = [name for name in one if name not in ("time", "step")]  # in the file's order
        changes.append(f"at step {_text(one['step'])}: {', '.join(names)}")
    return "; ".join(changes) or None


def _flat(parts: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    return {
        (part or "run", name): _text(value)
        for part, values in parts.items()
        for name, value in values.items()
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _problems(suites: Mapping[str, Results]) -> "list[_Problems | Table | Picture]":
    every = [problem for results in suites.values() for problem in results.problems]
    fatal = [problem for problem in every if not problem.spares]
    spared = [problem for problem in every if problem.spares]
    runs, files = counted(_runs(fatal), "run"), counted(len(spared), "file")
    lists = (
        _Problems(
            "left-out",
            f"{runs} that cannot be used",
            "and in none of the tables, for these reasons",
            fatal,
        ),
        _Problems(
            "damaged", f"{files} that cannot be used", "whose runs are shown without them", spared
        ),
    )
    return [one for one in lists if one.problems]


def _runs(problems: Sequence[Problem]) -> int:
    return len({problem.file.parent for problem in problems})


def _facts(suites: Mapping[str, Results]) -> dict[str, str]:
    trained = suites[""].runs
    return {
        "games": f"{len({run.game for run in trained})} of {len(GAMES)}",
        "runs": f"{len(trained):,}",
        "finished": f"{sum(run.finished for run in trained):,}",
        "left out": f"{sum(_runs(results.fatal) for results in suites.values()):,}",
    }
