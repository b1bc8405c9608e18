"""What trainings in this process need."""

import signal

import pytest
import torch


@pytest.fixture(scope="module")
def one_thread():
    """One thread: the command's --threads holds for the whole process, and sums depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def signals_as_before():
    """A command that was stopped leaves signals without effect, for its process is to end.

    In this one that would go on, in the processes that other tests start, too.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
