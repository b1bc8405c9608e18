"""Everything on one page: tables, figures, protocol, provenance, and what was left out."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
_PIXELS_PER_POINT = 1.8


@dataclass(frozen=True)
class Picture:
    """A figure: its name within the page, what it shows, its SVG as matplotlib writes it."""

    key: str
    title: str
    svg: str

    @property
    def width(self) -> int:
        """On the page, in pixels, where there is room: a little larger than in print."""
        points = re.search(r'<svg[^>]* width="([0-9.]+)pt"', self.svg)
        return round(_PIXELS_PER_POINT * float(points[1])) if points else 0

    @property
    def data(self) -> Markup:
        """The SVG, for an image of its own: the names within an SVG are the same in each."""
        start = self.svg.find("<svg")  # after the XML prolog
        if start < 0:
            raise ValueError(f"the picture {self.key} holds no SVG")
        return Markup(base64.b64encode(self.svg[start:].encode()).decode())


@dataclass(frozen=True)
class Head:
    """How a suite stands to the paper."""

    sentence: str
    picture: Picture


@dataclass(frozen=True)
class _Problems:
    """A list of what cannot be used."""

    key: str
    title: str
    what: str
    problems: Sequence[Problem]


_Part = _Problems | Table | Picture
_LEFT_OUT, _TRACES, _SCORES = "Left out", "Beside the original program's trainings", "Scores"
_OTHERS, _MADE = "Games that the paper has not", "How it was made"
_CHAPTERS = (_LEFT_OUT, _TRACES, _SCORES, _OTHERS, "Further figures", "Further tables", _MADE)
_CHAPTER_OF = {
    "fig3": _SCORES,
    "table2": _SCORES,
    "aggregates": _SCORES,
    "others": _OTHERS,
    "others-curves": _OTHERS,
    "runs": _MADE,
    "protocol": _MADE,
}


def _chapter(part: _Part) -> str:
    if isinstance(part, _Problems):
        return _LEFT_OUT
    if part.key.startswith("trace"):
        return _TRACES
    further = "Further figures" if isinstance(part, Picture) else "Further tables"
    return _CHAPTER_OF.get(part.key, further)


def report(
    title: str,
    tables: Sequence[Table],
    figures: Sequence[Picture],
    results: Results,
    beside: Mapping[str, Results] | None = None,
    head: Head | None = None,
) -> str:
    """Write one HTML page that needs neither another file nor a network.

    Args:
        title: above the page, and of its window.
        tables: in order.
        figures: in order.
        results: the trained runs behind them, whose settings are listed.
        beside: further runs behind them, by the name of their suite.
        head: how ours stands to the paper, for the first screen.

    Raises:
        ValueError: if two parts of the page have one key, or a picture holds no SVG.
    """
    suites = {"": results, **(beside or {})}
    parts: list[_Part] = [*_problems(suites), *figures, *tables]
    parts += [*_others(results), provenance(suites), settings(results)]
    every = {chapter: [one for one in parts if _chapter(one) == chapter] for chapter in _CHAPTERS}
    chapters = {name: parts for name, parts in every.items() if parts}
    keys = Counter(part.key for part in [*parts, *([head.picture] if head else [])])
    if twice := [key for key, count in keys.items() if count > 1]:
        raise ValueError(f"several parts of the report are called {', '.join(twice)}")
    style, script = (
        Markup((render.PAGE / name).read_text()) for name in ("report.css", "report.js")
    )
    return render.HTML.get_template("report.html.j2").render(
        title=title,
        chapters=chapters,
        facts=_facts(suites),
        head=head,
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
        rows.append({"part": part, "setting": name, "value": only, "same": len(values) == 1})
    return Table(
        "protocol",
        "Settings of the runs, those first that differ",
        (Column("part", "part"), Column("setting", "setting"), Column("value", "value")),
        sorted(rows, key=lambda row: bool(row["same"])),
        folded=lambda row: bool(row["same"]),
    )


def _others(results: Results) -> list[_Part]:
    """The runs of games that the paper has not, if there are any: a row per run."""
    if not (others := results.others):
        return []
    games = others.final_scores().groupby("run")["return"]
    mean, sd, number = games.mean(), games.std(ddof=1), games.count()
    rows = [
        {"run": run, "mean": mean.get(at), "sd": sd.get(at), "games": number.get(at)}
        for at, run in enumerate(others.runs)
    ]
    columns = (
        Column("game", "game", lambda row: row["run"].game),
        Column("seed", "seed", lambda row: row["run"].seed, 0),
        Column("preset", "preset", lambda row: row["run"].preset),
        Column("train_frames", "frames planned", lambda row: row["run"].train_frames, 0),
        Column("mean", "score", decimals=1, missing="unfinished"),
        Column("sd", "s.d., games", decimals=1),
        Column("games", "games", decimals=0),
    )
    return [Table("others", "Scores of games that the paper has not", columns, rows)]


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
        Column("title", "game", lambda row: row["run"].game_title),
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
        for run in (*results.runs, *(results.others.runs if results.others else ()))
    ]
    notes = (
        "Frames are emulator frames, 60 to a second of play; 0 where nothing was trained.",
        "Final games: what `repro verify` noted in the run's folder when it last played them "
        "again. The note is a memo that whoever has the folder could write; the command is the "
        "check.",
    )
    game, *told = columns
    same = [len({str(column.of(row)) for row in rows}) == 1 for column in told]
    # What differs first; a page has the rest at hand, or all of it if nothing does.
    ordered = sorted(zip(same, told, strict=True), key=lambda pair: pair[0])
    shown = (replace(column, aside=one and not all(same)) for one, column in ordered)
    columns = (game, *shown)
    return Table("runs", "Provenance of the runs, first what differs", columns, rows, notes)


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


def _problems(suites: Mapping[str, Results]) -> list[_Problems]:
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
