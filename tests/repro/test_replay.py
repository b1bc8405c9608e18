"""The replay memory against a list (ledger rows 6 and 12)."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy import stats

from repro.minibatches import MinibatchQueue
from repro.replay import Batch, EmptyReplayError, ReplayMemory

GOES_ON, TERMINAL, TRUNCATED = 0, 1, 2
SHAPE = (2, 1)


def frame_of(number):
    """A frame like no other, and never zero."""
    return np.array([[1 + number // 200], [1 + number % 200]], np.uint8)


class ListMemory:
    """What ReplayMemory should hold: the last N transitions, walked one by one."""

    def __init__(self, capacity, history):
        self.capacity, self.history = capacity, history
        self.transitions = []

    def add(self, frame, action, reward, end):
        self.transitions = [*self.transitions, (frame, action, reward, end)][-self.capacity :]

    def stack(self, newest):
        """The frames of a state, oldest first: walk back until an episode's end."""
        frames = [self.transitions[newest][0]]
        for index in range(newest - 1, newest - self.history, -1):
            if self.transitions[index][3] != GOES_ON:
                break
            frames.insert(0, self.transitions[index][0])
        missing = self.history - len(frames)
        return np.stack([np.zeros(SHAPE, np.uint8)] * missing + frames)

    def eligible(self, steps=1, discount=0.99):
        """Every transition that may be drawn: key to nothing else than itself."""
        found = []
        # The oldest lack frames, the newest lack their successor.
        for index in range(self.history - 1, len(self.transitions) - steps):
            action, total, end = self.transitions[index][1], 0.0, GOES_ON
            for ahead in range(steps):
                _, _, reward, end = self.transitions[index + ahead]
                total += discount**ahead * reward
                if end != GOES_ON:
                    break
            if end != TRUNCATED:
                after = self.stack(index + steps) if end == GOES_ON else None
                found.append(key(self.stack(index), action, total, after, end == TERMINAL))
        return found


def key(state, action, reward, after, terminal):
    successor = None if after is None else after.tobytes()
    return (state.tobytes(), int(action), float(reward), successor, bool(terminal))


def keys(batch):
    # What follows a terminal transition is never looked at, so it is not compared here.
    return [
        key(state, action, reward, None if terminal else after, terminal)
        for state, action, reward, after, terminal in zip(
            batch.states, batch.actions, batch.rewards, batch.next_states, batch.terminals,
            strict=True,
        )
    ]  # fmt: skip


def filled(ends, capacity, history, seed=0, memory=None, start=0, discount=0.99, steps=1):
    """A memory and its model, after the same transitions."""
    model = ListMemory(capacity, history)
    memory = memory or ReplayMemory(
        capacity, SHAPE, history, np.random.default_rng(seed), discount=discount, steps=steps
    )
    for number, end in enumerate(ends, start):
        action, reward = number * 7 % 18, float(number % 3 - 1)
        model.add(frame_of(number), action, reward, end)
        memory.add(frame_of(number), action, reward, end == TERMINAL, end == TRUNCATED)
    return memory, model


# A failure shows at once: looking for a smaller one would draw hundreds of thousands of samples.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)

endings = st.lists(
    st.sampled_from([GOES_ON, GOES_ON, GOES_ON, TERMINAL, TRUNCATED]), min_size=1, max_size=70
)


