"""What `repro benchmark` found, for people: its table, hours and room of runs, Markdown.

README.md and docs/performance.md show the Markdown between marks; a test holds them to the file.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from repro import config, games, records
from repro.replay import ReplayMemory
from repro.system import machine

GPU = "training, GPU"
SEEDS = 5  # of a whole reproduction
_PLAIN, _TAKES = ", plain", ": one takes"

Figures = Mapping[str, Any]


def read(path: Path) -> Figures:
    """A file written with ``--json``.

    Raises:
        RunDirectoryError: if it is none.
    """
    found = records.read_json(path)
    if not {"provenance", "options", "measurements", "notes"} <= found.keys():
        raise records.RunDirectoryError(f"{path} is no file of repro benchmark --json")
    return found


def text(found: Figures) -> str:
    """Aligned text: where it was measured, a line per measurement, what there is to say."""
    lines = [machine_line(found["provenance"])]
    lines.append(f"{'':<46}{'unit':<15}{'median':>10}{'min':>10}{'max':>10}")
    for one in found["measurements"]:
        digits = 2 if one["unit"] in ("ratio", "ms") else 0
        cells = "".join(f"{cell:>10}" for cell in _cells(one, digits))
        needed = f"  {one['verdict']} {one['required']:g} or more" if one["required"] else ""
        lines.append(f"{one['name']:<46}{one['unit']:<15}{cells}{needed}")
    return "\n".join([*lines, *found["notes"], "of preset nature:", *projections(found)])


def machine_line(made: Figures) -> str:
    """A line about where something was measured, of what ``provenance.collect`` found there."""
    names = {"torch": "torch", "numpy": "NumPy", "ale-py": "ale-py", "opencv-python": "OpenCV"}
    there = [f"{names[name]} {made['libraries'][name]}" for name in names]
    return (
        f"{made['processor']}, {made['cores']} cores, {made['time']}, Python {made['python']}, "
        f"{', '.join(there)}, Stable-Baselines3 {made['stable_baselines3'] or 'not installed'}, "
        f"GPU {made.get('gpu') or 'none'}"
    )


def projections(found: Figures) -> Iterator[str]:
    """What preset nature takes on one such machine, one GPU, one cluster; a sentence each."""
    made, rows = found["provenance"], _by_name(found)
    replay = ReplayMemory.bytes_needed(
        config.preset("nature").agent.replay_steps, (84, 84), "uint8"
    )
    memory, number = machine.training_memory_bytes(replay), len(games.GAMES)
    learn, score = _hours(rows["training"]["median"])
    whole = learn + score
    yield (
        f"one game: {learn:,.0f} hours of training and at most {score:,.0f} of evaluation; "
        f"{machine.gigabytes(memory)} of memory and "
        f"{machine.gigabytes(machine.checkpoints_bytes(replay))} of disk for checkpoints"
    )
    at_once = min(made["cores"], made["memory_bytes"] // memory)
    room = f"{made['cores']} cores and {machine.gigabytes(made['memory_bytes'])} of memory"
    if at_once:
        yield (
            f"one such machine, {room}: {at_once} at a time, {number} games in "
            f"{whole * number / at_once / 24:,.0f} days, if runs do not slow each other down"
        )
    else:
        yield f"one such machine, {room}: no run fits into it"
    if GPU in rows:
        hours = sum(_hours(rows[GPU]["median"]))
        yield (
            f"one GPU, {made.get('gpu')}: {hours:,.0f} hours a game, {number} games one after the "
            f"other in {hours * number / 24:,.0f} days"
        )
    else:
        yield "one GPU: not measured, for there was none"
    runs = number * SEEDS
    yield (
        f"one cluster, with such a core for each of {number} games and {SEEDS} seeds: {runs} runs "
        f"in {whole / 24:,.1f} days, {runs * whole:,.0f} core-hours; finished they keep "
        f"{machine.gigabytes(runs * machine.FINISHED_BYTES)} of disk"
    )


def _hours(frames_per_second: float) -> tuple[float, float]:
    """Of a run of preset nature: training, and evaluation if no game is cut short."""
    nature = config.preset("nature")
    training = nature.training
    evaluations = nature.steps // training.eval_every_steps
    scored_frames = evaluations * training.eval_steps * nature.frames_per_step
    return training.frames / frames_per_second / 3600, scored_frames / frames_per_second / 3600


def summary(found: Figures) -> str:
    """Markdown, for README: where it was measured, how fast it is, what that means."""
    rows, made, options = _by_name(found), found["provenance"], found["options"]
    beside = ", ".join(
        f"{one['median']:.2f} times {name.removeprefix('training / ')}"
        for name, one in rows.items() if name.startswith("training / ")
    )  # fmt: skip
    floor = rows["update / that floor, in time"]["median"]
    lines = [
        f"On {_at(made['processor'])} ({made['cores']} cores, {made['time'][:10]}), with "
        f"{options['threads'][0]} thread{'s' * (options['threads'][0] > 1)}, "
        f"{games.GAMES[options['game']].title} is trained at "
        f"{rows['training']['median']:,.0f} frames a second: {beside}. An update takes "
        f"{floor:.1f} times what its operations take as one large matrix product. "
        "Of preset `nature`, at this speed:",
        "",
        *(f"- {line}" for line in projections(found)),
    ]
    return "\n".join(lines)


def profile(found: Figures) -> str:
    """Markdown, for docs/performance.md: every part by the plain and the fast learner, the rest."""
    rows, made = _by_name(found), found["provenance"]
    lines = [f"{machine_line(made)}; commit {str(made['commit'])[:7]}", ""]
    lines += ["| one takes, ms | plain | fast | from | to |", "| --- | --: | --: | --: | --: |"]
    for name, one in rows.items():
        part = name.removesuffix(_TAKES)
        if one["unit"] != "ms" or part.endswith(_PLAIN):
            continue
        plain = rows.get(part + _PLAIN + _TAKES)
        cells = [part, f"{plain['median']:.2f}" if plain else "", *_cells(one, 2)]
        lines.append(_line(cells))
    lines += ["", "| frames a second | median | from | to |", "| --- | --: | --: | --: |"]
    lines += [
        _line([name, *_cells(one, 0)]) for name, one in rows.items() if one["unit"] == "frames/s"
    ]
    lines += ["", "| ratio | median | from | to |", "| --- | --: | --: | --: |"]
    lines += [
        _line([name, *_cells(one, 2)]) for name, one in rows.items() if one["unit"] == "ratio"
    ]
    lines += [""] * bool(found["notes"]) + [f"- {note}" for note in found["notes"]]
    return "\n".join(lines)


def _by_name(found: Figures) -> dict[str, Figures]:
    return {one["name"]: one for one in found["measurements"]}


def _cells(one: Figures, digits: int) -> list[str]:
    return [f"{one[key]:,.{digits}f}" for key in ("median", "min", "max")]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _at(processor: str) -> str:
    return f"{'an' if processor[:1] in 'AEIOU' else 'a'} {processor}"
