"""Rows 2 to 6: pixels, against exact integer arithmetic and against scripted screens."""

from collections.abc import Iterator

import cv2
import exact
import numpy as np
import pytest
from fake_emulator import EMPTY, FIRE, FakeEmulator, pool, read, read_stack
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import wrappers
from wrappers.frames import FrameStack, Luminance, MaxPool, luminance, preprocess, shrink
from wrappers.protocol import ProtocolError

Bytes = NDArray[np.uint8]
GAMES = ("seaquest", "enduro", "pong", "breakout", "space_invaders", "qbert", "ms_pacman", "zaxxon")


def noise(seed: int, height: int = 210, width: int = 160) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=GAMES)
def real_pairs(request: pytest.FixtureRequest) -> list[tuple[Bytes, Bytes]]:
    """Twelve pairs of consecutive frames, spread over 600 frames of random play."""
    env = wrappers.make_emulator(request.param)
    env.action_space.seed(0)
    frame, _ = env.reset(seed=0)
    pairs = []
    for number in range(1, 601):
        previous = frame
        frame, _, terminated, _, _ = env.step(env.action_space.sample())
        if number % 50 == 0:
            pairs.append((previous, frame))
        if terminated:
            frame, _ = env.reset()
    env.close()
    return pairs


def test_exact_overlaps_tile_every_pixel() -> None:
    """The oracle itself: nothing counted twice, nothing left out."""
    for length in (210, 160, 250):
        shared = exact.overlaps(length, 84)
        assert (shared.sum(axis=1) == length).all()
        assert (shared.sum(axis=0) == 84).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.sampled_from([210, 250, 192, 84]),
    width=st.sampled_from([160, 152, 84]),
)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_rows_2_to_5_on_noise(seed: int, height: int, width: int) -> None:
    """The hardest case: every pixel differs from its neighbours."""
    previous, current = noise(seed, height, width), noise(seed + 1, height, width)
    got = preprocess(previous, current)
    assert got.shape == (84, 84)
    assert got.dtype == np.uint8
    assert exact.agrees(got, exact.screen(previous, current))


@pytest.mark.parametrize("height", [210, 250])
def test_rows_3_to_5_keep_every_flat_grey(height: int) -> None:
    """A grey area of level g is stored as g, exactly: truncation must not take a level."""
    for level in range(256):
        frame = np.full((height, 160, 3), level, np.uint8)
        assert (preprocess(frame, frame) == level).all(), level


@pytest.mark.parametrize(
    ("colour", "level"),
    [
        ((255, 0, 0), 76),  # 76.245
        ((0, 255, 0), 149),  # 149.685: truncated, where rounding would give 150
        ((0, 0, 255), 29),  # 29.07
        ((0, 0, 200), 22),  # 22.8
        ((0, 1, 1), 0),  # 0.701
        ((10, 20, 30), 18),  # 18.15
        ((213, 130, 74), 148),  # 148.433
    ],
)
def test_rows_3_and_5_flat_colours_are_weighed_and_truncated(
    colour: tuple[int, int, int], level: int
) -> None:
    """Figures worked out by hand from 0.299 R + 0.587 G + 0.114 B."""
    frame = np.empty((210, 160, 3), np.uint8)
    frame[:] = colour
    assert (preprocess(frame, frame) == level).all()


def test_rows_2_to_5_on_real_frames(real_pairs: list[tuple[Bytes, Bytes]]) -> None:
    for previous, current in real_pairs:
        assert exact.agrees(preprocess(previous, current), exact.screen(previous, current))


def test_row_2_first_frame_pools_with_itself(real_pairs: list[tuple[Bytes, Bytes]]) -> None:
    _, frame = real_pairs[0]
    assert exact.agrees(preprocess(frame, frame), exact.screen(frame, frame))


def test_row_2_order_does_not_matter() -> None:
    one, two = noise(1), noise(2)
    np.testing.assert_array_equal(preprocess(one, two), preprocess(two, one))


def test_preprocess_leaves_its_arguments_alone() -> None:
    one, two = noise(1), noise(2)
    before = one.copy(), two.copy()
    preprocess(one, two)
    np.testing.assert_array_equal(one, before[0])
    np.testing.assert_array_equal(two, before[1])


def test_row_3_luminance_is_not_rounded() -> None:
    """Float32 to within float32's precision of the exact value."""
    frame = noise(3)
    plane = luminance(frame)
    assert plane.dtype == np.float32
    np.testing.assert_allclose(plane, exact.luminance_thousandths(frame) / 1000, atol=1e-4)


def test_row_4_area_average_weighs_partial_pixels() -> None:
    """One white row: each output row gets the share of it that it covers, in 84/210 rows."""
    plane = np.zeros((210, 160), np.float32)
    plane[2] = 250.0
    # Output row 0 covers input rows 0 to 2.5, row 1 covers 2.5 to 5: half of row 2 each.
    expected = np.zeros(84, np.uint8)
    expected[:2] = 50  # 250 x 0.5 / 2.5
    np.testing.assert_array_equal(shrink(plane), np.repeat(expected[:, None], 84, axis=1))


def test_row_5_rounding_is_another_choice() -> None:
    """The slip of others, on offer for comparison, differs from truncation."""
    frame = noise(4)
    rounded = shrink(luminance(frame), to_byte="round")
    assert exact.agrees(rounded, exact.screen(frame, frame, rounded=True))
    assert not exact.agrees(rounded, exact.screen(frame, frame))


