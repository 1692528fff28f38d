"""Files that are one user's alone, and everything that makes them not so."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sxhost import files
from sxhost.files import UnsafeFile

US, THEM = 12_345, 65_534


def of(uid: int, path: Path) -> Path:
    os.chown(path, uid, uid, follow_symlinks=False)
    return path


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of ours in one that all may write to, as /tmp is."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        home = Path(name, "home")
        home.mkdir(mode=0o755)
        yield of(US, home)


@pytest.fixture
def place(home: Path) -> Path:
    """A state directory with what a host leaves there."""
    place = home / "state"
    place.mkdir(mode=0o700)
    for name in ("token", "tokens.json", "sxhost.db", "url"):
        file = place / name
        file.write_text(name)
        file.chmod(0o600)
        of(US, file)
    return of(US, place)


def theirs(place: Path) -> None:
    of(THEM, place)


def open_to_all(place: Path) -> None:
    place.chmod(0o707)


def open_to_a_group(place: Path) -> None:
    place.chmod(0o770)


def in_a_home_of_theirs(place: Path) -> None:
    of(THEM, place.parent)


def in_a_home_open_to_all(place: Path) -> None:
    place.parent.chmod(0o777)


def in_a_home_open_to_a_group(place: Path) -> None:
    place.parent.chmod(0o775)


def moved(place: Path, to: Path, uid: int) -> None:
    place.rename(to)
    place.symlink_to(to)
    of(uid, place)


def behind_their_link(place: Path) -> None:
    moved(place.parent, place.parent.with_name("elsewhere"), THEM)


def a_link_of_theirs(place: Path) -> None:
    moved(place, place.with_name("elsewhere"), THEM)


def a_link_of_ours(place: Path) -> None:
    moved(place, place.with_name("elsewhere"), US)


def a_link_to_itself(place: Path) -> None:
    place.rename(place.with_name("elsewhere"))
    place.symlink_to(place)


def with_a_file_of_theirs(place: Path) -> None:
    of(THEM, place / "sxhost.db")


def with_a_file_open_to_all(place: Path) -> None:
    (place / "url").chmod(0o602)


def with_a_directory_open_to_a_group(place: Path) -> None:
    (place / "backups").mkdir()
    of(US, place / "backups").chmod(0o770)


def with_a_link(place: Path) -> None:
    of(US, place / "url").unlink()
    (place / "url").symlink_to("/etc/passwd")
    of(US, place / "url")


def with_a_link_to_nothing(place: Path) -> None:
    (place / "sxhost.log").symlink_to("nothing")


def with_a_token_for_all(place: Path) -> None:
    (place / "token").chmod(0o604)


def with_hashes_for_a_group(place: Path) -> None:
    (place / "tokens.json").chmod(0o640)


UNSAFE_DIRECTORIES = [
    (theirs, "state belongs to user 65534, not to user 12345 or root"),
    (open_to_all, "others may write to .*state; end that with: chmod go-w .*/state"),
    (open_to_a_group, "others may write to .*state; end that with: chmod go-w .*/state"),
    (in_a_home_of_theirs, "home belongs to user 65534"),
    (in_a_home_open_to_all, "others may write to .*home; end that"),
    (in_a_home_open_to_a_group, "others may write to .*home; end that"),
    (behind_their_link, "home belongs to user 65534"),
    (a_link_of_theirs, "state belongs to user 65534"),
    (a_link_of_ours, "state is a symbolic link: name the directory itself"),
    (with_a_file_of_theirs, "sxhost.db belongs to user 65534"),
    (with_a_file_open_to_all, "others may write to .*url; end that"),
    (with_a_directory_open_to_a_group, "others may write to .*backups; end that"),
    (with_a_link, "url is a symbolic link: it is not followed"),
    (with_a_link_to_nothing, "sxhost.log is a symbolic link: it is not followed"),
    (with_a_token_for_all, "others may read .*token; remove it if .* chmod 600"),
    (with_hashes_for_a_group, "others may read .*tokens.json; remove it if"),
]


@pytest.mark.parametrize(("make", "sentence"), UNSAFE_DIRECTORIES)
def test_directory_writable_by_others_is_refused(
    place: Path, make: Callable[[Path], None], sentence: str
) -> None:
    files.check_directory(place, US)
    make(place)
    with pytest.raises(UnsafeFile, match=sentence):
        files.check_directory(place, US)


def test_path_of_endless_links_is_an_error(place: Path) -> None:
    a_link_to_itself(place)
    with pytest.raises(OSError, match="Too many levels"):
        files.check_directory(place, US)


def behind_roots_link(place: Path) -> None:
    moved(place.parent, place.parent.with_name("elsewhere"), 0)


def behind_our_link(place: Path) -> None:
    moved(place.parent, place.parent.with_name("elsewhere"), US)


def at_roots_link(place: Path) -> None:
    """As systemd's with DynamicUser=."""
    place.rename(place.with_name("private"))
    place.symlink_to("../home/./private")


