"""`--threads auto` and `--budget-minutes`."""

import json
import os
import signal
import time

import pytest
import torch

from repro.storage import checkpoint
from repro.system.signals import Interrupted, Stop
from repro.training import threads
from tests.repro.small import assert_same_run, make_run, train_words, use

SMALL = {"network": "nature", "frames": 1_200}


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("milliseconds", "number", "busy"),
    [
        ({1: 20.0}, 1, False),
        ({1: 20.0, 2: 11.0}, 2, False),
        ({1: 20.0, 2: 18.5}, 1, False),  # not worth it
        ({1: 20.0, 2: 11.0, 4: 10.5}, 2, False),
        ({1: 20.0, 2: 60.0}, 1, True),
        ({1: 20.0, 2: 12.0, 4: 70.0}, 2, True),
    ],
)
def test_the_fewest_threads_that_are_soonest(milliseconds, number, busy):
    found, line = threads.decide(milliseconds)
    assert found == number
    assert ("the machine is busy" in line) == busy
    assert all(f"{one:.1f} ms" in line for one in milliseconds.values())


def test_threads_are_measured_in_turn_and_put_back():
    seen = []

    def work():
        seen.append(torch.get_num_threads())
        time.sleep(0.001 if seen[-1] == 1 else 0.003)

    before = torch.get_num_threads()
    found = threads.measure(work, [1, 2])
    assert torch.get_num_threads() == before
    assert found[1] >= 1
    assert found[2] >= 3
    assert seen[:8] == [1] * 4 + [2] * 4  # with one that is not counted
    assert seen.count(1) == seen.count(2)


def test_auto_keeps_the_number_of_a_run_that_is_there(capfd, tmp_path):
    words = [*train_words(tmp_path, **SMALL), "--threads", "auto"]
    code, _, err = use(capfd, *words, "--budget-minutes", 0.0001)
    assert code == 128 + signal.SIGTERM
    assert "repro: threads: " in err
    assert "an update takes" in err
    path = tmp_path / "breakout" / "seed-0"
    made = json.loads((path / "provenance.json").read_text())
    made["threads"] = 2  # whatever was soonest then
    (path / "provenance.json").write_text(json.dumps(made))
    code, _, err = use(capfd, *words)
    assert code == 0
    assert "threads: 2, as this run had before" in err
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("text", [None, "{", '{"threads": "2"}', '{"threads": 2, "continued": 7}'])
def test_what_a_damaged_provenance_says_of_threads_stops_no_run(text, tmp_path, capfd):
    if text is not None:
        (tmp_path / "provenance.json").write_text(text)
    number = threads.choose(make_run(network="linear"), tmp_path, "cpu")
    assert number == (2 if "continued" in (text or "") else 1)
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_no_more_threads_than_cores_that_may_be_used_are_tried(tmp_path, capfd):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert threads.choose(make_run(network="nature"), tmp_path, "cpu") == 1
    finally:
        os.sched_setaffinity(0, before)
    assert " with 1)" in capfd.readouterr().err


def test_time_that_is_up_ends_a_training_as_sigterm_would(capfd, tmp_path):
    code, _, _ = use(capfd, *train_words(tmp_path / "whole", **SMALL))
    assert code == 0
    cut = [*train_words(tmp_path / "cut", **SMALL), "--budget-minutes", "0.02"]
    path, steps, codes = tmp_path / "cut" / "breakout" / "seed-0", [], []
    while not codes or codes[-1]:
        code, _, err = use(capfd, *(cut if len(codes) < 2 else cut[:-2]))
        codes.append(code)
        if code:
            assert code == 128 + signal.SIGTERM
            assert err.endswith("the same command goes on from there\n")
            steps.append(checkpoint.newest_step(path / "checkpoint"))
    assert codes[0]
    assert steps == sorted(steps)
    assert_same_run(tmp_path / "whole" / "breakout" / "seed-0", path)


def test_a_signal_that_came_before_is_the_one_that_is_told():
    stop = Stop(1e-9)
    stop(signal.SIGUSR1, None)
    with pytest.raises(Interrupted) as end:
        stop.check(7)
    assert end.value.signal == signal.SIGUSR1


@pytest.mark.parametrize("text", ["0", "-1", "inf", "soon"])
def test_a_budget_is_a_length_of_time(capfd, tmp_path, text):
    code, _, err = use(capfd, *train_words(tmp_path), "--budget-minutes", text)
    assert code == 2
    assert err.count("\n") == 1
    assert "--budget-minutes" in err
