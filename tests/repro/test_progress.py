"""The live line of a training, in a real terminal of a given width; signals that are ignored."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios

import pytest

from repro.storage import checkpoint
from tests.repro.small import start, train_words, wait_for_step

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(columns, suite):
    """What a training of 600 steps writes to a terminal, line by line as it changes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    words = list(train_words(suite, network="linear", eval_cap_frames=8_000))
    words.remove("--quiet")
    unsized = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "repro.cli", *map(str, words)],
        stdout=subprocess.DEVNULL, stderr=theirs, env=unsized | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    data = b""
    while True:
        try:
            more = os.read(ours, 65_536)
        except OSError:  # as Linux says that the other end is closed
            break
        if not more:
            break
        data += more
    assert process.wait() == 0, data
    return _SEQUENCE.sub("", data.decode()).replace("\r", "\n").split("\n")


@pytest.mark.parametrize(
    ("columns", "titled", "rated"), [(60, False, False), (80, True, False), (130, True, True)]
)
def test_a_terminal_shows_what_matters_in_its_width(tmp_path, columns, titled, rated):
    lines = shown(columns, tmp_path)
    live = [line for line in lines if " frames, " in line and "epsilon" in line]
    assert live
    for line in live:
        assert len(line.rstrip()) <= columns
        assert re.search(
            r"frames, (.*, )?return (-|[\d.-]+).*, epsilon \d\.\d\d, .+ left$", line.rstrip()
        )
        assert line.startswith("breakout") == titled
        assert ("/s," in line) == rated
    said = " ".join(line.strip() for line in lines)
    assert "breakout seed 0: begins, of 2,400 frames" in said


def started(suite, answer, **changes):
    """A training that begins with SIGHUP answered so, whatever this process does with it."""
    before = signal.signal(signal.SIGHUP, answer)
    try:
        process = start(suite, network="linear", **changes)
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for_step(process, suite / "breakout" / "seed-0", 30)
    process.send_signal(signal.SIGHUP)
    return process


def test_what_nohup_ignores_stops_no_training(tmp_path):
    process = started(tmp_path, signal.SIG_IGN)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "finished after 2,400 frames" in out


def test_without_nohup_a_training_that_loses_its_terminal_is_saved(tmp_path):
    process = started(tmp_path, signal.SIG_DFL, frames=400_000)  # far from its end
    _, err = process.communicate()
    assert process.returncode == 128 + signal.SIGHUP
    assert "the same command goes on" in err
    assert checkpoint.newest_step(tmp_path / "breakout" / "seed-0" / "checkpoint") >= 30