def for_all_to_see(place: Path) -> None:
    place.chmod(0o755)


def with_a_file_of_roots(place: Path) -> None:
    of(0, place / "url")


def with_a_socket_for_all(place: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(place / "s"))
    of(US, place / "s").chmod(0o666)


def in_a_home_of_roots_group(place: Path) -> None:
    os.chown(place.parent, US, 0)
    place.parent.chmod(0o775)


@pytest.mark.parametrize(
    "make",
    [
        behind_roots_link,
        behind_our_link,
        at_roots_link,
        for_all_to_see,
        with_a_file_of_roots,
        with_a_socket_for_all,
        in_a_home_of_roots_group,
    ],
)
def test_own_directory_is_accepted(place: Path, make: Callable[[Path], None]) -> None:
    make(place)
    files.check_directory(place, US)


def test_directory_of_root_is_accepted_in_a_user_namespace(place: Path) -> None:
    """In a namespace of users without root, which the user unit makes, root is nobody."""
    code = f"{Path(files.__file__).read_text()}\ncheck_directory({str(place)!r}, os.getuid())"
    program = ("unshare", "--user", "--map-current-user", "/usr/bin/env", "python3", "-c", code)
    done = subprocess.run(program, user=US, cwd="/", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_missing_path_resolves_to_where_it_will_be(home: Path) -> None:
    (home / "link").symlink_to("real")
    (home / "real").mkdir()
    assert files.check_path(home / "link" / "a" / "b", US) == f"{home}/real/a/b"
    (home / "up").symlink_to("real/..")
    assert files.check_path(f"{home}/up/c", US) == f"{home}/c"
    (home / "far").symlink_to("/tmp/")
    assert files.check_path(f"{home}/far/../c", US) == "/c", "as the kernel goes"
    with pytest.raises(UnsafeFile, match="belongs to user 12345, not to root"):
        files.check_path(home, 0)


# Reading.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_text("words")
    file.chmod(0o600)
    return file


def test_own_file_is_read(file: Path) -> None:
    assert files.read_private(file) == b"words"
    assert files.read_private(file, 3) == b"wor"


def test_file_of_another_user_is_not_read(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for other in ("link", "pipe", "."):
        with pytest.raises(UnsafeFile):
            files.read_private(tmp_path / other)
    file.chmod(0o620)
    with pytest.raises(UnsafeFile, match="may write"):
        files.read_private(file)
    of(THEM, file).chmod(0o600)
    with pytest.raises(UnsafeFile, match="belongs to user 65534"):
        files.read_private(file)


# Writing.


@pytest.mark.parametrize("planted", ["file", "file.new"])
def test_file_is_not_written_through_a_link(tmp_path: Path, planted: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for plant in (Path.symlink_to, Path.hardlink_to):
        path = tmp_path / planted
        path.unlink(missing_ok=True)
        plant(path, victim)
        files.replace_private(tmp_path / "file", b"words")
        assert victim.read_text() == "precious"
        assert (tmp_path / "file").read_bytes() == b"words"
        assert not (tmp_path / "file").is_symlink()
    assert {each.name for each in tmp_path.iterdir()} == {"file", "victim"}


def test_written_file_is_private_whatever_was_there(file: Path) -> None:
    file.chmod(0o666)
    before = os.umask(0)
    files.replace_private(file, b"x" * 100_000, synced=False)
    os.umask(before)
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_size) == (0o600, 100_000)


def test_file_that_cannot_be_replaced_stays(file: Path) -> None:
    file.with_name("file.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace_private(file, b"other")
    assert file.read_text() == "words"


# Locks.


def test_file_lock_is_exclusive(file: Path) -> None:
    held = files.lock_file(file)
    with pytest.raises(BlockingIOError):
        files.lock_file(file)
    os.close(held)
    os.close(files.lock_file(file))


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_locks_of_different_files_are_independent(
    file: Path, plant: Callable[[Path, Path], None]
) -> None:
    path = file.with_name("lock")
    plant(path, file)
    with pytest.raises(UnsafeFile, match=r"is not followed|is another file, too"):
        files.lock_file(path)
