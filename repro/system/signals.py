"""Signals while training: remembered, and acted on where a run can stop and be saved."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):  # noqa: N818 - not an error: the run is safe and can go on
    """A signal ended the training at ``step``; ``signal`` is its number."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"stopped at step {step:,}; the same command goes on from there")
        self.signal = number
        self.step = step


class Stop:
    """Remembers the first signal until the training has come to a point where it can stop.

    Further ones change nothing: whoever is impatient does not harm the checkpoint being written.

    Args:
        budget_minutes: of wall-clock time, after which it is as if there had been a SIGTERM.
    """

    def __init__(self, budget_minutes: float | None = None) -> None:
        self.signal: int | None = None
        self._ends = None if budget_minutes is None else time.monotonic() + 60 * budget_minutes
        self.ending = False  # set it when nothing is left to do but to end the process

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Receive a signal."""
        if self.signal is None:
            self.signal = number

    def look(self) -> None:
        """Notice when the time is up."""
        if self.signal is None and self._ends is not None and time.monotonic() > self._ends:
            self.signal = signal.SIGTERM

    def check(self, step: int) -> None:
        """Raise Interrupted if there was one, or the time is up."""
        self.look()
        if self.signal is not None:
            raise Interrupted(self.signal, step)


@contextmanager
def listening(budget_minutes: float | None = None) -> Iterator[Stop]:
    """Collect SIGINT, SIGTERM, SIGHUP and SIGUSR1 while training (in the main thread only).

    If the process is ending they stay without effect to its end: the exit code is that of the
    first of them.
    """
    stop = Stop(budget_minutes)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # else nohup wants it to go on
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stop.ending else handler)
