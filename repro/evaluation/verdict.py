"""What becomes of one run's score when its final games are played again.

The emulator, the seeds and the recorded actions give each game's return and length; no network is
needed. The file verified.json that a verified run gets is a memo of that, and no proof.
"""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from repro import __version__, records
from repro.config import ConfigError
from repro.evaluation import claims, playback
from repro.evaluation.claims import Subject
from repro.records import RunDirectoryError
from repro.storage import done, game_log, provenance
from repro.storage.lock import Lock
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


def verify(path: Path | str, say: Callable[[str], None]) -> Verdict:
    """Verify one run.

    Args:
        path: the run directory.
        say: is told of each game as it has been played again.
    """
    path = Path(path)
    began, verdict = time.monotonic(), Verdict(str(path))
    verdict.finished = (path / done.NAME).exists()
    digests: dict[str, str] = {}
    try:
        digests = done.digests(path, done.SCORED)
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
    yield from done.changes(of.path, done.FILES)
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
