"""Pictures of an inspection: every state, screen and value where it belongs."""

import json
import struct
import zlib
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imsave

from paper_tables import state_figures, style
from repro.records import RunDirectoryError

STEPS, START, STOP = 300, 120, 160
MARKS = [121, 130, 142, 159]
SCREENS = [0, 17, 40, 77, 90, 121, 150, 180, 200, 222, 260, 299]
ACTIONS = ["NOOP", "FIRE", "LEFT"]


def colour(step):
    """A screen that can be told from all others."""
    return step % 256, step // 256, 77


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    q = random.normal(0, 2, (STEPS, len(ACTIONS)))
    game = np.arange(STEPS) // 200
    play = pd.DataFrame({"step": np.arange(STEPS), "game": game})
    play["frame"] = 6 + 4 * (play["step"] - 200 * game)
    play["action"], play["reward"], play["value"] = 0, 0.0, q.max(axis=1)
    for name, column in zip(ACTIONS, q.T, strict=True):
        play[f"q_{name}"] = column
    folder = tmp_path / "pong" / "seed-3" / "inspection"
    (folder / "screens").mkdir(parents=True)
    play.to_csv(folder / "play.csv", index=False)
    xy = random.normal(0, 30, (STEPS, 2))
    embedding = pd.DataFrame({"step": play["step"], "x": xy[:, 0], "y": xy[:, 1]})
    embedding.assign(value=play["value"]).to_csv(folder / "embedding.csv", index=False)
    for step in {*MARKS, *SCREENS}:
        pixels = np.full((210, 160, 3), colour(step), np.uint8)
        imsave(folder / "screens" / f"step-{step:06d}.png", pixels)
    told = {
        "schema": 1, "game": "pong", "run_seed": 3, "weights": "best", "weights_step": 750_000,
        "actions": ACTIONS, "stretch": [START, STOP], "marks": MARKS, "screens": SCREENS,
    }  # fmt: skip
    (folder / "inspection.json").write_text(json.dumps(told))
    return folder


def table(folder, name):
    return pd.read_csv(folder / name, index_col="step")


def shown(axes):
    """The step whose screen fills these axes."""
    red, green, blue = np.asarray(axes.images[0].get_array())[100, 80, :3] * 255
    assert blue == pytest.approx(77)
    return round(red + 256 * green)


def cross(first, second):
    def side(a, b, c):
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    (a, b), (c, d) = first, second
    return side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)


def test_the_map_has_every_state_in_the_colour_of_its_value(folder):
    figure = state_figures.embedding(folder)
    (scatter,) = figure.axes[0].collections
    expected = table(folder, "embedding.csv")
    np.testing.assert_allclose(scatter.get_offsets(), expected[["x", "y"]])
    np.testing.assert_allclose(scatter.get_array(), expected["value"])
    bar = next(axes for axes in figure.axes if "value" in axes.get_xlabel())
    limits = pytest.approx([expected["value"].min(), expected["value"].max()])
    assert scatter.get_clim() == limits
    assert bar.get_xlim() == limits
    assert "Pong, seed 3, best network (step 750,000)" in [t.get_text() for t in figure.texts]


def test_each_screen_of_the_map_is_tied_to_its_own_point(folder):
    figure = state_figures.embedding(folder)
    points = table(folder, "embedding.csv")
    panels = {shown(axes): axes for axes in figure.axes if axes.images and axes.texts}
    assert sorted(panels) == SCREENS
    to_page = figure.transFigure.inverted().transform
    lines = [line.get_xydata() for line in figure.artists]
    ends = {}
    for step, axes in panels.items():
        assert [text.get_text() for text in axes.texts] == [
            f"{points['value'][step]:.2f}".replace("-", "−")
        ]
        place = to_page(figure.axes[0].transData.transform(points.loc[step, ["x", "y"]]))
        (line,) = (line for line in lines if np.allclose(line[1], place))
        box = axes.get_position()
        assert box.expanded(1.001, 1.001).contains(*line[0])
        ends[step] = line
        inside = figure.axes[0].get_position()
        assert inside.contains(*place)
    assert len(lines) == len(SCREENS)
    assert not any(cross(*pair) for pair in combinations(ends.values(), 2))
    boxes = [axes.get_position() for axes in panels.values()]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(0 <= edge <= 1 for box in boxes for edge in box.extents)


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_a_map_may_have_fewer_screens(folder, count):
    change(folder, screens=SCREENS[:count])
    figure = state_figures.embedding(folder)
    assert (
        sorted(shown(axes) for axes in figure.axes if axes.images and axes.texts)
        == (SCREENS[:count])
    )


