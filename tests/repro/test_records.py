"""The run directory: atomic files, tables, trimming, reading."""

import json
import os

import numpy as np
import pytest

from repro import records, tables
from repro.records import RunDirectoryError, Table

EVALUATIONS = "kind,weights,step,episode,seed,return,frames,truncated,completed"


HEADER = (
    "step,frames,updates,epsilon,loss,mean_max_q,v,mean_abs_td_error,"
    + ",".join(
        f"{layer}_{kind}_abs_{what}"
        for layer in ("convolution_1", "convolution_2", "convolution_3", "hidden", "output")
        for what in ("weight", "gradient")
        for kind in ("mean", "max")
    )
    + ",frames_per_second\n"
)


def learning_lines(*steps):
    blank = "," * 22
    return "".join(f"{step},{4 * step},0,1.0,0.{step}5,{blank},9.5\n" for step in steps)


def learning_row(step, **values):
    row = dict.fromkeys(tables.LEARNING)
    return row | {"step": step, "frames": 4 * step, **values}


# --- replacing files -------------------------------------------------------------------


def test_write_atomic_makes_and_replaces(tmp_path):
    path = tmp_path / "file.json"
    for data in (b"one", b"something longer", b""):
        records.write_atomic(path, data)
        assert path.read_bytes() == data
        assert [item.name for item in tmp_path.iterdir()] == ["file.json"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, call):
    path = tmp_path / "file.json"
    records.write_atomic(path, b"old")

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os if call == "fsync" else type(path), call, fail)
    with pytest.raises(OSError, match="no space"):
        records.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"


def test_the_data_is_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    path, order = tmp_path / "file.json", []
    fsync, replace = os.fsync, type(path).replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("fsync"), fsync(file)))
    monkeypatch.setattr(
        type(path), "replace", lambda *names: (order.append("replace"), replace(*names))
    )
    records.write_atomic(path, b"data")
    assert order[:2] == ["fsync", "replace"]


