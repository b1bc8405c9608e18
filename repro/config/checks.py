"""What the value of a configuration's field may be: of the type that the field declares."""

import typing
from typing import Any

LARGEST = 10**15  # of any whole number: more is a slip, and fits into no array
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


class ConfigError(ValueError):
    """A configuration that cannot be run; the message says which field and why."""


def check(name: str, value: Any, kind: Any) -> None:
    """Refuse a value of another type than declared; whole numbers are numbers, too.

    Args:
        name: of the field, for the message.
        value: as read from a file, say.
        kind: int, float, bool, str, a ``Literal``, or a tuple of numbers.

    Raises:
        ConfigError: naming the field, what it must be, and the value.
    """
    if not _fits(value, kind):
        raise ConfigError(f"{name} must be {_words(kind)}, got {value!r}")
    if type(value) is int and abs(value) > LARGEST:
        raise ConfigError(f"{name} must be at most {LARGEST:,}, got {value}")


def _fits(value: Any, kind: Any) -> bool:
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return any(type(value) is type(choice) and value == choice for choice in parts)
    if typing.get_origin(kind) is tuple:
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
        return f"{len(parts)} numbers"
    return _WORDS.get(kind, f"a {kind.__name__}")