@settings(max_examples=150, deadline=None, phases=PHASES)
@given(ends=endings, history=st.integers(1, 4), spare=st.integers(1, 9), seed=st.integers(0, 99))
def test_samples_are_the_lists_transitions_and_all_of_them(ends, history, spare, seed):
    capacity = history + spare
    memory, model = filled(ends, capacity, history, seed)
    assert len(memory) == len(model.transitions)
    eligible = model.eligible()
    if not eligible:
        with pytest.raises(EmptyReplayError, match=r"too few|truncated"):
            memory.sample(1)
        return
    # At most a dozen can be drawn, so 600 draws miss one with a chance below 1e-20.
    assert set(keys(memory.sample(600))) == set(eligible)


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(ends=endings, history=st.integers(1, 4))
def test_samples_are_right_after_every_single_step(ends, history):
    model = ListMemory(7, history)
    memory = ReplayMemory(7, SHAPE, history, np.random.default_rng(1), discount=0.99)
    for number, end in enumerate(ends):
        model.add(frame_of(number), 1, 0.5, end)
        memory.add(frame_of(number), 1, 0.5, end == TERMINAL, end == TRUNCATED)
        eligible = model.eligible()
        if eligible:
            assert set(keys(memory.sample(300))) == set(eligible)


def test_a_longer_life_with_many_rounds_of_the_ring():
    ends = np.random.default_rng(2).choice(
        [GOES_ON, TERMINAL, TRUNCATED], 3_000, p=[0.9, 0.07, 0.03]
    )
    memory, model = filled(ends, 101, 4)
    assert set(keys(memory.sample(20_000))) == set(model.eligible())


# --- n-step returns --------------------------------------------------------------------

HALF = 0.5  # sums of its powers are exact


