"""`repro trace`, run as a person runs it."""

import json
import subprocess
import sys

import pytest
import tracing
from matplotlib.collections import PolyCollection

from paper_tables import gallery
from paper_tables.collect import collect
from paper_tables.trace import command, panels, rule, runs
from repro import cli


@pytest.fixture
def trace(capsys):
    """Calls the command in this process: exit code, output, errors."""

    def call(*arguments):
        try:
            code = cli.main(["trace", *map(str, arguments)])
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def wrong_value(step, row):
    return {name: 9.0 if name == "v" else value for name, value in row.items()}


@pytest.mark.parametrize(
    ("steps", "change", "code", "said"),
    [
        (250_000, lambda step, row: row, 0, "alike the original up to step 250,000"),
        (250_000, wrong_value, 1, "apart from the original"),
        (90_000, lambda step, row: row, 3, "step 150,000 is needed"),
    ],
)
def test_the_verdict_is_the_exit_code(tmp_path, trace, steps, change, code, said):
    path = tracing.write_run(tmp_path, "pong", steps, change)
    status, out, err = trace(path, "--no-figure")
    assert status == code
    assert said in out
    assert not err
    assert not (tmp_path / "figures").exists()
    status, out, _ = trace(path, "--no-figure", "--json")
    assert status == code
    assert json.loads(out)["figures"] == []


def test_the_table_has_the_shared_steps(tmp_path, trace):
    path = tracing.write_run(tmp_path, "pong", 250_000, scores=[(250_000, [-20.0, -19.0])])
    _, out, _ = trace(path, "--no-figure")
    rows = [[cell.strip() for cell in line.strip("| ").split("|")]
            for line in out.splitlines() if line.startswith("|")]  # fmt: skip
    steps = [row[0] for row in rows if row[0].endswith("0,000") and row[0][0].isdigit()]
    assert steps == ["100,000", "150,000", "200,000", "250,000"]
    last = next(row for row in rows if row[0] == "250,000")
    assert last == ["250,000", "1,000,000", "-0.2553", "-0.2553", "0.0460", "0.0460", "-21.0",
                    "-19.5"]  # fmt: skip


def test_the_picture_lies_beside_the_suite_or_where_it_is_wanted(tmp_path, trace):
    one = tracing.write_run(tmp_path / "one", "pong", 150_000)
    other = tracing.write_run(tmp_path / "other", "pong", 150_000)
    assert trace(one, other)[0] == 0
    made = sorted(path.name for path in (tmp_path / "one" / "figures").iterdir())
    assert made == ["trace-pong.png", "trace-pong.svg"]
    assert not (tmp_path / "other" / "figures").exists()
    code, out, _ = trace(other, "--out", tmp_path / "new" / "folder", "--json")
    assert code == 0
    files = json.loads(out)["figures"]
    assert files == [str(tmp_path / "new" / "folder" / f"trace-pong.{e}") for e in ("svg", "png")]
    assert (tmp_path / "new" / "folder" / "trace-pong.png").read_bytes().startswith(b"\x89PNG")


def test_several_seeds_are_a_band_around_their_mean(tmp_path):
    for seed, factor in enumerate((0.8, 1.0, 1.5)):

        def change(step, row, factor=factor):
            return {n: float(x) * factor if n == "v" else x for n, x in row.items()}

        tracing.write_run(tmp_path, "pong", 250_000, change, seed)
    panel = panels.draw(rule.trace(runs.read([tmp_path]))).axes[0]
    (band,) = [one for one in panel.collections if isinstance(one, PolyCollection)]
    corners = {(round(float(x), 6), round(float(y), 6)) for x, y in band.get_paths()[0].vertices}
    lines = {line.get_label(): line for line in panel.lines}
    mean, theirs = lines["ours, mean of 3 runs"], lines["the original program, one seed"]
    for row in tracing.rows("evaluations", "pong")[:4]:
        frames, value = 4 * int(row["step"]) / 1e6, float(row["mean_max_q"])
        assert (round(frames, 6), round(0.8 * value, 6)) in corners
        assert (round(frames, 6), round(1.5 * value, 6)) in corners
        drawn = dict(zip(mean.get_xdata().round(6), mean.get_ydata(), strict=True))
        assert drawn[round(frames, 6)] == pytest.approx(1.1 * value)
        drawn = dict(zip(theirs.get_xdata().round(6), theirs.get_ydata(), strict=True))
        assert drawn[round(frames, 6)] == value


