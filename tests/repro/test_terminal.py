"""No command sends a terminal what it would obey: names and values may be a stranger's."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r"
COMMAND = [sys.executable, "-m", "repro.cli"]
SEQUENCE = re.compile(rb"[^\x20-\x7e\n\x80-\xff]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]")


@pytest.fixture
def suite(tmp_path):
    """A run in a folder of a hostile name."""
    suite = tmp_path / f"sui{EVIL}te\nrepro: forged" / "nature"
    shutil.copytree(ROOT / "results" / "published" / "nature-emulator" / "pong", suite / "pong")
    return suite


def spoil(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def harmless(*words, cwd):
    done = subprocess.run([*COMMAND, *map(str, words)], cwd=cwd, capture_output=True, check=False)
    said = done.stdout + done.stderr
    assert said
    assert SEQUENCE.search(said) is None, said
    assert b"\nrepro: forged" not in b"\n" + said
    assert b"Traceback" not in said
    return done


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("tables SUITE", 0), ("compare SUITE dqn", 0), ("report SUITE", 0), ("status SUITE", 0),
        ("verify RUN", 2), ("trace RUN", 2), ("evaluate RUN", 1), ("tables SUITE/nothing", 2),
        ("submit NAME", 2), ("submit pong --out SUITE", 2), ("train pong --frames NAME", 2),
        ("NAME", 2), ("report SUITE --games NAME", 2), ("doctor --out SUITE", 0),
    ],
)  # fmt: skip
def test_a_hostile_folder(suite, command, code, tmp_path):
    places = {"SUITE": str(suite), "RUN": str(suite / "pong" / "seed-0"), "NAME": EVIL}
    words = [re.sub("[A-Z]+", lambda found: places[found[0]], word) for word in command.split()]
    assert harmless(*words, cwd=tmp_path).returncode == code
    for page in suite.glob("report.html"):
        assert SEQUENCE.search(page.read_bytes()) is None


def test_hostile_values(suite, tmp_path):
    run = suite / "pong" / "seed-0"
    there = json.loads((run / "config.json").read_text())
    there["config"]["agent"]["network"] = EVIL
    spoil(run / "config.json", preset=EVIL, config=there["config"])
    spoil(run / "done.json", weights=EVIL)
    assert harmless("tables", suite, cwd=tmp_path).returncode == 1
    for command in ("status", "verify"):
        harmless(command, suite, cwd=tmp_path)


def test_a_live_table_may_still_clear_the_terminal(suite):
    """The one command to a terminal that is ours; the suite's name adds none."""
    main, end = pty.openpty()
    watch = subprocess.Popen(
        [*COMMAND, "status", suite, "--watch", "60"], stdout=end, stderr=subprocess.STDOUT
    )
    os.close(end)
    said = b""
    while b"1 run:" not in said:
        said += os.read(main, 4096)
    watch.terminate()
    watch.wait()
    os.close(main)
    cleared = said.removeprefix(b"\x1b[H\x1b[2J")
    assert cleared != said
    assert SEQUENCE.search(cleared.replace(b"\r\n", b"\n")) is None
