"""When things happen, in exact step numbers (ledger rows 13 to 16 and 21)."""

import dataclasses
from fractions import Fraction

import pytest

from repro import schedule
from repro.config import preset

NATURE = preset("nature").agent
TEXT = preset("nature-text").agent


def test_first_update_at_50_004_and_then_every_fourth_step():
    due = [step for step in range(1, 60_001) if schedule.update_due(step, NATURE)]
    assert due == list(range(50_004, 60_001, 4))


def test_2_500_updates_between_two_target_copies():
    copies = [step for step in range(1, 110_001) if schedule.target_due(step, NATURE)]
    assert copies == list(range(10_000, 110_001, 10_000))
    updates = sum(schedule.update_due(step, NATURE) for step in range(60_001, 70_001))
    assert updates == 2_500


@pytest.mark.parametrize("step", [0, 1, 25_000, 49_999, 50_000])
def test_play_is_random_for_the_first_50_000_steps(step):
    assert schedule.epsilon(step, NATURE) == 1.0


def test_epsilon_falls_in_a_straight_line():
    for step in (50_001, 50_010, 300_000, 550_000, 800_000, 1_049_999):
        expected = 1 - Fraction(9, 10) * Fraction(step - 50_000, 1_000_000)
        assert schedule.epsilon(step, NATURE) == pytest.approx(float(expected), abs=1e-12)
    assert schedule.epsilon(550_000, NATURE) == pytest.approx(0.55, abs=1e-12)


def test_epsilon_reaches_a_tenth_at_step_1_050_000_and_not_before():
    per_step = 0.9 / 1_000_000
    assert schedule.epsilon(1_049_999, NATURE) == pytest.approx(0.1 + per_step, abs=1e-12)
    for step in (1_050_000, 1_050_001, 50_000_000):
        assert schedule.epsilon(step, NATURE) == pytest.approx(0.1, abs=1e-12)


def test_nature_text_counts_emulator_frames():
    due = [step for step in range(1, 13_001) if schedule.update_due(step, TEXT)]
    assert due == list(range(12_504, 13_001, 4))
    copies = [step for step in range(1, 130_001) if schedule.target_due(step, TEXT)]
    assert copies == [40_000, 80_000, 120_000]  # 10,000 updates, one every fourth step
    assert schedule.epsilon(12_500, TEXT) == 1.0
    for step in (12_501, 100_000, 249_999):
        expected = 1 - Fraction(9, 10) * Fraction(step, 250_000)
        assert schedule.epsilon(step, TEXT) == pytest.approx(float(expected), abs=1e-12)
    assert schedule.epsilon(249_999, TEXT) > 0.1 + 1e-6
    assert schedule.epsilon(250_000, TEXT) == pytest.approx(0.1, abs=1e-12)


def test_epsilon_can_fall_by_a_ratio():
    agent = dataclasses.replace(NATURE, epsilon_schedule="exponential")
    # From 1 to a tenth in a million steps: a ratio of 10 to the -0.000001 per step.
    for step in (50_001, 300_000, 550_000, 1_049_999):
        expected = 10.0 ** (-(step - 50_000) / 1_000_000)
        assert schedule.epsilon(step, agent) == pytest.approx(expected, rel=1e-12)
    assert schedule.epsilon(50_000, agent) == 1.0
    assert schedule.epsilon(550_000, agent) == pytest.approx(0.1**0.5, rel=1e-12)
    for step in (1_050_000, 50_000_000):
        assert schedule.epsilon(step, agent) == pytest.approx(0.1, rel=1e-12)


def test_without_a_target_network_it_is_renewed_after_every_step():
    agent = dataclasses.replace(NATURE, target_network=False)
    assert all(schedule.target_due(step, agent) for step in range(1, 100))
