"""What trainings in this process need."""

import pytest
import torch


@pytest.fixture(scope="module")
def one_thread():
    """One thread: the command's --threads holds for the whole process, and sums depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
