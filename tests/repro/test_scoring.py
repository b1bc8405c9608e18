"""The two evaluations of a training, when they are interrupted or asked for more."""

import json

from small import KilledError, StopAt, assert_same_run, go, make_run, rows

from repro.evaluation.protocols import Game
from repro.records import Table
from repro.storage import game_log
from repro.system import signals
from repro.training import command
from wrappers import make_eval_env

# Games of at most 80 emulator frames, so of at most 20 steps: some end within an evaluation's 50.
SHORT_GAMES = {"periodic_cap_frames": 80}


def test_an_interrupted_periodic_evaluation_goes_on_with_the_games_that_are_left(tmp_path):
    run = make_run(**SHORT_GAMES)
    undisturbed, first, second = StopAt(-1), StopAt(150 + 30), StopAt(-1)
    whole, _ = go(run, tmp_path / "whole", undisturbed)
    path, end = go(run, tmp_path / "disturbed", first)
    assert end is signals.Interrupted
    games = rows(path / "evaluations.csv")
    assert games
    assert {row["step"] for row in games} == {"150"}
    go(run, tmp_path / "disturbed", second)
    assert_same_run(path, whole)
    # Only the steps of the game that was cut short were played twice, not all 30.
    assert 0 < first.checks + second.checks - undisturbed.checks <= 20


def test_a_kill_within_an_evaluation_costs_no_training(tmp_path):
    """There is a checkpoint right before it, even where none else would be due."""
    run = make_run(**SHORT_GAMES, checkpoint_every_steps=100_000)
    undisturbed, first, second = StopAt(-1), StopAt(150 + 30, kill=True), StopAt(-1)
    whole, _ = go(run, tmp_path / "whole", undisturbed)
    path, _ = go(run, tmp_path / "disturbed", first)
    go(run, tmp_path / "disturbed", second)
    assert_same_run(path, whole)
    assert first.checks + second.checks - undisturbed.checks == 30


def test_games_that_somebody_played_before_do_not_lengthen_the_score(tmp_path):
    """`repro evaluate` may ask for more games than the training does."""
    run = make_run(frames=800)
    undisturbed = StopAt(-1)
    whole, _ = go(run, tmp_path / "whole", undisturbed)
    path, _ = go(run, tmp_path / "more", StopAt(undisturbed.checks - 1))
    best = int(json.loads((whole / "done.json").read_text())["weights_step"])
    have = [row for row in rows(path / "evaluations.csv") if row["kind"] == "final"]
    table = Table(path / "evaluations.csv")
    for episode in range(len(have), 7):
        table.append(Game(episode, 1, 99.0, 300, True, True, 75).row("final", "best", best))
    table.close()
    with_seven = rows(path / "evaluations.csv")
    assert sum(row["kind"] == "final" for row in with_seven) == 7
    done = command.train(run, tmp_path / "more", "cpu", False, StopAt(-1))[1]
    assert done["episodes"] == 2
    two = [float(row["return"]) for row in with_seven if row["kind"] == "final"][:2]
    assert done["mean_return"] == sum(two) / 2


def test_the_actions_that_are_kept_play_the_final_games_again(tmp_path):
    run = make_run()
    path, _ = go(run, tmp_path)
    final = [row for row in rows(path / "evaluations.csv") if row["kind"] == "final"]
    games = game_log.read(path / "games.zst").records
    assert len(games) == len(final) == 2
    env = make_eval_env("breakout", 0, run.config.protocol)
    for row, game in zip(final, games, strict=True):
        assert (game.game, game.weights) == ("breakout", row["weights"])
        for name in ("step", "episode", "seed", "frames"):
            assert str(getattr(game, name)) == row[name]
        env.reset(seed=game.seed)
        steps = [env.step(action) for action in game.actions]
        assert sum(step[1] for step in steps) == game.score == float(row["return"])
        assert [step[2] or step[3] for step in steps] == [False] * (len(steps) - 1) + [True]
        assert steps[-1][4]["episode_frame_number"] == game.frames
    env.close()


def test_a_kill_between_a_games_actions_and_its_row_leaves_both_once(tmp_path, monkeypatch):
    run = make_run(frames=800)
    whole, _ = go(run, tmp_path / "whole")
    append = Table.append

    def killed(table, row):
        if row.get("kind") == "final" and row["episode"] == 1:
            raise KilledError
        append(table, row)

    monkeypatch.setattr(Table, "append", killed)
    path, end = go(run, tmp_path / "killed")
    assert end is KilledError
    assert [game.episode for game in game_log.read(path / "games.zst").records] == [0, 1]
    assert sum(row["kind"] == "final" for row in rows(path / "evaluations.csv")) == 1
    monkeypatch.undo()
    go(run, tmp_path / "killed")
    assert_same_run(path, whole)
