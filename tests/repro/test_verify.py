"""`repro verify`: honest runs pass, each thing that could be made up is named."""

import csv
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zstandard
from small import KilledError, StopAt, assert_one_line, go, make_run, rows, use

from repro import records
from repro.storage import directory, game_log, lock, provenance
from wrappers import make_eval_env

EVALUATIONS, GAMES, DONE = "evaluations.csv", "games.zst", "done.json"
SHORT = {"frames": 800, "final_episodes": 3}
RESULTS = Path(__file__).parents[2] / "results" / "published"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path, end = go(make_run(**SHORT), tmp_path_factory.mktemp("trained"))
    assert end is None
    return path


@pytest.fixture
def run(trained, tmp_path):
    """A copy whose done.json has no digests, as before version 0.3.0: what else is noticed?"""
    path = shutil.copytree(trained, tmp_path / "suite" / "breakout" / "seed-1")
    without_digests(path)
    return path


def without_digests(path):
    marker = path / "done.json"
    found = json.loads(marker.read_text())
    found.pop("sha256", None)
    marker.write_text(json.dumps(found))


def verify(capfd, *words):
    """Exit code, standard output, and the lines of standard error."""
    code, out, err = use(capfd, "verify", *words)
    assert "Traceback" not in err
    lines = err.splitlines()
    assert all(line.startswith("repro: ") for line in lines), err
    return code, out, lines


def refused(capfd, run, *expected):
    """It is found wrong, with just these lines; each is given as the words it must have."""
    code, out, lines = verify(capfd, run)
    assert code == 1
    assert len(lines) == len(expected), lines
    for line, words in zip(lines, expected, strict=True):
        for word in [words] if isinstance(words, str) else words:
            assert word in line, line
    assert "wrong: " in out
    assert not (run / "verified.json").exists()


def final_rows(run):
    return [row for row in rows(run / EVALUATIONS) if row["kind"] == "final"]