def test_a_run_in_progress_is_traced_and_left_as_it_is(tmp_path, trace):
    """Its last lines are being written, and another process holds its lock."""
    path = tracing.write_run(tmp_path, "pong", 200_000, scores=[(250_000, [-20.0])])
    (path / ".lock").write_text("held\n")
    for name, torn in (("learning.csv", "210000,840000,40"), ("evaluations.csv", "periodic,last,")):
        with (path / name).open("a") as file:
            file.write(torn)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.iterdir()}
    code, out, err = trace(path)
    assert (code, err) == (0, "")
    assert "alike the original up to step 200,000" in out
    assert before == {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in path.iterdir()}


@pytest.mark.parametrize("lost", ["learning.csv", "rows", "evaluations.csv"])
def test_a_run_that_has_just_begun_is_too_short(tmp_path, trace, lost):
    path = tracing.write_run(tmp_path, "pong", 90_000)
    if lost == "rows":
        header = (path / "learning.csv").read_text().splitlines()[0]
        (path / "learning.csv").write_text(header + "\n")
        (path / "evaluations.csv").write_text("kind,wei")
    else:
        (path / lost).unlink()
    code, out, err = trace(path)
    assert (code, err) == (3, "")
    assert "too short to say" in out


def older(path):
    head = "step,frames,updates,epsilon,loss,mean_max_q,frames_per_second\n"
    (path / "learning.csv").write_text(head + "10000,40000,0,1.0,,,900\n")


def other_game(path):
    path.rename(path.parent / "seed-8")
    path = path.parent / "seed-8"
    moved = path.parents[1] / "seaquest"
    path.parent.rename(moved)
    config = json.loads((moved / "seed-8" / "config.json").read_text())
    config |= {"game": "seaquest", "seed": 8}
    (moved / "seed-8" / "config.json").write_text(json.dumps(config))


def preset_random(path):
    config = json.loads((path / "config.json").read_text()) | {"preset": "random"}
    (path / "config.json").write_text(json.dumps(config))


def damaged(name, text):
    def damage(path):
        with (path / name).open("a") as file:
            file.write(text)

    return damage


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (older, "made before version 0.2.0, which logs what the trace needs"),
        (other_game, "there is one on beam_rider, breakout, enduro, freeway, ms_pacman, pong"),
        (lambda path: tracing.write_run(path.parents[1], "enduro", 90_000), "runs of 2 games"),
        (lambda path: (path / "config.json").unlink(), "there is no run at or below"),
        (lambda path: (path / "config.json").write_text("{"), "config.json: cannot be read"),
        (preset_random, "random player"),
        (damaged("learning.csv", "nonsense\n"), "learning.csv, line"),
        (damaged("learning.csv", "210000,,,,,," + "nan," * 22 + "\n"), "not a finite number"),
        (damaged("learning.csv", "210000,,,,,," + "1e300," * 22 + "\n"), "beyond any"),
        (damaged("learning.csv", "9" * 30 + "," * 28 + "\n"), "is not a whole number"),
        (damaged("learning.csv", "20000" + "," * 28 + "\n"), "rows of one step twice"),
        (damaged("evaluations.csv", "nonsense\n"), "evaluations.csv, line 2"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(tmp_path, trace, change, said):
    change(tracing.write_run(tmp_path / "suite", "pong", 200_000))
    code, out, err = trace(tmp_path / "suite")
    (line,) = err.splitlines()
    assert (code, out) == (2, "")
    assert said in line
    assert not (tmp_path / "suite" / "figures").exists()


def test_places_that_cannot_be_read_or_written_are_named(tmp_path, trace):
    code, _, err = trace(tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in err
    (tmp_path / "file").write_text("")
    code, _, err = trace(tracing.write_run(tmp_path, "pong", 90_000), "--out", tmp_path / "file")
    assert code == 2
    assert "file in its way" in err


def test_help_says_the_exit_codes(trace):
    code, out, _ = trace("--help")
    assert code == 0
    for word, number in command.CODES.items():
        assert f"{number} {word}" in " ".join(out.split())


def test_no_torch_and_no_emulator_are_loaded(tmp_path):
    path = tracing.write_run(tmp_path, "pong", 150_000)
    code = (
        "import sys; from repro.cli import main; code = main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "trace", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"torch", "ale_py", "gymnasium", "cv2"}.isdisjoint(done.stderr.split())
    assert "paper_tables.trace.panels" in done.stderr.split()


def test_figures_and_report_begin_with_the_trace(tmp_path):
    """Of games that the original's logs cover, and of runs that logged what it needs."""
    other_game(tracing.write_run(tmp_path, "pong", 150_000))
    older(tracing.write_run(tmp_path, "enduro", 150_000))
    tracing.write_run(tmp_path, "pong", 150_000)
    plates = list(gallery.draw(collect(tmp_path)))
    assert [one.key for one in plates] == ["trace-pong", "fig2", "fig3", "curves", "profiles"]
    assert "alike" in plates[0].caption
    assert next(gallery.draw(collect(tmp_path), ["enduro"])).key == "fig2"
