"""Prioritised replay against a plain array, by hand and by its frequencies (Schaul et al. 2016)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from repro.prioritized import PrioritizedReplay, SumTree
from repro.replay import EmptyReplayError, LatestTransitions
from tests.repro.test_replay import (
    GOES_ON,
    PHASES,
    SHAPE,
    TERMINAL,
    TRUNCATED,
    ListMemory,
    endings,
    frame_of,
    keys,
    pieces,
)

# --- the sum tree ------------------------------------------------------------------------

numbers = st.integers(0, 1000).map(float)  # whole: their sums are exact


@settings(max_examples=200, deadline=None)
@given(data=st.data(), size=st.integers(1, 40))
def test_the_tree_is_an_array_with_running_sums(data, size):
    tree, plain = SumTree(size), np.zeros(size)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=8))
        values = data.draw(st.lists(numbers, min_size=len(at), max_size=len(at)))
        tree.set(np.array(at), np.array(values))
        for index, value in zip(at, values, strict=True):
            plain[index] = value
    np.testing.assert_array_equal(tree.leaves, plain)
    assert tree.total == plain.sum()
    if plain.sum():
        masses = np.arange(0, plain.sum(), max(plain.sum() // 50, 1))
        ends = np.cumsum(plain)
        expected = [int(np.flatnonzero(ends > mass)[0]) for mass in masses]
        assert tree.find(masses).tolist() == expected
    again = SumTree(size)
    again.fill(plain)
    np.testing.assert_array_equal(again._nodes, tree._nodes)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=70).filter(lambda p: sum(p) > 1e-3))
def test_nothing_of_no_mass_is_ever_found(values):
    tree = SumTree(len(values))
    tree.fill(np.array(values))
    masses = tree.total * np.array([0.0, 0.3, 0.999, np.nextafter(1, 0), 1.0])
    assert all(values[index] > 0 for index in tree.find(masses))


# --- the memory --------------------------------------------------------------------------


def memory_of(capacity=50, history=2, seed=0, steps=1, **options):
    return PrioritizedReplay(
        capacity, SHAPE, history, np.random.default_rng(seed), discount=0.5, steps=steps, **options
    )


def fill(memory, ends, start=0):
    for number, end in enumerate(ends, start):
        action, reward = number * 7 % 18, float(number % 3 - 1)
        memory.add(frame_of(number), action, reward, end == TERMINAL, end == TRUNCATED)
    return memory


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(
    ends=endings, history=st.integers(1, 4), ahead=st.integers(1, 4), spare=st.integers(0, 9),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_what_can_be_drawn_is_what_uniform_replay_draws(ends, history, ahead, spare, seed):
    capacity, model = history + ahead + spare, ListMemory(history + ahead + spare, history)
    memory = fill(memory_of(capacity, history, seed, ahead), ends)
    for number, end in enumerate(ends):
        model.add(frame_of(number), number * 7 % 18, float(number % 3 - 1), end)
    eligible = model.eligible(ahead, 0.5)
    if not eligible:
        with pytest.raises(EmptyReplayError, match="too few"):
            memory.sample(1)
        return
    # All are new, with the same p: 30 parts of the sum and more miss none of a dozen.
    assert set(keys(memory.sample(600))) == set(eligible)


def test_draws_are_in_proportion_to_priority():
    memory = fill(memory_of(60, exponent=0.7, offset=0.01), [GOES_ON] * 150)
    every = np.arange(memory.oldest + 1, memory.added - 1)
    errors = np.random.default_rng(1).normal(size=len(every)) * 3
    memory.learned(every, errors)
    expected = (np.abs(errors) + 0.01) ** 0.7
    # One at a time, so that draws are independent.
    drawn = np.concatenate([memory.sample(1).numbers for _ in range(20_000)])
    counts = np.bincount(drawn - every[0], minlength=len(every))
    assert len(counts) == len(every)
    frequent = expected / expected.sum() * 20_000 > 5
    shares = np.append(expected[frequent], expected[~frequent].sum() + 1e-12)
    found = np.append(counts[frequent], counts[~frequent].sum())
    assert stats.chisquare(found, shares / shares.sum() * 20_000).pvalue > 1e-3


def test_a_minibatch_has_one_of_each_part_of_the_sum():
    memory = fill(memory_of(66), [GOES_ON] * 66)  # 64 can be sampled, all alike
    for _ in range(20):
        drawn = memory.sample(32).numbers
        assert sorted((drawn - 1) // 2) == list(range(32))
        assert drawn.tolist() != sorted(drawn)


def test_weights_by_hand():
    memory = fill(
        memory_of(5, history=1, exponent=1.0, offset=0.5, beta=0.5, beta_steps=10), [GOES_ON] * 5
    )
    memory.learned(np.arange(4), np.array([0.5, -1.5, 3.5, 0.0]))
    # p: 1, 2, 4, 0.5; the weights are (5 p / 7.5) to the power of -beta, over the largest.
    beta = 0.5 + 0.5 * 5 / 10
    assert memory.beta() == pytest.approx(beta)
    batch = memory.sample(400)
    p = np.array([1.0, 2.0, 4.0, 0.5])[batch.numbers]
    np.testing.assert_allclose(batch.weights, (0.5 / p) ** beta, rtol=1e-6)
    assert batch.weights.max() == 1.0
    fill(memory, [GOES_ON] * 20, 5)
    assert memory.beta() == 1.0


def test_the_new_have_the_largest_priority_so_far():
    memory = fill(memory_of(50, history=1, exponent=1.0, offset=0.5), [GOES_ON] * 10)
    assert set(memory.state()["p"][:9]) == {1.0}
    memory.learned(np.array([3]), np.array([7.0]))
    memory.learned(np.array([3]), np.array([0.0]))
    fill(memory, [GOES_ON], 10)
    assert memory.state()["p"][[3, 9, 10]].tolist() == [0.5, 7.5, 0.0]


def test_what_was_overwritten_meanwhile_is_passed_over():
    memory = fill(memory_of(20, history=2), [GOES_ON] * 20)
    batch = memory.sample(40)
    fill(memory, [GOES_ON] * 10, 20)
    before = memory.state()["p"].copy()
    old = batch.numbers < 11
    assert old.any()
    memory.learned(batch.numbers[old], np.full(old.sum(), 9.0))
    np.testing.assert_array_equal(memory.state()["p"], before)


def test_a_restored_memory_goes_on_identically():
    ends = np.random.default_rng(6).choice([GOES_ON, TERMINAL, TRUNCATED], 300, p=[0.8, 0.1, 0.1])
    memory = fill(memory_of(50, seed=3), ends[:167])
    memory.learned(memory.sample(30).numbers, np.linspace(-2, 2, 30))
    other = memory_of(50, seed=8)
    other.restore(memory.state(), pieces(memory, 7))
    for number in range(167, 220):
        one, two = memory.sample(8), other.sample(8)
        assert keys(one) == keys(two)
        np.testing.assert_array_equal(one.weights, two.weights)
        for each in (memory, other):
            each.learned(one.numbers, np.linspace(0, number, 8))
            fill(each, [ends[number]], number)


@pytest.mark.parametrize(
    "change",
    [
        {"p": np.zeros(49)}, {"p": np.zeros(50, np.float32)}, {"p": np.full(50, -1.0)},
        {"p": np.full(50, np.nan)}, {"p": np.full(50, 2.0)}, {"largest_p": np.inf},
        {"largest_p": "1"}, {"p": [0.0]},
    ],
    ids=str,
)  # fmt: skip
def test_priorities_that_cannot_be_are_refused(change):
    memory = fill(memory_of(50), [GOES_ON] * 60)
    with pytest.raises(ValueError, match="priorities"):
        memory_of(50).restore(memory.state() | change, pieces(memory, 10))


# --- no replay ---------------------------------------------------------------------------


def test_without_replay_the_latest_are_learned_from():
    memory = LatestTransitions(50, SHAPE, 2, np.random.default_rng(0), discount=0.5)
    fill(memory, [GOES_ON] * 90)
    assert memory.sample(4).numbers.tolist() == [85, 86, 87, 88]
    fill(memory, [TRUNCATED, GOES_ON], 90)
    assert memory.sample(4).numbers.tolist() == [86, 87, 88, 89]  # 90 has no next state
