"""The page: whole, closed to the outside, and usable in a real browser."""

import base64
import hashlib
import html
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from paper_tables import ablations, summary, tables
from paper_tables.collect import collect
from paper_tables.render import Column, Table
from paper_tables.report import Head, Picture, report
from paper_tables.rows import Problem
from repro.games import GAMES
from tests.repro.test_config import VARIANTS_OFF

SVG = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
    '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
    '<svg width="900pt" height="300pt" viewBox="0 0 900 300" xmlns="http://www.w3.org/2000/svg">'
    '<style>*{stroke: red}</style><path id="line" d="M 0 0 L 900 300"/></svg>\n'
)
PROVENANCE = {
    "time": "2026-01-02T03:04:05+00:00",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": True,
    "libraries": {"torch": "2.99.0", "ale-py": "0.98.7"},
    "processor": "Abacus 9000",
    "rom_md5": "60e0ea3cbe0913d39803477945e9e5ec",
    "device": "a GPU",
    "threads": 3,
}
HOSTILE = "<script>window.broken = 1</script><img src=http://a.b onerror='broken=1'>\"'&amp;"
NUMBERS = (3.0, None, -20.0, 100.0, 20.0, None, 3.0)
WORDS = ("beta", "Alpha", "", "item 10", "item 9", "-", "gamma")