def test_json_comes_back(tmp_path):
    records.write_json(tmp_path / "a.json", {"b": [1, 2.5, None, "x"]})
    assert records.read_json(tmp_path / "a.json") == {"b": [1, 2.5, None, "x"]}


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3", "\x00\x01"])
def test_what_is_no_json_object_is_refused_by_name(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(RunDirectoryError, match=r"config\.json"):
        records.read_json(path)


# --- tables ----------------------------------------------------------------------------


def test_a_table_has_its_columns_once(tmp_path):
    path = tmp_path / "learning.csv"
    for step in (10, 20):
        table = Table(path)
        table.append(learning_row(step, epsilon=0.5))
        table.close()
    empty = "," * (2 + 2 + 20 + 1)  # what was not measured
    assert path.read_text() == f"{HEADER}10,40,,0.5{empty}\n20,80,,0.5{empty}\n"


def test_rows_are_on_the_disk_as_they_are_made(tmp_path):
    path = tmp_path / "learning.csv"
    table = Table(path)
    assert path.read_text().count("\n") == 1
    for step in (10, 20, 30):
        table.append(learning_row(step))
        assert path.read_text().splitlines()[-1].startswith(f"{step},")
        assert path.read_text().endswith("\n")
    table.close()


def save_as_an_editor(path, data):
    """Written beside and renamed over, as most editors do."""
    beside = path.with_name("beside")
    beside.write_bytes(data)
    beside.rename(path)


EDITS = {
    "in place": lambda path, data: path.write_bytes(data),
    "by an editor": save_as_an_editor,
    "emptied": lambda path, data: path.write_bytes(b""),
    "removed": lambda path, data: path.unlink(),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_table_that_is_edited_while_it_is_written_is_put_back(tmp_path, capsys, edit):
    path, whole = tmp_path / "edited" / "learning.csv", tmp_path / "whole" / "learning.csv"
    pair = []
    for one in (path, whole):
        one.parent.mkdir()
        pair.append(Table(one))
        pair[-1].append({"step": 10, "frames": 40, "updates": 0})
    edit(path, path.read_bytes().replace(b"10,40", b"10,410"))
    theirs = path.read_bytes() if path.exists() else None
    for table in pair:
        table.append({"step": 20, "frames": 80, "updates": 1})
        table.close()
    assert path.read_bytes() == whole.read_bytes()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert str(path) in err
    if theirs is not None:
        assert path.with_name("learning.csv.damaged").read_bytes() == theirs


def test_a_table_that_was_only_touched_stays_as_it_is(tmp_path, capsys):
    table = Table(tmp_path / "learning.csv")
    os.utime(table.path, (1, 1))
    table.append({"step": 10, "frames": 40, "updates": 0})
    table.close()
    assert len(table.path.read_text().splitlines()) == 2
    assert [item.name for item in tmp_path.iterdir()] == ["learning.csv"]
    assert capsys.readouterr().err == ""


def test_the_columns_of_every_table():
    assert {
        "train_episodes.csv": ("step", "frames", "game", "return", "game_frames", "epsilon"),
        "evaluations.csv": tuple(EVALUATIONS.split(",")),
        "learning.csv": tuple(HEADER.strip().split(",")),
    } == {name: tuple(columns) for name, columns in tables.TABLES.items()}
    assert len(tables.LEARNING) == 6 + 2 + 5 * 4 + 1


def test_a_table_with_other_columns_is_refused(tmp_path):
    path = tmp_path / "learning.csv"
    path.write_text("step,frames,loss\n1,4,0.5\n")
    with pytest.raises(RunDirectoryError, match=r"learning\.csv.*columns"):
        Table(path)
    assert path.read_text() == "step,frames,loss\n1,4,0.5\n"


def test_a_row_with_a_column_too_many_is_refused(tmp_path):
    table = Table(tmp_path / "learning.csv")
    with pytest.raises(ValueError, match="surprise"):
        table.append(learning_row(1, surprise=2))
    table.close()


def test_trim_drops_later_rows_and_a_line_cut_short(tmp_path):
    path = tmp_path / "learning.csv"
    path.write_text(HEADER + learning_lines(10, 20, 30, 40) + "50,2")
    records.trim(path, 100)
    assert path.read_text() == HEADER + learning_lines(10, 20, 30, 40)
    records.trim(path, 30)
    assert path.read_text() == HEADER + learning_lines(10, 20, 30)
    records.trim(path, 29)
    assert path.read_text() == HEADER + learning_lines(10, 20)
    records.trim(path, 0)
    assert path.read_text() == HEADER


def test_final_rows_stay_unless_they_follow_a_row_that_is_dropped(tmp_path):
    path = tmp_path / "evaluations.csv"
    names = ("kind", "weights", "step", "episode", "seed", "return", "frames", "truncated")

    def row(kind, step):
        values = (kind, "best", step, 0, 1, 2.0, 3, False)
        return dict(zip(names, values, strict=True)) | {"completed": True}

    table = records.Table(path)
    for kind, step in (("periodic", 10), ("final", 10), ("periodic", 20), ("final", 10)):
        table.append(row(kind, step))
    table.close()
    whole = path.read_bytes()
    records.trim(path, 20)
    assert path.read_bytes() == whole
    records.trim(path, 10)  # what comes after will be made again, in this order
    assert [(one["kind"], one["step"]) for one in records.read_rows(path)] == [
        ("periodic", 10), ("final", 10),
    ]  # fmt: skip


def test_final_rows_have_a_limit_of_their_own(tmp_path):
    """A training without periodic evaluations scores its last network: step 30, none before."""
    path = tmp_path / "evaluations.csv"
    row = dict.fromkeys(tables.EVALUATIONS, 0) | {"kind": "final", "weights": "last", "step": 30}
    row |= {"truncated": False, "completed": True}
    table = records.Table(path)
    table.append(row)
    table.close()
    records.trim(path, 0, 30)
    assert len(records.read_rows(path)) == 1
    records.trim(path, 0, 29)  # the weights of step 30 will be made again
    assert records.read_rows(path) == []


def test_trim_drops_a_last_row_that_only_lacks_its_newline(tmp_path):
    # Its last number may have lost digits.
    path = tmp_path / "learning.csv"
    table = Table(path)
    for step in (10, 20):
        table.append(learning_row(step, frames_per_second=123.4))
    table.close()
    whole = path.read_text()
    path.write_text(whole[:-2])
    records.trim(path, 100)
    assert path.read_text() == whole[: whole.index("\n20,") + 1]


def test_trim_mends_a_header_cut_short_and_makes_no_file(tmp_path):
    path = tmp_path / "learning.csv"
    records.trim(path, 10)
    assert not path.exists()
    path.write_text("step,fra")
    records.trim(path, 10)
    table = Table(path)
    table.append(learning_row(10))
    table.close()
    assert records.read_rows(path, "step") == [{"step": 10}]


def test_trimmed_rows_come_again_without_a_trace(tmp_path):
    path = tmp_path / "learning.csv"

    def write(*steps):
        table = Table(path)
        for step in steps:
            table.append(learning_row(step, loss=1 / step, epsilon=1.0))
        table.close()

    write(10, 20, 30, 40)
    whole = path.read_bytes()
    records.trim(path, 20)
    write(30, 40)
    assert path.read_bytes() == whole


EDITED = {
    "mark": lambda data: b"\xef\xbb\xbf" + data,
    "line ends": lambda data: data.replace(b"\n", b"\r\n"),
    "capitals": lambda data: data.replace(b"True", b"TRUE").replace(b"False", b"false"),
    "quotation marks": lambda data: data.replace(b"best", b'"best"'),
}


@pytest.mark.parametrize("edit", EDITED.values(), ids=EDITED)
def test_a_table_that_an_editor_saved_has_the_same_rows(tmp_path, edit):
    run = make_run(tmp_path, "pong", 0, [evaluation("final", 10, game).strip() for game in (0, 1)])
    path = run / "evaluations.csv"
    rows, results = records.read_rows(path), records.read_results(tmp_path)
    assert rows[1] == {
        "kind": "final", "weights": "best", "step": 10, "episode": 1, "seed": 1, "return": 2.0,
        "frames": 3, "truncated": False, "completed": True,
    }  # fmt: skip
    path.write_bytes(edit(path.read_bytes()))
    assert records.read_rows(path) == rows
    assert records.read_results(tmp_path).equals(results)


@pytest.mark.parametrize("edit", ["mark", "line ends"])
def test_a_table_that_an_editor_saved_is_as_it_was_once_it_is_trimmed(tmp_path, edit):
    path = tmp_path / "learning.csv"
    whole = (HEADER + learning_lines(10, 20)).encode()
    for saved in (None, whole):
        path.write_bytes(EDITED[edit](whole))
        assert records.trim(path, 20, 20, saved) is None
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("return", "return 'x' is not a finite number, or beyond any score"),
        ("kind", "kind 'x' is none of periodic, final"),
        ("truncated", "truncated 'x' is neither True nor False"),
        ("frames", "frames 'x' is not a whole number"),
    ],
)
def test_a_cell_that_is_none_of_its_column_is_named(tmp_path, cell, what):
    cells = dict(
        zip(EVALUATIONS.split(","), evaluation("final", 10).strip().split(","), strict=True)
    )
    bad = ",".join((cells | {cell: "x"}).values())
    path = make_run(tmp_path, "pong", 0, [evaluation("final", 10).strip(), bad]) / "evaluations.csv"
    for call in (lambda: records.read_rows(path), lambda: records.read_results(tmp_path)):
        with pytest.raises(RunDirectoryError, match=rf"line 3, is damaged \({what}\); mend"):
            call()
    others = [name for name in cells if name != cell]
    assert len(records.read_rows(path, *others)) == 2


