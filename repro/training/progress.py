"""What is said of a training while it goes on: one live line on a terminal, else now and then."""

import contextlib
import sys
import time

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.text import Text

from repro.config import Config
from repro.loop import Event
from repro.system import terminal
from repro.training.trackers import EpisodeTracker

_WIDE_COLUMNS, _NARROW_COLUMNS = 110, 80
_REFRESH_SECONDS = 0.2
_SCORING_SECONDS = 60.0  # between two lines in a log


class ProgressTracker:
    """Frames, mean return, epsilon and time left; where there is room also frames per second.

    On a terminal it stays on one line; in a log file it is a line every ``log_every_steps``, and
    one a minute while the agent is being scored.
    """

    def __init__(self, title: str, config: Config, episodes: EpisodeTracker, start: int) -> None:
        self._console = Console(file=terminal.raw(sys.stderr))
        self._config = config
        self._episodes = episodes
        self._start, self._began = start, time.perf_counter()
        self._paused = 0.0  # seconds of evaluations, which are no training
        self._scoring: tuple[float, float] | None = None  # since when, and from which share
        self._shown = 0.0
        self._title = title
        self._live = Live(console=self._console, auto_refresh=False)
        if self._console.is_terminal:
            self._live.start()

    def __call__(self, event: Event) -> None:
        """Refresh the line five times a second, or print one now and then."""
        now = time.perf_counter()
        if self._scoring is not None:
            self._paused += now - self._scoring[0]
            self._scoring = None
        if self._console.is_terminal:
            if now - self._shown > _REFRESH_SECONDS:
                self._show(self._line(event, now), now)
        elif event.step % self._config.training.log_every_steps == 0:
            self._print(self._line(event, now))

    def scoring(self, share: float) -> None:
        """While the agent plays for a score: how far that is, and how long it will take."""
        now = time.perf_counter()
        if self._scoring is None:
            self._scoring, self._shown = (now, share), now
        began, first = self._scoring
        pause = _REFRESH_SECONDS if self._console.is_terminal else _SCORING_SECONDS
        if now - self._shown <= pause:
            return
        left = "?" if share <= first else _time((1 - share) * (now - began) / (share - first))
        line = f"{self._title}: evaluation, {share:.0%}, {left} left"
        if self._console.is_terminal:
            self._show(line, now)
        else:
            self._shown = now
            self._print(line)

    def _line(self, event: Event, now: float) -> str:
        done = event.step - self._start
        seconds = max(now - self._began - self._paused, 1e-9)
        frames, total = (
            steps * self._config.frames_per_step for steps in (event.step, self._config.steps)
        )
        returns = self._episodes.returns
        mean = f"return {np.mean(returns):.1f}" if returns else "return -"
        epsilon = f"epsilon {event.epsilon:.2f}"
        left = f"{_time((self._config.steps - event.step) * seconds / max(done, 1))} left"
        if self._console.is_terminal and self._console.width < _WIDE_COLUMNS:
            short = f"{_count(frames)}/{_count(total)} frames, {mean}, {epsilon}, {left}"
            narrow = self._console.width < _NARROW_COLUMNS
            return short if narrow else f"{self._title.replace(' seed', '')}: {short}"
        rate = done * self._config.frames_per_step / seconds
        return (
            f"{self._title}: {frames:,}/{total:,} frames, {rate:,.0f}/s, "
            f"{mean} (last {len(returns)} games), {epsilon}, {left}"
        )

    def note(self, text: str) -> None:
        """Print a line above the live one."""
        if self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False)
        else:
            self._print(text)

    def _show(self, line: str, now: float) -> None:
        self._shown = now
        with contextlib.suppress(OSError):
            self._live.update(Text(line, no_wrap=True, overflow="crop"), refresh=True)

    def _print(self, text: str) -> None:
        with contextlib.suppress(OSError):  # whoever read this has gone: no reason to stop
            print(text, file=self._console.file, flush=True)

    def close(self) -> None:
        """Leave the last line standing."""
        self._live.stop()


def _count(number: int) -> str:
    """In three or four letters where there is no room for more."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.{int(number < 100 * size)}f}{letter}"
    return str(number)


def _time(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.{int(seconds < 10 * size and size > 60)}f} {unit}"
    return f"{seconds:.0f} s"