def test_the_stretch_is_drawn_against_frames_with_its_marks_and_screens(folder):
    figure = state_figures.value_stretch(folder)
    axes, *screens = figure.axes
    play = table(folder, "play.csv")
    line, marks = axes.lines
    np.testing.assert_allclose(
        line.get_xydata(), play.loc[START : STOP - 1, ["frame", "value"]].to_numpy()
    )
    assert len(line.get_xdata()) == STOP - START
    np.testing.assert_allclose(marks.get_xydata(), play.loc[MARKS, ["frame", "value"]])
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "4"]
    assert [text.xy[0] for text in axes.texts] == play.loc[MARKS, "frame"].to_list()
    assert [shown(screen) for screen in screens] == MARKS
    assert screens[0].get_title() == f"1: {play['value'][MARKS[0]]:.2f}".replace("-", "−")


def test_every_action_has_a_bar_at_every_mark_and_the_highest_stands_out(folder):
    figure = state_figures.action_values(folder)
    play = table(folder, "play.csv")
    screens, panels = figure.axes[:4], figure.axes[4:]
    assert [shown(screen) for screen in screens] == MARKS
    for step, axes in zip(MARKS, panels, strict=True):
        q = play.loc[step, [f"q_{name}" for name in ACTIONS]].to_numpy(float)
        (bars,) = axes.containers
        np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in bars], q)
        assert np.argmax([bar.get_width() for bar in bars]) == np.argmax(q)
        assert len({bar.get_x() for bar in bars}) == 1
        dark = [to_hex(bar.get_facecolor()) == style.OURS.colour for bar in bars]
        assert dark == list(q == q.max())
        assert axes.get_xlim() == panels[0].get_xlim()
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ACTIONS


@pytest.mark.parametrize("name", [r"$\frac{$", "$x_1$", "\x1b[2J"])
def test_the_name_of_an_action_is_drawn_as_it_stands(folder, tmp_path, name):
    change(folder, actions=[name, *ACTIONS[1:]])
    play = pd.read_csv(folder / "play.csv").rename(columns={"q_NOOP": f"q_{name}"})
    play.to_csv(folder / "play.csv", index=False)
    figure = state_figures.action_values(folder)
    labels = figure.axes[4].get_yticklabels()
    assert [one.get_text() for one in labels] == [name.replace("\x1b", "?"), *ACTIONS[1:]]
    assert not any(one.get_parse_math() for one in labels)
    svg, png = style.save(figure, tmp_path, "figure")
    assert svg.stat().st_size > 1_000 < png.stat().st_size


def test_values_that_hardly_differ_are_written_so_that_they_do(folder):
    play = table(folder, "play.csv")
    for index, name in enumerate(ACTIONS):
        play[f"q_{name}"] = 0.4 + 0.001 * index
    play.to_csv(folder / "play.csv")
    axes = state_figures.action_values(folder).axes[4]
    assert len({text.get_text() for text in axes.texts}) == len(ACTIONS)


def change(folder, **values):
    path = folder / "inspection.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without(path, column):
    pd.read_csv(path).drop(columns=column).to_csv(path, index=False)


def doubled_row(path):
    table = pd.read_csv(path)
    pd.concat([table, table[:1]]).to_csv(path, index=False)


def in_one_place(path):
    pd.read_csv(path).assign(x=1.0, y=2.0).to_csv(path, index=False)


def empty_cell(path):
    table = pd.read_csv(path)
    table.loc[5, "value"] = np.nan
    table.to_csv(path, index=False)


def set_value(path, column, value):
    table = pd.read_csv(path).astype({column: float})
    table.loc[[5, 130], column] = [value, -value]
    table.to_csv(path, index=False)


def backwards(path):
    pd.read_csv(path)[::-1].to_csv(path, index=False)


def giant(path):
    """A second header says that the picture is larger; the decoder believes the last one."""
    data = path.read_bytes()
    size = struct.pack(">II", 60_000, 60_000) + data[24:29]
    header = b"IHDR" + size
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(data[:33] + chunk + data[33:])


