"""The door to files: regular ones only, bounded, never through a link, whole or not at all."""

import os
import resource
import stat
import subprocess
import sys

import pytest

from repro.system import disk


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_a_pipe_is_not_waited_for(fifo):
    for door in (
        lambda: disk.open_to_read(fifo, 10),
        lambda: disk.read_bytes(fifo),
        lambda: disk.read_text(fifo),
        lambda: disk.open_to_lock(fifo),
    ):
        with pytest.raises(disk.ForeignFileError, match="no regular file"):
            door()
    with pytest.raises(OSError, match="fifo"):
        disk.open_to_append(fifo)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/tmp"])
def test_devices_and_folders_are_no_files(tmp_path, device):
    link = tmp_path / "link"
    link.symlink_to(device)
    with pytest.raises(OSError, match="no regular file"):
        disk.open_to_read(link, 10)


def test_what_is_read_is_bounded(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert disk.read_bytes(path, 5) == b"12345"
    with pytest.raises(disk.ForeignFileError, match=r"has 5 bytes, more than the 4"):
        disk.read_bytes(path, 4)


def test_links_are_read_through_and_never_written_through(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("precious")
    link.symlink_to(target)
    assert disk.read_text(link) == "precious"
    for door in (disk.open_to_append, disk.open_to_lock):
        with pytest.raises(disk.ForeignFileError, match="it is a link"):
            door(link)
    disk.replace(link, b"new")
    assert target.read_text() == "precious"
    assert not link.is_symlink()
    assert link.read_text() == "new"


def test_the_old_temporary_name_as_a_link_destroys_nothing(tmp_path):
    """It could be known beforehand."""
    target, path = tmp_path / "target", tmp_path / "done.json"
    target.write_text("precious")
    (tmp_path / ".done.json.tmp").symlink_to(target)
    disk.replace(path, b"{}")
    assert (path.read_bytes(), target.read_text()) == (b"{}", "precious")
    assert not path.is_symlink()


def test_a_temporary_name_is_new_each_time(tmp_path):
    path = tmp_path / "file"
    names = {disk.temporary(path) for _ in range(100)}
    assert len(names) == 100


def test_files_get_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        disk.replace(tmp_path / "one", b"")
        disk.open_to_append(tmp_path / "two").close()
    finally:
        os.umask(before)
    for name in ("one", "two"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


def test_only_what_a_writer_left_is_removed(tmp_path):
    torn = disk.temporary(tmp_path / "done.json")
    torn.write_bytes(b"{")
    kept = [".done.json.tmp", ".mine.tmp", "notes.tmp", ".x.0123456789abcdef.tmp.txt"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    linked = disk.temporary(tmp_path / "a")
    linked.symlink_to(tmp_path / ".mine.tmp")
    disk.remove_torn(tmp_path)
    assert not torn.exists()
    assert {item.name for item in tmp_path.iterdir()} == {*kept, linked.name}


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """A limit on the size of files stands for it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import pathlib, resource, signal\n"
        "from repro.system import disk\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        f"disk.replace(pathlib.Path({str(path)!r}), bytes(5000))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"