class Reader(HTMLParser):
    """What a page holds: its elements, and the texts of its tables' body rows by figure."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.rows, self.texts, self.heads = [], {}, [], {}
        self._figure = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "figure":
            self._figure = dict(attrs)["id"]
        elif tag == "tr":
            self.rows.setdefault(self._figure, []).append([])
        elif tag == "th":
            self.heads.setdefault(self._figure, []).append("")
        elif tag == "td":
            self.rows[self._figure][-1].append("")

    def handle_data(self, data):
        self.texts.append(data)
        if self.lasttag == "td" and self.rows[self._figure][-1]:
            self.rows[self._figure][-1][-1] += data.strip("\n")

        if self.lasttag == "th" and data.strip():
            self.heads[self._figure][-1] += data

    def named(self, figure):
        """A dict by head for each row."""
        return [dict(zip(self.heads[figure], row, strict=True)) for row in self.body(figure)]

    def body(self, figure):
        return [row for row in self.rows[figure] if row]  # the head has no td

    def values(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]


@pytest.fixture
def results(suite):
    for seed in (0, 1):
        path = suite.run("pong", seed, final=[1.0, 2.0, 3.0], agent__minibatch=32 + seed)
        (path / "provenance.json").write_text(json.dumps(PROVENANCE | {"threads": 3 + seed}))
    suite.run("breakout", 0, finished=False)
    return collect(suite.folder)


def made_up(**changed):
    values = zip("abcdefg", NUMBERS, WORDS, strict=True)
    rows = [{"row": row, "number": number, "word": word} for row, number, word in values]
    columns = (
        Column("row", "row"),
        Column("number", "number_that_no_line_can_hold", decimals=1),
        Column("word", "word"),
    )
    return replace(Table("made-up", "Made up", columns, rows), **changed)


def page(results, *more, pictures=("one", "two")):
    drawn = [Picture(key, f"Picture {key}", SVG) for key in pictures]
    both = [tables.scores(results), summary.aggregates(results)]
    all_tables = [*both, *ablations.ablations({}), *more]
    return report("A report", all_tables, drawn, results)


def test_the_page_asks_for_nothing_from_outside(results):
    text = page(results)
    read = Reader(text)
    assert all(link.startswith(("#", "data:")) for link in read.values("src") + read.values("href"))
    assert {tag for tag, _ in read.elements}.isdisjoint({"link", "iframe", "object", "base"})
    assert not re.search(r"url\(|@import|https?:|srcset|fetch\(|XMLHttp|import\(", text)
    assert "default-src 'none'" in text


def test_only_its_own_script_may_run(results):
    text = page(results)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_the_contents_lead_to_every_part_and_to_nothing_else(results):
    read = Reader(page(results))
    assert len(set(read.values("id"))) == len(read.values("id"))
    assert [f"#{key}" for key in read.values("id")] == read.values("href")
    parts = {"table2", "aggregates", "table3", "table4", "one", "two", "protocol", "runs"}
    assert set(read.values("id")) == parts


def test_every_game_has_its_row(results):
    rows = Reader(page(results)).body("table2")
    assert [row[0] for row in rows] == [game.title for game in GAMES.values()]


def test_the_head_counts_games_runs_and_those_finished(results):
    text = page(results)
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text) == [
        ("games", "2 of 49"), ("runs", "3"), ("finished", "2"), ("left out", "0"),
    ]  # fmt: skip


def test_each_run_says_where_it_comes_from(results):
    breakout, first, second = Reader(page(results)).named("runs")
    sources = {
        "torch": "2.99.0", "emulator (ale-py)": "0.98.7", "time": "2026-01-02T03:04:05+00:00",
        "device": "a GPU", "threads": "3", "processor": "Abacus 9000",
        "ROM MD5": PROVENANCE["rom_md5"], "commit": PROVENANCE["commit"],
        "uncommitted changes": "yes",
    }  # fmt: skip
    known = {"game": "Pong", "seed": "0", "preset": "nature", "frames planned": "200,000,000",
             "finished": "yes", "final games": "not verified", "went on elsewhere": ""}  # fmt: skip
    assert first == known | sources
    assert second == first | {"seed": "1", "threads": "4"}
    empty = dict.fromkeys(sources, "")
    assert breakout == known | empty | {"game": "Breakout", "finished": "no"}


def test_what_differs_between_runs_comes_first_and_the_rest_is_folded(suite):
    for seed in (0, 1):
        path = suite.run("pong", seed, final=[1.0], agent__minibatch=32 + seed)
        (path / "provenance.json").write_text(json.dumps(PROVENANCE | {"threads": 3 + seed}))
    read = Reader(page(collect(suite.folder)))
    assert read.heads["runs"][:3] == ["game", "seed", "threads"]
    folded = [
        attrs for tag, attrs in read.elements if tag == "th" and "aside" in attrs.get("class", "")
    ]
    assert len(folded) == len(read.heads["runs"]) + len(read.heads["table2"]) - 3 - 5
    first, *rest = read.body("protocol")
    assert first == ["agent", "minibatch", "32 in 1 run; 33 in 1 run"]
    assert not any(" in 1 run" in value for *_, value in rest)


def test_each_run_says_whether_its_final_games_were_verified(suite):
    """What the command notes: the digests of four files, of which none may have changed since."""
    path = suite.run("pong", 0, final=[1.0])
    (path / "games.zst").write_bytes(b"actions")
    names = ("config.json", "evaluations.csv", "games.zst", "done.json")
    digests = {name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in names}

    def said():
        (run,) = Reader(page(collect(suite.folder))).named("runs")
        return run["final games"]

    assert said() == "not verified"
    (path / "verified.json").write_text(json.dumps({"sha256": digests}))
    assert said() == "verified"
    for name in names:
        before = (path / name).read_bytes()
        (path / name).write_bytes(before + (b"x" if name == "games.zst" else b"\n"))
        if name != "evaluations.csv":  # an empty line is no row: that run is left out
            assert said() == "changed since they were verified"
        (path / name).write_bytes(before)
    (path / "games.zst").unlink()
    assert said() == "changed since they were verified"
    for damaged in ("[" * 5_000, "[]", "nonsense", "{}"):
        (path / "verified.json").write_text(damaged)
        assert said() == "changed since they were verified"


def test_runs_of_further_suites_are_listed_with_what_was_left_out_of_them(results):
    file = Path("results/published/random/pong/seed-7/evaluations.csv")
    other = replace(results, runs=results.runs[:1], problems=(Problem(file, 3, "cut short"),))
    text = report("A report", [], [], results, {"random player": other})
    rows = Reader(text).named("runs")
    assert [row["suite"] for row in rows] == ["", "", "", "random player"]
    assert rows[3] == rows[0] | {"suite": "random player"}
    assert f"{file}, line 3: cut short" in text
    assert ("left out", "1") in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text)
    assert ("runs", "3") in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text)


def test_a_run_that_went_on_elsewhere_says_what_changed(suite):
    path = suite.run("pong", 0, final=[1.0])
    since = [
        {"time": "2026-01-03T00:00:00+00:00", "step": 125_000, "device": "another GPU"},
        {"time": "2026-01-04T00:00:00+00:00", "step": 250_000, "threads": 9},
    ]
    (path / "provenance.json").write_text(json.dumps(PROVENANCE | {"continued": since}))
    (run,) = Reader(page(collect(suite.folder))).named("runs")
    assert run["went on elsewhere"] == "at step 125,000: device; at step 250,000: threads"


STRANGE = {
    "a list": ["a", "b"], "lists in lists": [[1], {}], "an object": {"a": [1]}, "huge": 10**400,
    "a fraction": 0.5, "no number": math.nan, "deep": json.loads("[" * 90 + "]" * 90),
    "lists for steps": [{"step": [1]}], "no step": [{"device": "x"}],
}  # fmt: skip


@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize(
    "field", ["device", "threads", "dirty", "commit", "libraries", "continued"]
)
def test_strange_provenance_is_named_and_the_run_shown_without_it(suite, field, value):
    suite.run("breakout", 0, final=[1.0])
    path = suite.run("pong", 0, final=[1.0]) / "provenance.json"
    path.write_text(json.dumps(PROVENANCE | {field: value}))
    results = collect(suite.folder)
    read = Reader(page(results))
    rows = read.named("runs")
    assert [row["game"] for row in rows] == ["Breakout", "Pong"]
    assert rows[1] == rows[0] | {"game": "Pong"}
    assert rows[1]["torch"] == rows[1]["commit"] == rows[1]["device"] == ""
    (said,) = [text for text in read.texts if text.startswith(str(path))]
    assert "the run is shown without it" in said
    assert results.fatal == ()
    assert "1 file that cannot be used" in read.texts


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "", "\x00", '{"threads": 1e999}'])
def test_provenance_that_is_no_object_is_named_too(suite, text):
    path = suite.run("pong", 0, final=[1.0]) / "provenance.json"
    path.write_text(text)
    results = collect(suite.folder)
    assert [problem.file for problem in results.problems] == [path]
    assert len(results.runs) == 1


def test_every_setting_is_listed_with_all_its_values(results):
    rows = Reader(page(results)).body("protocol")
    assert ["run", "environment", "atari"] in rows
    assert ["agent", "learning_rate", "0.00025"] in rows
    assert ["agent", "minibatch", "32 in 2 runs; 33 in 1 run"] in rows
    assert ["training", "frames", "200,000,000"] in rows
    assert ["agent", "double_q", "no"] in rows  # invented since, as it was before
    assert len(rows) == 12 + len(VARIANTS_OFF)  # which runs of before had not, and the arithmetic


def test_a_setting_that_older_runs_do_not_know_says_so(results):
    newer = results.runs[0]
    agent = newer.settings["agent"] | {"pools": [2, 3], "new": True}
    newer = replace(newer, settings=newer.settings | {"agent": agent})
    rows = Reader(page(replace(results, runs=(newer, *results.runs[1:])))).body("protocol")
    assert ["agent", "pools", "2, 3 in 1 run; not recorded in 2 runs"] in rows
    assert ["agent", "new", "yes in 1 run; not recorded in 2 runs"] in rows


def test_what_was_left_out_comes_first(results):
    assert "left-out" not in Reader(page(results)).values("id")
    file = Path("suite/pong/seed-7/evaluations.csv")
    problems = (Problem(file, 3, "cut short"), Problem(file, 9, "cut <too>"))
    text = page(replace(results, problems=problems))
    assert Reader(text).values("id")[0] == "left-out"
    assert "1 run that cannot be used" in text
    assert f"{file}, line 9: cut &lt;too&gt;" in text


def test_pictures_are_images_of_their_own(results):
    read = Reader(page(results))
    images = [attrs for tag, attrs in read.elements if tag == "img"]
    assert [image["alt"] for image in images] == ["Picture one", "Picture two"]
    start, data = images[0]["src"].split(",")
    assert start == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == SVG[SVG.index("<svg") :]


def test_the_parts_stand_in_the_order_of_their_weight(results):
    keys = Reader(page(results, pictures=("fig2", "trace-pong", "fig3"))).values("id")
    assert keys == ["trace-pong", "fig3", "table2", "aggregates", "fig2", "table3", "table4",
                    "runs", "protocol"]  # fmt: skip


def test_a_run_of_a_game_that_the_paper_has_not_has_a_section_of_its_own(suite):
    suite.run("pong", 0, final=[1.0, 2.0])
    path = suite.run("CartPole-v1", 3, final=[100.0, 200.0], preset="cartpole")
    config = json.loads((path / "config.json").read_text())
    config["config"] |= {"environment": "gymnasium"}
    (path / "config.json").write_text(json.dumps(config))
    results = collect(suite.folder)
    assert results.problems == ()
    read = Reader(page(results))
    (row,) = read.named("others")
    assert (row["game"], row["seed"], row["score"]) == ("CartPole-v1", "3", "150.0")
    assert "DQN" not in read.heads["others"]
    assert [row["game"] for row in read.named("runs")] == ["Pong", "CartPole-v1"]
    assert "CartPole-v1" not in [row[0] for row in read.body("table2")]
    note = "Not of the paper, so in no table of it: CartPole-v1, seed 3."
    assert note in tables.scores(results).notes
    # A name that is neither one of the 49 nor an environment's stays a problem.
    suite.run("pongg", 0, final=[1.0])
    assert "'pongg' is not one of the 49 games" in str(collect(suite.folder).problems[0])


def test_two_parts_of_one_key_or_a_picture_without_svg_are_refused(results):
    with pytest.raises(ValueError, match="called table2"):
        report("A report", [], [Picture("table2", "", SVG)] * 2, results)
    with pytest.raises(ValueError, match="called runs"):
        report("A report", [], [Picture("runs", "", SVG)], results)
    with pytest.raises(ValueError, match="bad holds no SVG"):
        report("A report", [], [Picture("bad", "", "<html>")], results)


def hostile(results):
    """A page on which every text that can come from a file or a caller attacks it."""
    table = made_up(key=HOSTILE, title=HOSTILE, notes=(HOSTILE,))
    table = replace(table, rows=[row | {"word": HOSTILE} for row in table.rows])
    table = replace(table, columns=(*table.columns, Column("row", HOSTILE)))
    run = replace(
        results.runs[0],
        game=HOSTILE,
        preset=HOSTILE,
        settings={HOSTILE: {HOSTILE: HOSTILE}},
        provenance={"commit": HOSTILE, "libraries": {"torch": HOSTILE}, "processor": HOSTILE},
    )
    problem = Problem(Path(HOSTILE), 1, HOSTILE)
    results = replace(results, runs=(run,), episodes=results.episodes[:0], problems=(problem,))
    return report(HOSTILE, [table], [Picture(f"p{HOSTILE}", HOSTILE, SVG)], results)


def test_hostile_text_stays_text(results):
    read = Reader(hostile(results))
    tags = [tag for tag, _ in read.elements]
    assert tags.count("script") == tags.count("img") == 1
    assert not any(name.startswith("on") for _, attrs in read.elements for name in attrs)
    assert HOSTILE in read.texts
    assert HOSTILE in read.body("runs")[0]
    assert read.body("protocol") == [[HOSTILE] * 3]


# In a browser. The page is shown in a frame, because a headless window is never as narrow as a
# phone; it runs under its own policy, to which only the two scripts of the test are added.

CHROMIUM = shutil.which("chromium")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--hide-scrollbars", "--virtual-time-budget=3000", "--dump-dom",
)  # fmt: skip
WATCH = """<script nonce="test">
const errors = [];
addEventListener("error", (event) => errors.push(event.message ?? "not loaded"), true);
addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));
</script>"""
SAY = """<script nonce="test">
addEventListener("load", async () => {
  const said = await (async () => { %s })();
  parent.postMessage(JSON.stringify({ said, errors }), "*");
});
</script>"""
FRAME = """<!doctype html><iframe src="page.html" style="border:0;width:%dpx;height:900px">
</iframe><pre></pre><script>
addEventListener("message", (event) => document.querySelector("pre").textContent = event.data);
</script>"""


def browse(text, script, folder, width=1280, dark=False):
    """What ``script``, run in the page in a real browser, returns; no error may occur there."""
    text = text.replace("script-src '", "script-src 'nonce-test' '", 1)
    text = text.replace("<head>", f"<head>{WATCH}", 1)
    (folder / "page.html").write_text(text.replace("</body>", f"{SAY % script}</body>"))
    (folder / "frame.html").write_text(FRAME % width)
    done = subprocess.run(
        [
            CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            (folder / "frame.html").as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    (answer,) = re.findall(r"<pre>(.+?)</pre>", done.stdout, re.DOTALL)
    answer = json.loads(html.unescape(answer))
    assert answer["errors"] == []
    return answer["said"]


@in_browser
def test_heads_sort_numbers_and_texts_with_empty_cells_last(results, tmp_path):
    script = """
      const table = document.querySelector("#made-up table");
      const seen = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent).join("");
      const states = () => [...table.tHead.rows[0].cells].map((h) => h.getAttribute("aria-sort"));
      const buttons = table.querySelectorAll("thead th > button[type=button]");
      const orders = [];
      for (const column of [1, 1, 1, 2, 2, 2, 1, 2]) {
        buttons[column].click();
        orders.push([seen(), states()[column], states().filter((s) => s !== null).length]);
      }
      return { orders, reached: [...buttons].map((button) => button.tabIndex) };
    """
    said = browse(page(results, made_up()), script, tmp_path)
    assert said["reached"] == [0, 0, 0]
    assert said["orders"] == [
        ["cagedbf", "ascending", 1],
        ["deagcbf", "descending", 1],
        ["abcdefg", None, 0],
        ["bagedcf", "ascending", 1],
        ["degabcf", "descending", 1],
        ["abcdefg", None, 0],
        ["cagedbf", "ascending", 1],
        ["bagedcf", "ascending", 1],
    ]


@in_browser
def test_a_search_shows_the_rows_that_hold_its_words_and_counts_them(results, tmp_path):
    script = """
      const figure = document.querySelector("#table2");
      const field = figure.querySelector("input[type=search]");
      const answers = [];
      for (const words of ["", "PA", "pa man", "no such game", "pong"]) {
        field.value = words;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        const rows = [...figure.querySelectorAll("tbody tr")].filter((row) => row.offsetHeight > 0);
        const first = rows.slice(0, 3).map((row) => row.cells[0].textContent);
        answers.push([rows.length, figure.querySelector("output").textContent, first]);
      }
      figure.querySelectorAll("th button")[1].click();
      const sorted = [...figure.querySelectorAll("tbody tr")].filter((row) => !row.hidden);
      return { answers, sorted: sorted.map((row) => row.cells[0].textContent),
               label: field.getAttribute("aria-label") };
    """
    said = browse(page(results), script, tmp_path)
    everything, two_letters, pacman, nothing, pong = said["answers"]
    assert everything == [2, "", ["Breakout", "Pong"]]  # the others were not run, and are folded
    assert two_letters[0] < 10
    assert pacman == [1, "1 of 49 rows", ["Ms. Pacman"]]
    assert nothing == [0, "0 of 49 rows", []]
    assert pong[2] == ["Pong"]
    assert said["sorted"] == ["Pong"]
    assert said["label"] == "Search in Scores on 49 games (Extended Data Table 2)"


@in_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_never_scrolls_sideways_and_heads_stay_in_sight(results, tmp_path, width):
    script = """
      const root = document.documentElement;
      const box = document.querySelector("#table2 .scroll");
      for (const fold of document.querySelectorAll("#table2 input[type=checkbox]")) fold.click();
      box.scrollTo(400, 300);
      await new Promise((done) => setTimeout(done, 50));
      const place = (element) => element.getBoundingClientRect();
      const row = box.querySelectorAll("tbody tr")[20].cells[0];
      const heads = [...document.querySelectorAll("th button")];
      return {
        inside: [root.scrollWidth, root.clientWidth], scrolled: [box.scrollLeft, box.scrollTop],
        head: place(box.querySelector("th")).top - place(box).top,
        first: place(row).left - place(box).left,
        images: [...document.images].map((image) => image.naturalWidth > 0),
        clipped: heads.filter((button) => button.offsetWidth > 0).filter((button) => {
          const text = document.createRange();
          text.selectNodeContents(button);
          return place(text).left < place(button).left || place(text).right > place(button).right;
        }).map((button) => button.textContent),
      };
    """
    file = Path("/a/very/long/path/" + "without_any_place_to_break" * 9)
    results = replace(results, problems=(Problem(file, 3, "cut short"),))
    said = browse(page(results, made_up()), script, tmp_path, width)
    assert said["inside"][0] <= said["inside"][1] == width
    assert min(said["scrolled"]) > 100
    assert said["head"] == pytest.approx(1, abs=1)  # its box has a border
    assert said["first"] == pytest.approx(1, abs=1)
    assert said["images"] == [True, True]
    assert said["clipped"] == []


@in_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_figures_are_as_wide_as_the_page_and_a_click_gives_full_size(results, tmp_path, width):
    script = """
      const [one] = document.images;
      const widths = [one.getBoundingClientRect().width, one.parentElement.clientWidth];
      one.click();
      const full = one.getBoundingClientRect().width;
      one.click();
      return [...widths, full, one.getBoundingClientRect().width, innerWidth];
    """
    drawn, box, full, again, inner = browse(page(results), script, tmp_path, width)
    assert drawn == again <= box + 1 < inner
    assert full == 1620  # 900 points, by 1.8


@in_browser
@pytest.mark.parametrize("width", [1440, 1280, 390])
def test_table_2_fits_the_screen_and_the_rest_unfolds(suite, tmp_path, width):
    for seed in range(3):
        suite.run("montezuma_revenge", seed, [0.0, 1.0])
        suite.run("video_pinball", seed, [400_000.0 + seed, 300_000.0])
    suite.run("name_this_game", 0, [7_000.0, 8_000.0])
    script = """
      const figure = document.querySelector("#table2");
      const box = figure.querySelector(".scroll");
      const seen = () => [
        [...figure.querySelectorAll("th")].filter((head) => head.offsetWidth > 0).length,
        [...figure.querySelectorAll("tbody tr")].filter((row) => row.offsetHeight > 0).length,
      ];
      const heads = [...figure.querySelectorAll("th")].filter((head) => head.offsetWidth > 0);
      const names = heads.map((head) => head.textContent);
      const before = [seen(), box.scrollWidth - box.clientWidth];
      for (const fold of figure.querySelectorAll("input[type=checkbox]")) fold.click();
      return { before, names, after: seen() };
    """
    said = browse(page(collect(suite.folder)), script, tmp_path, width)
    assert said["names"] == ["game", "DQN", "ours", "% of DQN", "verdict"]
    assert said["before"] == [[5, 3], 0]
    assert said["after"] == [19, 49]


@in_browser
def test_of_several_traces_the_first_is_seen_and_a_link_opens_another(results, tmp_path):
    script = """
      const [all, one] = document.images;
      const seen = () => [all, one].map((image) => image.checkVisibility());
      const before = seen();
      location.hash = "trace-pong";
      await new Promise((done) => setTimeout(done, 50));
      return [before, seen()];
    """
    text = page(results, pictures=("traces", "trace-pong", "fig3"))
    assert browse(text, script, tmp_path) == [[True, False], [True, True]]


@in_browser
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_first_screen_says_how_ours_stands_to_the_paper(results, tmp_path, width, height):
    head = Head("Ours is so and so.", Picture("headline", "A picture", SVG))
    text = report("A report", [tables.scores(results)], [], results, head=head)
    script = """
      const parts = [".standing", ".headline img"].map((one) => document.querySelector(one));
      return parts.map((part) => {
        const { top, bottom, width } = part.getBoundingClientRect();
        return [top, bottom, width];
      });
    """
    for top, bottom, drawn in browse(text, script, tmp_path, width):
        assert 0 <= top < bottom <= height
        assert 300 < drawn <= width


def test_numbers_in_words_are_sorted_by_as_numbers():
    column = Column("value", "value")
    cells = [column.cell({"value": value}) for value in ("1,000,000", "32", "-0.5", "area", "1e-3")]
    assert [cell.number for cell in cells] == [1_000_000, 32, -0.5, None, 0.001]


@in_browser
@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(results, tmp_path, dark):
    """By WCAG's measure of contrast, of which it asks 4.5."""
    script = """
      const numbers = (colour) => colour.split(/[^0-9.]+/).filter(Boolean).map(Number);
      const background = (element) => {
        const own = numbers(getComputedStyle(element).backgroundColor);
        return own[3] === 0 ? background(element.parentElement) : own;
      };
      const names = ["h1", "nav a", "dt", "th button", "td", "output", ".table > p", ".warning h2"];
      return names.map((name) => {
        const element = document.querySelector(name);
        return [name, numbers(getComputedStyle(element).color), background(element)];
      });
    """

    def luminance(colour):
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
            for c in (value / 255 for value in colour[:3])
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    results = replace(results, problems=(Problem(Path("a/b/c"), None, "gone"),))
    for name, ink, ground in browse(page(results), script, tmp_path, dark=dark):
        low, high = sorted((luminance(ink), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, name
        assert (luminance(ground) < 0.1) == dark, name


@in_browser
def test_hostile_text_does_nothing_in_a_browser(results, tmp_path):
    script = "return [typeof window.broken, document.querySelectorAll('th button').length];"
    assert browse(hostile(results), script, tmp_path) == ["undefined", 23]
