"""docs/api.md: every block runs, in order, and gives what the page says."""

import contextlib
import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from paper_tables import figures, style
from paper_tables.collect import NoRunError
from paper_tables.inspection import load as load_inspection
from paper_tables.reading import read_run
from paper_tables.suites import load_random, load_trained, load_variants
from paper_tables.trace.runs import folders as trace_folders
from paper_tables.trace.runs import read as read_traces
from repro import records
from repro.evaluation import trained, verdict
from repro.storage import weights_file
from repro.storage.run import run_from
from repro.studies import video
from repro.studies.inspection import inspect

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
SUITE = ROOT / "results" / "published" / "nature"
RANDOM = ROOT / "results" / "published" / "random"


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The names that the blocks define, run in a folder with the committed results."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "results").mkdir()
    (folder / "results" / "published").symlink_to(ROOT / "results" / "published")
    names = {}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with contextlib.chdir(folder):
        for language, code in BLOCKS:
            if language == "bash":
                subprocess.run(["bash", "-ec", code], env=os.environ | {"PATH": path}, check=True)
            else:
                exec(compile(code, "docs/api.md", "exec"), names)
    return names


def printed_rows(name):
    with (SUITE / "tables" / name).open() as file:
        return {row["game"]: row for row in csv.DictReader(file)}


def final_returns():
    """Raw returns of the final games, by run, straight from the files."""
    found = {}
    for path in SUITE.glob("*/seed-*/evaluations.csv"):
        with path.open() as file:
            rows = [row for row in csv.DictReader(file) if row["kind"] == "final"]
        key = (path.parent.parent.name, int(path.parent.name.removeprefix("seed-")))
        found[key] = [float(row["return"]) for row in rows]
    return {key: values for key, values in found.items() if values}


def test_every_block_is_of_a_language_that_is_run():
    assert len(BLOCKS) >= 8
    assert {language for language, _ in BLOCKS} == {"python", "bash"}
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_the_weights_are_the_files(said):
    state = said["network"].state_dict()
    assert all((state[name] == value).all() for name, value in said["weights"].items())
    assert len(state) == len(said["weights"]) == 10


def test_environments_are_what_the_page_says(said):
    assert said["observation"].shape == (4, 84, 84)
    assert said["total"] >= 0
    assert (said["sticky"].action_space.n, said["quiet"].action_space.n) == (18, 4)
    assert said["one"].reset(seed=0)[0].shape == (4, 84, 84)
    assert said["one"].render().shape == (210, 160, 3)
    assert said["observations"].shape == (2, 4, 84, 84)
    assert said["rewards"].shape == (2,)


def test_evaluation_games_are_those_of_the_files(said):
    wanted = final_returns()
    assert said["means"].to_dict() == pytest.approx(
        {key: np.mean(values) for key, values in wanted.items()}
    )
    for column in ("suite", "game", "run_seed", "finished", "train_frames", "frames"):
        assert column in said["games"]


def test_table_2_is_that_of_the_files(said):
    kept = printed_rows("table2.csv")
    assert list(said["table2"].index) == list(kept)
    text = {game: row for game, row in kept.items() if row["ours"]}
    assert len(text) == len({game for game, _ in final_returns()})
    for game, row in text.items():
        assert said["table2"].loc[game, "ours"] == pytest.approx(float(row["ours"]))
        assert said["table2"].loc[game, "human"] == pytest.approx(float(row["human"]))


def test_the_matrix_for_rliable_has_runs_by_games(said):
    from repro.games import GAMES

    returns = final_returns()
    games = sorted({game for game, _ in returns})
    assert list(said["by_game"]) == games
    first = [np.mean(returns[game, 0]) for game in games]
    wanted = [
        (value - GAMES[game].random) / (GAMES[game].human - GAMES[game].random)
        for game, value in zip(games, first, strict=True)
    ]
    assert said["matrix"].shape == (1, len(games))
    np.testing.assert_allclose(said["matrix"][0], wanted)


def test_rliable_takes_the_matrix(said):
    """It computes an interquartile mean of its own: of a sorted run, the middle half."""
    metrics = pytest.importorskip("rliable.metrics")
    from scipy.stats import trim_mean

    matrix = said["for_rliable"]["DQN"]
    found = metrics.aggregate_iqm(matrix)
    assert found == pytest.approx(trim_mean(matrix.ravel(), 0.25))


def test_the_tags_are_those_of_a_training(said):
    """At the frames of the rows of learning.csv, from the first that has a loss."""
    tags = set(re.findall(r"`((?:train|evaluation|learning)/\w+)`", PAGE))
    assert set(said["written"].Tags()["scalars"]) == tags
    assert [frames for frames, _ in said["losses"]][-1] == 16_000
    assert all(frames % 2_000 == 0 for frames, _ in said["losses"])


def test_strings_are_taken_for_paths_of_runs():
    """Each call with a string gives what it gives with a path."""
    run = SUITE / "breakout" / "seed-0"
    for call in (
        lambda path: list(records.runs(path)),
        records.earned,
        run_from,
        lambda path: trained.load(path, "best").run,
        lambda path: read_run(path)[0],
        trace_folders,
        lambda path: [one.run for one in read_traces([path])],
    ):
        assert call(str(run)) == call(run)
    read = records.read_json
    assert read(str(run / "config.json")) == read(run / "config.json")
    assert records.run_path(str(SUITE), "breakout", 0) == run
    rows = records.read_rows(str(run / "evaluations.csv"))
    assert rows == records.read_rows(run / "evaluations.csv")


def test_strings_are_taken_for_paths_that_are_written_to(tmp_path):
    run = str(shutil.copytree(SUITE / "breakout" / "seed-0", tmp_path / "breakout" / "seed-0"))
    returns = list(trained.score(run, "best", episodes=3))
    assert returns == final_returns()["breakout", 0][:3]
    network = trained.load(run, "best").agent.network
    weights_file.save(f"{tmp_path}/mine.safetensors", network, step=7)
    assert weights_file.load(f"{tmp_path}/mine.safetensors", network) == 7
    video.record(trained.load(run, "best"), f"{tmp_path}/game.gif", episode=0, max_frames=40)
    assert (tmp_path / "game.gif").stat().st_size > 0
    inspect(run, steps=60, perplexity=5, stretch_steps=20)
    assert load_inspection(f"{run}/inspection").title.startswith("Breakout, seed 0")
    svg, png = style.save(figures.training_curve(run), f"{tmp_path}/figures", "curve")
    assert (svg.parent, png.exists()) == (tmp_path / "figures", True)


def test_a_string_is_taken_for_a_run_to_verify(tmp_path):
    run = shutil.copytree(RANDOM / "pong" / "seed-0", tmp_path / "pong" / "seed-0")
    found = verdict.verify(str(run), lambda _: None)
    assert (found.state, found.problems) == ("verified", [])


def test_strings_are_taken_for_paths_of_suites(tmp_path):
    assert load_trained(str(SUITE), False).runs == load_trained(SUITE, False).runs
    assert load_random(str(RANDOM), False, must_exist=True).runs
    assert load_random(str(tmp_path / "none"), False, must_exist=False) is None
    assert load_variants(str(tmp_path / "none"), False, must_exist=False) == {}
    assert load_trained(str(tmp_path), False).runs == ()  # a suite without a run yet
    with pytest.raises(NoRunError, match="no such folder"):
        load_trained(str(tmp_path / "none"), False)
