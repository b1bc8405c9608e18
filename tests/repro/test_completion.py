"""Completion as a person meets it: shells at a terminal of their own, keys and Tab."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from repro import cli
from repro.games import GAMES

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
STARTS = {"bash": "true", "zsh": "autoload -Uz compinit; compinit -u -D"}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        done = subprocess.run(
            [sys.executable, "-m", "repro", "completion", shell],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        (folder / shell).write_text(done.stdout)
    return folder


class Terminal:
    """A shell at a terminal of its own."""

    def __init__(self, shell, folder):
        self.process, self.keys = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            os.environ |= {"TERM": "dumb", "HOME": str(folder)}
            os.execvp(SHELLS[shell][0], SHELLS[shell])
        os.set_blocking(self.keys, False)

    def type(self, keys, until, patience_seconds=60):
        """Type; what the terminal shows from then on, up to a line that matches."""
        os.write(self.keys, keys.encode())
        shown, end = "", time.monotonic() + patience_seconds
        while not (found := re.search(until, shown)):
            assert time.monotonic() < end, shown
            try:
                shown += os.read(self.keys, 65_536).decode(errors="replace")
            except BlockingIOError:
                time.sleep(0.02)
        return found[0]

    def close(self):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.keys)


@pytest.fixture(scope="module", params=SHELLS)
def terminal(request, scripts):
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    folder = scripts / f"{shell}-home"
    (folder / "some_suite").mkdir(parents=True)
    made = Terminal(shell, folder)
    # The quotes keep the terminal's echo of what is typed from being taken for the answer.
    made.type(STARTS[shell] + "; echo be''gun\n", "begun")
    made.type(f'eval "$(cat {scripts / shell})"; echo lo""aded\n', "loaded")
    made.type('repro() { echo "go""t: $*."; }; echo defi""ned\n', "defined")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("repro pro\t", "protocol"),
        ("repro train space_i\t", "train space_invaders"),
        ("repro submit pong kru\t", "submit pong krull"),
        ("repro train pong --preset mach\t", "train pong --preset machado2018"),
        ("repro train pong --learning-r\t0.1", "train pong --learning-rate 0.1"),
        ("repro train pong --squared\t1", "train pong --squared-gradient-decay 1"),
        ("repro tables --formats te\t", "tables --formats tex"),
        ("repro figures --games qb\t", "figures --games qbert"),
        ("repro status some_s\t", "status some_suite"),
        ("repro completion z\t", "completion zsh"),
    ],
)
def test_tab_completes(terminal, typed, wanted):
    said = terminal.type(typed + "\n", r"got: .*?\.\s*[\r\n]")
    assert said.removeprefix("got: ").strip().rstrip("./") == wanted


def test_nothing_is_completed_where_there_is_a_choice(terminal):
    """`alien` or `all`."""
    said = terminal.type("repro random al\t\n", r"got: .*?\.\s*[\r\n]")
    assert said.split() == ["got:", "random", "al."]


def offered(scripts, *words):
    """What bash would choose from, by its own variables for a completion."""
    line = " ".join(f"'{word}'" for word in words)
    code = (
        f"source {scripts / 'bash'}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
        "_shtab_repro 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_every_command_and_game_is_offered(scripts):
    assert offered(scripts, "repro", "") == set(cli.COMMANDS)
    assert offered(scripts, "repro", "train", "") == set(GAMES)
    assert offered(scripts, "repro", "random", "") == {*GAMES, "all"}


def test_every_flag_is_offered_the_rare_ones_too(scripts):
    shown = subprocess.run(
        [sys.executable, "-m", "repro", "train", "--help-all"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    flags = offered(scripts, "repro", "train", "pong", "--")
    assert {"--frames", "--learning-rate", "--no-clip-rewards", "--help-all"} <= flags
    assert all(flag in shown for flag in flags)


def test_another_shell_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "repro", "completion", "fish"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
