"""`repro submit`: games and seeds as one array job; prints the script, or hands it to sbatch."""

import argparse
import contextlib
import dataclasses
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from repro import config, games, places, records
from repro.cluster import estimate, site, slurm, submissions
from repro.cluster.status import summary
from repro.cluster.survey import RunStatus, look
from repro.config import Config, ConfigError, flags, study
from repro.storage.run import Run
from repro.system import disk, machine

_LEFT_OUT = {"done", "queued", "requeued", "running"}
_MOST_NAMES = 1_000  # of environments; each may be asked for with many seeds
_VECTOR_BYTES = 1024  # of an observation that is no screen, generously


def add(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Arguments of `repro submit`."""
    default = flags.chosen_preset(arguments)
    # Of hundreds of runs the replay memories fill a disk.
    training = dataclasses.replace(default.training, keep_checkpoint=False)
    default = dataclasses.replace(default, training=training)
    parser.add_argument(
        "games", nargs="*", metavar="GAME",
        help="games, `all` for the 49, or a file with a game per line",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", nargs="+", type=flags.seeds, metavar="N",
        help="seeds, or ranges such as 0-4 [default 0, or those of the study]",
    )  # fmt: skip
    parser.add_argument(
        "--study", metavar="NAME",
        help="submit the trainings of `repro study NAME`: an array for each configuration",
    )  # fmt: skip
    flags.add_preset(parser)
    parser.add_argument(
        "--device", help="cpu, cuda, ... [default cuda if jobs ask for a GPU, else cpu]"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--run", dest="send", action="store_true", help="submit, rather than print the script"
    )
    instead.add_argument(
        "--estimate", action="store_true", help="print what it will take: jobs, hours, disk"
    )
    parser.add_argument(
        "--missing", action="store_true", help="leave out what is done or queued; always so"
    )
    site.add_flags(parser)
    estimate.add_flags(parser)
    flags.add_settings(parser, default)

    def run(options: argparse.Namespace) -> int:
        chosen = flags.read_settings(options, default)
        if options.study is None:
            return command(options, chosen, arguments)
        if chosen != default:
            raise ConfigError("--study brings its own settings; write another study for others")
        return _submit_study(options, arguments)

    parser.set_defaults(run=run)


def _submit_study(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Submit every configuration of a study as a suite of its own; the worst exit code."""
    wanted = study.read(options.study)
    folder = options.out or places.study(options.study, wanted.name)
    if options.send:
        study.keep(wanted, folder)
    codes = []
    for cell in wanted.cells:
        changes = {
            "games": options.games or wanted.games,
            "seeds": options.seeds or [range(wanted.seeds)],
            "preset": wanted.preset,
            "out": folder / cell.folder,
        }
        given = argparse.Namespace(**vars(options) | changes)
        codes.append(command(given, cell.config, words))
    return max(codes)


def command(options: argparse.Namespace, chosen: Config, words: Sequence[str]) -> int:
    """What `repro submit` does once its flags are understood; returns the exit code.

    Raises:
        UnknownGameError, ConfigError, RunDirectoryError: on wrong use.
        BusyError: if another submission to the suite is at work.
        SlurmError: if squeue or sbatch fail.
    """
    where = site.read_flags(options)
    suite = _suite(options.out or Path("results") / options.preset)
    if not options.games:
        raise ConfigError("submit needs a GAME (see `repro games`), or --study")
    numbers = dict.fromkeys(number for part in options.seeds or [[0]] for number in part)
    names = read_games(options.games, chosen)
    wanted = [Run(name, number, options.preset, chosen) for number in numbers for name in names]
    with submissions.alone(suite) if options.send else contextlib.nullcontext():
        seen = look(suite, "" if options.send else "what is queued is not known")
        states = {(state.game, state.seed): state for state in seen}
        runs, left_out, refused = [], [], list[records.RunDirectoryError]()
        for run in wanted:
            place = (run.game, run.seed)
            try:
                _refuse(run, suite, states.get(place))
            except records.RunDirectoryError as error:
                refused.append(error)
                continue
            if place in states and states[place].state in _LEFT_OUT:
                left_out.append(states[place])
            else:
                runs.append(place)
        if refused and len(refused) == len(wanted):
            raise refused[0]
        for reason in refused:  # which is no reason against the others
            print(f"left out: {disk.one_line(reason)}", file=sys.stderr)
        if not runs:
            print(f"nothing to submit to {suite}: {summary(left_out)}")
            return 0
        jobs = list(_arrays(suite, slurm.elements(runs, where.games_per_job), where, chosen))
        gpus, gpu = where.gpus(os.environ)
        device = options.device or ("cuda" if gpu else "cpu")
        train = ["--preset", options.preset, "--device", device, "--threads", str(where.threads)]
        train += flags.write_settings(config.preset(options.preset), chosen)
        replay = replay_bytes(chosen)
        if options.estimate:
            fast = estimate.speed(options, seen)
            for line in estimate.report(jobs, states, where, chosen, fast, gpus, replay):
                print(line)
            return 0
        run_bytes = machine.training_memory_bytes(replay)
        for job in jobs:
            text = slurm.script(job, where, train, run_bytes, sys.executable)
            if options.send:
                sent = submissions.send(job, text, words)
                print(f"{len(job.runs)} runs submitted as job {sent}; {job.file}", flush=True)
            else:
                _show(text)
    if gpu and not device.startswith("cuda"):
        print(f"each job gets a GPU ({gpu}) that --device {device} does not use", file=sys.stderr)
    if len(jobs) > 1:
        print(f"{len(jobs)} arrays of at most {where.max_array:,} jobs", file=sys.stderr)
    for job in jobs:
        array = f"array {job.folder.name}, " if len(jobs) > 1 else ""
        for number, (game, seed) in enumerate(job.runs):
            element = f"{array}element {number // where.games_per_job}"
            why = _why(states.get((game, seed)))
            print(f"{element}: {game} seed {seed}{why}", file=sys.stderr)
    if left_out:
        print(f"left out: {summary(left_out)}", file=sys.stderr)
    return 0


def _show(script: str) -> None:
    """Print a script; into a file or pipe byte by byte, for it may be handed to sbatch."""
    if sys.stdout.isatty():
        print(script, end="")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(script))
        sys.stdout.buffer.flush()