def change_rows(run, change):
    """Rewrite the table: ``change`` is given the final rows and returns those to be there."""
    with (run / EVALUATIONS).open(newline="") as file:
        everything = list(csv.DictReader(file))
    kept = [row for row in everything if row["kind"] != "final"]
    changed = change([row for row in everything if row["kind"] == "final"])
    with (run / EVALUATIONS).open("w", newline="") as file:
        writer = csv.DictWriter(file, everything[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept + changed)
    return len(kept) + 2  # the line of the first final game


def change_cell(run, game, **cells):
    def change(found):
        found[game] |= {name: str(value) for name, value in cells.items()}
        return found

    return change_rows(run, change) + game


def frames_of(run):
    """The log, a (header, actions) pair for each game; read with nothing of ours."""
    data, found = (run / GAMES).read_bytes(), []
    while data:
        unpacker = zstandard.ZstdDecompressor().decompressobj()
        line, _, actions = unpacker.decompress(data).partition(b"\n")
        found.append((json.loads(line), actions))
        data = unpacker.unused_data
    return found


def write_log(run, games):
    packer = zstandard.ZstdCompressor(write_checksum=True)
    parts = [
        packer.compress(json.dumps(header | {"steps": len(actions)}).encode() + b"\n" + actions)
        for header, actions in games
    ]
    (run / GAMES).write_bytes(b"".join(parts))


def claim_score(run):
    """Make done.json agree with the table."""
    scores = [float(row["return"]) for row in final_rows(run)][:3]
    done = json.loads((run / DONE).read_text())
    done |= {"mean_return": float(np.mean(scores)), "sd_return": float(np.std(scores, ddof=1))}
    (run / DONE).write_text(json.dumps(done))


# --- honest runs -----------------------------------------------------------------------


def test_an_honest_run_is_verified_and_marked(capfd, run):
    code, out, lines = verify(capfd, run)
    assert (code, lines) == (0, [])
    games = final_rows(run)
    for row in games:
        network = f"the best network of step {row['step']}"
        ended = f"{float(row['return']):g} after {row['frames']} frames"
        assert f"game {row['episode']} of {network}: {ended}" in out
    assert out.count("the same") == 3
    mean = np.mean([float(row["return"]) for row in games])
    assert f"verified: 3 games played again; mean return {mean:.2f}" in out
    mark = json.loads((run / "verified.json").read_text())
    assert mark["sha256"] == {
        name: hashlib.sha256((run / name).read_bytes()).hexdigest()
        for name in ("config.json", EVALUATIONS, GAMES, DONE)
    }
    assert mark["games"] == 3
    assert mark["frames"] == sum(int(row["frames"]) for row in games)
    assert mark["ale-py"] == provenance.version("ale-py")


def test_as_json_there_is_nothing_else(capfd, run):
    code, out, lines = verify(capfd, run, "--json")
    assert (code, lines) == (0, [])
    (found,) = json.loads(out)
    assert found["state"] == "verified"
    assert (found["games"], found["finished"], found["problems"]) == (3, True, [])


def test_a_suite_is_verified_run_by_run(capfd, run):
    other = shutil.copytree(run, run.parent.parent / "copy" / "seed-1")
    line = change_cell(other, 1, **{"return": 99.0})
    claim_score(other)
    code, out, lines = verify(capfd, run.parent.parent)
    assert code == 1
    assert "verified: 3 games" in out
    assert "wrong: 3 games" in out
    assert len(lines) == 3  # the row, mean and standard deviation
    assert f"copy/seed-1/evaluations.csv, line {line}: game 1 of the best network" in lines[0]
    assert (run / "verified.json").exists()
    assert not (other / "verified.json").exists()


def test_several_processes_find_the_same(capfd, run):
    shutil.copytree(run, run.parent.parent / "copy" / "seed-1")
    one = verify(capfd, run.parent.parent)
    code, out, lines = verify(capfd, run.parent.parent, "--jobs", 2)
    assert (code, lines) == (0, [])

    def games(text):
        return sorted(line for line in text.splitlines() if "the same" in line)

    assert games(out) == games(one[1])
    assert out.count("verified: 3 games") == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_it_with_one_line(tmp_path, jobs):
    for game in ("beam_rider", "seaquest"):
        shutil.copytree(RESULTS / "random" / game / "seed-0", tmp_path / game / "seed-0")
    process = subprocess.Popen(
        [sys.executable, "-m", "repro.cli", "verify", str(tmp_path), "--jobs", str(jobs)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    begun = "the same" if jobs == 1 else "2 runs in 2 processes"
    while begun not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert err == "repro: interrupted\n"
    assert not list(tmp_path.rglob("verified.json"))


def test_games_that_evaluate_adds_are_verified_too(capfd, run):
    assert use(capfd, "evaluate", run, "--episodes", 5)[0] == 0
    assert use(capfd, "evaluate", run, "--episodes", 2, "--weights", "last")[0] == 0
    assert use(capfd, "evaluate", run, "--episodes", 6)[0] == 0
    code, out, lines = verify(capfd, run)
    assert (code, lines) == (0, [])
    assert "verified: 8 games played again" in out


def test_neither_torch_nor_a_network_is_needed(run):
    for weights in run.glob("*.safetensors"):
        weights.unlink()
    code = (
        "import sys; from repro import cli; code = cli.main(sys.argv[1:]); "
        "print('torch' in sys.modules, code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", str(run)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.endswith("False 0\n")


@pytest.mark.parametrize("game", ["breakout", "space_invaders", "venture"])
def test_the_random_player_is_verified_by_its_seeds_alone(capfd, tmp_path, game):
    run = shutil.copytree(RESULTS / "random" / game / "seed-0", tmp_path / game / "seed-0")
    keep = 3  # of 30, for the time

    def first(found):
        return found[:keep]

    change_rows(run, first)
    scores = [float(row["return"]) for row in final_rows(run)]
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"episodes": keep}))
    done = {"episodes": keep, "mean_return": np.mean(scores), "sd_return": np.std(scores, ddof=1)}
    (run / DONE).write_text(json.dumps(done))
    code, out, lines = verify(capfd, run)
    assert (code, lines) == (0, [])
    assert "verified: 3 games played again" in out
    line = change_cell(run, 2, frames=7)
    refused(capfd, run, f"line {line}: game 2 of the random player: it says")


def test_runs_on_vectors_are_verified_too(capfd, tmp_path):
    setup = make_run(
        preset="cartpole", game="CartPole-v1", network="mlp", frames=600, eval_every_steps=200,
        replay_steps=400, eval_steps=50, final_episodes=3, learning_starts_steps=60,
        noop_max_frames=0,
    )  # fmt: skip
    path, end = go(setup, tmp_path)
    assert end is None
    code, out, lines = verify(capfd, path)
    assert (code, lines) == (0, [])
    assert "verified: 3 games played again" in out
    without_digests(path)
    games = frames_of(path)
    header, actions = games[1]
    write_log(path, [games[0], (header, actions[:-1]), games[2]])
    refused(capfd, path, "game 1 of the best network of step")


# --- tampering -------------------------------------------------------------------------


def test_a_changed_return_that_done_json_agrees_with(capfd, run):
    line = change_cell(run, 0, **{"return": 864.0})
    claim_score(run)
    refused(
        capfd, run,
        [f"{EVALUATIONS}, line {line}: game 0 of", "it says 864 after", "played again it is"],
        [f"{DONE}: mean_return is "],
        [f"{DONE}: sd_return is "],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "value", "words"),
    [
        ("frames", 123, "it says"),
        ("seed", 7, "has seed 7, the run's own gives"),
        ("truncated", "maybe", "is damaged"),
        ("completed", "False", "was not played to its end"),
        ("return", "many", "is damaged"),
        ("step", 151, "this run never scored the best network of step 151"),
        ("weights", "last", "this run never scored the last network of step 150"),
        ("episode", 7, "game 7 of the best network of step 150, where game 1 was to come"),
    ],
)
def test_each_changed_cell_is_named_with_its_line(capfd, run, cell, value, words):
    line = change_cell(run, 1, **{cell: value})
    code, _, lines = verify(capfd, run)
    assert code == 1
    assert f"{EVALUATIONS}, line {line}" in lines[0]
    assert words in lines[0]


