"""The command line as a person meets it: real processes, exit codes, one-line errors."""

import json
import os
import re
import subprocess
import sys
from importlib import metadata

import pytest

from repro import cli, config
from repro.config import hints
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
    text = " ".join(repro("train", "--help-all").stdout.split())
    for _, _, item, _ in config.fields(config.preset("nature")):
        assert "--" + item.name.replace("_", "-") in text
        assert item.metadata["doc"] in text


def flags_in(text):
    """The flags that a help text explains."""
    return set(re.findall(r"^  (--[\w-]+)", text, re.MULTILINE))


@pytest.mark.parametrize("command", ["train", "submit"])
def test_help_shows_what_matters_and_help_all_the_rest(command):
    brief, whole = (flags_in(repro(command, word).stdout) for word in ("--help", "--help-all"))
    assert brief < whole
    settings = {
        "--" + item.name.replace("_", "-") for *_, item, _ in config.fields(config.Config())
    }
    assert settings <= whole
    assert brief & settings == {"--frames"}
    if command == "train":
        assert len(brief - {"--help-all"}) == 10
    usage = repro(command, "--help").stdout.split("\n\n")[0]
    assert "--frames" in usage
    assert "--learning-rate" not in usage


def test_a_command_alone_is_a_question_for_help():
    for words in ([], ["help"], ["--help"]):
        done = repro(*words)
        assert done.returncode == 0
        assert done.stderr == ""
        listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")}
        assert listed >= cli.COMMANDS.keys()


@pytest.mark.parametrize("command", ["games", "train", "tables"])
def test_help_of_a_command(command):
    assert repro("help", command).stdout == repro(command, "--help").stdout
    assert repro("help", command).stdout.startswith(f"usage: repro {command} ")


def test_version_is_the_packages():
    done = repro("--version")
    assert (done.returncode, done.stdout) == (0, f"repro {metadata.version('atari-repro')}\n")


