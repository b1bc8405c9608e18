"""What a run was made with, and what changed when it went on elsewhere."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small import StopAt, go, make_run

from repro.storage import provenance
from repro.system import signals

FIRST = {"time": "t0", "commit": "a", "threads": 1, "libraries": {"torch": "1", "numpy": "2"}}


def kept(path):
    return json.loads(path.read_text())


def test_the_commit_is_never_that_of_another_project(tmp_path):
    """Installed within somebody's repository, as into its .venv."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=b", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "theirs"], check=True)
    shutil.copytree(Path(provenance.__file__).parents[1], tmp_path / "lib" / "repro")
    code = "from repro.storage import provenance as p; print(p.__file__, p.collect()['commit'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "lib", env={"PYTHONPATH": "."},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [
        str(tmp_path / "lib" / "repro" / "storage" / "provenance.py"),
        "None",
    ]


def test_a_new_run_is_described_in_full(tmp_path):
    path = tmp_path / "provenance.json"
    provenance.keep(path, FIRST | {"commit": "of a start that came to nothing"}, 0)
    provenance.keep(path, FIRST, 0)
    assert kept(path) == FIRST


def test_going_on_as_before_changes_nothing(tmp_path):
    path = tmp_path / "provenance.json"
    provenance.keep(path, FIRST, 0)
    provenance.keep(path, FIRST | {"time": "t1"}, 500)
    assert kept(path) == FIRST


def test_each_change_is_listed_once_against_what_was_last(tmp_path):
    path = tmp_path / "provenance.json"
    provenance.keep(path, FIRST, 0)
    newer = FIRST | {"commit": "b", "libraries": {"torch": "1", "numpy": "3"}}
    provenance.keep(path, newer | {"time": "t1"}, 500)
    provenance.keep(path, newer | {"time": "t2"}, 700)
    provenance.keep(path, FIRST | {"time": "t3"}, 900)
    back = {"commit": "a", "libraries": FIRST["libraries"]}
    assert kept(path) == FIRST | {
        "continued": [
            {"time": "t1", "step": 500, "commit": "b", "libraries": newer["libraries"]},
            {"time": "t3", "step": 900, **back},
        ]
    }


@pytest.mark.parametrize("damaged", [None, "", "{", "[1]", "\0"])
def test_a_run_whose_file_is_missing_or_damaged_gets_one(tmp_path, damaged):
    path = tmp_path / "provenance.json"
    if damaged is not None:
        path.write_text(damaged)
    provenance.keep(path, FIRST, 500)
    assert kept(path) == FIRST


@pytest.mark.parametrize("nonsense", [None, 3, "x", [1, "y"], {"a": 1}])
def test_a_list_that_is_none_is_begun_anew(tmp_path, nonsense):
    path = tmp_path / "provenance.json"
    path.write_text(json.dumps(FIRST | {"continued": nonsense}))
    provenance.keep(path, FIRST | {"time": "t1", "commit": "b"}, 500)
    assert kept(path) == FIRST | {"continued": [{"time": "t1", "step": 500, "commit": "b"}]}


def test_a_training_that_goes_on_elsewhere_says_so(tmp_path, monkeypatch):
    run, collect = make_run(), provenance.collect
    monkeypatch.setattr(provenance, "collect", lambda: collect() | {"commit": "one"})
    _, end = go(run, tmp_path, StopAt(100))
    assert end is signals.Interrupted
    monkeypatch.setattr(provenance, "collect", lambda: collect() | {"commit": "another"})
    path, _ = go(run, tmp_path)
    (since,) = kept(path / "provenance.json")["continued"]
    assert (since["commit"], since["step"]) == ("another", 100)
    assert set(since) == {"time", "step", "commit"}
