"""`repro benchmark`, with rounds too short to say anything."""

import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from repro.cluster import estimate
from repro.config import preset
from repro.studies import account, measuring, rivals, stages
from tests.repro.small import use

ROOT = Path(__file__).parents[2]
QUICK = ["--rounds", 2, "--seconds", 0.02, "--replay-steps", 2_000]


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_it_measures_every_part_shows_it_again_and_is_an_estimates_measurement(capfd, tmp_path):
    path = tmp_path / "figures.json"
    numbers = [1, 2] if (os.cpu_count() or 1) > 1 else [1]
    code, out, err = use(capfd, "benchmark", *QUICK, "--json", path)
    assert code == 0, err
    figures = json.loads(path.read_text())
    found = {one["name"]: one for one in figures["measurements"]}
    assert figures["options"]["threads"] == numbers
    assert {
        "raw emulator", "bare loop", "wrapper stack", "preprocessing", "replay sampling", "targets",
        "targets, plain", "pixels", "pixels, plain", "optimiser", "update", "update, plain",
        "acting greedily", "training", "training, plain", "CleanRL's loop",
        "wrapper stack / bare loop", "training / CleanRL's loop", "update / that floor, in time",
    } <= set(found)  # fmt: skip
    for number in numbers[1:]:
        assert f"training, {number} threads" in found
    for one in found.values():
        assert len(one["rounds"]) == 2
        assert 0 < one["min"] <= one["median"] <= one["max"]
    stack, bare = found["wrapper stack"]["rounds"], found["bare loop"]["rounds"]
    ratios = [a / b for a, b in zip(stack, bare, strict=True)]
    assert found["wrapper stack / bare loop"]["rounds"] == pytest.approx(ratios)
    product = found["matrix product"]["rounds"]
    floor = [1 / (2.2 * rate) for rate in found["update"]["rounds"]]  # seconds a GFLOP
    over = found["update / that floor, in time"]["rounds"]
    assert over == pytest.approx([a * b for a, b in zip(floor, product, strict=True)])
    code, shown, _ = use(capfd, "benchmark", "--show", path)
    assert code == 0
    assert shown == out
    assert all(name in shown for name in found)
    words = ["submit", "pong", "--out", tmp_path / "suite", "--measurement", path, "--estimate"]
    code, out, err = use(capfd, *words)
    if code == 0:  # where there is an sbatch
        assert f"{found['training']['median']:,.0f} frames a second" in out


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (["--game", "pongg"], "pong"),
        (["--rounds", "0"], "more than zero"),
        (["--seconds", "-1"], "more than zero"),
        (["--json", "nowhere/here.json"], "no folder nowhere"),
        (["--show", "nothing.json"], "nothing.json"),
        (["--show", ROOT / "results" / "published" / "benchmark_tables.json"], "is no file of"),
        (["--markdown", "summary"], "--show"),
    ],
)
def test_nonsense_is_refused_in_one_line(capfd, tmp_path, monkeypatch, words, needle):
    monkeypatch.chdir(tmp_path)
    code, _, err = use(capfd, "benchmark", *words)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert needle in err


def test_rows_take_turns_with_the_threads_they_name():
    seen = []

    def work(name):
        def one():
            seen.append((name, torch.get_num_threads()))
            time.sleep(0.002)
            return 5

        return one

    rows = {"a": measuring.Row("x/s", work("a")), "b": measuring.Row("x/s", work("b"), 2)}
    found = measuring.measure(rows, 2, 0.001)
    assert seen == [("a", 1)] * 2 + [("b", 2)] * 2 + [("a", 1)] * 2 + [("b", 2)] * 2
    assert all(0 < one <= 5 / 0.002 for row in found.values() for one in row.rounds)
    quotients = measuring.ratio(found["a"], found["b"]).rounds
    assert quotients[0] == pytest.approx(found["a"].rounds[0] / found["b"].rounds[0])


