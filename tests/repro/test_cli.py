"""The command line as a person meets it: real processes, exit codes, one-line errors."""

import json
import re
import subprocess
import sys

import pytest

from repro import cli, config
from repro.games import GAMES


def repro(*words, cwd=None):
    command = [sys.executable, "-m", "repro.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_games_lists_all_49():
    done = repro("games")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 49
    listed = json.loads(repro("games", "--json").stdout)
    assert [game["name"] for game in listed] == list(GAMES)
    assert all(re.fullmatch(r"[0-9a-f]{32}", game["md5"]) for game in listed)


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_help_answers_without_loading_torch_or_the_emulator(command):
    code = (
        "import sys\nfrom repro import cli\n"
        f"sys.argv = ['repro', *{command.split()!r}, '--help']\n"
        "try:\n    cli.main()\nfinally:\n"
        "    print({'torch', 'ale_py', 'gymnasium', 'pandas'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: repro")
    assert done.stderr.strip() == "set()"


def test_train_has_a_flag_with_unit_and_default_for_every_setting():
    text = " ".join(repro("train", "--help").stdout.split())
    for _, _, item, _ in config.fields(config.preset("nature")):
        assert "--" + item.name.replace("_", "-") in text
        assert item.metadata["doc"] in text


def test_train_help_shows_the_defaults_of_the_preset():
    text = " ".join(repro("train", "--preset", "machado2018", "--help").stdout.split())
    assert "[probability, default 0.25]" in text


def test_protocol_prints_extended_data_table_1():
    """The hyperparameters of the table, as printed there."""
    printed = {
        "minibatch": 32, "replay_steps": 1_000_000, "stack_frames": 4, "discount": 0.99,
        "action_repeat_frames": 4, "update_every_steps": 4, "learning_rate": 0.00025,
        "gradient_decay": 0.95, "squared_gradient_decay": 0.95, "min_squared_gradient": 0.01,
        "epsilon_start": 1.0, "epsilon_end": 0.1, "epsilon_decay_steps": 1_000_000,
        "learning_starts_steps": 50_000, "noop_max_frames": 30,
    }  # fmt: skip
    lines = {line["name"]: line for line in json.loads(repro("protocol", "--json").stdout)}
    for name, value in printed.items():
        assert lines[name]["value"] == value
        assert lines[name]["source"] == "Extended Data Table 1"
        assert lines[name]["row"] is not None
    text = repro("protocol").stdout
    assert len(text.splitlines()) == 1 + len(lines)


def test_protocol_prints_only_the_difference_of_two():
    lines = json.loads(repro("protocol", "nature", "machado2018", "--json").stdout)
    assert {line["name"]: (line["value"], line["other"]) for line in lines} == {
        "minimal_actions": (True, False),
        "noop_max_frames": (30, 0),
        "noops_after_lost_life": (True, False),
        "life_loss_terminal": (True, False),
        "train_cap_frames": (1_728_000, 108_000),
        "eval_cap_frames": (18_000, 108_000),
        "sticky_probability": (0.0, 0.25),
        "game_rules": ("2014", "emulator"),
        "periodic_cap_frames": (0, 108_000),
    }


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        ([], "required"),
        (["nonsense"], "invalid choice"),
        (["random", "pongg"], "did you mean 'pong'"),
        (["random", "pong", "--episodes", "0"], "more than zero"),
        (["train", "Brekout"], "did you mean 'breakout'"),
        (["train", "pong", "--frames", "-5"], "zero or more"),
        (["train", "pong", "--frames", "3.5"], "whole number"),
        (["train", "pong", "--device", "cuda:77", "--out", "{tmp}"], "cuda:77"),
        (["protocol", "nature2016"], "there are: nature"),
        (["evaluate", "{tmp}/nowhere"], "config.json"),
        (["play", "{tmp}/nowhere"], "config.json"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(words, needle, tmp_path):
    done = repro(*(word.replace("{tmp}", str(tmp_path)) for word in words))
    assert done.returncode == 2
    assert needle in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("mine")
    done = repro("random", "pong", "--out", tmp_path / "taken")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "taken").read_text() == "mine"