DAMAGE = {
    "no folder": ("inspection.json", lambda f: f.rename(f.with_name("elsewhere"))),
    "no json": ("inspection.json", lambda f: (f / "inspection.json").unlink()),
    "half a json": ("inspection.json", lambda f: cut(f / "inspection.json")),
    "another schema": ("inspection.json", lambda f: change(f, schema=2)),
    "a stretch of three": ("inspection.json", lambda f: change(f, stretch=[1, 2, 3])),
    "no list": ("inspection.json", lambda f: change(f, marks=None)),
    "another game": ("inspection.json", lambda f: change(f, game="chess")),
    "another seed": ("inspection.json", lambda f: change(f, run_seed=7)),
    "no seed": ("inspection.json", lambda f: change(f, run_seed="abc")),
    "an empty stretch": ("inspection.json", lambda f: change(f, stretch=[5, 5])),
    "a stretch backwards": ("inspection.json", lambda f: change(f, stretch=[10, 5])),
    "no weights": ("inspection.json", lambda f: change(f, weights="banana")),
    "an action twice": ("inspection.json", lambda f: change(f, actions=[*ACTIONS, ACTIONS[0]])),
    "a stretch without end": ("inspection.json", lambda f: change(f, stretch=[0, 10**11])),
    "a stretch of halves": ("inspection.json", lambda f: change(f, stretch=[0.5, 20.5])),
    "an infinite mark": ("inspection.json", lambda f: change(f, marks=[float("inf")])),
    "a text for a mark": ("inspection.json", lambda f: change(f, marks=["121"])),
    "marks without end": ("inspection.json", lambda f: change(f, marks=MARKS * 10**5)),
    "screens without end": ("inspection.json", lambda f: change(f, screens=SCREENS * 10**5)),
    "a huge step": ("inspection.json", lambda f: change(f, weights_step=10**400)),
    "a list of seeds": ("inspection.json", lambda f: change(f, run_seed=[3])),
    "an action of lists": ("inspection.json", lambda f: change(f, actions=[["NOOP"], ["FIRE"]])),
    "an endless action": ("inspection.json", lambda f: change(f, actions=["x" * 10**6])),
    "actions without end": (
        "inspection.json",
        lambda f: change(f, actions=[f"A{n}" for n in range(10**5)]),
    ),
    "depth without end": (
        "inspection.json",
        lambda f: (f / "inspection.json").write_text('{"marks": ' + "[" * 500 + "]" * 500 + "}"),
    ),
    "values beyond numbers": ("play.csv", lambda f: set_value(f / "play.csv", "value", 1e308)),
    "places beyond numbers": (
        "embedding.csv",
        lambda f: set_value(f / "embedding.csv", "x", 1e308),
    ),
    "steps in disorder": ("play.csv", lambda f: backwards(f / "play.csv")),
    "steps that are none": ("play.csv", lambda f: set_value(f / "play.csv", "step", 0.5)),
    "a header without end": ("play.csv", lambda f: (f / "play.csv").write_text("a," * 10**6)),
    "a giant screen": ("step-000121.png", lambda f: giant(f / "screens/step-000121.png")),
    "an action untold": ("play.csv", lambda f: change(f, actions=ACTIONS[1:])),
    "a state twice": ("embedding.csv", lambda f: doubled_row(f / "embedding.csv")),
    "a map of one point": ("embedding.csv", lambda f: in_one_place(f / "embedding.csv")),
    "no play": ("play.csv", lambda f: (f / "play.csv").unlink()),
    "an empty play": ("play.csv", lambda f: (f / "play.csv").write_text("")),
    "binary play": ("play.csv", lambda f: (f / "play.csv").write_bytes(b"\xff\x00" * 9)),
    "an action less": ("play.csv", lambda f: without(f / "play.csv", "q_FIRE")),
    "a mark beyond the end": ("play.csv", lambda f: change(f, marks=[1, 2, 3, STEPS])),
    "half a map": ("embedding.csv", lambda f: cut(f / "embedding.csv")),
    "an empty cell": ("embedding.csv", lambda f: empty_cell(f / "embedding.csv")),
    "no screen": ("step-000121.png", lambda f: (f / "screens/step-000121.png").unlink()),
    "half a screen": ("step-000121.png", lambda f: cut(f / "screens/step-000121.png")),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("draw", [state_figures.embedding, state_figures.value_stretch])
def test_what_is_missing_or_damaged_is_named_with_its_remedy(folder, draw, damage):
    name, harm = DAMAGE[damage]
    harm(folder)
    with pytest.raises(RunDirectoryError) as caught:
        draw(folder)
    message = str(caught.value)
    assert f"{name} is missing or damaged; `repro inspect {folder.parent}` makes it" in message
    assert "\n" not in message


def test_saving_twice_gives_the_same_files(folder, tmp_path):
    first, second = (
        style.save(state_figures.embedding(folder), tmp_path / name, "map") for name in ("a", "b")
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
