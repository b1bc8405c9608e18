"""The benchmark of checkpoints, with a replay that takes no time."""

import pytest

from scripts import benchmark_checkpoint as benchmark


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(benchmark, "REPLAY_STEPS", 5_000)
    monkeypatch.setattr(benchmark, "EVERY_STEPS", 2_500)


def test_it_measures_and_judges(tmp_path, capsys):
    found = benchmark.measure("breakout", 700, tmp_path)
    assert found["first_bytes"] < found["both_bytes"] < 2 * found["first_bytes"] + 10**8
    assert found["replay_bytes"] == 5_000 * (84 * 84 + 6)
    verdict = benchmark.report(found, steps_per_second=1)
    assert verdict["met"]
    assert verdict["share"] == pytest.approx(found["next_seconds"] / 2_500)
    out = capsys.readouterr().out
    assert "700 distinct steps" in out
    assert out.count("allowed") == out.count("meets") == 5
    assert not benchmark.report(found, steps_per_second=10**9)["met"]
    assert "misses" in capsys.readouterr().out


def test_play_is_real_and_repeated(tmp_path):
    from repro import config, experiment
    from repro.replay import ReplayMemory
    from repro.storage.run import Run

    run = Run("breakout", 0, "nature", config.preset("nature"))
    played = benchmark.play(experiment.make_envs(run).train, 300)
    assert len({screen.tobytes() for screen, *_ in played}) > 150
    assert {action for _, action, *_ in played} == {0, 1, 2, 3}
    memory = ReplayMemory(1_000, (84, 84), 4, None, discount=0.99)
    benchmark.fill(memory, played, 650)
    one = benchmark.fingerprint(memory)
    assert memory.added == 650
    assert (memory.read(0, 300)["frames"] == memory.read(300, 600)["frames"]).all()
    benchmark.fill(memory, played, 1)
    assert benchmark.fingerprint(memory) != one
