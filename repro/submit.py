"""`repro submit`: games and seeds as one array job; prints the script, or hands it to sbatch."""

import argparse
import datetime
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repro import config, flags, games, machine, records, site, slurm
from repro.config import Config, ConfigError
from repro.run import Run
from repro.status import summary
from repro.survey import RunStatus, submissions, survey

_LEFT_OUT = {"done", "queued", "requeued", "running"}
_VECTOR_BYTES = 1024  # of an observation that is no screen, generously


def add(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Arguments of `repro submit`."""
    default = flags.chosen_preset(arguments)
    parser.add_argument(
        "games", nargs="+", metavar="GAME",
        help="games, `all` for the 49, or a file with a game per line",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", nargs="+", type=seeds, default=[[0]], metavar="N",
        help="seeds, or ranges such as 0-4 [default 0]",
    )  # fmt: skip
    parser.add_argument(
        "--preset", choices=config.PRESETS, default="nature",
        help="configuration to start from; its values are the defaults below [default nature]",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="SUITE", help="folder of the runs [default results/PRESET]"
    )
    parser.add_argument(
        "--device", help="cpu, cuda, ... [default cuda if --gres is given, else cpu]"
    )
    parser.add_argument(
        "--run", dest="send", action="store_true", help="submit, rather than print the script"
    )
    parser.add_argument(
        "--missing", action="store_true", default=True,
        help="leave out runs that are done, running or queued; this is always so",
    )  # fmt: skip
    site.add_flags(parser)
    flags.add_settings(parser, default)

    def run(options: argparse.Namespace) -> int:
        return command(options, flags.read_settings(options, default), list(arguments))

    parser.set_defaults(run=run)


def command(options: argparse.Namespace, chosen: Config, words: list[str]) -> int:
    """What `repro submit` does once its flags are understood; returns the exit code.

    Raises:
        UnknownGameError, ConfigError, RunDirectoryError: on wrong use.
        SlurmError: if squeue or sbatch fail.
    """
    where = site.read_flags(options)
    suite = (options.out or Path("results") / options.preset).resolve()
    names = read_games(options.games, chosen)
    numbers = list(dict.fromkeys(number for part in options.seeds for number in part))
    wanted = [(name, number) for number in numbers for name in names]
    found = _states(suite, wanted, options.send)
    for game, number in wanted:  # refuse now what `repro train` would refuse in the job
        Run(game, number, options.preset, chosen).directory(
            records.run_path(suite, game, number)
        ).begun()
    runs = tuple(run for run in wanted if run not in found or found[run].state not in _LEFT_OUT)
    there = summary([found[run] for run in wanted if run in found and run not in runs])
    if not runs:
        print(f"nothing to submit to {suite}: {there}")
        return 0
    device = options.device or ("cuda" if where.gres else "cpu")
    train = [
        "--preset", options.preset, "--device", device, "--threads", str(where.threads),
        *flags.write_settings(config.preset(options.preset), chosen),
    ]  # fmt: skip
    job = slurm.Job(
        name="dqn-" + re.sub(r"[^\w.-]", "_", suite.name),
        suite=suite,
        folder=_next_folder(suite),
        runs=runs,
        train=tuple(train),
        run_bytes=machine.training_memory_bytes(replay_bytes(chosen)),
    )
    if options.send:
        number = send(job, where, chosen.training.frames, words)
        print(f"{len(runs)} runs submitted as job {number}; {job.file}")
    else:
        print(slurm.script(job, where, sys.executable), end="")
    for index, element in enumerate(slurm.elements(runs, where.games_per_job)):
        for game, seed in element:
            why = _why(found.get((game, seed)))
            print(f"element {index}: {game} seed {seed}{why}", file=sys.stderr)
    if len(runs) < len(wanted):
        print(f"left out: {there}", file=sys.stderr)
    return 0


def _states(
    suite: Path, wanted: Sequence[tuple[str, int]], must_know: bool
) -> dict[tuple[str, int], RunStatus]:
    """What became of the wanted runs so far."""
    known = submissions(suite)
    try:
        queue = slurm.queue([one.name for one in known])
    except slurm.SlurmError as error:
        if must_know:
            raise
        print(f"repro: {error}; what is queued is not known", file=sys.stderr)
        queue = None
    return {
        (one.game, one.seed): one
        for one in survey(suite, known, queue)
        if (one.game, one.seed) in set(wanted)
    }


def _why(state: RunStatus | None) -> str:
    if state is None:
        return ""
    note = f", {state.note}" if state.note else ""
    return f" ({state.state} after {state.frames:,} frames{note})"


def send(job: slurm.Job, where: site.Site, frames: int, words: Sequence[str]) -> str:
    """Write script and record, call sbatch, and return the job's number.

    A run that was given up gets as many attempts as at first.

    Raises:
        SlurmError: if sbatch fails; nothing of the submission is left then.
    """
    job.folder.mkdir(parents=True)
    parts = slurm.elements(job.runs, where.games_per_job)
    record: dict[str, Any] = {
        "name": job.name,
        "job": None,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": "repro " + shlex.join(words),
        "frames": frames,
        "elements": [[list(run) for run in part] for part in parts],
    }
    script, note = job.file, job.folder / "submission.json"
    try:
        records.write_atomic(script, slurm.script(job, where, sys.executable).encode())
        script.chmod(0o755)
        records.write_json(note, record)  # before the jobs are: none may be unknown
        given_up = [records.run_path(job.suite, *run) / "failure.json" for run in job.runs]
        kept = {file: file.read_bytes() for file in given_up if file.exists()}
        for file in kept:
            file.unlink()
        try:
            record["job"] = slurm.submit(script)
        except BaseException:
            for file, content in kept.items():
                records.write_atomic(file, content)
            raise
        records.write_json(note, record)
    except BaseException:
        if record["job"] is None:
            for file in (script, note):
                file.unlink(missing_ok=True)
            job.folder.rmdir()
        raise
    return str(record["job"])


def seeds(text: str) -> list[int]:
    """One seed, or a range such as 0-4 with both its ends."""
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    if found is None:
        return [flags.natural(text)]
    first, last = int(found[1]), int(found[2])
    if last < first or last - first > 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds such as 0-4")
    return list(range(first, last + 1))


def read_games(words: Sequence[str], chosen: Config) -> list[str]:
    """The games that the words name, without repetition: games, `all`, or files of games.

    Raises:
        UnknownGameError: naming the nearest.
        ConfigError: if a file names none.
    """
    names: list[str] = []
    for word in words:
        if word == "all" and chosen.environment == "atari":
            names += games.GAMES
        elif Path(word).is_file():
            lines = (line.split("#")[0].strip() for line in Path(word).read_text().splitlines())
            listed = [line for line in lines if line]
            if not listed:
                raise ConfigError(f"{word} names no game; write one per line")
            names += listed
        else:
            names.append(word)
    if chosen.environment == "atari":
        names = [games.find(name).name for name in names]
    return list(dict.fromkeys(names))


def replay_bytes(chosen: Config) -> int:
    """Memory of a run's replay, without making its environment."""
    from repro.replay import ReplayMemory

    pixels = chosen.protocol.screen_pixels
    shape = (pixels, pixels) if chosen.environment == "atari" else (_VECTOR_BYTES,)
    return ReplayMemory.bytes_needed(chosen.agent.replay_steps, shape, "uint8")


def _next_folder(suite: Path) -> Path:
    """SUITE/jobs/<n>, the first number that is free."""
    taken = [int(path.name) for path in (suite / "jobs").glob("*") if path.name.isdecimal()]
    return suite / "jobs" / str(max(taken, default=0) + 1)
