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
    """What a table holds of each row, and how that is shown.

    Attributes:
        name: in CSV; empty if it is not there.
        title: above the column; empty if only CSV has it.
        value: of a row, ``None`` or NaN if there is none; by default the row's entry ``name``.
        decimals: of numbers; ``None`` for text.
        missing: shown where there is no value; may depend on the row.
        shown: how the value of a row is shown, if not as a number or text.
        aside: whether a page shows it only on demand.
    """

    name: str
    title: str
    value: Callable[[Any], Any] | None = None
    decimals: int | None = None
    missing: str | Callable[[Any], str] = "-"
    shown: Callable[[Any], str] | None = None
    aside: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it stands to the right."""
        return self.decimals is not None

    def of(self, row: Any) -> Any:
        """The value of a row."""
        return self.value(row) if self.value else row.get(self.name)

    def cell(self, row: Any) -> "Cell":
        """The value of a row, as it is shown."""
        value = self.of(row)
        if pd.isna(value):
            text = self.missing if isinstance(self.missing, str) else self.missing(row)
        elif self.shown:
            text = self.shown(row)
        elif isinstance(value, bool):
            text = "yes" if value else "no"
        elif self.decimals is None:
            text = str(value)
        else:
            text = str(value) if np.isinf(value) else f"{value:z,.{self.decimals}f}"
        return Cell(self, value, text)


@dataclass(frozen=True)
class Cell:
    """A value and how it is shown."""

    column: Column
    value: Any
    text: str

    @property
    def number(self) -> float | None:
        """What a page sorts by; also of a text that is a number."""
        if isinstance(self.value, str) and _NUMBER.fullmatch(self.value):
            return float(self.value.replace(",", ""))
        known = isinstance(self.value, int | float | np.number) and np.isfinite(self.value)
        return float(self.value) if known and not isinstance(self.value, bool) else None


@dataclass(frozen=True)
class Table:
    """Rows, what is shown of them, and what a reader must know.

    Attributes:
        key: its file name, such as ``table2``.
        title: one line.
        columns: in order.
        rows: whatever the columns take their values from.
        notes: sentences below the table.
        folded: of a row, whether a page shows it only on demand.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Any]
    notes: tuple[str, ...] = ()
    folded: Callable[[Any], bool] | None = None

    @property
    def shown(self) -> list[Column]:
        """The columns that not only CSV has."""
        return [column for column in self.columns if column.title]

    @property
    def frame(self) -> pd.DataFrame:
        """What CSV has: the values, unrounded."""
        named = [column for column in self.columns if column.name]
        values = {column.name: [column.of(row) for row in self.rows] for column in named}
        return pd.DataFrame(values, dtype=object)

    @property
    def away(self) -> list[bool]:
        """Of each row, whether a page shows it only on demand; if that were all, none is."""
        folded = [self.folded is not None and self.folded(row) for row in self.rows]
        return [one and not all(folded) for one in folded]

    def cells(self) -> list[list[Cell]]:
        """All rows, of what is shown."""
        return [[column.cell(row) for column in self.shown] for row in self.rows]


def counted(number: int, noun: str) -> str:
    """Such as "1 run" or "2,000 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def csv(table: Table) -> str:
    """Every value, unrounded; empty where there is none."""
    values = {name: [_inert(value) for value in column] for name, column in table.frame.items()}
    return str(pd.DataFrame(values, dtype=object).to_csv(index=False, lineterminator="\n"))


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
    header = [_escape_markdown(column.title) for column in table.shown]
    right = [column.is_number for column in table.shown]
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
        columns.append(Column(str(name), str(name), decimals=places))
    return grid(Table("", "", tuple(columns), frame.to_dict("records")))


_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?[0-9][0-9,]*(\.[0-9]+)?(e[+-]?[0-9]+)?|[+-]inf")


def _escape_markdown(text: str) -> str:
    """Also what begins a link, a picture or HTML, which most viewers let pass."""
    return re.sub(r"[\\|\[]|<(?=[a-zA-Z/!?])", r"\\\g<0>", one_line(text))


PAGE = Path(__file__).parent / "page"
_ROWS_AT_FULL_SIZE = 35  # that fit on a landscape page in LaTeX
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # or a row's end takes it for its own
}


def _escape_latex(value: object) -> str:
    """Also what stops LaTeX, which has no letters beyond the first 256."""
    known = one_line(value).encode("latin-1", "replace").decode("latin-1")
    return re.sub(r"[&%$#_{}\\~^<>\[]", lambda one: _LATEX.get(one[0], f"\\{one[0]}"), known)


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
