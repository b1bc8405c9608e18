"""Watching an agent: its screen beside its action values, as MP4 or GIF."""

import contextlib
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import imageio.v2 as imageio
import numpy as np
from numpy.typing import NDArray

from repro.config import ConfigError
from repro.evaluation import protocols
from repro.evaluation.trained import Trained
from repro.experiment import make_screen_env
from repro.system import disk

Picture = NDArray[np.uint8]
FRAMES_PER_SECOND = 60
_SCALE = 2
_PANEL_PIXELS = 320
_INK, _DIM, _BAR, _CHOSEN, _PAPER = (235,) * 3, (150,) * 3, (86, 180, 233), (230, 159, 0), 24


def record(trained: Trained, path: Path | str, episode: int, max_frames: int) -> dict[str, Any]:
    """Play one scored game and write it as a video, a picture per agent step.

    Args:
        trained: the run's network.
        path: ends in ``.mp4`` or ``.gif``.
        episode: which evaluation game; the same number plays the same game.
        max_frames: emulator frames after which the video ends; 0 for the whole game.

    Returns:
        ``path``, ``return``, ``frames`` (emulator) and ``pictures``.

    Raises:
        ConfigError: for another ending, or a run that has no screen.
        UnwritableError: if the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in {".mp4", ".gif"}:
        raise ConfigError(f"{path} must end in .mp4 or .gif")
    pictures = _pictures(trained, make_screen_env(trained.run), episode, max_frames)
    beside = disk.temporary(path).with_suffix(kind)  # which tells the writers the format
    try:
        with disk.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.open("xb").close()  # meet what is wrong here: writers of videos do not say it
            made = _write(beside, pictures, trained.run.config.frames_per_step)
            _check(beside, made["pictures"])
            disk.sync(beside)
            beside.replace(path)
        return {"path": str(path), **made}
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def _write(
    path: Path, pictures: Iterator[tuple[Picture, float, int]], frames_per_step: int
) -> dict[str, Any]:
    rate = FRAMES_PER_SECOND / frames_per_step
    made: dict[str, Any] = {"return": 0.0, "frames": 0, "pictures": 0}

    def counted() -> Iterator[Picture]:
        for picture, score, frames in pictures:
            made.update({"return": score, "frames": frames, "pictures": made["pictures"] + 1})
            yield picture

    if path.suffix == ".mp4":
        writer: Any = imageio.get_writer(
            path, fps=rate, codec="libx264", macro_block_size=1, ffmpeg_log_level="quiet"
        )
        with writer:
            for picture in counted():
                writer.append_data(picture)
    else:  # first in memory: on a full disk this writer would complain whenever it is closed
        drawn: Any = list(counted())
        gif = io.BytesIO()
        imageio.mimwrite(gif, drawn, format="GIF", duration=durations_ms(len(drawn), rate), loop=0)
        path.write_bytes(gif.getvalue())
    return made


def durations_ms(pictures: int, rate: float) -> list[int]:
    """How long a GIF shows each picture: whole hundredths of seconds, right in their sum."""
    ends = [round(100 * number / rate) for number in range(pictures + 1)]
    return [10 * (end - begin) for begin, end in itertools.pairwise(ends)]


def _check(path: Path, pictures: int) -> None:
    """Read a video back: on a full disk the writers end as if nothing were wrong.

    Raises:
        OSError: if it does not have that many pictures (a GIF, up to those that are alike).
    """
    try:
        reader: Any = imageio.get_reader(path)
        with reader:
            there = reader.count_frames() if path.suffix == ".mp4" else sum(1 for _ in reader)
    except Exception as error:  # whatever the readers of damaged videos raise
        raise OSError("the video cannot be read back") from error
    if there != pictures and not (path.suffix == ".gif" and 0 < there < pictures):
        raise OSError(f"{there:,} of {pictures:,} pictures can be read back")


def _pictures(
    trained: Trained, env: gym.Env[Any, Any], episode: int, max_frames: int
) -> Iterator[tuple[Picture, float, int]]:
    """Play; yield the picture, return and frame number before each step and at the end."""
    run, agent = trained.run, trained.agent
    names: list[str] = env.get_wrapper_attr("get_action_meanings")()
    seed = protocols.episode_seed(run.seed, trained.step, episode)
    player = agent.player(run.config.training.eval_epsilon)
    for moment in protocols.moments(env, player, seed):
        values = agent.q_values(moment.observation[None])[0]
        screen = np.asarray(env.render(), np.uint8)
        title = f"{run.game}  return {moment.score:g}"
        drawn = panel(values, names, moment.action, title, _height(screen))
        yield beside(screen, drawn), moment.score, moment.frames
        if max_frames and moment.frames >= max_frames:
            break
    env.close()


def panel(
    values: NDArray[np.float32], names: list[str], chosen: int | None, title: str, height: int
) -> Picture:
    """Draw the action values as bars, the one taken in orange.

    All bars begin at zero, or below the lowest value if that is negative, so that the highest value
    has the longest bar; zero is a line.

    Args:
        values: ``(actions,)``.
        names: of the actions.
        chosen: index of the action about to be taken, None at the end.
        title: first line.
        height: pixels.

    Returns:
        uint8 ``(height, 320, 3)``.
    """
    picture = np.full((height, _PANEL_PIXELS, 3), _PAPER, np.uint8)
    _text(picture, title, (10, 22), 0.5, _INK)
    _text(picture, "action values:", (10, 42), 0.4, _DIM)
    for x, colour, label in ((130, _CHOSEN, "taken"), (200, _BAR, "not taken")):
        cv2.rectangle(picture, (x, 34), (x + 9, 42), colour, -1)
        _text(picture, label, (x + 14, 42), 0.4, _DIM)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    low -= 0.1 * (high - low) * (low < 0)
    span = max(high - low, 1e-6)
    left, width = 130, _PANEL_PIXELS - 130 - 60
    pitch = min(28, (height - 60) // len(names))
    for index, (value, name) in enumerate(zip(values, names, strict=True)):
        y = 58 + index * pitch
        colour = _CHOSEN if index == chosen else _BAR
        end = left + int((float(value) - low) / span * width)
        cv2.rectangle(picture, (left, y), (max(end, left + 1), y + pitch - 5), colour, -1)
        baseline = y + pitch // 2 + 2
        _text(picture, name, (10, baseline), 0.38, colour if index == chosen else _INK)
        _text(picture, f"{value:.2f}", (_PANEL_PIXELS - 55, baseline), 0.38, _INK)
    if low < 0:
        zero = left + int(-low / span * width)
        cv2.line(picture, (zero, 54), (zero, 56 + len(names) * pitch), _DIM, 1)
    return picture


def beside(screen: Picture, drawn: Picture) -> Picture:
    """Enlarge the screen and put the panel to its right; both sides of even length."""
    large = cv2.resize(
        screen, (screen.shape[1] * _SCALE, _height(screen)), interpolation=cv2.INTER_NEAREST
    )
    return np.concatenate([large, drawn], axis=1, dtype=np.uint8)


def _height(screen: Picture) -> int:
    return int(screen.shape[0]) * _SCALE


def _text(
    picture: Picture, text: str, place: tuple[int, int], size: float, colour: tuple[int, ...]
) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
