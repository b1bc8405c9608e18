"""`repro tables`, `figures`, `report` and `compare`, run as a person runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"


def repro(*words, cwd=ROOT, env=None):
    command = [sys.executable, "-m", "repro.cli", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=env)


def made_up(suite):
    """Two games of three seeds, one shortened and of one seed, one unfinished."""
    for seed, shift in enumerate((-20.0, 0.0, 25.0)):
        suite.run("breakout", seed, [350.0 + shift, 450.0 + shift], [(250_000, [10.0 + seed])])
        suite.run("pong", seed, [18.0 + seed / 2, 20.0 + seed / 2])
    suite.run("freeway", 0, [30.0, 31.0], training__frames=40_000_000)
    suite.run("alien", 0, finished=False)
    return suite.folder


def test_golden_tables(suite, tmp_path):
    """The whole output over a small tree, byte by byte; its values are checked elsewhere."""
    folder = made_up(suite)
    done = repro("tables", folder, cwd=tmp_path)  # where there is no random player's suite
    assert done.returncode == 0, done.stderr
    names = {path.name for path in GOLDEN.iterdir()}
    assert names == {path.name for path in (folder / "tables").iterdir()}
    for name in sorted(names):
        assert (folder / "tables" / name).read_text() == (GOLDEN / name).read_text(), name


def test_the_committed_tables_are_those_of_the_committed_runs(tmp_path):
    committed = ROOT / "results" / "published" / "nature" / "tables"
    done = repro("tables", "--out", tmp_path, "--formats", "md", "csv")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in committed.iterdir()}
    for path in tmp_path.iterdir():
        assert path.read_text() == (committed / path.name).read_text(), path.name


def test_the_readme_shows_the_committed_summary():
    summary = (ROOT / "results" / "published" / "nature" / "tables" / "summary.md").read_text()
    rows = [line for line in summary.splitlines() if line.startswith("|")]
    readme = (ROOT / "README.md").read_text()
    assert len(rows) > 4
    assert all(row in readme for row in rows)


def test_problems_are_named_counted_and_refused(suite):
    folder = made_up(suite)
    (folder / "pong" / "seed-1" / "evaluations.csv").write_text("nonsense\n")
    suite.run("seaquest", 0, [1.0, float("nan")])
    suite.run("asterix", 0, [1.0], protocol__sticky_probability=0.25)
    done = repro("tables", folder)
    assert done.returncode == 1
    assert not (folder / "tables").exists()
    *lines, last = done.stderr.splitlines()
    assert len(lines) == 3
    assert any("pong/seed-1/evaluations.csv, line 1" in line for line in lines)
    assert any("seaquest/seed-0/evaluations.csv, line 3" in line for line in lines)
    assert any("asterix/seed-0/config.json" in line for line in lines)
    assert last.startswith("repro: 3 problems in 3 runs")
    assert "--leave-out-damaged" in last


def test_damaged_runs_can_be_left_out_and_the_tables_say_so(suite):
    folder = made_up(suite)
    (folder / "pong" / "seed-1" / "evaluations.csv").write_text("nonsense\n")
    done = repro("tables", folder, "--leave-out-damaged", "--formats", "md")
    assert done.returncode == 0
    text = (folder / "tables" / "table2.md").read_text()
    pong = next(line for line in text.splitlines() if line.startswith("| Pong"))
    assert "|     2 |" in pong
    assert "Left out: " in text
    assert "pong/seed-1/evaluations.csv, line 1" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tables", "nowhere"), "no run at or below nowhere"),
        (("tables", "--seed", "-1"), "whole number"),
        (("tables", "--formats", "pdf"), "invalid choice"),
        (("tables", "--out", "README.md/x"), "README.md"),
        (("figures", "--games", "pongg"), "did you mean"),
        (("report", "--out", "README.md/x"), "README.md"),
        (("compare", "nowhere", "dqn"), "neither a folder nor a published column"),
    ],
)
def test_wrong_use_is_one_line(words, said):
    done = repro(*words)
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert said in line


def test_compare_prints_both_tables(suite):
    done = repro("compare", made_up(suite), "dqn")
    assert done.returncode == 0, done.stderr
    assert "| Pong" in done.stdout
    assert "over the 3 games that both have" in done.stdout


def test_figures_writes_each_as_svg_and_png(suite):
    folder = made_up(suite)
    done = repro("figures", folder, "--games", "breakout", *["Pong", "pong"] * 1000)
    assert done.returncode == 0, done.stderr
    expected = {f"{n}.{e}" for n in ("fig2", "fig3", "curves", "profiles") for e in ("svg", "png")}
    assert {path.name for path in (folder / "figures").iterdir()} == expected
    for path in (folder / "figures").iterdir():
        start = path.read_bytes()[:200]
        assert start.startswith(b"\x89PNG") if path.suffix == ".png" else b"<?xml" in start
        assert path.name in done.stdout


def test_report_holds_tables_figures_and_every_run(suite):
    folder = made_up(suite)
    done = repro("report", folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "report.html").read_text()
    for key in ("table1", "table2", "table3", "table4", "normalised", "aggregates",
                "fig2", "fig3", "curves", "profiles", "protocol", "runs"):  # fmt: skip
        assert f'id="{key}"' in page, key
    assert page.count("data:image/svg+xml;base64,") == 5  # and that of the head


def test_a_report_has_the_same_bytes_in_every_process(suite):
    folder = made_up(suite)
    since = [
        {"time": "2026-01-03", "step": 9, **dict.fromkeys(["commit", "device", "python"], "x")}
    ]
    provenance = folder / "pong" / "seed-0" / "provenance.json"
    provenance.write_text(json.dumps({"libraries": {}, "continued": since}))
    pages = set()
    for seed in "012":
        assert repro("report", folder, env=os.environ | {"PYTHONHASHSEED": seed}).returncode == 0
        pages.add((folder / "report.html").read_bytes())
    assert len(pages) == 1
    assert b"at step 9: commit, device, python" in pages.pop()


def test_the_figures_of_an_inspected_run_are_drawn_from_the_committed_data(tmp_path):
    done = repro("figures", "results/published/nature-emulator", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for game in ("pong", "breakout"):
        for kind in ("fig4", "values", "actions"):
            assert (tmp_path / f"{kind}-{game}-seed-0.svg").exists()


@pytest.mark.parametrize("lost", ["embedding.csv", "a screen"])
def test_a_run_whose_inspection_lost_a_file_is_drawn_without_it(tmp_path, lost):
    for game in ("pong", "breakout"):
        shutil.copytree(ROOT / "results" / "published" / "nature-emulator" / game, tmp_path / game)
    folder = tmp_path / "pong" / "seed-0" / "inspection"
    screens = json.loads((folder / "inspection.json").read_text())["screens"]
    file = folder / lost if "." in lost else folder / "screens" / f"step-{screens[-1]:06d}.png"
    file.unlink()
    done = repro("figures", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (problem,) = done.stderr.splitlines()
    assert str(file) in problem
    assert "repro inspect" in problem
    drawn = {file.stem for file in (tmp_path / "out").glob("*.svg")}
    assert {"fig4-breakout-seed-0", "fig2", "curves"} <= drawn
    assert "fig4-pong-seed-0" not in drawn
    # Tables need no pictures.
    done = repro("tables", tmp_path, "--out", tmp_path / "tables")
    assert (done.returncode, done.stderr) == (0, "")


def without_runs(command, suite, folder):
    """What is said, and where its files are, of a command on a suite that has no run."""
    words = (suite, "dqn") if command == "compare" else (suite,) if suite else ()
    done = repro(command, *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert "there is no run at or below" in line
    assert "only published numbers are shown" in line
    return done.stdout, folder / (suite or "results/nature")


@pytest.mark.parametrize("suite", ["", "empty"])
def test_without_a_run_the_tables_show_the_papers_numbers(tmp_path, suite):
    (tmp_path / "empty").mkdir()
    said, folder = without_runs("tables", suite, tmp_path)
    assert "| Video Pinball       |  42,684.0 | not run |" in said
    rows = (folder / "tables" / "table2.csv").read_text().splitlines()
    assert len(rows) == 50
    (median,) = (line for line in said.splitlines() if line.startswith("| median "))
    assert [cell.strip() for cell in median.split("|")[2:-1]] == ["not run", "-", "-", "-", "0.935"]


@pytest.mark.parametrize("suite", ["", "empty"])
def test_without_a_run_the_figures_show_the_papers_bars(tmp_path, suite):
    (tmp_path / "empty").mkdir()
    _, folder = without_runs("figures", suite, tmp_path)
    drawn = {path.name for path in (folder / "figures").iterdir()}
    assert {"fig3.svg", "fig3.png", "profiles.svg"} <= drawn
    _, folder = without_runs("report", suite, tmp_path)
    page = (folder / "report.html").read_text()
    assert "No game has a finished run here" in page
    assert 'id="fig3"' in page
    assert '<td class="right" data-value="42684.0">42,684.0</td>' in page
    assert "more rows" not in page.split('id="table2"')[1].split("</figure>")[0]


@pytest.mark.parametrize("suite", ["results/nature", "empty"])
def test_without_a_run_a_comparison_shows_the_other_side(tmp_path, suite):
    (tmp_path / "empty").mkdir()
    said, _ = without_runs("compare", suite, tmp_path)
    assert "42,684.0" in said
    assert "over the 49 games that only one has" in said
    assert "0.935" in said  # the median of DQN


def test_without_a_suite_the_users_runs_are_shown_else_those_published(suite, tmp_path):
    published = tmp_path / "results" / "published" / "nature"
    shutil.copytree(made_up(suite), published)
    before = {file: file.read_bytes() for file in published.rglob("*") if file.is_file()}
    for command in ("tables", "figures", "report"):
        done = repro(command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        first, *_ = done.stdout.splitlines()
        assert first.startswith("Runs of results/published/nature, published with this project")
    assert (tmp_path / "results" / "nature" / "tables" / "table2.md").exists()
    assert (tmp_path / "results" / "nature" / "report.html").exists()
    assert before == {file: file.read_bytes() for file in published.rglob("*") if file.is_file()}
    assert "results/published/nature" in repro("compare", cwd=tmp_path).stdout.splitlines()[0]
    shutil.copytree(published / "pong", tmp_path / "results" / "nature" / "pong")
    assert repro("tables", cwd=tmp_path).stdout.splitlines()[0] == "Runs of results/nature."


def test_a_suite_of_random_play_is_no_suite_of_trainings():
    for words in (
        ("tables", "results/published/random"),
        ("tables", "--random", "results/published/nature"),
    ):
        done = repro(*words)
        assert done.returncode == 2
        assert "random player" in done.stderr


def test_folders_that_are_named_must_be_there(tmp_path):
    (tmp_path / "linear").mkdir()
    for words in (("--random", "nowhere"), ("--ablations", "nowhere"), ("--ablations", tmp_path)):
        done = repro("tables", *words)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "nowhere" in line or "linear_network" in line


def test_a_damaged_learning_curve_stops_the_figures_only(suite):
    folder = made_up(suite)
    path = folder / "pong" / "seed-0" / "learning.csv"
    head = "step,frames,updates,epsilon,loss,mean_max_q,frames_per_second\n"
    path.write_text(head + "10000,40000,1,1.0,,nan,9\n")
    done = repro("figures", folder)
    assert done.returncode == 1
    assert "pong/seed-0/learning.csv, line 2: mean_max_q 'nan'" in done.stderr
    assert repro("tables", folder, "--formats", "md").returncode == 0


def rewritten(kind, path):
    """As an editor or a spreadsheet saves a table: other bytes, the same content."""
    data = path.read_bytes()
    if kind == "mark":
        data = b"\xef\xbb\xbf" + data
    elif kind == "line ends":
        data = data.replace(b"\n", b"\r\n")
    elif kind == "capitals":
        data = data.replace(b"True", b"TRUE").replace(b"False", b"FALSE")
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["mark", "line ends", "capitals", "all"])
def test_a_table_that_an_editor_saved_is_the_same_to_every_command(suite, tmp_path, kind):
    folder = made_up(suite)
    run = folder / "pong" / "seed-0"
    head = "step,frames,updates,epsilon,loss,mean_max_q,frames_per_second\n"
    (run / "learning.csv").write_text(head + "10000,40000,1,1.0,,0.5,9\n20000,80000,2,1.0,,0.6,9\n")
    commands = {
        "tables": ("tables", folder, "--out", tmp_path / "out"),
        "figures": ("figures", folder, "--out", tmp_path / "out"),
        "report": ("report", folder, "--out", tmp_path / "out" / "report.html"),
        "compare": ("compare", folder, "dqn"),
    }

    def outcome():
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        said = [repro(*words, cwd=tmp_path) for words in commands.values()]
        files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        return [(done.returncode, done.stdout, done.stderr) for done in said], files

    before = outcome()
    assert [code for code, *_ in before[0]] == [0] * 4
    for one in ("line ends", "capitals", "mark") if kind == "all" else (kind,):
        for name in ("evaluations.csv", "learning.csv"):
            rewritten(one, run / name)
    assert outcome() == before


def test_a_bad_line_of_such_a_table_is_named_all_the_same(suite):
    path = suite.run("pong", 0, [1.0, "x"]) / "evaluations.csv"
    rewritten("mark", path)
    rewritten("line ends", path)
    done = repro("tables", suite.folder)
    assert "evaluations.csv, line 3: return 'x'" in done.stderr


@pytest.mark.parametrize("command", ["tables", "figures", "report", "compare"])
def test_a_terminal_without_the_letters_is_no_reason_to_stop(suite, tmp_path, command):
    folder = made_up(suite).rename(tmp_path / "r\u00e9sultats \u03c4")
    poor = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
            "PYTHONIOENCODING": "ascii"}  # fmt: skip
    words = (command, folder.name, *(["dqn"] if command == "compare" else []))
    for changed in (poor, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}):
        command = [sys.executable, "-m", "repro.cli", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=os.environ | changed)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"sultats" in done.stdout


def test_an_ending_in_capitals_is_a_file_like_another(suite, tmp_path):
    folder = made_up(suite)
    assert repro("report", folder, "--out", tmp_path / "PAGE.HTML").returncode == 0
    assert (tmp_path / "PAGE.HTML").read_text().startswith("<!doctype html>")


def test_with_nothing_left_there_is_no_table(suite):
    suite.run("pong", 0, ["x"])
    done = repro("tables", suite.folder, "--leave-out-damaged")
    assert done.returncode == 1
    assert "can be used" in done.stderr