def test_runs_as_a_module():
    command = [sys.executable, "-m", "repro", "games"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, repro("games").stdout)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["trian"], "'train'"),
        (["Train"], "'train'"),
        (["help", "figurse"], "'figures'"),
        (["eval", "results"], "'evaluate'"),
        (["version"], "'--version'"),
        (["train", "pong", "--preset", "natuer"], "there are: nature"),
        (["train", "pong", "--network", "natuer"], "'nature'"),
        (["train", "pong", "--farmes", "10"], "--frames, length of training in emulator frames"),
        (["train", "pong", "--learning_rate", "1"], "--learning-rate, step size"),
        (["train", "pong", "--Learning-Starts-Step=9"], "--learning-starts-steps"),
        (["random", "pong", "--episdoes", "3"], "--episodes"),
        (["status", "--jsno"], "--json"),
        (["submit", "pong", "--lr", "1"], "--learning-rate"),
    ],
)
def test_a_near_miss_is_answered_with_what_is_near(words, meant, tmp_path):
    done = repro(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert meant in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--lr", "1e-4"], "--learning-rate, "),
        (["--gamma=0.9"], "--discount, .*per step"),
        (["--total-timesteps", "1e7"], "--frames, .*emulator frames.*a step is .* 4 emulator"),
        (["--total_timesteps", "1e7"], "--frames, .*emulator frames.*a step is .* 4 emulator"),
        (["--batch-size", "64"], "--minibatch, .*transitions"),
        (["--buffer-size", "1000"], "--replay-steps, .*steps.*a step is .* 4 emulator"),
        (["--learning-starts-at", "1"], "--learning-starts-steps, .*a step is"),
        (["--target-network-frequency", "1"], "--target-every-steps, .*a step is"),
        (["--exploration-fraction", "0.1"], "--epsilon-decay-steps, .*a step is"),
        (["--frame-skip", "4"], "--action-repeat-frames, .*frames"),
        (["--frameskip", "4"], "--action-repeat-frames, .*frames"),
        (["--repeat-action-probability", "0.25"], "--sticky-probability, .*probability"),
        (["--full-action-space"], "--no-minimal-actions"),
        (["--env", "breakout"], "without one"),
        (["--env-id=BreakoutNoFrameskip-v4"], "without one"),
        (["--cuda"], "--device"),
        (["--output-dir", "x"], "--out, folder of the runs"),
    ],
)  # fmt: skip
def test_a_flag_by_its_name_elsewhere_is_answered_with_the_one_here(words, told, tmp_path):
    done = repro("train", "pong", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(told, done.stderr)
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_every_name_elsewhere_leads_to_a_flag_of_some_command():
    known = set()
    for command in cli.COMMANDS:
        known |= flags_in(repro(command, "--help-all").stdout)
        known |= flags_in(repro(command, "--help").stdout)
    known |= set(re.findall(r"--no-[\w-]+", repro("train", "--help-all").stdout))
    settings = {item.name.replace("_", "-") for *_, item, _ in config.fields(config.Config())}
    for flag, names in hints._ELSEWHERE.items():
        assert f"--{flag}" in known
        assert settings.isdisjoint(names)


@pytest.mark.parametrize(
    "words", [["xyzzy"], ["train", "pong", "--xyzzy"], ["train", "xyzzy"], ["train", "skiing"]]
)
def test_nothing_is_suggested_where_nothing_is_near(words, tmp_path):
    done = repro(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "game", "told"),
    [
        ("ALE/SpaceInvaders-v5", "space_invaders", r"frame skip \(4\).*probability 0\.25\)"),
        ("ALE/PONG-V5", "pong", r"frame skip \(4\).*probability 0\.25\)"),
        ("PongNoFrameskip-v4", "pong", r"frame skip \(1\).*probability 0\)"),
        ("UpNDown-v4", "up_n_down", r"frame skip \(2 to 4 at random\).*probability 0\)"),
        ("MontezumaRevengeDeterministic-v4", "montezuma_revenge", r"frame skip \(4\).*y 0\)"),
        ("Montezuma's Revenge", "montezuma_revenge", None),
        ("SPACE_INVADERS", "space_invaders", None),
    ],
)
def test_a_game_may_have_gymnasiums_id_or_its_title(name, game, told, tmp_path):
    done = repro("submit", name, "--out", tmp_path)
    assert done.returncode == 0
    *more, element = done.stderr.splitlines()
    assert element == f"element 0: {game} seed 0"
    assert [bool(re.search(f"{told}.*protocol", line)) for line in more] == [True] * bool(told)


def test_an_id_names_a_game_for_every_command(tmp_path):
    small = ["--frames", "2000", "--replay-steps", "1000", "--learning-starts-steps", "100"]
    few = ["--eval-cap-frames", "400", "--final-episodes", "1", "--network", "linear"]
    trained = repro("train", "Pong-v4", *small, *few, "--threads", 1, "--quiet", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert len([line for line in trained.stderr.splitlines() if "Pong-v4" in line]) == 1
    assert (tmp_path / "results" / "nature" / "pong" / "seed-0" / "done.json").is_file()
    drawn = repro("figures", "--games", "ALE/Pong-v5", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    assert len([line for line in drawn.stderr.splitlines() if "ALE/Pong-v5" in line]) == 1
    played = repro("random", "PongNoFrameskip-v4", "--episodes", "1", cwd=tmp_path)
    assert len(played.stderr.splitlines()) == 1
    assert (tmp_path / "results" / "random" / "pong").is_dir()


def test_a_home_is_found_where_no_shell_looks_for_it(tmp_path):
    """As in --out=~/runs, which bash hands over as it is."""
    words = ["random", "pong", "--episodes", "1", "--out=~/runs"]
    done = subprocess.run(
        [sys.executable, "-m", "repro", *words], capture_output=True, text=True, check=False,
        cwd=tmp_path, env=os.environ | {"HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["home"]
    assert (tmp_path / "home" / "runs" / "pong" / "seed-0" / "done.json").is_file()
    refused = repro("random", "pong", "--out", "~nobody-of-this-name/x", cwd=tmp_path)
    assert refused.returncode == 2
    assert "no such home" in refused.stderr


def test_train_help_shows_the_defaults_of_the_preset():
    text = " ".join(repro("train", "--preset", "machado2018", "--help-all").stdout.split())
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
        (["--quiet"], "required"),
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
