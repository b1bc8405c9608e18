"""The doctor: finds a healthy machine healthy and a broken one broken."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ale_py import roms

from repro import doctor
from repro.games import GAMES
from repro.system import machine

GOLDENS = Path(__file__).parents[1] / "wrappers" / "golden_trajectories.json"


@pytest.fixture
def checks(tmp_path):
    return {check.name: check for check in doctor.examine(tmp_path)}


def test_names_the_emulator_of_the_golden_trajectories():
    assert json.loads(GOLDENS.read_text())["ale_py"] == doctor.GOLDEN_ALE_PY


def test_all_imports_and_roms_are_fine_here(checks):
    assert all(check.status == "ok" for name, check in checks.items() if name.startswith("import"))
    assert checks["ROMs"].status == "ok"
    assert {"emulator", "memory", "disk", "GPU", "threads"} < set(checks)


def test_a_notebooks_drawing_is_no_fault_of_the_machine(tmp_path):
    """The setting that a Jupyter kernel hands on, where its module is not installed."""
    doctor_only = [sys.executable, "-m", "repro", "doctor", "--out", tmp_path]
    done = subprocess.run(
        doctor_only, capture_output=True, text=True, check=False,
        env=os.environ | {"MPLBACKEND": "module://no_such_backend"},
    )  # fmt: skip
    assert re.search(r"^ok +import seaborn", done.stdout, re.MULTILINE), done.stdout


def test_every_md5_is_that_of_the_emulators_own_list():
    listed = json.loads((Path(roms.__file__).parent / "md5.json").read_text())
    assert {name: game.md5 for name, game in GAMES.items()} == {
        name: listed[f"{name}.bin"] for name in GAMES
    }


def _copy_roms(folder):
    for name in GAMES:
        shutil.copy(Path(roms.__file__).parent / f"{name}.bin", folder)


def test_a_missing_and_a_changed_rom_are_named(tmp_path, monkeypatch):
    _copy_roms(tmp_path)
    (tmp_path / "pong.bin").unlink()
    (tmp_path / "qbert.bin").write_bytes(b"not a game")
    monkeypatch.delenv("ALE_ROMS_DIR", raising=False)
    monkeypatch.setattr(roms, "__file__", str(tmp_path / "__init__.py"))
    check = {check.name: check for check in doctor.examine(tmp_path)}["ROMs"]
    assert check.status == "fail"
    assert check.found == "missing: pong; wrong MD5: qbert"
    assert "pip install" in check.remedy


def test_looks_for_roms_where_the_emulator_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    check = {check.name: check for check in doctor.examine(tmp_path)}["ROMs"]
    assert check.status == "fail"
    assert check.found.startswith("missing: alien, amidar, ")
    assert check.found.endswith(f"in ALE_ROMS_DIR={tmp_path}")
    assert "unset ALE_ROMS_DIR" in check.remedy
    _copy_roms(tmp_path)
    check = {check.name: check for check in doctor.examine(tmp_path)}["ROMs"]
    assert check.status == "ok"
    assert str(tmp_path) in check.found


def test_too_little_memory_names_a_replay_that_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "available_memory_bytes", lambda: 2_000_000_000)
    check = {check.name: check for check in doctor.examine(tmp_path)}["memory"]
    assert check.status == "fail"
    steps = int(check.remedy.split("--replay-steps ")[1].split()[0])
    assert 0 < steps * 84 * 84 < 2_000_000_000


def test_another_emulator_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "GOLDEN_ALE_PY", "0.0.1")
    check = {check.name: check for check in doctor.examine(tmp_path)}["emulator"]
    assert check.status == "warn"
    assert "0.0.1" in check.found