def test_a_cut_that_is_denied(capfd, run):
    game = next(i for i, row in enumerate(final_rows(run)) if row["truncated"] == "True")
    line = change_cell(run, game, truncated="False")
    refused(capfd, run, [f"line {line}: game {game} of", "cut there"])


def test_a_row_and_its_record_changed_alike(capfd, run):
    line = change_cell(run, 0, **{"return": 5.0})
    games = frames_of(run)
    games[0][0]["return"] = 5.0
    write_log(run, games)
    claim_score(run)
    refused(
        capfd, run, f"line {line}: game 0 of", f"{DONE}: mean_return is", f"{DONE}: sd_return is"
    )


def test_a_record_that_disagrees_with_its_row(capfd, run):
    games = frames_of(run)
    games[2][0]["return"] += 1.0
    write_log(run, games)
    refused(capfd, run, ["game 2 of the best network of step 150: its record says"])


def test_a_changed_action(capfd, run):
    game = next(i for i, row in enumerate(final_rows(run)) if float(row["return"]) > 0)
    games = frames_of(run)
    header, actions = games[game]
    games[game] = header, bytes(len(actions))  # doing nothing, no ball comes and no point
    write_log(run, games)
    code, _, lines = verify(capfd, run)
    assert code == 1
    assert f"game {game} of the best network of step 150: it says" in lines[0]
    assert "played again it is 0 after" in lines[0]
    games[game] = header, bytes([4]) + actions[1:]
    write_log(run, games)
    refused(capfd, run, f"game {game} of the best network of step 150: it has action 4, the game")


def test_actions_left_over_or_missing(capfd, run):
    games = frames_of(run)
    header, actions = games[1]
    write_log(run, [games[0], (header, actions + b"\0"), games[2]])
    over = f"it is over after {len(actions)} actions, 1 more are recorded"
    refused(capfd, run, ["game 1 of", over])
    write_log(run, [games[0], (header, actions[:-1]), games[2]])
    refused(capfd, run, ["game 1 of", f"it goes on after the {len(actions) - 1} actions"])
    write_log(run, [games[0], (header, b""), games[2]])
    refused(capfd, run, ["game 1 of", "it has no actions"])


