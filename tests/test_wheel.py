"""What is built and installed works without the repository: every wing and its data are in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, unpacked into a folder of its own; only what it depends on is shared."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # without what an earlier build left behind
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(
        ".*", "build", "*.egg-info", "__pycache__", "results", "tests"
    ))  # fmt: skip
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    place = folder / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", place, wheel], check=True)
    return place


def use(installed, folder, *words):
    code = (
        "import pathlib, sys, repro.cli; "
        "assert pathlib.Path(repro.__file__).is_relative_to(sys.argv.pop(1)); "
        "sys.exit(repro.cli.main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, installed, *words],
        cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.slow
def test_the_wheel_in_an_empty_folder(installed, tmp_path):
    doctor = use(installed, tmp_path, "doctor")  # the machine may lack what a whole replay needs
    assert "ROMs" in doctor.stdout
    assert doctor.returncode in (0, 1)
    train = [
        "train", "pong", "--frames", "2000", "--replay-steps", "1000", "--threads", "1",
        "--learning-starts-steps", "100", "--eval-cap-frames", "400", "--final-episodes", "1",
    ]  # fmt: skip
    for words in (
        ["games"], train, ["tables", "results/nature"], ["report", "results/nature"],
        ["submit", "breakout"],
    ):  # fmt: skip
        done = use(installed, tmp_path, *words)
        assert done.returncode == 0, (words, done.stderr)
