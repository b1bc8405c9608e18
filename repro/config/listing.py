"""The configuration as a table: value, unit, source and ledger row of every field."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from repro import config


@dataclass(frozen=True)
class Line:
    """One field. ``other`` is the second preset's value where two are compared."""

    name: str
    value: Any
    other: Any
    unit: str
    source: str
    row: int | None
    doc: str


def lines(name: str, other: str | None = None) -> list[Line]:
    """Every field of a preset, or only those in which two presets differ.

    Raises:
        ConfigError: for an unknown preset.
    """
    one = config.preset(name)
    changed = config.differences(one, config.preset(other)) if other else {}
    sources = [_source(name)] if other is None else [_source(name), _source(other)]
    return [
        Line(
            item.name, value, changed.get(part + item.name, (None, None))[1],
            item.metadata["unit"],
            " | ".join(source(part + item.name, item.metadata["source"]) for source in sources),
            item.metadata["row"],
            item.metadata["doc"],
        )
        for _, part, item, value in config.fields(one)
        if not other or part + item.name in changed
    ]  # fmt: skip


def _source(name: str) -> Callable[[str, str], str]:
    """Say where a preset's values are from: where it differs from ``nature``, its own source."""
    own = config.differences(config.preset(name), config.preset("nature"))
    return lambda field, printed: config.PRESETS[name].source if field in own else printed


def as_json(found: Sequence[Line], compared: bool) -> list[dict[str, Any]]:
    """The same as plain values."""
    drop = set() if compared else {"other"}
    return [{k: v for k, v in asdict(line).items() if k not in drop} for line in found]


def as_text(found: Sequence[Line], name: str, other: str | None = None) -> str:
    """Aligned columns, a line per field."""
    header = ["field", name, *([other] if other else []), "unit", "row", "source", "meaning"]
    rows = [
        [
            line.name, _shown(line.value), *([_shown(line.other)] if other else []), line.unit,
            str(line.row or "-"), line.source, line.doc,
        ]
        for line in found
    ]  # fmt: skip
    return _aligned([header, *rows])


def presets_as_text() -> str:
    """A row for each preset: what it is, where its values are from, and what it changes."""
    nature = config.preset("nature")
    rows = [["preset", "what", "source", "differs from nature in"]]
    for name, preset in config.PRESETS.items():
        changed = config.differences(nature, preset.config)
        settings = (f"{key.split('.')[-1]} {_shown(new)}" for key, (_, new) in changed.items())
        rows.append([name, preset.summary, preset.source or "-", ", ".join(settings) or "-"])
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