def test_a_log_that_is_cut_anywhere(capfd, run):
    data = (run / GAMES).read_bytes()
    ends = np.cumsum(game_log.read(run / GAMES).sizes)
    for size in (1, 40, ends[0] - 1, ends[0] + 1, ends[1] + 17, len(data) - 1):
        (run / GAMES).write_bytes(data[:size])
        left = int((ends <= size).sum())
        lost = ", ".join(map(str, range(left, 3)))
        refused(
            capfd, run,
            [f"{GAMES}, after {left} whole games", "the file ends within a game"],
            [f"{GAMES} lacks game", f"{lost} of the best network of step 150"],
        )  # fmt: skip
    for left, size in enumerate([0, *ends[:2]]):
        (run / GAMES).write_bytes(data[:size])
        refused(capfd, run, [f"{GAMES} lacks game", "of which evaluations.csv has a row"])
        assert left < 3


def test_a_flipped_bit(capfd, run):
    data = bytearray((run / GAMES).read_bytes())
    data[-20] ^= 1
    (run / GAMES).write_bytes(bytes(data))
    refused(capfd, run, f"{GAMES}, after 2 whole games, at byte ", f"{GAMES} lacks game 2 of")


def test_missing_extra_double_and_reordered_games(capfd, run):
    games = frames_of(run)
    write_log(run, games[:1] + games[2:])
    refused(capfd, run, f"{GAMES} lacks game 1 of the best network of step 150, of which")
    write_log(run, [*games, (games[0][0] | {"episode": 3}, games[0][1])])
    refused(capfd, run, f"{GAMES} has game 3 of the best network of step 150, of which")
    write_log(run, [*games, games[1]])
    refused(capfd, run, f"{GAMES} has game 1 of the best network of step 150 more than once")
    write_log(run, [games[1], games[0], games[2]])
    refused(capfd, run, f"{GAMES} has its games in another order than {EVALUATIONS}")


def test_rows_reordered_so_that_better_games_count(capfd, run):
    assert use(capfd, "evaluate", run, "--episodes", 4)[0] == 0
    without_digests(run)
    line = change_rows(run, lambda found: [found[3], *found[:3]])
    claim_score(run)
    code, _, lines = verify(capfd, run)
    assert code == 1
    assert f"{EVALUATIONS}, line {line}: game 3 of" in lines[0]
    assert "where game 0 was to come" in lines[0]


def test_fewer_games_than_the_protocol_wants(capfd, run):
    change_rows(run, lambda found: found[:2])
    write_log(run, frames_of(run)[:2])
    refused(
        capfd, run, f"{DONE} is of 3 games of the best network of step 150, {EVALUATIONS} has 2"
    )


def test_the_score_of_the_last_network_is_not_that_of_the_best(capfd, run):
    assert use(capfd, "evaluate", run, "--weights", "last", "--episodes", 3)[0] == 0
    assert verify(capfd, run)[0] == 0
    without_digests(run)
    scores = [float(row["return"]) for row in final_rows(run) if row["weights"] == "last"]
    done = json.loads((run / DONE).read_text()) | {"weights": "last", "weights_step": 200}
    done |= {"mean_return": np.mean(scores), "sd_return": np.std(scores, ddof=1)}
    (run / DONE).write_text(json.dumps(done))
    refused(capfd, run, f"{DONE}: the weights are last, this run's score is of best")


def test_a_network_chosen_for_its_final_games(capfd, run):
    """All final games are real, but the network of another step was the best."""
    chosen = json.loads((run / DONE).read_text())["weights_step"]
    with (run / EVALUATIONS).open(newline="") as file:
        found = list(csv.DictReader(file))
    better = next(row for row in found if row["kind"] == "periodic")
    found.append(better | {"step": "75", "return": "900.0", "completed": "True"})
    with (run / EVALUATIONS).open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    refused(capfd, run, (DONE, f"of step {chosen}", "says 75"))


@pytest.mark.parametrize("number", ["mean_return", "sd_return", "episodes"])
@pytest.mark.parametrize("value", [1e9, None, "3", True, 10**400, math.inf])
def test_each_number_of_the_score(capfd, run, number, value):
    done = json.loads((run / DONE).read_text())
    (run / DONE).write_text(json.dumps(done | {number: value}))
    refused(capfd, run, f"{DONE}: {number} is {value}, the games give {done[number]}")


