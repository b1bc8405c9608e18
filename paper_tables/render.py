"""A table of values, and its four faces: Markdown, CSV, LaTeX (booktabs) and HTML.

A text may be a stranger's. Each face shows it as text: it makes neither a row nor a command.
"""

import html as escaping
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from repro.system.disk import one_line


@dataclass(frozen=True)
class Column:
    """How one column of the frame is shown.

    Attributes:
        name: in the frame, and in CSV.
        title: above the column.
        decimals: of numbers; ``None`` for text.
        missing: shown where there is no value.
        instead: column of the frame whose text is shown there instead.
    """

    name: str
    title: str
    decimals: int | None = None
    missing: str = "-"
    instead: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it stands to the right."""
        return self.decimals is not None

    def cells(self, frame: pd.DataFrame) -> "list[Cell]":
        """The column as text."""
        missing = frame[self.instead] if self.instead else [self.missing] * len(frame)
        return [
            Cell(self, value, str(other) if pd.isna(value) else self._text(value))
            for value, other in zip(frame[self.name], missing, strict=True)
        ]

    def _text(self, value: object) -> str:
        if self.decimals is None:
            return str(value)
        number = float(str(value))
        return str(number) if np.isinf(number) else f"{number:z,.{self.decimals}f}"


@dataclass(frozen=True)
class Cell:
    """A value and how it is shown."""

    column: Column
    value: object
    text: str

    @property
    def number(self) -> float | None:
        """What a page sorts by."""
        number = isinstance(self.value, int | float | np.number) and np.isfinite(float(self.value))
        return float(str(self.value)) if number else None


@dataclass(frozen=True)
class Table:
    """Values, how to show them, and what a reader must know.

    Attributes:
        key: its file name, such as ``table2``.
        title: one line.
        frame: raw values, all of which go into the CSV.
        columns: those shown, in order.
        notes: sentences below the table.
    """

    key: str
    title: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()

    def cells(self) -> list[list[Cell]]:
        """All rows, of what is shown."""
        shown = [column.cells(self.frame) for column in self.columns]
        return [list(row) for row in zip(*shown, strict=True)]


def counted(number: int, noun: str) -> str:
    """Such as "1 run" or "2,000 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def csv(table: Table) -> str:
    """Every column of the frame, unrounded; empty where there is no value."""
    texts = {
        str(name): pd.Series([_inert(value) for value in column], column.index, dtype=object)
        for name, column in table.frame.items()
        if not pd.api.types.is_numeric_dtype(column)
    }
    return str(table.frame.assign(**texts).to_csv(index=False, lineterminator="\n"))


def _inert(value: object) -> object:
    """A text that no spreadsheet takes for a formula, with an apostrophe if need be."""
    if not isinstance(value, str):
        return value
    shown = one_line(value)
    return f"'{shown}" if shown[:1] in _FORMULA and not _NUMBER.fullmatch(shown) else shown


def markdown(table: Table) -> str:
    """With title and notes; text to the left, numbers to the right."""
    notes = "".join(f"\n{_escape_markdown(note)}\n" for note in table.notes)
    return f"## {_escape_markdown(table.title)}\n\n{grid(table)}{notes}"


def grid(table: Table) -> str:
    """Only the rows, in Markdown."""
    header = [_escape_markdown(column.title) for column in table.columns]
    right = [column.is_number for column in table.columns]
    cells = [[_escape_markdown(cell.text) for cell in row] for row in table.cells()]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if to_right else "-" * width
        for width, to_right in zip(widths, right, strict=True)
    ]
    return "\n".join([line(header), line(rule), *map(line, cells)]) + "\n"


def plain(frame: pd.DataFrame, decimals: int = 1) -> str:
    """A frame as it is, in Markdown: whole numbers without decimals, others with ``decimals``."""
    columns = []
    for name, kind in frame.dtypes.items():
        whole = pd.api.types.is_integer_dtype(kind)
        places = (0 if whole else decimals) if pd.api.types.is_numeric_dtype(kind) else None
        columns.append(Column(str(name), str(name), places))
    return grid(Table("", "", frame, tuple(columns)))


_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?[0-9][0-9,]*(\.[0-9]+)?(e[+-]?[0-9]+)?|[+-]inf")


def _escape_markdown(text: str) -> str:
    """Also what begins a link, a picture or HTML, which most viewers let pass."""
    return re.sub(r"[\\|\[]|<(?=[a-zA-Z/!?])", r"\\\g<0>", one_line(text))


PAGE = Path(__file__).parent / "page"
_ROWS_AT_FULL_SIZE = 35  # that fit on a landscape page in LaTeX
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "[": "{[}",  # or a row's end takes it for its own
}  # fmt: skip


def _escape_latex(value: object) -> str:
    """Also what stops LaTeX, which has no letters beyond the first 256."""
    known = one_line(value).encode("latin-1", "replace").decode("latin-1")
    return "".join(_LATEX.get(character, character) for character in known)


def _escape_html(value: object) -> Markup:
    """What is no HTML yet, on one line."""
    return value if isinstance(value, Markup) else Markup(escaping.escape(one_line(value)))


# ``finalize`` sees every value that a template shows, so that none can forget its escape.
_LAYOUT: Any = {
    "loader": FileSystemLoader(PAGE),
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}
HTML = Environment(**_LAYOUT, autoescape=True, finalize=_escape_html)
LATEX = Environment(
    **_LAYOUT,
    finalize=_escape_latex,
    block_start_string="<%",
    block_end_string="%>",
    variable_start_string="<<",
    variable_end_string=">>",
)


def latex(table: Table) -> str:
    r"""A ``table`` environment to ``\input``; needs the packages booktabs and graphicx."""
    template = LATEX.get_template("table.tex.j2")
    return template.render(table=table, rows_at_full_size=_ROWS_AT_FULL_SIZE)


def latex_document(tables: Sequence[Table]) -> str:
    """A document that shows all of them, to be compiled where their files lie."""
    return LATEX.get_template("tables.tex.j2").render(tables=tables)


def html(table: Table) -> str:
    """A ``<figure>`` with the table and its notes; cells carry their raw value for sorting."""
    return HTML.get_template("table.html.j2").render(table=table)


def html_document(table: Table) -> str:
    """A page of its own."""
    return HTML.get_template("table_page.html.j2").render(table=table)


FACES: dict[str, Callable[[Table], str]] = {
    "md": markdown,
    "csv": csv,
    "tex": latex,
    "html": html_document,
}
