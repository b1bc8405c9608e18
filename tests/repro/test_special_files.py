"""A pipe, an endless device, a link or a folder where a file of a run should be.

Every command ends at once, with its result or one line that names the file; nothing that a link
leads to is changed.
"""

import os
import shutil
import signal

import pytest

from tests.repro.small import StopAt, go, make_run, use

NAMES = (
    "config.json", "provenance.json", "train_episodes.csv", "evaluations.csv", "learning.csv",
    "done.json", "games.zst", "best.safetensors", "last.safetensors", ".lock", "verified.json",
    "failure.json",
)  # fmt: skip
COMMANDS = {
    "status": lambda run: ("status", run.parents[1]),
    "tables": lambda run: ("tables", run.parents[1]),
    "report": lambda run: ("report", run.parents[1]),
    "trace": lambda run: ("trace", run, "--no-figure"),
    "verify": lambda run: ("verify", run),
    "evaluate": lambda run: ("evaluate", run, "--episodes", 2),
}
SECONDS = 60  # far more than any of these takes


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path, end = go(make_run(frames=800), tmp_path_factory.mktemp("trained"), StopAt(10**9))
    assert end is None
    return path


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "suite" / "breakout" / "seed-0")


@pytest.fixture(autouse=True)
def _in_time():
    def late(*_):
        raise TimeoutError(f"still waiting after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def put_pipe(path):
    os.mkfifo(path)


def put_zeros(path):
    path.symlink_to("/dev/zero")


def put_folder(path):
    path.mkdir()


@pytest.mark.parametrize("put", [put_pipe, put_zeros, put_folder])
@pytest.mark.parametrize("command", COMMANDS)
def test_special_files_are_named_and_left_alone(capfd, run, command, put):
    for name in NAMES:
        place = shutil.copytree(run, run.parents[2] / name / "breakout" / "seed-0")
        (place / name).unlink(missing_ok=True)
        put(place / name)
        code, _, err = use(capfd, *COMMANDS[command](place))
        assert code in (0, 1, 2), name
        assert "Traceback" not in err, name
        if code:
            assert any(name in line for line in err.splitlines()), (name, err)
        if (command, name) != ("verify", "verified.json"):  # which it replaces by its own
            assert (place / name).is_symlink() or not (place / name).is_file(), name


@pytest.mark.parametrize("command", ["status", "tables", "verify", "evaluate", "trace"])
def test_what_a_link_leads_to_is_never_written(capfd, run, tmp_path, command):
    precious = tmp_path / "precious"
    for name in NAMES:
        place = shutil.copytree(run, run.parents[2] / name / "breakout" / "seed-0")
        precious.write_text("years of work\n")
        (place / name).unlink(missing_ok=True)
        (place / name).symlink_to(precious)
        code, _, err = use(capfd, *COMMANDS[command](place))
        assert code in (0, 1, 2)
        assert "Traceback" not in err
        assert precious.read_text() == "years of work\n", name
