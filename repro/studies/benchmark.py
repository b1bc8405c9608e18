"""`repro benchmark`: how fast each part of a training is on this machine, and what a run will take.

All rows are measured in one process and in turn (:mod:`repro.studies.measuring`), each with the
threads it names, one unless it says more.
"""

import argparse
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repro import config, games
from repro.config.flags import count, threads
from repro.records import write_json
from repro.system import machine

WRAPPERS_REQUIRED = 0.85  # of the bare loop's frames per second
TRAINING_REQUIRED = 1.5  # times SB3's frames per second
SB3, SB3_WHOLE, CLEANRL = "SB3", "SB3 with its own wrappers", "CleanRL's loop"


def add(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro benchmark` takes."""
    parser.epilog = (
        "`repro submit --estimate` reads the file from results/benchmark.json. Let nothing else "
        "run on the machine meanwhile: spread shows where something did."
    )
    parser.add_argument("--game", default="pong", help="one of `repro games` [default pong]")
    parser.add_argument(
        "--threads", type=threads, nargs="+", default=[1, 2], metavar="N",
        help="torch's, for whole trainings; all else has one [default 1 2]",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=count, default=5, metavar="N", help="times of each row [default 5]"
    )
    parser.add_argument(
        "--seconds", type=float, default=3.0, metavar="X", help="of each measurement [default 3]"
    )
    parser.add_argument(
        "--replay-steps", type=count, default=20_000, metavar="N",
        help="size of each replay, agent steps [default 20000]",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="print such a file instead of measuring"
    )
    parser.add_argument(
        "--markdown", choices=["summary", "profile"],
        help="with --show: as README.md, or docs/performance.md, has it",
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from repro.studies import account

    if options.markdown and not options.show:
        raise config.ConfigError("--markdown prints a file: name it with --show")
    if options.show:
        kinds = {"summary": account.summary, "profile": account.profile, None: account.text}
        print(kinds[options.markdown](account.read(options.show)))
        return 0
    if not 0 < options.seconds < float("inf"):
        raise config.ConfigError(f"--seconds must be more than zero, got {options.seconds}")
    if options.json and not options.json.parent.is_dir():
        raise config.ConfigError(f"--json: there is no folder {options.json.parent}")
    options.game = games.find(options.game).name
    from repro.storage import provenance
    from repro.studies import stages

    cores = machine.cores()
    options.threads = sorted({min(number, cores) for number in options.threads})
    made = provenance.collect()
    made["stable_baselines3"] = provenance.version("stable-baselines3")
    made["gpu"] = stages.gpu()
    measurements, notes = benchmark(options)
    setting = {
        name: getattr(options, name)
        for name in ("game", "threads", "rounds", "seconds", "replay_steps")
    }
    figures = [one.figures() for one in measurements]
    found = {"provenance": made, "options": setting, "measurements": figures, "notes": notes}
    print(account.text(found))
    if options.json:
        write_json(options.json, found)
    return 0


def benchmark(options: argparse.Namespace) -> tuple[list[Any], list[str]]:
    """Measure all there is, in the order in which it is reported, and what there is to say."""
    from repro.studies import account, rivals, stages
    from repro.studies.measuring import Measurement, Row, measure, milliseconds, ratio

    game, size = options.game, options.replay_steps
    settings, plain = stages.short_config(size), stages.short_config(size, learner="plain")
    rows = {
        "raw emulator": Row("frames/s", stages.raw_emulator(game)),
        "bare loop": Row("frames/s", stages.bare_loop(game)),
        "wrapper stack": Row("frames/s", stages.wrapper_stack(game)),
        "preprocessing": Row("pictures/s", stages.preprocessing(game)),
        **stages.parts(game, settings, plain),
        "matrix product": Row("GFLOP/s", stages.product()),
    }
    trainings = {"training": settings, "training, plain": plain}
    notes = [f"learner of training: {stages.learner(game, settings)}"]
    if reason := _no_bfloat16(settings):
        notes.append(f"bfloat16 is left out: {reason}")
    else:
        half = stages.short_config(size, arithmetic="bfloat16")
        trainings["training, bfloat16"] = half
    for name, chosen in trainings.items():
        work = stages.training(game, chosen)
        for number in options.threads:
            more = "" if number == options.threads[0] else f", {number} threads"
            rows[name + more] = Row("frames/s", work, number)
    first = options.threads[0]
    if stages.gpu():
        rows[account.GPU] = Row("frames/s", stages.training(game, settings, "cuda"), first)
    rows[CLEANRL] = Row("frames/s", rivals.cleanrl(game, settings), first)
    peers: dict[str, float | None] = {CLEANRL: None}
    if importlib.util.find_spec("stable_baselines3"):
        for name, own in ((SB3, False), (SB3_WHOLE, True)):
            rows[name] = Row("frames/s", rivals.stable_baselines3(game, settings, own), first)
        peers |= {SB3: TRAINING_REQUIRED, SB3_WHOLE: None}
    else:
        notes.append("SB3 is left out: it is not installed (pip install -e '.[bench]')")
    found = measure(rows, options.rounds, options.seconds)
    floor = tuple(1000 * stages.UPDATE_GFLOP / one for one in found["matrix product"].rounds)
    derived = [
        milliseconds(found[name], f"{name}: one takes")
        for name in ("preprocessing", "acting greedily", "replay sampling", "targets",
                     "targets, plain", "pixels", "pixels, plain", "optimiser", "optimiser, plain",
                     "update", "update, plain")
    ]  # fmt: skip
    took = tuple(1000 / one for one in found["update"].rounds)
    over = tuple(one / least for one, least in zip(took, floor, strict=True))
    derived += [
        Measurement(f"{stages.UPDATE_GFLOP} GFLOP of an update, as a matrix product", "ms", floor),
        Measurement("update / that floor, in time", "ratio", over),
        ratio(found["wrapper stack"], found["bare loop"], WRAPPERS_REQUIRED),
        ratio(found["update"], found["update, plain"]),
    ]
    derived += [ratio(found["training"], found[name], need) for name, need in peers.items()]
    derived += [
        ratio(found[name], found["training"])
        for name in rows if name.startswith("training, ")
    ]  # fmt: skip
    notes += _remarks(found, options.threads)
    return [*found.values(), *derived], notes


def _no_bfloat16(settings: config.Config) -> str:
    from repro import fast

    if reason := fast.unfit(settings.agent, "cpu"):
        return reason
    if not fast.has_bfloat16():
        slower = fast.bfloat16_slowness()
        return f"this processor only imitates it, {slower:.1f} times as slow as float32"
    return ""


def _remarks(found: dict[str, Any], numbers: Sequence[int]) -> Iterator[str]:
    for number in numbers[1:]:
        if found[f"training, {number} threads"].median < found["training"].median:
            yield (
                f"{number} threads are slower than {numbers[0]}: threads wait for one another "
                "where the machine has other work"
            )
