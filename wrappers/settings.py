"""What a field of a configuration is: its unit, source, ledger row and bounds, beside its value."""

import dataclasses
import math
import reprlib
import typing
from typing import Any

LARGEST = 10**15  # of any whole number: more is a slip, and fits into no array
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def setting(
    default: Any, *, unit: str, source: str, row: int | None, doc: str,
    within: str = "[0, inf)", before: Any = None, free: bool = False,
) -> Any:  # fmt: skip
    """Declare a field of a configuration.

    Args:
        default: the field's value in preset ``nature``.
        unit: "frames" (emulator), "steps" (agent decisions), "updates" and so on; "" if none.
        source: where the value is printed, "code" for the released program, or "ours".
        row: the row of the fidelity ledger, or ``None`` for choices of our own.
        doc: one sentence, shown in help texts and in `repro protocol`.
        within: the interval of a number, or of each of several, such as "(0, 1]".
        before: what was done before there was the field, if that is another value: an older
            configuration that lacks it means this.
        free: whether it is book-keeping, which a run that goes on may have otherwise.
    """
    metadata = {
        "unit": unit, "source": source, "row": row, "doc": doc, "within": within, "free": free,
    }  # fmt: skip
    if before is not None:
        metadata["before"] = before
    return dataclasses.field(default=default, metadata=metadata)


def check_all(part: Any, name: str, error: type[ValueError]) -> None:
    """Refuse a part of a configuration with a value of another type, or out of its interval.

    Args:
        part: a frozen dataclass; fields that are no :func:`setting` are passed over.
        name: of the part with a dot, for the message; "" for none.
        error: to raise.

    Raises:
        ValueError: of the kind asked for, naming the field, what it must be, and the value.
    """
    hints = typing.get_type_hints(type(part))
    for item in dataclasses.fields(part):
        if "within" in item.metadata:
            value, kind = getattr(part, item.name), hints[item.name]
            check_type(name + item.name, value, kind, error)
            _check_within(name + item.name, value, item.metadata["within"], error)


def check_type(name: str, value: Any, kind: Any, error: type[ValueError]) -> None:
    """Refuse a value of another type than declared; whole numbers are numbers, too.

    Args:
        name: of the field, for the message.
        value: as read from a file, say.
        kind: int, float, bool, str, a ``Literal``, or a tuple of numbers, be it of any length.
        error: to raise.

    Raises:
        ValueError: of the kind asked for, naming the field, what it must be, and the value.
    """
    if not _fits(value, kind):
        raise error(f"{name} must be {_words(kind)}, got {reprlib.repr(value)}")
    if type(value) is int and abs(value) > LARGEST:
        raise error(f"{name} must be at most {LARGEST:,}, got {reprlib.repr(value)}")


def _check_within(name: str, value: Any, interval: str, error: type[ValueError]) -> None:
    least, most = map(float, interval[1:-1].split(","))
    for one in value if isinstance(value, tuple) else (value,):
        if type(one) not in (int, float):
            continue
        inside = least <= one <= most and math.isfinite(one)
        at_open_end = (one == least and interval[0] == "(") or (one == most and interval[-1] == ")")
        if not inside or at_open_end:
            raise error(f"{name} must be in {interval}, got {value}")


def _fits(value: Any, kind: Any) -> bool:
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return any(type(value) is type(choice) and value == choice for choice in parts)
    if typing.get_origin(kind) is tuple:
        if parts[-1] is Ellipsis:
            return isinstance(value, tuple) and all(_fits(one, parts[0]) for one in value)
        return (
            isinstance(value, tuple)
            and len(value) == len(parts)
            and all(map(_fits, value, parts))
        )  # fmt: skip
    return type(value) is kind or (kind is float and type(value) is int)


def _words(kind: Any) -> str:
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return f"one of {', '.join(map(repr, parts))}"
    if typing.get_origin(kind) is tuple:
        return "numbers" if parts[-1] is Ellipsis else f"{len(parts)} numbers"
    return _WORDS.get(kind, f"a {kind.__name__}")