def test_the_log_of_another_run(capfd, run, tmp_path):
    """Of another seed; of another game; of other settings."""
    other, _ = go(make_run(seed=2, **SHORT), tmp_path / "seed")
    shutil.copy(other / GAMES, run)
    refused(capfd, run, [f"{GAMES} has other seeds than {EVALUATIONS} for games 0, 1, 2 of"])
    shutil.copy(other / EVALUATIONS, run)
    shutil.copy(other / DONE, run)
    without_digests(run)
    code, _, lines = verify(capfd, run)
    assert code == 1
    assert len([line for line in lines if "the run's own gives" in line]) == 3
    other, _ = go(make_run(eval_cap_frames=200, **SHORT), tmp_path / "settings")
    for name in (GAMES, EVALUATIONS, DONE):
        shutil.copy(other / name, run)
    without_digests(run)
    code, _, lines = verify(capfd, run)
    assert code == 1
    assert any("it goes on after the" in line for line in lines)
    other, _ = go(make_run(game="pong", **SHORT), tmp_path / "game")
    shutil.copy(other / GAMES, run)
    code, _, lines = verify(capfd, run)
    assert code == 1
    assert f"{GAMES} has games of pong, this run is of breakout" in lines[0]


def test_a_made_up_log_whose_numbers_agree_with_one_another(capfd, run):
    """Real games, played from seeds that were chosen for their luck."""
    env = make_eval_env("breakout", 0, make_run(**SHORT).config.protocol)
    row, games = final_rows(run)[0], []
    for episode in range(3):
        seed = 1000 + episode
        env.reset(seed=seed)
        chance, actions, score, over = np.random.default_rng(seed), [], 0.0, False
        while not over:
            actions.append(int(chance.integers(4)))
            _, reward, terminated, truncated, info = env.step(actions[-1])
            score, over = score + reward, terminated or truncated
        header = {"schema": 1, "game": "breakout", "weights": "best", "step": int(row["step"]),
                  "episode": episode, "seed": seed, "return": score,
                  "frames": info["episode_frame_number"]}  # fmt: skip
        games.append((header, bytes(actions)))
        change_cell(run, episode, seed=seed, frames=header["frames"], truncated=truncated,
                    **{"return": score})  # fmt: skip
    env.close()
    write_log(run, games)
    claim_score(run)
    refused(capfd, run, *[["has seed", "the run's own gives"]] * 3)


def test_another_rom_action_set_or_emulator(capfd, run):
    made = json.loads((run / "provenance.json").read_text())

    def write(**changes):
        (run / "provenance.json").write_text(json.dumps(made | changes))

    write(rom_md5="0" * 32)
    refused(capfd, run, ["provenance.json: the ROM was one of MD5 000", made["rom_md5"]])
    write(actions=["NOOP", "FIRE"])
    refused(capfd, run, "provenance.json: the action set was ['NOOP', 'FIRE']")
    write(libraries={"ale-py": "0.9.9"})
    code, out, lines = verify(capfd, run)
    assert (code, lines) == (0, [])
    here = provenance.version("ale-py")
    assert f"made with ale-py 0.9.9, played again with {here}" in out
    write(continued=[{"time": "", "step": 1, "libraries": {"ale-py": "0.9.8"}}])
    line = change_cell(run, 1, frames=7)
    refused(
        capfd, run, f"line {line}: game 1",
        "provenance.json: made with ale-py 0.9.8, played again with "
        f"{here}: that may be why games differ",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["pipe", "folder", "bomb"])
def test_a_log_that_is_no_log(capfd, run, kind):
    (run / GAMES).unlink()
    if kind == "pipe":
        os.mkfifo(run / GAMES)
    elif kind == "folder":
        (run / GAMES).mkdir()
    else:
        packer = zstandard.ZstdCompressor().compressobj()
        data = b"".join(packer.compress(bytes(1_000_000)) for _ in range(6_000)) + packer.flush()
        assert len(data) < 200_000
        (run / GAMES).write_bytes(data)
    code, _, lines = verify(capfd, run)
    assert code == 1
    assert GAMES in lines[0]


