"""What a reader must know of a suite before its numbers are held against others."""

from paper_tables import reference
from paper_tables.collect import Results
from paper_tables.reading import Run
from paper_tables.rows import RANDOM
from repro.games import GAMES

FULL_LENGTH_FRAMES = 200_000_000  # 50 million steps: ledger row 23
_LENGTH = "training.frames"  # said apart, game by game
_REPEAT = "protocol.action_repeat_frames"  # the random player's is another: ledger row 26


def caveats(results: Results, full_frames: int = FULL_LENGTH_FRAMES) -> list[str]:
    """Sentences: departures from the paper, shorter trainings, what is unfinished or left out."""
    return [
        *_departures(results),
        *_lengths(results, full_frames),
        *_unfinished(results),
        *(f"Left out: {problem}." for problem in results.problems),
    ]


def setting(run: Run, field: str) -> object:
    """The value of a setting, named "part.name"; ``None`` if the run does not say."""
    part, name = field.split(".")
    return run.settings.get(part, {}).get(name)


def _departures(results: Results) -> list[str]:
    """Name the settings that are not those of the released code."""
    table = reference.load("nature2015_hyperparameters")
    found = []
    for name, field, code in zip(table.index, table["field"], table["code"], strict=True):
        runs = [run for run in results.runs if run.preset != RANDOM or field != _REPEAT]
        values = {str(value) for run in runs if (value := setting(run, field)) is not None}
        other = sorted(value for value in values if not _same(value, str(code)))
        if other and field != _LENGTH:
            found.append(f"{name} {' or '.join(other)} (there {code})")
    return [f"Not the settings of the released code: {'; '.join(found)}."] if found else []


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def _lengths(results: Results, full_frames: int) -> list[str]:
    """Name the finished runs that did not train as long as the paper's."""
    by_frames: dict[int, set[str]] = {}
    for run in results.runs:
        if run.finished and run.train_frames != full_frames:
            by_frames.setdefault(run.train_frames, set()).add(GAMES[run.game].title)
    return [
        f"Trained for {frames:,} emulator frames instead of {full_frames:,}: "
        f"{', '.join(sorted(titles))}."
        for frames, titles in sorted(by_frames.items())
    ]


def _unfinished(results: Results) -> list[str]:
    names = [f"{GAMES[run.game].title} seed {run.seed}" for run in results.runs if not run.finished]
    return [f"Unfinished, and not counted: {', '.join(names)}."] if names else []
