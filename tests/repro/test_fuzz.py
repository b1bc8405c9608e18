"""Random harm to every kind of file of a run: a line that names it, or the same numbers.

Each mutation is of one file of a finished or an unfinished run, and one command is then run on it.
It ends with exit code 0 and prints what it prints of the sound run, or names the file; or with 1
or 2 and names the file. It never ends in a traceback, and what it did not write is as it was.
"""

import functools
import os
import re
import shutil

import numpy as np
import pytest
from small import StopAt, assert_same_run, go, make_run, train_words, use

from repro import records

MUTATIONS = 300
SEED = 20151
IN_THE_FINAL_EVALUATION = 600 + 4 * 50 + 40


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, and one killed in its last game, by name."""
    found = {}
    for name, moment in (("finished", -1), ("unfinished", IN_THE_FINAL_EVALUATION)):
        found[name], _ = go(make_run(), tmp_path_factory.mktemp(name), StopAt(moment, kill=True))
    assert (found["finished"] / "done.json").exists()
    assert not (found["unfinished"] / "done.json").exists()
    assert list(found["unfinished"].glob("checkpoint/step-*"))
    return found


def flip(data, generator):
    place = int(generator.integers(len(data)))
    return data[:place] + bytes([data[place] ^ 1 << int(generator.integers(8))]) + data[place + 1 :]


def cut(data, generator):
    return data[: int(generator.integers(len(data)))]


def another_digit(data, generator):
    places = [place for place, one in enumerate(data) if chr(one).isdigit()]
    if not places:
        return flip(data, generator)
    place = places[int(generator.integers(len(places)))]
    return data[:place] + b"%d" % ((data[place] - 47) % 10) + data[place + 1 :]


def zeros(data, generator):
    place = int(generator.integers(len(data)))
    return data[:place] + bytes(min(64, len(data) - place)) + data[place + 64 :]


def twice(data, generator):
    return data + data


def no_text(data, generator):
    return b"\xff\xfe[[[{" + generator.bytes(40)


BYTES = (flip, cut, another_digit, zeros, twice, no_text)


def replace(path, kind):
    """Put something else in the file's place."""
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")


def commands(path):
    suite = path.parent.parent
    words = [*train_words(suite, network="linear"), "--seed", 1]
    return {
        "train": words,
        "status": ["status", suite, "--json"],
        "tables": ["tables", suite, "--out", suite.parent / "tables", "--leave-out-damaged"],
        "verify": ["verify", path],
        "evaluate": ["evaluate", path, "--episodes", 2],
        "trace": ["trace", path],
        "compare": ["compare", suite, suite],
    }


def contents(path):
    """What is in every regular file, but for the lock and what verify leaves."""
    return {
        str(item.relative_to(path)): item.read_bytes()
        for item in path.rglob("*")
        if item.is_file() and not item.is_symlink() and item.name not in (".lock", "verified.json")
    }


@pytest.fixture(scope="module")
def sound(runs, tmp_path_factory):
    """What each command prints of each sound run."""
    there = tmp_path_factory.mktemp("sound")

    @functools.cache
    def printed(name, command):
        path = records.run_path(there / f"{name}-{command}" / "suite", "breakout", 1)
        shutil.copytree(runs[name], path)
        return path, commands(path)[command]

    return printed


def plain(text, path):
    """Without what differs from folder to folder, and from time to time."""
    for folder, name in ((path, "RUN"), (path.parents[1], "SUITE"), (path.parents[2], "FOLDER")):
        text = text.replace(str(folder), name)
    text = re.sub(r"[0-9.]+ s\b", "SECONDS", text)
    return re.sub(r"-{3,}|\s+", " ", text)  # the widths of columns


def harm(path, generator):
    """Change one file; returns its name and what was done."""
    files = sorted(item for item in path.rglob("*") if item.is_file() and item.name != ".lock")
    file = files[int(generator.integers(len(files)))]
    how = int(generator.integers(len(BYTES) + 2))
    if how < len(BYTES) and file.stat().st_size:
        change = BYTES[how]
        file.write_bytes(change(file.read_bytes(), generator))
        return file, change.__name__
    kind = ("gone", "pipe", "folder", "device")[int(generator.integers(4))]
    replace(file, kind)
    return file, kind


@pytest.mark.parametrize("part", range(10))
def test_no_harm_goes_unnoticed(runs, sound, capfd, tmp_path, part):
    generator = np.random.default_rng([SEED, part])
    names = list(commands(tmp_path))
    for number in range(MUTATIONS // 10):
        name = ("finished", "unfinished")[number % 2]
        command = names[int(generator.integers(len(names)))]
        path = records.run_path(tmp_path / str(number) / "suite", "breakout", 1)
        shutil.copytree(runs[name], path)
        file, how = harm(path, generator)
        case = f"{command} of the {name} run, {file.relative_to(path)}: {how}"
        before = contents(path)
        code, out, err = use(capfd, *commands(path)[command])
        assert code in (0, 1, 2, 3), (case, out, err)
        assert "Traceback" not in out + err, (case, err)
        there, words = sound(name, command)
        expected = use(capfd, *words)
        said, same = plain(out + err, path), plain(expected[1] + expected[2], there)
        # Without these it is another thing, soundly: an unfinished run, or none.
        gone = how == "gone" and file.name in ("config.json", "done.json")
        named = gone or file.name in said or file.name.split(".")[0] in said
        assert named or (code == expected[0] and said == same), (case, code, out, err)
        if command == "train" and code == 0:
            assert_same_run(path, runs["finished"])
        else:
            after = contents(path)
            grown = (
                {"evaluations.csv", "games.zst"} if (command, code) == ("evaluate", 0) else set()
            )
            lost = {
                item
                for item, data in before.items()
                if after.get(item, b"")[: len(data) if item in grown else None] != data
            }
            assert not lost, (case, lost)
        shutil.rmtree(path.parent.parent)