@pytest.mark.parametrize("name", ["config.json", DONE, "provenance.json"])
@pytest.mark.parametrize("text", ["", "[]", "nonsense", "[" * 100_000, '{"schema": 1}'])
def test_damaged_files_give_a_line_and_no_traceback(capfd, run, name, text):
    (run / name).write_text(text)
    code, _, lines = verify(capfd, run)
    assert code == (0 if name == "provenance.json" else 1)
    assert bool(lines) == bool(code)


# --- what cannot be verified, or not yet -----------------------------------------------


def test_a_run_from_before_the_actions_were_kept(capfd, run):
    (run / GAMES).unlink()
    code, out, lines = verify(capfd, run)
    assert code == 2
    assert len(lines) == 1
    assert f"{run}: it has no games.zst (made before version 0.2.0" in lines[0]
    assert "unverifiable" in out
    assert not (run / "verified.json").exists()


def test_no_run_at_all(capfd, tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        code, out, err = use(capfd, "verify", path)
        assert (code, out) == (2, "")
        assert_one_line(err, f"there is no run at or below {path}")


def test_an_unfinished_run_is_verified_as_far_as_it_has_come(capfd, tmp_path, monkeypatch):
    append = records.Table.append

    def killed(table, row):
        if row.get("kind") == "final" and row["episode"] == 2:
            raise KilledError
        append(table, row)

    monkeypatch.setattr(records.Table, "append", killed)
    path, end = go(make_run(**SHORT), tmp_path)
    monkeypatch.undo()
    assert end is KilledError
    assert len(game_log.read(path / GAMES).records) == 3
    code, out, lines = verify(capfd, path)
    assert (code, lines) == (0, [])
    assert "verified: 2 games played again" in out
    assert "unfinished, 2 final games so far" in out
    assert not (path / "verified.json").exists()
    games = frames_of(path)
    write_log(path, [*games, (games[0][0] | {"episode": 3}, games[0][1])])
    refused(capfd, path, f"{GAMES} has games 2, 3 of the best network of step 150, of which")


def test_a_run_without_final_games_yet(capfd, tmp_path):
    path, _ = go(make_run(**SHORT), tmp_path, StopAt(100))
    code, out, lines = verify(capfd, path)
    assert (code, lines) == (0, [])
    assert "unfinished, 0 final games so far" in out


def test_a_finished_run_that_lost_its_games(capfd, run):
    (run / EVALUATIONS).unlink()
    (run / GAMES).unlink()
    refused(capfd, run, f"{DONE} is of 3 games of the best network of step 150")


def test_the_mark_goes_when_the_run_no_longer_holds(capfd, run):
    assert verify(capfd, run)[0] == 0
    change_cell(run, 0, frames=1)
    code, out, _ = verify(capfd, run)
    assert code == 1
    assert "verified.json, which said otherwise, was removed" in out
    assert not (run / "verified.json").exists()


def test_a_run_in_use_is_verified_without_a_mark(capfd, run):
    held = lock.Lock(run)
    held.take()
    code, out, lines = verify(capfd, run)
    held.release()
    assert (code, lines) == (0, [])
    assert "verified.json could not be written" in out
    assert "is in use by process" in out


def test_a_run_that_cannot_be_written_is_verified_without_a_mark(capfd, run, monkeypatch):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(lock.Lock, "take", refuse)
    code, out, lines = verify(capfd, run)
    assert (code, lines) == (0, [])
    assert "verified.json could not be written (Read-only file system)" in out
    assert not (run / "verified.json").exists()


def test_verifying_changes_nothing_but_the_mark(capfd, run):
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert verify(capfd, run)[0] == 0
    after = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"verified.json", ".lock"}


def test_a_marked_run_goes_on_as_before(capfd, run):
    """Its folder is still a run's: trained on it says that it is finished."""
    assert verify(capfd, run)[0] == 0
    setup = make_run(**SHORT)
    with directory.RunDirectory(run, setup.identity()) as place:
        assert place.done is not None
    assert use(capfd, "evaluate", run, "--episodes", 3)[0] == 0
