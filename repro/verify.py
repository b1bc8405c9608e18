"""`repro verify`: plays every final game of a run again, and says whether its score holds.

The emulator, the seeds and the recorded actions give each game's return and length; no network is
needed. The file verified.json that it leaves is a memo of that, and no proof.
"""

import argparse
import contextlib
import dataclasses
import datetime
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from repro import __version__, claims, game_log, playback, processes, provenance, records
from repro.claims import Subject
from repro.config import ConfigError
from repro.flags import count
from repro.lock import Lock
from repro.records import RunDirectoryError
from wrappers.protocol import ProtocolError

SINCE = "0.2.0"  # the first version that keeps the actions


@dataclass
class Verdict:
    """What was found of one run.

    ``games`` were played again, ``frames`` emulator frames in all. ``problems`` name what is
    wrong, a line each; ``notes`` what is worth knowing. ``marked`` if verified.json was written.
    """

    run: str
    state: Literal["verified", "wrong", "unverifiable"] = "verified"
    finished: bool = False
    games: int = 0
    frames: int = 0
    seconds: float = 0.0
    mean_return: float | None = None
    marked: bool = False
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(path: Path, say: Callable[[str], None]) -> Verdict:
    """Verify one run.

    Args:
        path: the run directory.
        say: is told of each game as it has been played again.
    """
    began, verdict = time.monotonic(), Verdict(str(path))
    verdict.finished = (path / "done.json").exists()
    digests: dict[str, str] = {}
    try:
        digests = records.digests(path)
        for problem in _problems(claims.subject(path), verdict, say):
            verdict.problems.append(" ".join(problem.split()))
            verdict.state = "wrong"
    except (RunDirectoryError, ConfigError, ProtocolError, OSError) as error:
        verdict.problems.append(" ".join(str(error).split()))
        verdict.state = "wrong"
    verdict.seconds = round(time.monotonic() - began, 3)
    if verdict.state == "wrong":
        _unmark(path, verdict)
    elif verdict.state == "verified" and verdict.finished:
        _mark(path, verdict, digests)
    return verdict


def _problems(of: Subject, verdict: Verdict, say: Callable[[str], None]) -> Iterator[str]:
    """Read what there is and play it again; what is wrong, a line each."""
    rows = claims.read_claims(of.table)  # before the log, where a game's record comes first
    log = game_log.read(of.log)
    if not verdict.finished:
        verdict.notes.append(f"unfinished, {len(rows)} final games so far")
    if rows and not of.random and not of.log.exists():
        verdict.state = "unverifiable"
        verdict.notes.append(
            f"it has no {game_log.NAME} (made before version {SINCE}, which keeps the actions of "
            "final games): they cannot be played again"
        )
        return
    wrong = dict(claims.row_problems(of, rows))
    yield from wrong.values()
    kept = claims.recorded(of, rows, log)
    if not of.random:
        yield from claims.log_problems(of, rows, log, verdict.finished)
    sound = [one for one in rows if one not in wrong and (of.random or one.key in kept)]
    scores = {claim.key: claim.score for claim in rows}
    different = 0
    with contextlib.closing(playback.make_env(of)) as env:
        yield from playback.emulator_problems(of, env)
        for claim in sound:
            game, what = playback.play(env, claim, kept.get(claim.key))
            if game.completed:
                scores[claim.key] = game.score
            verdict.games += 1
            verdict.frames += game.frames
            ended = playback.outcome(game.score, game.frames, game.truncated)
            say(f"  {claims.named([claim.key])}: {ended}, {'WRONG' if what else 'the same'}")
            if what:
                different += 1
                yield f"{of.table}, line {claim.line}: {claims.named([claim.key])}: {what}"
    if other := playback.other_version(of):
        verdict.notes.append(other)
        if different:
            yield f"{of.path / 'provenance.json'}: {other}: that may be why games differ"
    if verdict.finished:
        yield from claims.score_problems(of, rows, scores)
        verdict.mean_return = records.read_json(of.path / "done.json").get("mean_return")


def _mark(path: Path, verdict: Verdict, digests: dict[str, str]) -> None:
    """Note in the run directory that it was verified, and in which state."""
    found = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "ale-py": provenance.version("ale-py"),
        "games": verdict.games,
        "frames": verdict.frames,
        "mean_return": verdict.mean_return,
        "notes": verdict.notes,
        "sha256": digests,
    }
    lock = Lock(path)
    try:
        lock.take()
        records.write_json(path / records.VERIFIED, found)
        verdict.marked = True
    except (OSError, RunDirectoryError) as error:
        reason = getattr(error, "strerror", None) or error
        verdict.notes.append(f"{records.VERIFIED} could not be written ({reason})")
    finally:
        lock.release()


def _unmark(path: Path, verdict: Verdict) -> None:
    """Take back the note that a run was verified."""
    mark = path / records.VERIFIED
    try:
        mark.unlink()
        verdict.notes.append(f"{mark.name}, which said otherwise, was removed")
    except FileNotFoundError:
        pass
    except OSError as error:
        verdict.notes.append(f"{mark.name} says otherwise and cannot be removed ({error.strerror})")


def add(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """Arguments of `repro verify`."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="runs, or folders of them: a suite"
    )
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes [default 1]")
    parser.add_argument("--json", action="store_true", help="print JSON; times in seconds")
    parser.set_defaults(run=_command)


def _command(options: argparse.Namespace) -> int:
    def say(line: str) -> None:
        if not options.json:
            print(line, flush=True)

    folders = list(dict.fromkeys(run for path in options.runs for run in _runs(path)))
    verdicts = []
    for verdict in _verdicts(folders, options.jobs, say):
        verdicts.append(verdict)
        for problem in verdict.problems:
            print(f"repro: {problem}", file=sys.stderr, flush=True)
        if verdict.state == "unverifiable":
            print(f"repro: {verdict.run}: {verdict.notes[-1]}", file=sys.stderr, flush=True)
        say(_summary(verdict))
    if options.json:
        print(json.dumps([dataclasses.asdict(one) for one in verdicts], indent=2))
    states = {verdict.state for verdict in verdicts}
    return 1 if "wrong" in states else 2 if "unverifiable" in states else 0


def _verdicts(folders: Sequence[Path], jobs: int, say: Callable[[str], None]) -> Iterator[Verdict]:
    if jobs == 1:
        for folder in folders:
            say(f"{folder}:")
            yield verify(folder, say)
        return
    say(f"{len(folders)} runs in {jobs} processes; each is shown when it is done")
    calls = [(folder,) for folder in folders]
    remedy = "runs that were verified until then keep their marks"
    for lines, verdict in processes.as_completed(_in_a_process, calls, jobs, remedy):
        for line in lines:
            say(line)
        yield verdict


def _in_a_process(folder: Path) -> tuple[list[str], Verdict]:
    lines = [f"{folder}:"]
    return lines, verify(folder, lines.append)


def _runs(path: Path) -> list[Path]:
    found = list(records.runs(path))
    if not found:
        raise RunDirectoryError(f"there is no run at or below {path}")
    return found


def _summary(verdict: Verdict) -> str:
    parts = [f"{verdict.state}: {verdict.games} games played again"]
    if verdict.state == "verified" and verdict.mean_return is not None:
        parts.append(f"mean return {verdict.mean_return:.2f}")
    parts.append(f"{verdict.frames:,} frames in {verdict.seconds:.1f} s")
    if verdict.state == "wrong":
        parts.append(f"{len(verdict.problems)} problems, on standard error")
    return "  " + "; ".join(parts + verdict.notes)