@pytest.mark.parametrize("game", ["seaquest", "enduro"])
def test_teeth_row_2_maximum_of_greys_is_noticed(game: str) -> None:
    """Pooling after the luminance is several levels off wherever colours flicker."""
    for previous, current in flicker_pairs(game):
        wrong = shrink(np.maximum(luminance(previous), luminance(current)))
        if levels_off(wrong, preprocess(previous, current)) >= 4:  # a quick look for such a pair
            right = exact.screen(previous, current)
            assert levels_off(wrong, right) >= 4
            assert not exact.agrees(wrong, right)
            assert exact.agrees(preprocess(previous, current), right)
            return
    pytest.fail(f"no flicker in {game}: the test has lost its teeth")


def test_teeth_row_4_bilinear_is_noticed(real_pairs: list[tuple[Bytes, Bytes]]) -> None:
    """INTER_LINEAR and the exact area average differ on every real game."""
    for previous, current in real_pairs:
        plane = luminance(np.maximum(previous, current))
        wrong = cv2.resize(plane, (84, 84), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
        assert not exact.agrees(wrong, exact.screen(previous, current))
        np.testing.assert_array_equal(wrong, shrink(plane, resize="linear"))


def test_teeth_row_3_other_weights_are_noticed(real_pairs: list[tuple[Bytes, Bytes]]) -> None:
    """Plain averages and swapped channels do not pass for the luminance."""
    for weights in ((1 / 3, 1 / 3, 1 / 3), (0.114, 0.587, 0.299), (0.2126, 0.7152, 0.0722)):
        assert not all(
            exact.agrees(
                shrink(luminance(np.maximum(previous, current), weights)),
                exact.screen(previous, current),
            )
            for previous, current in real_pairs
        )


def levels_off(one: Bytes, other: Bytes) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def flicker_pairs(game: str) -> Iterator[tuple[Bytes, Bytes]]:
    """1,500 consecutive pairs of frames of random play."""
    env = wrappers.make_emulator(game)
    env.action_space.seed(1)
    frame, _ = env.reset(seed=1)
    for number in range(1500):
        previous = frame
        if number % 10 == 0:
            action = env.action_space.sample()
        frame, _, terminated, _, _ = env.step(action)
        yield previous, frame
        if terminated:
            frame, _ = env.reset()
    env.close()


@pytest.mark.parametrize(
    ("previous", "current", "word"),
    [
        (np.zeros((210, 160), np.uint8), np.zeros((210, 160), np.uint8), "uint8"),
        (np.zeros((210, 160, 3)), np.zeros((210, 160, 3)), "float64"),
        (np.zeros((210, 160, 4), np.uint8), np.zeros((210, 160, 4), np.uint8), "height, width, 3"),
        (np.zeros((210, 160, 3), np.uint8), np.zeros((250, 160, 3), np.uint8), "differ"),
    ],
)
def test_preprocess_refuses_other_frames(previous: Bytes, current: Bytes, word: str) -> None:
    with pytest.raises(ProtocolError, match=word):
        preprocess(previous, current)


def test_row_2_wrapper_pools_colour_by_colour() -> None:
    """Red in one frame and green in the next are yellow together."""
    red, green = np.zeros((2, 210, 160, 3), np.uint8)
    red[..., 0], green[..., 1] = 200, 100
    emulator = FakeEmulator()
    shown = iter([red, green])
    emulator._show = lambda action, reward: next(shown)  # type: ignore[method-assign]
    env = MaxPool(emulator)
    env.reset(seed=0)
    pooled, *_ = env.step(FIRE)
    assert (pooled == (200, 100, 0)).all()


def test_row_2_wrapper_pools_two_frames_and_forgets_at_reset() -> None:
    env = MaxPool(FakeEmulator())
    frame, _ = env.reset(seed=0)
    assert read(frame[..., 0]) == pool(1)
    for screens in ((1, 2), (2, 3), (3, 4)):
        frame, *_ = env.step(FIRE)
        assert read(frame[..., 0]) == pool(*screens)
    frame, _ = env.reset()
    assert read(frame[..., 0]) == pool(5)
    frame, *_ = env.step(FIRE)
    assert read(frame[..., 0]) == pool(5, 6)


def test_row_6_stack_is_oldest_first_and_starts_empty() -> None:
    env = FrameStack(Luminance(FakeEmulator()))
    assert env.observation_space.shape == (4, 84, 84)
    assert env.observation_space.dtype == np.uint8
    observation, _ = env.reset(seed=0)
    assert read_stack(observation) == [EMPTY, EMPTY, EMPTY, pool(1)]
    for newest in (2, 3, 4, 5, 6):
        observation, *_ = env.step(FIRE)
        expected = [pool(number) if number > 0 else EMPTY for number in range(newest - 3, newest)]
        assert read_stack(observation) == [*expected, pool(newest)]
    observation, _ = env.reset()
    assert read_stack(observation) == [EMPTY, EMPTY, EMPTY, pool(7)]


def test_row_6_observations_are_safe_to_keep() -> None:
    """An observation kept for replay must not change when the game goes on."""
    env = FrameStack(Luminance(FakeEmulator()))
    kept = [env.reset(seed=0)[0]]
    copies = [kept[0].copy()]
    for _ in range(6):
        kept.append(env.step(FIRE)[0])
        copies.append(kept[-1].copy())
    kept.append(env.reset()[0])
    copies.append(kept[-1].copy())
    for observation, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(observation, copy)
