"""games.zst: what is kept of a final game, what a kill or a bad disk makes of it."""

import dataclasses
import json
import os
import tracemalloc

import pytest
import zstandard

from repro import records
from repro.evaluation.protocols import Game
from repro.records import RunDirectoryError, Table
from repro.storage import game_log
from repro.storage.game_log import Key, Record

ONE = Record("pong", "best", 750, 0, 11, bytes([0, 3, 2]), -21.0, 14)
TWO = Record("pong", "best", 750, 1, 12, bytes(range(6)) * 500, 3.5, 12_000)


@pytest.fixture
def log(tmp_path):
    """A run's folder with two games, rows and all."""
    table = Table(tmp_path / "evaluations.csv")
    for record in (ONE, TWO):
        game_log.append(tmp_path / game_log.NAME, record)
        row = Game(record.episode, record.seed, record.score, record.frames, False, True, 3)
        table.append(row.row("final", record.weights, record.step))
    table.close()
    return tmp_path / game_log.NAME


def frame(header, actions=b""):
    line = header if isinstance(header, bytes) else json.dumps(header).encode()
    return zstandard.ZstdCompressor().compress(line + b"\n" + actions)


HEADER = {
    "schema": 1, "game": "pong", "weights": "best", "step": 750, "episode": 0, "seed": 11,
    "return": -21.0, "frames": 14, "steps": 3,
}  # fmt: skip


def test_any_zstandard_tool_shows_a_line_of_json_and_a_byte_for_each_step(log):
    text = (
        zstandard.ZstdDecompressor().stream_reader(log.open("rb"), read_across_frames=True).read()
    )
    first, _, rest = text.partition(b"\n\x00\x03\x02")
    second, _, actions = rest.partition(b"\n")
    assert json.loads(first) == HEADER
    assert json.loads(second) == HEADER | {
        "episode": 1, "seed": 12, "return": 3.5, "frames": 12_000, "steps": 3_000,
    }  # fmt: skip
    assert actions == bytes(range(6)) * 500


def test_what_was_appended_is_read_back(log):
    found = game_log.read(log)
    assert found.records == [ONE, TWO]
    assert sum(found.sizes) == log.stat().st_size
    assert found.damage == ""


def test_no_file_holds_no_games(tmp_path):
    assert game_log.read(tmp_path / game_log.NAME).records == []
    game_log.trim(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_cut_at_any_byte_it_gives_the_whole_games_before(log):
    data, (first, _) = log.read_bytes(), game_log.read(log).sizes
    for size in range(len(data)):
        log.write_bytes(data[:size])
        found = game_log.read(log)
        assert found.records == ([ONE] if size >= first else [])
        assert found.cut == (size not in (0, first))
        assert bool(found.damage) == found.cut


def test_no_changed_bit_goes_unnoticed(log):
    """Each frame has a checksum; one may change what nothing depends on, but no game."""
    data = log.read_bytes()
    for place in range(len(data)):
        for bit in (1, 16, 128):
            log.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            found = game_log.read(log)
            assert found.damage or found.records == [ONE, TWO], place
            assert all(record in (ONE, TWO) for record in found.records), place


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense",
        b"\0" * 300,
        frame(b"[" * 4_000),
        frame(b"null"),
        frame(b"{}"),
        frame(b" " * 5_000),
        frame(HEADER, b"\0" * 4),
        frame(HEADER | {"schema": 2}, b"\0" * 3),
        frame(HEADER | {"episode": "0"}, b"\0" * 3),
        frame(HEADER | {"seed": True}, b"\0" * 3),
        frame(HEADER | {"return": float("nan")}, b"\0" * 3),
        frame({name: HEADER[name] for name in HEADER if name != "frames"}, b"\0" * 3),
        frame(HEADER | {"more": 1}, b"\0" * 3),
    ],
)
def test_what_is_no_game_is_named_with_its_place(log, text):
    size = log.stat().st_size
    with log.open("ab") as file:
        file.write(text)
    found = game_log.read(log)
    assert found.records == [ONE, TWO]
    assert f"{log}, after 2 whole games, at byte {size}: " in found.damage
    assert not found.cut


@pytest.mark.parametrize("games", [1, 240])
def test_a_small_file_cannot_become_gigabytes(tmp_path, games):
    """6 GB of zeros, in one frame or in many; packed they are 200 kB."""
    path, piece = tmp_path / game_log.NAME, bytes(1_000_000)
    header = HEADER | {"steps": 6_000 // games * 10**6}
    for _ in range(games):
        packer = zstandard.ZstdCompressor().compressobj()
        parts = [packer.compress(json.dumps(header).encode() + b"\n")]
        parts += [packer.compress(piece) for _ in range(6_000 // games)]
        with path.open("ab") as file:
            file.write(b"".join(parts) + packer.flush())
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    assert ": more than the 67,108,864 bytes" in game_log.read(path).damage
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_only_a_regular_file_is_read(tmp_path, kind):
    path = tmp_path / game_log.NAME
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(RunDirectoryError, match="no regular file"):
        game_log.trim(tmp_path)


def test_nothing_is_made_where_a_link_leads(tmp_path):
    path = tmp_path / game_log.NAME
    path.symlink_to(tmp_path / "elsewhere")
    game_log.trim(tmp_path)
    with pytest.raises(OSError, match="it is a link"):
        game_log.append(path, ONE)
    assert not (tmp_path / "elsewhere").exists()


def test_a_game_without_its_row_is_dropped_and_a_torn_one_too(log):
    data = log.read_bytes()
    game_log.trim(log.parent)
    assert log.read_bytes() == data
    game_log.append(log, dataclasses.replace(TWO, episode=2))
    game_log.trim(log.parent)
    assert log.read_bytes() == data
    for rest in (b"\x28", data[:40]):
        log.write_bytes(data + rest)
        game_log.trim(log.parent)
        assert log.read_bytes() == data
    log.write_bytes(data + b"\0" * 100)  # as a power cut leaves it
    game_log.trim(log.parent)
    assert log.read_bytes() == data


def test_rows_that_went_take_their_games_along_whatever_their_place(log):
    table = log.parent / "evaluations.csv"
    head, _, second = table.read_text().splitlines(keepends=True)
    table.write_text(head + second)
    game_log.trim(log.parent)
    assert game_log.read(log).records == [TWO]
    table.unlink()
    game_log.trim(log.parent)
    assert log.read_bytes() == b""


def test_damage_before_the_end_is_not_made_worse(log):
    data, (first, _) = log.read_bytes(), game_log.read(log).sizes
    broken = data[: first + 10] + b"\xff\xff\xff\xff" + data[first + 14 :]
    log.write_bytes(broken)
    with pytest.raises(RunDirectoryError, match=rf"at byte {first}: .* restore the file, or remo"):
        game_log.trim(log.parent)
    assert log.read_bytes() == broken
    log.unlink()
    game_log.trim(log.parent)  # as for a run from before there was such a file


def test_games_are_told_apart_by_weights_step_and_number(log):
    rows = records.read_rows(log.parent / "evaluations.csv")
    assert game_log.final_keys(rows) == {Key("best", 750, 0), Key("best", 750, 1)}
    assert game_log.final_keys([row | {"kind": "periodic"} for row in rows]) == set()
