"""Videos of an agent: real files, read back."""

import dataclasses
import gc

import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image

from repro import config, experiment, records
from repro.evaluation import protocols
from repro.evaluation.trained import load
from repro.storage import directory, weights_file
from repro.storage.run import Run
from repro.studies import video
from tests.repro.small import assert_one_line, use

FRAMES = 240


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run directory with first weights and nothing else."""
    tiny = config.preset("nature")
    tiny = dataclasses.replace(tiny, agent=dataclasses.replace(tiny.agent, replay_steps=1_000))
    run = Run("breakout", 1, "nature", tiny)
    folder = records.run_path(tmp_path_factory.mktemp("suite"), run.game, run.seed)
    with directory.RunDirectory(folder, run.identity()):
        envs = experiment.make_envs(run)
        weights_file.save(
            folder / "last.safetensors", experiment.make_agent(run, envs.train).network, 400
        )
        envs.close()
    return folder


@pytest.mark.parametrize("suffix", ["mp4", "gif", "MP4", "GIF"])
def test_a_video_has_the_screen_and_the_action_values(run_dir, tmp_path, suffix):
    """A picture per step of four frames: 210x160 twice as large, and 320 pixels of bars."""
    path = tmp_path / f"video.{suffix}"
    made = video.record(load(run_dir, "last"), path, episode=0, max_frames=FRAMES)
    pictures = [np.asarray(picture)[..., :3] for picture in imageio.get_reader(path)]
    if suffix.lower() == "mp4":
        assert len(pictures) == made["pictures"]
    else:  # a GIF shows pictures that are alike once, for longer
        assert 1 < len(pictures) <= made["pictures"]
    assert FRAMES <= made["frames"] < FRAMES + 4
    assert FRAMES - 30 <= 4 * made["pictures"] <= FRAMES + 4
    assert {picture.shape for picture in pictures} == {(420, 320 + 320, 3)}
    assert any((pictures[0][:, :320] != later[:, :320]).any() for later in pictures[1:])


def test_a_gif_plays_as_long_as_its_game(run_dir, tmp_path):
    """15 pictures a second; the format counts in hundredths, of which none has 6.67."""
    path = tmp_path / "video.gif"
    made = video.record(load(run_dir, "last"), path, episode=0, max_frames=FRAMES)
    shown_ms = 0
    with Image.open(path) as gif:
        for number in range(gif.n_frames):
            gif.seek(number)
            shown_ms += gif.info["duration"]
    assert abs(shown_ms - 1000 / 15 * made["pictures"]) <= 5


def test_the_same_episode_is_the_same_game(run_dir, tmp_path):
    trained = load(run_dir, "last")
    one, two = (
        video.record(trained, tmp_path / f"{name}.gif", episode=3, max_frames=400) for name in "ab"
    )
    assert one["return"] == two["return"]
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_a_whole_game_is_that_of_the_evaluation(run_dir, tmp_path):
    trained = load(run_dir, "last")
    made = video.record(trained, tmp_path / "whole.gif", episode=1, max_frames=0)
    env = experiment.make_envs(trained.run).final
    player = trained.agent.player(trained.run.config.training.eval_epsilon)
    seed = protocols.episode_seed(trained.run.seed, 400, 1)
    game = protocols.play_game(env, player, 1, seed)
    assert (made["return"], made["frames"]) == (game.score, game.frames)


def test_the_chosen_action_is_orange_and_the_longest_bar_is_the_largest_value():
    values = np.array([0.5, 2.0, 1.0], np.float32)
    drawn = video.panel(values, ["NOOP", "FIRE", "LEFT"], 2, "title", 420)
    blue = (drawn == (86, 180, 233)).all(axis=2)
    orange = (drawn == (230, 159, 0)).all(axis=2)
    lengths = [int(mask[row].sum()) for mask, row in ((blue, 65), (blue, 93), (orange, 121))]
    assert lengths[1] > lengths[2] > lengths[0] > 0


@pytest.mark.parametrize("values", [(-3.0, -1.0, -2.0), (-0.5, 0.5, 0.1), (-1.0, -1e-4, -0.9)])
def test_the_best_action_has_the_longest_bar_whatever_the_signs(values):
    drawn = video.panel(np.array(values, np.float32), ["NOOP", "FIRE", "LEFT"], None, "", 420)
    blue = (drawn == (86, 180, 233)).all(axis=2)
    worst, best, middle = (int(blue[row].sum()) for row in (65, 93, 121))
    assert best > middle > worst > 0


def test_each_colour_of_the_bars_is_in_the_legend():
    drawn = video.panel(np.ones(3, np.float32), ["NOOP", "FIRE", "LEFT"], 0, "", 420)
    above = drawn[30:46]
    for colour in ((86, 180, 233), (230, 159, 0)):
        assert (above == colour).all(axis=2).sum() >= 64


def test_an_ending_in_capitals_is_that_ending(run_dir, tmp_path):
    video.record(load(run_dir, "last"), tmp_path / "video.GIF", 0, 100)
    assert (tmp_path / "video.GIF").read_bytes().startswith(b"GIF8")


def test_another_ending_is_refused(run_dir, tmp_path):
    with pytest.raises(config.ConfigError, match=r"\.mp4 or \.gif"):
        video.record(load(run_dir, "last"), tmp_path / "video.avi", 0, 100)


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
@pytest.mark.parametrize("place", ["/proc/video", "{tmp}/folder", "{tmp}/file/video"])
def test_a_video_that_cannot_be_written_is_one_line(capfd, run_dir, tmp_path, place, suffix):
    (tmp_path / f"folder.{suffix}").mkdir()
    (tmp_path / "file").touch()
    path = f"{place}.{suffix}".replace("{tmp}", str(tmp_path))
    code, out, err = use(capfd, "play", run_dir, "--weights", "last", "--out", path)
    gc.collect()  # writers complain as they are thrown away
    assert_one_line(err + capfd.readouterr().err, path, "cannot be written", "--out")
    assert (code, out) == (1, "")


def test_weights_that_are_not_there_are_named(run_dir):
    with pytest.raises(weights_file.WeightsError, match=r"best\.safetensors is missing"):
        load(run_dir, "best")
