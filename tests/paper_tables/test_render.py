"""The four faces of a table."""

import csv
import html.parser
import io
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from paper_tables import render, tables
from paper_tables.collect import collect
from paper_tables.render import Column, Table

HOSTILE = "a|b & <i>50%</i> #1_{x}~^\\"


@pytest.fixture
def table():
    rows = [
        {"name": "plain", "score": 1234.56, "runs": 1, "hidden": 7},
        {"name": HOSTILE, "score": np.nan, "runs": 20, "hidden": 8},
    ]
    columns = (
        Column("name", "name"),
        Column("score", "score, %", decimals=1, missing="not run"),
        Column("runs", "runs", decimals=0),
        Column("hidden", ""),
    )
    return Table("key", "A title & more", columns, rows, ("A note: 5% < 6%.",))


def test_a_column_shows_what_it_makes_of_a_row_and_may_be_in_csv_or_on_the_page_alone():
    columns = (
        Column("half", "half", lambda row: row / 2, 2, lambda row: f"no half of {row}"),
        Column("", "only shown", str),
        Column("only_csv", "", lambda row: row > 1),
        Column("large", "large?", lambda row: row > 1),
    )
    table = Table("key", "", columns, (1, 4, np.nan))
    assert render.grid(table).splitlines() == [
        "|           half | only shown | large? |",
        "| -------------: | ---------- | ------ |",
        "|           0.50 | 1          | no     |",
        "|           2.00 | 4          | yes    |",
        "| no half of nan | nan        | no     |",
    ]
    assert render.csv(table) == (
        "half,only_csv,large\n0.5,False,False\n2.0,True,True\n,False,False\n"
    )


def test_markdown_is_aligned_and_shows_gaps(table):
    assert render.markdown(table).splitlines() == [
        "## A title & more",
        "",
        "| name                           | score, % | runs |",
        "| ------------------------------ | -------: | ---: |",
        "| plain                          |  1,234.6 |    1 |",
        "| a\\|b & \\<i>50%\\</i> #1_{x}~^\\\\ |  not run |   20 |",
        "",
        "A note: 5% < 6%.",
    ]


def test_csv_keeps_everything_unrounded(table):
    rows = list(csv.DictReader(io.StringIO(render.csv(table))))
    assert rows[0] == {"name": "plain", "score": "1234.56", "runs": "1", "hidden": "7"}
    assert rows[1] == {"name": HOSTILE, "score": "", "runs": "20", "hidden": "8"}


class Cells(html.parser.HTMLParser):
    """Collects the text of every cell, and the raw values."""

    def __init__(self):
        super().__init__()
        self.cells, self.values, self.tags, self.inside = [], [], set(), False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            self.inside = True
            self.values.append(dict(attrs).get("data-value"))

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] += data


def test_html_escapes_and_carries_raw_values(table):
    reader = Cells()
    reader.feed(render.html(table))
    assert reader.cells == [
        "name", "score, %", "runs", "plain", "1,234.6", "1", HOSTILE, "not run", "20",
    ]  # fmt: skip
    assert reader.values[3:] == [None, "1234.56", "1.0", None, None, "20.0"]
    assert "i" not in reader.tags


def test_latex_escapes_and_uses_booktabs(table):
    text = render.latex(table)
    assert r"plain & 1,234.6 & 1 \\" in text
    assert r"\& \textless{}i\textgreater{}50\%" in text
    assert r"\#1\_\{x\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1


FORGED = {
    "a new row": "x |\n| Pong | 999.0 |",
    "a cell": "x\\| 999.0 ",
    "a formula": "=HYPERLINK(1)",
    "a sum": "+1+cmd|' /C calc'!A0",
    "a difference": "-2+3",
    "a name": "@SUM(A1)",
    "a formula on the next line": "x\r=1",
    "a picture": "![x](https://example.org/x.png)",
    "HTML": "<script>alert(1)</script>",
    "LaTeX": "\\input{/etc/passwd} \\\\ \\end{tabular}",
    "a length": "[2pt] x",
    "no letter of LaTeX": "\u4e2d \u2713",
    "a command to a terminal": "\x1b]0;title\x07\x9b2J",
    "half a letter": "\ud800",
}


def hostile(text):
    rows = [
        {"name": text, "score": -1.5, "row": text},
        {"name": "plain", "score": -2.0, "row": "-3.5e-05"},
    ]
    columns = (Column("name", text), Column("score", "score", decimals=1), Column("row", "row"))
    return Table("key", text, columns, rows, (text,))


def split_by_the_specification(row):
    """The cells of a row of GitHub's Markdown: a bar parts them unless a backslash is before it,
    which no other backslash takes away."""
    return re.findall(r"((?:\\[!-/:-@\[-`{-~]|[^|])*)\|", row[1:])


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_no_text_forges_a_row_a_cell_or_a_formula(text):
    table = hostile(text)
    lines = render.markdown(table).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(lines) == len(rows) + 4 == 8  # a title, a note, and an empty line after each
    assert {len(split_by_the_specification(row)) for row in rows} == {3}
    assert not re.search(r"(?<!\\)(<\w|\[)", "\n".join(lines))
    head, first, second = csv.reader(io.StringIO(render.csv(table), newline=""))
    assert head == ["name", "score", "row"]
    assert not first[0].startswith(tuple("=+-@\t\r"))
    assert (first[1], second) == ("-1.5", ["plain", "-2.0", "-3.5e-05"])
    reader = Cells()
    reader.feed(render.html(table))
    assert len(reader.cells) == 9
    assert reader.tags.isdisjoint({"script", "img"})
    for face in render.FACES.values():
        shown = face(table)
        assert all(letter == "\n" or letter.isprintable() for letter in shown)
        assert "-1.5" in shown


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_shows_any_text_as_text(text, tmp_path):
    document = render.latex_document([hostile(text)])
    (tmp_path / "key.tex").write_text(render.latex(hostile(text)))
    (tmp_path / "tables.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:]
    assert "passwd" not in done.stdout


def test_a_text_that_nobody_would_read_is_cut():
    assert len(render.markdown(hostile("x" * 1_000_000))) < 100_000


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(table, suite, tmp_path):
    suite.run("pong", 0, final=[1.0, 2.0], training__frames=3_000_000)
    results = collect(suite.folder)
    made = [table, tables.scores(results, also=["pfrl"]), tables.normalised(results)]
    for one in made:
        (tmp_path / f"{one.key}.tex").write_text(render.latex(one))
    (tmp_path / "tables.tex").write_text(render.latex_document(made))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000
    assert "Overfull" not in done.stdout
    assert "Float too large" not in done.stdout


def test_a_plain_frame_is_shown_as_it_is():
    frame = pd.DataFrame({"a": ["x", "yy"], "b": [1.25, -np.inf], "c": [1_000, 2]})
    assert render.plain(frame).splitlines() == [
        "| a  |    b |     c |",
        "| -- | ---: | ----: |",
        "| x  |  1.2 | 1,000 |",
        "| yy | -inf |     2 |",
    ]