# --- what a checkpoint knows of a table ------------------------------------------------


def evaluation(kind, step, episode=0):
    return f"{kind},best,{step},{episode},1,2.0,3,False,True\n"


def test_what_the_checkpoint_has_stays(tmp_path):
    """Games of an evaluation that was interrupted: with those that are left it goes on."""
    path = tmp_path / "evaluations.csv"
    known = f"{EVALUATIONS}\n" + evaluation("periodic", 10) + evaluation("periodic", 20)
    path.write_text(known + evaluation("periodic", 20, 1))
    assert records.trim(path, 10, 20, known.encode()) is None
    assert path.read_text() == known


TORN = {
    "cut short": "30,1", "zeros": "\0" * 100, "zeros in a row": "30,120,0,\0\0\0,0.1,,1.0\n",
    "a line of zeros": "\0" * 20 + "\n", "a cell too few": "30,120\n", "blank": "\n",
    "not a step": "²,1,0,1,0,,9\n", "part of a row, then rows": "3\n30,120,0,1.0,0.1,,9.5\n",
}  # fmt: skip


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
@pytest.mark.parametrize("rows", [(), (30,), (30, 40)], ids=len)
def test_what_a_power_cut_leaves_after_the_checkpoint_is_dropped(tmp_path, torn, rows):
    path = tmp_path / "learning.csv"
    whole = HEADER + learning_lines(10, 20)
    path.write_text(whole + learning_lines(*rows) + torn)
    records.trim(path, 20, 20, whole.encode())
    assert path.read_text() == whole


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_what_a_power_cut_leaves_before_the_first_checkpoint_is_dropped(tmp_path, torn):
    path = tmp_path / "learning.csv"
    path.write_text(HEADER + torn)
    records.trim(path, 0, 0, b"")
    assert path.read_text() == HEADER
    path.write_text(torn)
    records.trim(path, 0, 0, b"")
    assert path.read_text() == ""


