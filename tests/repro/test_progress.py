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


def test_what_nohup_ignores_stops_no_training(tmp_path):
    """`nohup repro train` is to outlive its terminal; without nohup the run is saved."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ignoring = start(tmp_path / "nohup", network="linear")
    finally:
        signal.signal(signal.SIGHUP, before)
    stopping = start(tmp_path / "plain", network="linear")
    for process, name in ((ignoring, "nohup"), (stopping, "plain")):
        wait_for_step(process, tmp_path / name / "breakout" / "seed-0", 30)
        process.send_signal(signal.SIGHUP)
    out, err = ignoring.communicate()
    assert (ignoring.returncode, err) == (0, "")
    assert "finished after 2,400 frames" in out
    _, err = stopping.communicate()
    assert stopping.returncode == 128 + signal.SIGHUP
    assert "the same command goes on" in err
    assert checkpoint.newest_step(tmp_path / "plain" / "breakout" / "seed-0" / "checkpoint") >= 30