def _why(state: RunStatus | None) -> str:
    """Why a run that was begun or submitted before is submitted again."""
    if state is None:
        return ""
    note = f", {state.note}" if state.note else ""
    return f" ({state.state} after {state.frames:,} frames{note})"


def _suite(path: Path) -> Path:
    """The folder of the runs, from the root."""
    suite = path.resolve()
    letters = site.readable(str(suite))
    if any(letter == "\\" or unicodedata.category(letter)[0] == "C" for letter in letters):
        raise ConfigError(
            f"{str(suite)!r} has a backslash or a control character, with which sbatch would not "
            "find it; choose another --out"
        )
    return suite


def _refuse(run: Run, suite: Path, state: RunStatus | None) -> None:
    """Refuse now what `repro train` would refuse in the job."""
    path = records.run_path(suite, run.game, run.seed)
    run.directory(path).begun()
    if (path / "done.json").exists() and (state is None or state.state != "done"):
        raise records.RunDirectoryError(
            f"{path} was finished, and its files are damaged or changed; `repro train` with the "
            "run's flags says which, and makes done.json again"
        )


def _arrays(
    suite: Path, elements: Sequence[slurm.Element], where: site.Site, chosen: Config
) -> Iterator[slurm.Job]:
    """The elements as arrays that SLURM takes, each with a folder of its own."""
    name = "dqn-" + re.sub(r"[^\w.-]", "_", suite.name, flags=re.ASCII)
    starts = range(0, len(elements), where.max_array)
    for number, start in enumerate(starts, start=submissions.next_number(suite)):
        part = elements[start : start + where.max_array]
        folder = suite / "jobs" / str(number)
        yield slurm.Job(folder, name, chosen.training.frames, part, slurm.default_cluster())


def read_games(words: Sequence[str], chosen: Config) -> list[str]:
    """The games that the words name, without repetition: games, `all`, or files of games.

    Raises:
        UnknownGameError: naming the nearest.
        ConfigError: if a file names none, or there are too many.
    """
    atari = chosen.environment == "atari"
    names = dict.fromkeys(name for word in dict.fromkeys(words) for name in _named(word, atari))
    if atari:
        return list(dict.fromkeys(games.find(name).name for name in names))
    if len(names) > _MOST_NAMES:
        raise ConfigError(f"{len(names):,} environments; at most {_MOST_NAMES:,} at a time")
    return list(names)


def _named(word: str, atari: bool) -> list[str]:
    if word == "all":
        if not atari:
            raise ConfigError("`all` are the Atari games; name an environment, such as CartPole-v1")
        return list(games.GAMES)
    if not Path(word).is_file():
        return [word]
    try:
        lines = disk.read_text(Path(word)).splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {word}: {disk.reason(error)}") from error
    listed = [name for line in lines if (name := line.split("#")[0].strip())]
    if not listed:
        raise ConfigError(f"{word} names no game; write one per line")
    return listed


def replay_bytes(chosen: Config) -> int:
    """Memory of a run's replay, without making its environment."""
    from repro.replay import ReplayMemory

    pixels = chosen.protocol.screen_pixels
    shape = (pixels, pixels) if chosen.environment == "atari" else (_VECTOR_BYTES,)
    return ReplayMemory.bytes_needed(chosen.agent.replay_steps, shape, "uint8")