@settings(max_examples=150, deadline=None, phases=PHASES)
@given(
    ends=endings, history=st.integers(1, 4), ahead=st.integers(1, 6), spare=st.integers(0, 9),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_n_step_samples_are_the_lists_and_all_of_them(ends, history, ahead, spare, seed):
    """Across lives, truncations and the ring's write head."""
    memory, model = filled(ends, history + ahead + spare, history, seed, discount=HALF, steps=ahead)
    eligible = model.eligible(ahead, HALF)
    if not eligible:
        with pytest.raises(EmptyReplayError, match=r"too few|truncated"):
            memory.sample(1)
        return
    batch = memory.sample(600)
    assert set(keys(batch)) == set(eligible)
    assert batch.states.shape == batch.next_states.shape == (600, history, *SHAPE)
    np.testing.assert_array_equal(batch.discounts, np.where(batch.terminals, 0, HALF**ahead))


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(ends=endings, history=st.integers(1, 3))
def test_n_step_samples_are_right_after_every_single_step(ends, history):
    model = ListMemory(9, history)
    memory = ReplayMemory(9, SHAPE, history, np.random.default_rng(1), discount=HALF, steps=3)
    for number, end in enumerate(ends):
        model.add(frame_of(number), 1, 0.5, end)
        memory.add(frame_of(number), 1, 0.5, end == TERMINAL, end == TRUNCATED)
        eligible = model.eligible(3, HALF)
        if eligible:
            assert set(keys(memory.sample(300))) == set(eligible)


def test_a_three_step_return_by_hand():
    memory = ReplayMemory(10, SHAPE, 1, np.random.default_rng(0), discount=0.9, steps=3)
    for reward, terminal in ((1, False), (2, False), (4, True), (8, False), (16, False)):
        memory.add(frame_of(0), 0, reward, terminal)
    batch = memory.sample(100)
    returns = dict(zip(batch.numbers.tolist(), batch.rewards.tolist(), strict=True))
    assert returns == pytest.approx({0: 1 + 0.9 * 2 + 0.81 * 4, 1: 2 + 0.9 * 4})
    assert batch.terminals.all()
    assert not batch.discounts.any()


def test_too_small_a_memory_for_its_returns_is_an_error():
    with pytest.raises(ValueError, match="capacity_steps"):
        ReplayMemory(6, SHAPE, 4, np.random.default_rng(0), discount=0.99, steps=3)


def test_terminal_transitions_end_in_a_blank_frame():
    # The next episode's first frame lies in the next slot and must not show.
    memory, _ = filled([GOES_ON, GOES_ON, TERMINAL, GOES_ON, GOES_ON, GOES_ON], 10, 2)
    batch = memory.sample(200)
    assert batch.terminals.any()
    assert not batch.next_states[batch.terminals, -1].any()
    assert batch.next_states[~batch.terminals, -1].any(axis=(1, 2)).all()


def test_types_and_shapes_of_a_batch():
    memory = ReplayMemory(10, (84, 84), 4, np.random.default_rng(0), discount=0.99)
    for _ in range(8):
        memory.add(np.ones((84, 84), np.uint8), 17, -1.0, False)
    batch = memory.sample(6)
    assert batch.states.shape == batch.next_states.shape == (6, 4, 84, 84)
    assert batch.states.dtype == np.uint8
    assert (batch.actions.dtype, batch.rewards.dtype) == (np.int64, np.float32)
    assert batch.terminals.dtype == np.bool_
    assert set(batch.actions) == {17}
    assert set(batch.rewards) == {-1.0}


def test_draws_are_uniform():
    ends = np.random.default_rng(3).choice([GOES_ON, TERMINAL, TRUNCATED], 130, p=[0.7, 0.2, 0.1])
    memory, model = filled(ends, 50, 4, seed=12)
    eligible = model.eligible()
    assert len(set(eligible)) == len(eligible) > 25
    drawn = keys(memory.sample(20_000))
    counts = [drawn.count(one) for one in eligible]
    assert sum(counts) == 20_000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_draws_are_with_replacement_and_independent():
    memory, model = filled([GOES_ON] * 104, 104, 4, seed=5)
    number = {one: index for index, one in enumerate(model.eligible())}
    assert len(number) == 100
    # 100 draws from 100: about 63 different ones, 100 if nothing came twice.
    distinct = [len(set(keys(memory.sample(100)))) for _ in range(50)]
    assert np.mean(distinct) == pytest.approx(100 * (1 - 0.99**100), abs=2)
    # One draw says nothing about the next.
    drawn = [number[one] // 20 for one in keys(memory.sample(20_000))]
    table = np.zeros((5, 5))
    np.add.at(table, (drawn[:-1:2], drawn[1::2]), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_another_generator_leaves_the_memorys_own_alone():
    memory, _ = filled([GOES_ON] * 30, 20, 3)
    before = memory.generator.bit_generator.state
    memory.sample(64, np.random.default_rng(9))
    assert memory.generator.bit_generator.state == before
    memory.sample(64)
    assert memory.generator.bit_generator.state != before


def test_nothing_to_draw_is_an_error():
    memory = ReplayMemory(10, SHAPE, 4, np.random.default_rng(0), discount=0.99)
    for number in range(4):  # one whole stack, but no successor
        with pytest.raises(EmptyReplayError, match="too few"):
            memory.sample(1)
        memory.add(frame_of(number), 0, 0.0, False)
    with pytest.raises(EmptyReplayError, match="too few"):
        memory.sample(1)
    memory.add(frame_of(4), 0, 0.0, False)
    assert len(memory.sample(3).actions) == 3


def test_too_small_a_memory_is_an_error():
    with pytest.raises(ValueError, match="capacity_steps"):
        ReplayMemory(4, SHAPE, 4, np.random.default_rng(0), discount=0.99)


# --- how much memory ------------------------------------------------------------------


def test_a_million_steps_fit_into_7_3_gigabytes():
    needed = ReplayMemory.bytes_needed(1_000_000, (84, 84), np.uint8)
    assert 84 * 84 * 1_000_000 < needed <= 7.3e9


def test_bytes_needed_are_the_bytes_taken():
    memory = ReplayMemory(123, (5, 3), 2, np.random.default_rng(0), np.float32, discount=0.99)
    for _ in range(123):
        memory.add(np.zeros((5, 3)), 0, 0.0, False)
    taken = sum(array.nbytes for array in memory.read(0, 123).values())
    assert ReplayMemory.bytes_needed(123, (5, 3), np.float32) == taken


def test_memory_is_claimed_when_it_is_made():
    """In a process of its own: an old one can have memory to spare that nobody sees it take."""
    code = """
from pathlib import Path
import numpy as np
from repro.replay import ReplayMemory
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = resident()
memory = ReplayMemory(20_000, (84, 84), 4, np.random.default_rng(0), discount=0.99)
print(resident() - before, len(memory))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, transitions = map(int, done.stdout.split())
    assert grown > 0.95 * 20_000 * 84 * 84
    assert transitions == 0


# --- minibatches from a larger draw ----------------------------------------------------


def marked(value, capacity=40):
    """A memory whose every frame, action and reward is ``value``."""
    memory = ReplayMemory(capacity, SHAPE, 2, np.random.default_rng(4), discount=0.99)
    overwrite(memory, value)
    return memory


def overwrite(memory, value):
    for _ in range(memory.capacity_steps):
        memory.add(np.full(SHAPE, value, np.uint8), value, value, False)


def test_512_are_drawn_as_copies_and_used_32_by_32():
    memory = marked(1)
    queue = MinibatchQueue(memory, 512, 32)
    ages = []
    for update in range(1, 34):  # the memory is all new before each update
        overwrite(memory, update)
        batch = queue.next()
        assert len(batch.actions) == 32
        drawn_at = set(batch.actions.tolist())
        assert set(batch.states.flat) == set(batch.next_states.flat) == drawn_at
        assert set(batch.rewards.tolist()) == drawn_at
        assert len(drawn_at) == 1
        ages.append(update - drawn_at.pop())
    assert ages == [*range(16), *range(16), 0]  # up to 15 updates old, then drawn anew


def test_the_queue_hands_out_its_draw_in_order():
    one, _ = filled([GOES_ON] * 90, 60, 4, seed=8)
    two, _ = filled([GOES_ON] * 90, 60, 4, seed=8)
    queue = MinibatchQueue(one, 512, 32)
    for _ in range(2):
        whole = keys(two.sample(512))
        assert [one for _ in range(16) for one in keys(queue.next())] == whole


def test_the_draw_must_be_a_multiple_of_the_minibatch():
    with pytest.raises(ValueError, match=r"500.*32"):
        MinibatchQueue(marked(1), 500, 32)


# --- going on later --------------------------------------------------------------------


def pieces(memory, length):
    """What is held, in pieces."""
    return [
        (start, memory.read(start, min(start + length, memory.added)))
        for start in range(memory.oldest, memory.added, length)
    ]


@pytest.mark.parametrize("steps", [0, 12, 50, 51, 167])
def test_transitions_keep_their_numbers(steps):
    memory, _ = filled([GOES_ON] * steps, 50, 4)
    assert (memory.oldest, memory.added) == (max(steps - 50, 0), steps)
    found = memory.read(memory.oldest, memory.added)
    assert [len(array) for array in found.values()] == [len(memory)] * 4
    for index, number in enumerate(range(memory.oldest, memory.added)):
        np.testing.assert_array_equal(found["frames"][index], frame_of(number))
        assert found["actions"][index] == number * 7 % 18
    if steps:
        (newest,) = memory.read(steps - 1, steps)["frames"]
        newest[:] = 0  # a copy
        np.testing.assert_array_equal(
            memory.read(steps - 1, steps)["frames"][0], frame_of(steps - 1)
        )


@pytest.mark.parametrize("bounds", [(9, 20), (50, 61), (30, 29), (-1, 5)])
def test_what_is_not_held_cannot_be_read(bounds):
    memory, _ = filled([GOES_ON] * 60, 50, 4)
    with pytest.raises(ValueError, match="not all held"):
        memory.read(*bounds)


@pytest.mark.parametrize("steps", [12, 50, 167])  # not full, just full, wrapped
def test_a_restored_memory_goes_on_identically(steps):
    ends = np.random.default_rng(6).choice([GOES_ON, TERMINAL, TRUNCATED], 300, p=[0.8, 0.1, 0.1])
    memory, _ = filled(ends[:steps], 50, 4, seed=3)
    queue = MinibatchQueue(memory, 64, 16)
    queue.next()
    states = memory.state(), queue.state()
    other = ReplayMemory(50, SHAPE, 4, np.random.default_rng(77), discount=0.99)
    other.restore(states[0], pieces(memory, 7))
    again = MinibatchQueue(other, 64, 16)
    again.restore(states[1])
    assert len(other) == len(memory) == min(steps, 50)
    for number in range(steps, steps + 60):
        assert keys(queue.next()) == keys(again.next())
        for one in (memory, other):
            one.add(frame_of(number), 1, 1.0, ends[number] == TERMINAL, ends[number] == TRUNCATED)


def test_a_queue_that_has_drawn_nothing_can_be_restored():
    one, two = MinibatchQueue(marked(1), 64, 16), MinibatchQueue(marked(1), 64, 16)
    two.restore(one.state())
    assert keys(one.next()) == keys(two.next())


@pytest.mark.parametrize("capacity", [30, 70])
def test_a_replay_fits_no_other_size(capacity):
    memory, _ = filled([GOES_ON] * 60, 50, 4)
    other = ReplayMemory(capacity, SHAPE, 4, np.random.default_rng(0), discount=0.99)
    with pytest.raises(ValueError, match="size"):
        other.restore(memory.state(), pieces(memory, 10))


@pytest.mark.parametrize(("shape", "dtype"), [((3, 3), np.uint8), (SHAPE, np.float32)])
def test_other_frames_do_not_fit(shape, dtype):
    memory, _ = filled([GOES_ON] * 60, 50, 4)
    other = ReplayMemory(50, shape, 4, np.random.default_rng(0), dtype, discount=0.99)
    with pytest.raises(ValueError, match="frames of another size"):
        other.restore(memory.state(), pieces(memory, 10))


def test_pieces_may_begin_before_what_is_held():
    early, _ = filled([GOES_ON] * 30, 50, 4)
    memory, _ = filled([GOES_ON] * 60, 50, 4)
    other = ReplayMemory(50, SHAPE, 4, np.random.default_rng(0), discount=0.99)
    other.restore(memory.state(), [(0, early.read(0, 20)), *pieces(memory, 10)[1:]])
    assert keys(other.sample(100)) == keys(memory.sample(100))


@pytest.mark.parametrize("missing", range(5))
def test_a_gap_is_noticed(missing):
    memory, _ = filled([GOES_ON] * 60, 50, 4)
    some = pieces(memory, 10)
    del some[missing]
    other = ReplayMemory(50, SHAPE, 4, np.random.default_rng(0), discount=0.99)
    with pytest.raises(ValueError, match=f"lacks transition {10 * missing + 10}"):
        other.restore(memory.state(), some)
    assert len(other) == 0  # and can be restored from elsewhere
    other.restore(memory.state(), pieces(memory, 10))
    assert keys(other.sample(100)) == keys(memory.sample(100))


def test_a_piece_too_many_is_noticed():
    memory, _ = filled([GOES_ON] * 60, 50, 4)
    other = ReplayMemory(50, SHAPE, 4, np.random.default_rng(0), discount=0.99)
    with pytest.raises(ValueError, match="lacks"):
        other.restore(memory.state(), [*pieces(memory, 10), pieces(memory, 10)[-1]])


def test_part_of_a_batch():
    memory, _ = filled([GOES_ON] * 60, 50, 4)
    batch = memory.sample(10)
    part = batch.part(2, 5)
    assert isinstance(part, Batch)
    assert keys(part) == keys(batch)[2:5]


def test_part_of_a_batch_of_longer_returns():
    memory, _ = filled([GOES_ON] * 60, 50, 4, steps=3)
    batch = memory.sample(10)
    part = batch.part(2, 5)
    assert part.states.shape == (3, 4, *SHAPE)
    assert keys(part) == keys(batch)[2:5]
