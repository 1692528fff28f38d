"""A file that somebody writes: its lines whole, in order and once, whatever is done to it."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.agent_files.tail import LINE_MOST, Lines, Tail
from sxhost.files import UnsafeFile

UID = os.geteuid()


def drain(tail: Tail, most: int = 1 << 16) -> Lines:
    """Read until nothing is left."""
    past, new = list[bytes](), list[bytes]()
    while True:
        lines = tail.read(most)
        past += lines.past
        new += lines.new
        if not lines.more:
            return Lines(past, new)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "a.jsonl"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_file_that_is_not_there_yet_is_read_from_its_beginning(path: Path) -> None:
    tail = Tail(str(path), UID)
    assert tail.read() == Lines()
    append(path, b"one\ntw")
    assert tail.read().new == [b"one"]
    append(path, b"o\n")
    assert tail.read().new == [b"two"]


def test_what_was_there_is_past(path: Path) -> None:
    append(path, b"one\ntw")
    tail = Tail(str(path), UID)
    assert tail.read() == Lines(past=[b"one"])
    append(path, b"o\nthree\n")
    assert tail.read() == Lines(new=[b"two", b"three"])


def test_a_long_file_is_begun_near_its_end_with_a_whole_line(path: Path) -> None:
    append(path, b"".join(b"line %d\n" % number for number in range(1000)))
    tail = Tail(str(path), UID, catch_up=20)
    assert tail.read().past == [b"line 998", b"line 999"]


def test_a_file_of_100_mb_costs_what_its_end_costs(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    append(path, b"\nlast\n")
    assert drain(Tail(str(path), UID)).past == [b"last"]


def test_a_truncated_file_is_read_anew(path: Path) -> None:
    append(path, b"one\ntwo\nthr")
    tail = Tail(str(path), UID)
    drain(tail)
    path.write_bytes(b"new\n")
    assert drain(tail).new == [b"new"]


def test_a_replaced_file_is_read_to_its_end_first(path: Path) -> None:
    append(path, b"one\n")
    tail = Tail(str(path), UID)
    drain(tail)
    append(path, b"two\n")
    other = path.with_name("b")
    other.write_bytes(b"three\n")
    other.rename(path)
    assert [*drain(tail).new, *drain(tail).new] == [b"two", b"three"]


def test_a_removed_file_may_come_back(path: Path) -> None:
    append(path, b"one\n")
    tail = Tail(str(path), UID)
    drain(tail)
    path.unlink()
    drain(tail)
    append(path, b"two\n")
    assert drain(tail).new == [b"two"]


def test_a_line_that_is_too_long_is_passed_over(path: Path) -> None:
    tail = Tail(str(path), UID)
    tail.read()
    append(path, b"x" * (LINE_MOST + 1) + b"\nshort\n")
    assert drain(tail, 1 << 20).new == [b"short"]


def test_not_more_is_read_at_a_time_than_may_be(path: Path) -> None:
    tail = Tail(str(path), UID)
    tail.read()
    append(path, b"one\n" * 10)
    assert tail.read(most=8) == Lines(new=[b"one", b"one"], more=True)


def test_a_link_is_not_followed(path: Path) -> None:
    path.with_name("b").write_bytes(b"secret\n")
    path.symlink_to("b")
    with pytest.raises(UnsafeFile):
        Tail(str(path), UID).read()


def test_a_directory_behind_a_link_is_not_entered(path: Path) -> None:
    (path.parent / "real").mkdir()
    (path.parent / "link").symlink_to("real")
    (path.parent / "real" / "a").write_bytes(b"secret\n")
    with pytest.raises(UnsafeFile):
        Tail(str(path.parent / "link" / "a"), UID).read()


@pytest.mark.parametrize("mode", [0o666, 0o602])
def test_what_others_may_write_is_refused(path: Path, mode: int) -> None:
    append(path, b"one\n")
    path.chmod(mode)
    with pytest.raises(UnsafeFile):
        Tail(str(path), UID).read()


def test_a_pipe_is_refused_at_once(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(UnsafeFile):
        Tail(str(path), UID).read()


def test_a_file_of_another_user_is_refused(path: Path) -> None:
    append(path, b"one\n")
    if UID == 0:
        os.chown(path, 4711, -1)
        with pytest.raises(UnsafeFile, match="user 4711"):
            Tail(str(path), UID).read()
    else:
        with pytest.raises(UnsafeFile):
            Tail(str(path), UID + 1).read()


@given(st.lists(st.binary(max_size=12), max_size=20), st.integers(1, 9))
def test_however_a_file_is_written_its_lines_are_the_same(
    chunks: list[bytes], most: int
) -> None:
    whole = b"".join(chunks)
    *lines, _ = whole.split(b"\n")
    with TemporaryDirectory() as place:
        path = Path(place).resolve() / "a"
        tail, found = Tail(str(path), UID), list[bytes]()
        for chunk in chunks:
            append(path, chunk)
            found += (read := tail.read(most)).past + read.new
        found += (rest := drain(tail, most)).past + rest.new
        tail.close()
    assert found == [line for line in lines if line]
