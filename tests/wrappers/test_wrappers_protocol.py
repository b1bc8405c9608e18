"""The Protocol: each environment row of the ledger as one field, and the presets."""

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from wrappers.protocol import (
    MACHADO2018,
    NATURE,
    NATURE_TEXT,
    PRESETS,
    Protocol,
    ProtocolError,
)

# The ledger's environment rows, by hand.
ROWS = {
    "action_repeat_frames": (1, 4),
    "max_pool_frames": (2, 2),
    "luminance_weights": (3, (0.299, 0.587, 0.114)),
    "screen_pixels": (4, 84),
    "resize": (4, "area"),
    "to_byte": (5, "truncate"),
    "stack_frames": (6, 4),
    "minimal_actions": (7, True),
    "noop_max_frames": (8, 30),
    "noops_after_lost_life": (8, True),
    "life_loss_terminal": (9, True),
    "clip_rewards": (10, True),
    "eval_cap_frames": (25, 18_000),
    "sticky_probability": (28, 0.0),
    "game_rules": (29, "2014"),
    "train_cap_frames": (30, 1_728_000),  # eight hours of play
}


@pytest.mark.parametrize("name", ROWS)
def test_every_row_has_its_field(name: str) -> None:
    row, value = ROWS[name]
    fields = {field.name: field for field in dataclasses.fields(Protocol)}
    assert fields[name].metadata["row"] == row
    assert getattr(NATURE, name) == value


def test_every_row_of_the_environment_has_a_field_and_every_field_a_row() -> None:
    rows = {field.name: field.metadata["row"] for field in dataclasses.fields(Protocol)}
    assert {row for row in rows.values() if row is not None} == {*range(1, 11), 25, 28, 29, 30}
    assert set(rows) == set(ROWS)


def test_a_field_is_ours_where_the_ledger_has_no_row_for_it() -> None:
    for field in dataclasses.fields(Protocol):
        assert (field.metadata["source"] == "ours") == (field.metadata["row"] is None), field.name


@pytest.mark.parametrize("field", dataclasses.fields(Protocol), ids=lambda field: field.name)
def test_every_field_says_where_it_comes_from(field: Any) -> None:
    assert field.metadata["source"]
    assert field.metadata["doc"]
    if field.name.endswith("_frames") and field.name != "stack_frames":
        assert field.metadata["unit"] == "frames"


def differences(protocol: Protocol) -> dict[str, Any]:
    ours, natures = dataclasses.asdict(protocol), dataclasses.asdict(NATURE)
    return {name: value for name, value in ours.items() if value != natures[name]}


def test_row_8_nature_text_differs_in_the_noops_only() -> None:
    assert differences(NATURE_TEXT) == {"noops_after_lost_life": False}


def test_row_28_machado2018_is_the_modern_protocol() -> None:
    """Sticky actions, all 18 actions, no life-loss signal, 30 minutes = 108,000 frames."""
    assert differences(MACHADO2018) == {
        "minimal_actions": False,
        "noop_max_frames": 0,
        "noops_after_lost_life": False,
        "life_loss_terminal": False,
        "train_cap_frames": 108_000,
        "eval_cap_frames": 108_000,
        "sticky_probability": 0.25,
        "game_rules": "emulator",
    }


def test_presets_by_name() -> None:
    assert PRESETS == {"nature": NATURE, "nature-text": NATURE_TEXT, "machado2018": MACHADO2018}
    assert Protocol() == NATURE


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        NATURE.stack_frames = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action_repeat_frames", 0),
        ("screen_pixels", 0),
        ("stack_frames", 0),
        ("noop_max_frames", -1),
        ("noop_max_frames", 18_001),
        ("noop_max_frames", 10**15),
        ("train_cap_frames", -1),
        ("eval_cap_frames", -1),
        ("max_pool_frames", 0),
        ("max_pool_frames", 3),
        ("sticky_probability", -0.1),
        ("sticky_probability", 1.0),
        ("sticky_probability", float("nan")),
        ("resize", "cubic"),
        ("to_byte", "ceil"),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ProtocolError, match=name):
        dataclasses.replace(NATURE, **{name: value})


def test_no_op_starts_of_up_to_five_minutes_are_allowed() -> None:
    assert dataclasses.replace(NATURE, noop_max_frames=18_000).noop_max_frames == 18_000


def test_a_protocol_error_is_a_value_error() -> None:
    assert issubclass(ProtocolError, ValueError)


def test_reading_a_protocol_loads_no_emulator() -> None:
    code = (
        "import sys, wrappers; wrappers.Protocol(); "
        "sys.exit(bool({'ale_py', 'cv2', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_names_of_the_package_are_attribute_errors() -> None:
    import wrappers

    with pytest.raises(AttributeError, match="make_trian_env"):
        wrappers.make_trian_env  # noqa: B018
