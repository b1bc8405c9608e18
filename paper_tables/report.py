"""Everything on one page: tables, figures, protocol, provenance, and what was left out."""

import base64
import hashlib
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from paper_tables import render
from paper_tables.collect import Problem, Results, Run
from paper_tables.render import Column, Table, counted
from repro import config, records
from repro.games import GAMES
from repro.storage import done

_PAGE = Path(__file__).parent / "page"
_ABOUT = (
    "Agents on Atari games under the protocols of Mnih et al., Human-level control through deep "
    "reinforcement learning, Nature 518 (2015), with their scores beside the printed ones. A "
    "click on a column's head sorts by it; a second one turns the order round, a third restores it."
)
_UNKNOWN = "not recorded"
_LIBRARIES = {"torch": "torch", "ale-py": "emulator (ale-py)"}
_PROVENANCE = {
    "time": "time",
    "device": "device",
    "threads": "threads",
    "processor": "processor",
    "rom_md5": "ROM MD5",
    "commit": "commit",
    "dirty": "uncommitted changes",
}


@dataclass(frozen=True)
class Picture:
    """A figure: its name within the page, what it shows, its SVG as matplotlib writes it."""

    key: str
    caption: str
    svg: str


@dataclass(frozen=True)
class _Part:
    """What the table of contents can lead to; ``body`` is HTML with ``key`` as its id."""

    key: str
    title: str
    body: str


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
    chapters = {
        "Left out": [*_left_out(suites), *_shown_without(suites)],
        "Tables": [_table(table) for table in tables],
        "Figures": [_figure(picture) for picture in figures],
        "How it was made": [_table(settings(results)), _table(provenance(suites))],
    }
    chapters = {name: parts for name, parts in chapters.items() if parts}
    keys = Counter(part.key for parts in chapters.values() for part in parts)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise ValueError(f"several parts of the report are called {', '.join(twice)}")
    style, script = ((_PAGE / name).read_text() for name in ("report.css", "report.js"))
    # What came from a file is escaped; should that ever fail, this lets nothing of it run or load.
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{allowed}'"
    )
    sections = "".join(
        f'<section class="{"warning" if name == "Left out" else "chapter"}">\n'
        f"<h2>{name}</h2>\n{''.join(part.body for part in parts)}</section>\n"
        for name, parts in chapters.items()
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{html.escape(title)}</h1>\n<p>{_ABOUT}</p>\n{_facts(suites)}</header>\n"
        f"{_contents(chapters)}<main>\n{sections}</main>\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
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
        pd.DataFrame(rows, columns=["part", "setting", "value"]),
        (Column("part", "part"), Column("setting", "setting"), Column("value", "value")),
    )


def provenance(suites: Mapping[str, Results]) -> Table:
    """Where each run comes from: a row per run, empty where a run does not say.

    Args:
        suites: by name; that of the trained runs is empty.
    """
    columns = (
        Column("title", "game"),
        Column("seed", "seed"),
        *([Column("suite", "suite")] if len(suites) > 1 else []),
        Column("preset", "preset"),
        Column("train_frames", "frames planned", 0),
        Column("finished", "finished"),
        Column("verified", "final games"),
        *(Column(name, title, missing="") for name, title in (_LIBRARIES | _PROVENANCE).items()),
        Column("continued", "went on elsewhere", missing=""),
    )
    rows = [_origin(run, name) for name, results in suites.items() for run in results.runs]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns], dtype=object)
    notes = (
        "Frames are emulator frames, 60 to a second of play; 0 where nothing was trained.",
        "Final games: what `repro verify` noted in the run's folder when it last played them "
        "again. The note is a memo that whoever has the folder could write; the command is the "
        "check.",
    )
    return Table("runs", "Provenance of the runs", frame, columns, notes)


def _origin(run: Run, suite: str) -> dict[str, object]:
    versions = run.provenance.get("libraries", {})
    made = {name: run.provenance.get(name) for name in _PROVENANCE}
    return {
        "title": GAMES[run.game].title if run.game in GAMES else run.game,
        "seed": run.seed,
        "suite": suite,
        "preset": run.preset,
        "train_frames": run.train_frames,
        "finished": _text(run.finished),
        "verified": _verified(run.path),
        **{name: versions.get(name) for name in _LIBRARIES},
        **{name: _text(one) if isinstance(one, bool) else one for name, one in made.items()},
        "continued": _continued(run.provenance.get("continued", [])),
    }


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


def _continued(since: Sequence[Mapping[str, Any]]) -> str | None:
    """What was no longer the same when a run went on, such as "at step 500,000: commit"."""
    changes = []
    for one in since:
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


def _table(table: Table) -> _Part:
    return _Part(table.key, table.title, render.html(table))


def _figure(picture: Picture) -> _Part:
    start = picture.svg.find("<svg")  # after the XML prolog
    if start < 0:
        raise ValueError(f"the picture {picture.key} holds no SVG")
    # As an image of its own: the names that matplotlib uses within an SVG are the same in each.
    data = base64.b64encode(picture.svg[start:].encode()).decode()
    caption = html.escape(picture.caption)
    return _Part(
        picture.key,
        picture.caption,
        f'<figure class="picture" id="{html.escape(picture.key)}">\n'
        f'<div class="scroll"><img alt="{caption}" src="data:image/svg+xml;base64,{data}"></div>\n'
        f"<figcaption>{caption}</figcaption>\n</figure>\n",
    )


def _left_out(suites: Mapping[str, Results]) -> list[_Part]:
    problems = [problem for results in suites.values() for problem in results.fatal]
    title = f"{counted(_runs(problems), 'run')} that cannot be used"
    return _listed("left-out", title, "and in none of the tables, for these reasons", problems)


def _shown_without(suites: Mapping[str, Results]) -> list[_Part]:
    every = [problem for results in suites.values() for problem in results.problems]
    problems = [problem for problem in every if problem.spares]
    title = f"{counted(len(problems), 'file')} that cannot be used"
    return _listed("damaged", title, "whose runs are shown without them", problems)


def _listed(key: str, title: str, what: str, problems: Sequence[Problem]) -> list[_Part]:
    lines = "".join(f"<li>{html.escape(str(problem))}</li>\n" for problem in problems)
    body = f'<div id="{key}">\n<p>{title}, {what}:</p>\n<ul>\n{lines}</ul>\n</div>'
    return [_Part(key, title, body)] if problems else []


def _runs(problems: Sequence[Problem]) -> int:
    return len({problem.file.parent for problem in problems})


def _facts(suites: Mapping[str, Results]) -> str:
    trained = suites[""].runs
    facts = {
        "games": f"{len({run.game for run in trained})} of {len(GAMES)}",
        "runs": f"{len(trained):,}",
        "finished": f"{sum(run.finished for run in trained):,}",
        "left out": f"{sum(_runs(results.fatal) for results in suites.values()):,}",
    }
    shown = "".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>\n" for name, fact in facts.items())
    return f"<dl>\n{shown}</dl>\n"


def _contents(chapters: Mapping[str, Sequence[_Part]]) -> str:
    def link(part: _Part) -> str:
        return f'<li><a href="#{html.escape(part.key)}">{html.escape(part.title)}</a></li>'

    lists = "".join(
        f"<li>{name}\n<ul>{''.join(map(link, parts))}</ul></li>\n"
        for name, parts in chapters.items()
    )
    return f'<nav aria-label="Contents">\n<ul>\n{lists}</ul>\n</nav>\n'