def test_final_rows_after_the_checkpoint_stay_up_to_the_first_damaged_line(tmp_path):
    path = tmp_path / "evaluations.csv"
    known = f"{EVALUATIONS}\n" + evaluation("periodic", 10)
    final = evaluation("final", 10) + evaluation("final", 10, 1)
    path.write_text(known + final + "final,best,10,2,\0\0\0\n" + evaluation("final", 10, 3))
    records.trim(path, 10, 10, known.encode())
    assert path.read_text() == known + final
    path.write_text(known + final + evaluation("periodic", 20) + evaluation("final", 10, 2))
    records.trim(path, 10, 20, known.encode())
    assert path.read_text() == known + final


LOSSES = {
    "emptied": lambda text: "",
    "shortened": lambda text: text[:-1],
    "cut in a row": lambda text: text[: len(text) // 2 + 20],
    "no rows": lambda text: HEADER,
    "a digit": lambda text: text.replace("0.105", "0.106"),
    "separators": lambda text: text.replace(",", ";"),
    "a row": lambda text: HEADER + learning_lines(20, 30, 40),
    "removed": lambda text: None,
}


@pytest.mark.parametrize("change", LOSSES.values(), ids=LOSSES)
def test_a_table_that_lost_what_the_checkpoint_has_is_put_back(tmp_path, change):
    path = tmp_path / "learning.csv"
    whole = HEADER + learning_lines(10, 20)
    changed = change(whole)
    if changed is not None:
        path.write_text(changed + learning_lines(30))
    aside = records.trim(path, 20, 20, whole.encode())
    assert path.read_text() == whole
    if changed is None:
        assert aside == path
    else:
        assert aside == tmp_path / "learning.csv.damaged"
        assert aside.read_text() == changed + learning_lines(30)


def test_nothing_that_was_set_aside_is_overwritten(tmp_path):
    path = tmp_path / "learning.csv"
    for number, name in enumerate(["learning.csv.damaged", "learning.csv.damaged-2"]):
        path.write_text(str(number))
        assert records.trim(path, 20, 20, HEADER.encode()) == tmp_path / name
    assert (tmp_path / "learning.csv.damaged").read_text() == "0"


def test_without_a_checkpoint_a_damaged_row_is_named(tmp_path):
    """As when a finished run is scored again: nobody would make it again."""
    path = tmp_path / "evaluations.csv"
    text = f"{EVALUATIONS}\n" + evaluation("periodic", 10) + "\0\0\0\n" + evaluation("final", 10)
    path.write_text(text)
    with pytest.raises(RunDirectoryError, match=r"evaluations\.csv, line 3, is damaged"):
        records.trim(path, 20)
    assert path.read_text() == text
    records.trim(path, 9)  # before that line
    assert path.read_text() == f"{EVALUATIONS}\n"


@pytest.mark.parametrize("step", ["²", "-1", "1.5", "", "x", "１", "1 "])
def test_a_step_that_is_no_number_is_named_by_its_line(tmp_path, step):
    path = tmp_path / "learning.csv"
    path.write_text(HEADER + learning_lines(10) + f"{step},40,,,,,\n")
    for call in (records.read_rows, lambda path: records.trim(path, 100)):
        with pytest.raises(RunDirectoryError, match=r"learning\.csv, line 3, is damaged"):
            call(path)


def test_numbers_as_python_writes_them_are_read(tmp_path):
    path = tmp_path / "learning.csv"
    table = Table(path)
    table.append(learning_row(10, loss=1e-7, epsilon=-0.5, mean_max_q=float("-inf")))
    table.append(learning_row(20, loss=np.float32(0.5), epsilon=1e22, mean_max_q=float("nan")))
    table.close()
    assert records.read_rows(path, "loss") == [{"loss": 1e-7}, {"loss": 0.5}]
    with pytest.raises(RunDirectoryError, match=r"line 2, is damaged \(mean_max_q '-inf' is not a"):
        records.read_rows(path, "mean_max_q")
    whole = path.read_bytes()
    records.trim(path, 20)
    assert path.read_bytes() == whole


# --- reading ---------------------------------------------------------------------------


def make_run(suite, game, seed, rows, done=True, frames=400):
    path = suite / game / f"seed-{seed}"
    path.mkdir(parents=True)
    config = {"game": game, "seed": seed, "config": {"training": {"frames": frames}}}
    (path / "config.json").write_text(json.dumps(config))
    (path / "evaluations.csv").write_text("\n".join([EVALUATIONS, *rows]) + "\n")
    if done:
        (path / "done.json").write_text("{}")
    return path


@pytest.fixture
def results(tmp_path):
    ours, random = tmp_path / "results" / "nature", tmp_path / "results" / "random"
    make_run(
        ours, "pong", 0,
        ["periodic,last,100,0,7,-21.0,900,False,True", "final,best,100,0,8,12.5,18000,True,True"],
    )  # fmt: skip
    make_run(ours, "pong", 11, ["final,best,50,0,9,3.0,77,False,True"], done=False, frames=800)
    make_run(random, "seaquest", 0, ["final,random,0,0,1,60.0,500,False,True"])
    return tmp_path / "results"


def test_every_run_below_a_path_is_read(results):
    table = records.read_results(results)
    assert list(table.columns) == [
        "suite", "game", "run_seed", "finished", "train_frames", *EVALUATIONS.split(","),
    ]  # fmt: skip
    assert table["suite"].tolist() == ["nature", "nature", "nature", "random"]
    assert table["game"].tolist() == ["pong", "pong", "pong", "seaquest"]
    assert table["run_seed"].tolist() == [0, 0, 11, 0]
    assert table["finished"].tolist() == [True, True, False, True]
    assert table["train_frames"].tolist() == [400, 400, 800, 400]
    assert table["return"].tolist() == [-21.0, 12.5, 3.0, 60.0]
    assert table["kind"].tolist() == ["periodic", "final", "final", "final"]
    assert table["truncated"].tolist() == [False, True, False, False]
    assert table["frames"].dtype == np.int64


@pytest.mark.parametrize(("below", "rows"), [("nature", 3), ("nature/pong", 3), ("random", 1)])
def test_parts_of_the_results_are_read_alike(results, below, rows):
    assert len(records.read_results(results / below)) == rows
    assert len(records.read_results(str(results / below))) == rows


def test_a_single_run_is_read(results):
    table = records.read_results(results / "nature" / "pong" / "seed-11")
    assert table[["suite", "game", "run_seed"]].values.tolist() == [["nature", "pong", 11]]


def test_the_suite_is_named_from_within_its_folder_too(results, monkeypatch):
    monkeypatch.chdir(results / "nature")
    assert set(records.read_results("pong")["suite"]) == {"nature"}


def test_a_line_cut_short_is_not_read(results):
    # 456.0 points may have lost a digit.
    with (results / "nature" / "pong" / "seed-11" / "evaluations.csv").open("a") as file:
        file.write("final,best,50,1,10,45")
    table = records.read_results(results / "nature" / "pong" / "seed-11")
    assert table["return"].tolist() == [3.0]


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(RunDirectoryError, match="no evaluations"):
        records.read_results(tmp_path)
