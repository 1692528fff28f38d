"""Locks of unix sockets: one whose owner has ended keeps nobody from starting."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sxhost.daemon.listening import remove_stale_lock
from tests.support.daemons import DAEMON, FREE_PORT
from tests.support.hosts import StartDaemon, StartHost

LONG_AGO = 1_000_000_000


def lock(path: Path, pid: int | str, made: float | None = None) -> Path:
    place = path.with_name(f"{path.name}.lock")
    place.symlink_to(str(pid))
    if made is not None:
        os.utime(place, (made, made), follow_symlinks=False)
    return place


def living() -> int:
    return os.getppid()


def test_lock_of_a_number_that_lives_again_is_removed(tmp_path: Path) -> None:
    place = lock(tmp_path / "s", living(), LONG_AGO)
    remove_stale_lock(f"unix:{tmp_path}/s:mode=600")
    assert not place.is_symlink()


def test_lock_of_our_own_number_is_removed(tmp_path: Path) -> None:
    place = lock(tmp_path / "s", os.getpid())
    remove_stale_lock(f"unix:address={tmp_path}/s")
    assert not place.is_symlink()


@pytest.mark.parametrize("pid", ["-1", "9" * 30, str(2**22 + 1)])
def test_lock_of_no_process_is_removed(tmp_path: Path, pid: str) -> None:
    place = lock(tmp_path / "s", pid)
    remove_stale_lock(f"unix:{tmp_path}/s")
    assert not place.is_symlink()


def test_link_that_is_no_lock_stays(tmp_path: Path) -> None:
    place = lock(tmp_path / "s", "words")
    remove_stale_lock(f"unix:{tmp_path}/s")
    assert place.is_symlink()


def test_lock_of_an_owner_that_is_older_than_it_stays(tmp_path: Path) -> None:
    place = lock(tmp_path / "s", living())
    remove_stale_lock(f"unix:{tmp_path}/s")
    assert place.is_symlink()


def test_lock_of_a_socket_that_answers_stays(tmp_path: Path) -> None:
    place = lock(tmp_path / "s", living(), LONG_AGO)
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        remove_stale_lock(f"unix:{tmp_path}/s")
    assert place.is_symlink()


def test_colon_in_a_path_is_escaped(tmp_path: Path) -> None:
    place = lock(tmp_path / "a:b", living(), LONG_AGO)
    remove_stale_lock(f"unix:{tmp_path}/a\\:b")
    assert not place.is_symlink()
    remove_stale_lock("tcp:7432:interface=127.0.0.1")


def test_host_starts_over_twistds_pidfile_of_another_program(
    tmp_path: Path, start_daemon: StartDaemon
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (tmp_path / "pid").write_text(str(other.pid))
        os.utime(tmp_path / "pid", (LONG_AGO, LONG_AGO))
        start_daemon(*DAEMON, *FREE_PORT)
        assert (tmp_path / "pid").read_text() != str(other.pid)
        other.kill()


def test_host_starts_over_the_lock_of_another_program(
    tmp_path: Path, start_host: StartHost
) -> None:
    path = tmp_path / "sock"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        lock(path, other.pid, LONG_AGO)
        host = start_host("--listen", "tcp:0:interface=127.0.0.1", "--listen", f"unix:{path}")
        assert host.port
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(str(path))
        host.stop()
        other.kill()