def test_hours_memory_and_disk_of_the_paper():
    found = {
        "provenance": {"cores": 8, "memory_bytes": 16_000_000_000, "gpu": "Abacus"},
        "measurements": [
            {"name": "training", "median": 1_000.0}, {"name": "training, GPU", "median": 4_000.0},
        ],
    }  # fmt: skip
    game, here, gpu, cluster = account.projections(found)
    # 200 million frames of training, and 200 evaluations of 125,000 steps: 100 million frames
    hours = (200e6 + 100e6) / 1_000 / 3_600
    assert "56 hours of training and at most 28 of evaluation" in game
    assert "7.8 GB of memory" in game
    assert "2 at a time" in here  # as memory has it, not the cores
    assert f"49 games in {hours * 49 / 2 / 24:,.0f} days" in here
    assert f"Abacus: {hours / 4:,.0f} hours a game" in gpu
    assert f"{hours / 4 * 49 / 24:,.0f} days" in gpu
    assert f"245 runs in {hours / 24:.1f} days, {245 * hours:,.0f} core-hours" in cluster
    assert f"keep {245 * estimate.FINISHED_BYTES / 1e9:.1f} GB" in cluster
    del found["measurements"][1]
    found["provenance"]["memory_bytes"] = 4_000_000_000
    _, here, gpu, _ = account.projections(found)
    assert "no run fits" in here
    assert "not measured" in gpu


@pytest.mark.parametrize(
    ("file", "kind"), [("README.md", "summary"), ("docs/performance.md", "profile")]
)
def test_the_documentation_shows_what_the_command_prints(file, kind, capfd):
    """If not: run the command that stands there, and put its output between the marks."""
    path = ROOT / "results" / "published" / "benchmark.json"
    code, out, _ = use(capfd, "benchmark", "--show", path, "--markdown", kind)
    assert code == 0
    text = (ROOT / file).read_text()
    assert text.split("<!-- benchmark -->\n")[1].split("<!-- end -->")[0] == out


def test_the_documentation_has_no_figure_of_its_own():
    """Between the marks and in code is all there is; a count of threads is a word."""
    text = (ROOT / "docs" / "performance.md").read_text()
    before, shown = text.split("<!-- benchmark -->\n")
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)|float32|bfloat16|Stable-Baselines3|AVX-512", "",
                   before + shown.split("<!-- end -->")[1])  # fmt: skip
    assert re.findall(r".*\d.*", prose) == []


def test_the_floating_point_operations_of_an_update():
    """Counted layer by layer: outputs times weights behind each, a product and a sum."""
    forward = 2 * (20 * 20 * 32 * 256 + 9 * 9 * 64 * 512 + 7 * 7 * 64 * 576 + 3136 * 512 + 512 * 6)
    first = 2 * 20 * 20 * 32 * 256  # no gradient with respect to the pixels
    assert 32 * (4 * forward - first) / 1e9 == pytest.approx(stages.UPDATE_GFLOP, rel=0.02)


def test_cleanrls_environment_is_the_usual_one():
    env = rivals.ClassicEnv("breakout", np.random.default_rng(0))
    observation = env.reset()
    assert (observation.shape, observation.dtype) == ((4, 84, 84), np.uint8)
    draw, ends, rewards = np.random.default_rng(1), 0, set()
    while ends < 15:
        following, reward, end = env.step(int(draw.integers(env.actions)))
        assert np.array_equal(following[:-1], observation[1:])
        rewards.add(reward)
        ends += end
        observation = env.reset() if end else following
        if end:  # four times the first picture
            assert all(np.array_equal(observation[0], one) for one in observation)
    assert rewards == {0.0, 1.0}


def test_the_opponents_learn_from_the_same_replay_size():
    settings = stages.short_config(2_000, learner="plain")
    assert settings.agent.replay_steps == 2_000
    assert settings.agent.minibatch == preset("nature").agent.minibatch
    ring = rivals._Ring(3)
    frames = np.arange(6)[:, None, None, None] * np.ones((4, 84, 84))
    for step in range(5):
        ring.add(frames[step], frames[step + 1], step, float(step), step == 4)
    states, after, *_ = ring.sample(64, np.random.default_rng(0))
    assert set(np.unique(states.numpy())) <= {2, 3, 4, 5}
    assert set(np.unique(after.numpy())) <= {3, 4, 5}
