"""What a reader must know of a suite before its numbers are held against others."""

from collections.abc import Mapping, Sequence
from typing import Any

from paper_tables import reference
from paper_tables.collect import Results
from paper_tables.reading import Run
from paper_tables.reference import FULL_LENGTH_FRAMES
from repro.games import GAMES
from repro.system.disk import one_line
from repro.tables import RANDOM

# Settings that the random player has no use for, but its repeat: ledger row 26.
_RANDOM_PLAYS = (
    "protocol.minimal_actions",
    "protocol.noop_max_frames",
    "protocol.eval_cap_frames",
    "protocol.sticky_probability",
    "protocol.game_rules",
)


def caveats(
    results: Results,
    full_frames: int = FULL_LENGTH_FRAMES,
    wanted: Mapping[str, object] | None = None,
) -> list[str]:
    """Sentences: departures from the paper, shorter trainings, what is unfinished or left out.

    Args:
        results: runs of one suite.
        full_frames: how long trainings should be.
        wanted: settings that should not be those of the released code; ``None`` as a value
            lets any be.
    """
    said = departures(results.runs, wanted).values()
    shorter: dict[int, set[str]] = {}
    for run in results.runs:
        if run.finished and run.preset != RANDOM and run.train_frames != full_frames:
            shorter.setdefault(run.train_frames, set()).add(GAMES[run.game].title)
    unfinished = [
        f"{GAMES[run.game].title} seed {run.seed}" for run in results.runs if not run.finished
    ]
    others = [run.title for run in results.others.runs] if results.others else []
    return [
        *([f"Not the settings of the released code: {'; '.join(said)}."] if said else []),
        *(
            f"Trained for {frames:,} emulator frames instead of {full_frames:,}: "
            f"{', '.join(sorted(titles))}."
            for frames, titles in sorted(shorter.items())
        ),
        *([f"Unfinished, and not counted: {', '.join(unfinished)}."] if unfinished else []),
        *(f"Left out: {problem}." for problem in results.fatal),
        *([f"Not of the paper, so in no table of it: {', '.join(others)}."] if others else []),
    ]


def setting(run: Run, field: str) -> Any:
    """The value of a setting, named "part.name"; ``None`` if the run does not say."""
    part, name = field.split(".")
    return run.settings.get(part, {}).get(name)


def departures(runs: Sequence[Run], wanted: Mapping[str, object] | None = None) -> dict[str, str]:
    """Say which settings are not those of the released code, by "part.name".

    Args:
        runs: whose values are named together.
        wanted: as in :func:`caveats`.
    """
    table = reference.load("nature2015_hyperparameters")
    titles = dict(zip(table["field"], table.index, strict=True))
    said = {}
    for field, code in {**reference.released_settings(), **(wanted or {})}.items():
        concerned = [run for run in runs if run.preset != RANDOM or field in _RANDOM_PLAYS]
        values = [value for run in concerned if (value := setting(run, field)) is not None]
        other = dict.fromkeys(one_line(value) for value in values if code not in (None, value))
        if other:
            name = titles.get(field, field.split(".")[1])
            said[field] = f"{name} {' or '.join(sorted(other))} (there {code})"
    return said
