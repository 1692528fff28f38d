"""What a host owes its machine: the pidfile, its rights, a word to root, SIGHUP."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import pytest
from twisted.logger import capturedLogs, formatEvent

from sxhost.daemon.pidfile import AlreadyRunning, PidFile, warn_of_root
from sxhost.daemon.preflight import make_state_dir
from tests.process.test_tap import ask
from tests.support.daemons import (
    CLASSIC,
    DAEMON,
    FREE_PORT,
    NODAEMON,
    SXHOST,
    TWISTD,
    Daemon,
    clean_environ,
    run,
)
from tests.support.faults import contents

if TYPE_CHECKING:
    from tests.support.hosts import StartDaemon, StartHost

NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def forks_hosts() -> bool:
    """How a host starts is what is tested here."""
    return False


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pid"


@pytest.fixture
def pidfile(path: Path) -> Iterator[PidFile]:
    pidfile = PidFile(path)
    yield pidfile
    pidfile.remove()


def refusal(path: Path) -> str:
    """Return the sentence with which a pidfile is refused, early and late."""
    with pytest.raises(AlreadyRunning) as early:
        PidFile(path).check()
    with pytest.raises(AlreadyRunning) as late:
        PidFile(path).claim()
    assert str(early.value) == str(late.value)
    return str(late.value)


def lasting(place: Path) -> list[Path]:
    """Return the files in a state directory, but for drafts that are about to be renamed."""
    return [file for file in place.iterdir() if file.suffix != ".new"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# The pidfile.


def test_pidfile_holds_the_pid_readable_by_its_owner_alone(
    pidfile: PidFile, path: Path
) -> None:
    pidfile.check()
    pidfile.claim()
    assert (path.read_text(), mode(path)) == (str(os.getpid()), 0o600)
    pidfile.remove()
    assert not path.exists()
    pidfile.remove()


def test_pidfile_of_a_running_host_refuses_with_its_pid(pidfile: PidFile, path: Path) -> None:
    pidfile.claim()
    assert refusal(path) == f"another host runs, with pid {os.getpid()} ({path})."
    assert path.read_text() == str(os.getpid())


def test_unfinished_pidfile_is_replaced(pidfile: PidFile, path: Path) -> None:
    path.touch()
    pidfile.claim()
    assert path.read_text() == str(os.getpid())


def test_pidfile_of_an_ended_process_is_replaced(pidfile: PidFile, path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    path.write_text(str(dead.pid))
    pidfile.check()
    pidfile.claim()
    assert path.read_text() == str(os.getpid())


def test_pidfile_of_a_killed_process_that_nobody_reaps_is_replaced(
    pidfile: PidFile, path: Path
) -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as dead:
        path.write_text(str(dead.pid))
        assert f"pid {dead.pid}" in refusal(path)
        dead.kill()
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # a zombie until the end
        pidfile.check()
        pidfile.claim()
    assert path.read_text() == str(os.getpid())


def test_pidfile_with_a_reused_pid_is_replaced(pidfile: PidFile, path: Path) -> None:
    path.write_text(str(os.getppid()))
    os.utime(path, (1, 1))
    pidfile.claim()
    assert path.read_text() == str(os.getpid())


def test_pidfile_of_a_running_process_without_lock_is_left_alone(path: Path) -> None:
    path.write_text(f"{os.getpid()}\n")
    assert f"pid {os.getpid()}" in refusal(path)
    assert path.read_text() == f"{os.getpid()}\n"


def test_file_that_is_no_pidfile_is_left_alone(path: Path) -> None:
    path.write_text("dear diary")
    assert refusal(path) == f"{path} is there already, and is no pidfile."
    assert path.read_text() == "dear diary"


def test_pipe_as_pidfile_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert "is no pidfile" in refusal(path)


def test_directory_as_pidfile_is_refused(path: Path) -> None:
    path.mkdir()
    assert "is no pidfile" in refusal(path)


def test_pidfile_in_a_missing_directory_is_refused(path: Path) -> None:
    path.touch()
    assert refusal(path / "pid").endswith(": not a directory.")


@pytest.mark.parametrize("content", [None, "", "1"])
def test_pidfile_link_is_not_followed(path: Path, tmp_path: Path, content: str | None) -> None:
    target = tmp_path / "target"
    if content is not None:
        target.write_text(content)
    path.symlink_to(target)
    assert refusal(path) == f"cannot use the pidfile {path}: it is a link."
    assert path.is_symlink()
    assert (target.read_text() if target.exists() else None) == content


def test_pidfile_hard_link_does_not_harm_its_file(
    pidfile: PidFile, path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.touch()
    path.hardlink_to(target)
    pidfile.claim()
    assert target.read_text() == ""
    assert path.read_text() == str(os.getpid())


def test_replaced_pidfile_is_not_removed(pidfile: PidFile, path: Path) -> None:
    pidfile.claim()
    path.unlink()
    path.write_text("1")
    pidfile.remove()
    assert path.read_text() == "1"


@pytest.mark.parametrize(
    "command", [(TWISTD, "-n", "--pidfile=pid", "sxhost"), DAEMON, CLASSIC]
)
def test_host_does_not_follow_a_planted_pidfile_link(
    command: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "pid").symlink_to(tmp_path / "victim")
    done = run(tmp_path, *command, *FREE_PORT)
    text = f"sxhost: cannot use the pidfile {tmp_path / 'pid'}: it is a link.\n"
    assert (done.returncode, done.stderr) == (1, text)
    assert not (tmp_path / "victim").exists()


# Rights.


def test_files_of_a_daemon_are_for_its_user_alone(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    careless = ("sh", "-c", 'umask 0; exec "$@"', "sh")
    daemon = start_daemon(*careless, *DAEMON, *FREE_PORT)
    modes = {file.name: mode(file) for file in lasting(tmp_path / "d")}
    assert {"sxhost.db", "sxhost.db.lock", "token"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert mode(tmp_path / "d") == 0o700
    assert (mode(tmp_path / "log"), mode(tmp_path / "pid")) == (0o600, 0o600)
    daemon.stop()


def test_files_of_a_foreground_host_are_for_its_user_alone(
    start_host: StartHost, tmp_path: Path
) -> None:
    careless = ("sh", "-c", 'umask 0; exec "$@"', "sh")
    host = start_host("--port", "0", command=(*careless, *NODAEMON))
    assert host.port
    modes = {mode(file) for file in lasting(tmp_path / "state")}
    assert (modes, mode(tmp_path / "state")) == ({0o600}, 0o700)


def test_umask_option_is_applied(start_host: StartHost, tmp_path: Path) -> None:
    command = (TWISTD, "-n", "--umask=027", "--pidfile=pid", "sxhost")
    host = start_host("--port", "0", command=command)
    assert host.port
    assert umask_of(host.process.pid) == "0027"
    assert mode(tmp_path / "pid") == 0o600


def umask_of(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text().partition("Umask:")[2].split()[0]


def test_host_run_as_root_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {}
    for uid in (0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        with capturedLogs() as events:
            warn_of_root()
        sent[uid] = [formatEvent(event) for event in events]
    assert sent[1000] == []
    (sentence,) = sent[0]
    assert "twistd --uid NAME" in sentence


KEEPING = ("setpriv", "--securebits=+no_setuid_fixup") if os.getuid() == 0 else ()
"""Lets root's host read what it likes after it has changed its user too, for it may be that
only root can read this Python.  What it makes belongs to the new user all the same."""


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Return a directory that every user may enter."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o711)
        yield Path(place)


def test_host_becomes_the_user_of_twistds_options(
    start_host: StartHost, open_place: Path
) -> None:
    uid = os.getuid() or NOBODY
    state = open_place / "state"
    command = (*KEEPING, TWISTD, "-n", f"--uid={uid}", f"--pidfile={state}/pid", "sxhost")
    host = start_host("--port", "0", command=(*command, "--state-dir", str(state)))
    assert host.port, host.output()
    assert {file.stat().st_uid for file in (state, *lasting(state))} <= {uid, os.getuid()}
    assert (state / "token").stat().st_uid == uid
    assert "runs as root" not in host.output() or os.getuid() == uid == 0
    assert status_as(uid, host.url) == "200"
    if uid != os.getuid():
        with pytest.raises(HTTPError, match="401"):
            ask(f"{host.url}/status")
    host.stop()
    assert not (state / "pid").exists()


def status_as(uid: int, url: str) -> str:
    """Return the status of the answer that a user gets."""
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{url}/status"]
    user = None if uid == os.getuid() else uid
    return subprocess.run(command, user=user, capture_output=True, text=True, check=True).stdout


def test_state_directory_readable_by_others_is_warned_of(
    start_host: StartHost, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    host = start_host("--port", "0")
    assert host.port
    assert f"Others may look into {tmp_path}/state; end that with: chmod 700" in host.output()


# The state directory.

FREE = ("--port", "0")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state directory as a host leaves it that was killed, with all that it writes."""
    home = tmp_path_factory.mktemp("left")
    command = (SXHOST, "--daemon", *FREE, "--state-dir", "d")
    done = run(home, *command)
    assert done.returncode == 0, done.stderr
    daemon = Daemon(home / "d" / "sxhost.pid")
    url = (home / "d" / "url").read_text().strip()
    ask(f"{url}/tokens", b'{"scopes":["read"]}')
    ask(f"{url}/sessions/a/events", b'{"event":"x"}')
    daemon.close()
    return home / "d"


WRITTEN = (
    *("sxhost.db", "sxhost.db-shm", "sxhost.db-wal", "sxhost.db.lock", "sxhost.db.mark"),
    *("sxhost.db-search", "sxhost.db-search-shm", "sxhost.db-search-wal"),
    *("sxhost.log", "sxhost.pid", "token", "tokens.json", "url"),
)
"""All that a host writes in its state directory; a test compares."""


def test_list_of_written_state_files_is_complete(left: Path) -> None:
    assert {file.name for file in left.iterdir()} == set(WRITTEN)


@pytest.mark.parametrize("name", [*WRITTEN, "url.new", "tokens.json.new"])
def test_link_in_the_state_directory_is_refused(left: Path, tmp_path: Path, name: str) -> None:
    """Refused before anything is written, and before it goes into the background."""
    shutil.copytree(left, tmp_path / "d")
    victim, planted = tmp_path / "victim", tmp_path / "d" / name
    victim.write_text("precious")
    planted.unlink(missing_ok=True)
    planted.symlink_to(victim)
    before = contents(tmp_path / "d")
    done = run(tmp_path, SXHOST, "--daemon", *FREE, "--state-dir", "d")
    sentence = f"{planted} is a symbolic link: it is not followed."
    assert done.returncode == 2
    assert done.stderr == f"sxhost: the state directory is not safe: {sentence}\n"
    assert victim.read_text() == "precious"
    assert contents(tmp_path / "d") == before


@pytest.mark.parametrize("command", [NODAEMON, DAEMON, CLASSIC, (SXHOST,), (SXHOST, "stdio")])
def test_state_directory_writable_by_others_is_refused(
    command: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(0o777)
    words = ("--", *FREE_PORT) if "stdio" in command else FREE_PORT
    done = run(tmp_path, *command, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sxhost: the state directory is not safe: others may write")
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "d").iterdir()) == []


def test_created_parents_of_the_state_directory_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    make_state_dir(tmp_path / "a" / "b")
    os.umask(before)
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


# SIGHUP.


def test_hangup_does_not_end_a_host_without_a_terminal(start_host: StartHost) -> None:
    host = start_host("--port", "0")
    assert ask(f"{host.url}/health")
    host.process.send_signal(signal.SIGHUP)
    assert ask(f"{host.url}/health") == '{"status":"ok"}'
    assert host.stop() == -signal.SIGTERM


TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the terminal that the process belongs to."""


def test_host_ends_with_its_terminal(tmp_path: Path) -> None:
    from tests.support.hosts import Host

    master, slave = os.openpty()
    command = [sys.executable, "-c", TERMINAL, *NODAEMON, *FREE_PORT]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=clean_environ(tmp_path),
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        os.close(slave)
        assert process.stdout is not None
        host = Host(process, process.stdout)
        assert ask(f"{host.url}/health")
        os.close(master)
        assert host.wait() == 0
    assert "Stopped" in host.output()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", host.port))


OLD = Path(__file__).parents[1] / "host" / "store" / "databases" / "version-3.db"


def test_daemon_says_at_its_terminal_that_it_brings_a_database_up_to_date(
    tmp_path: Path,
) -> None:
    (tmp_path / "d").mkdir(0o700)
    shutil.copyfile(OLD, tmp_path / "d" / "sxhost.db")
    (tmp_path / "d" / "sxhost.db").chmod(0o600)
    ours, theirs = os.openpty()
    command = [SXHOST, "--daemon", *FREE, "--state-dir", "d"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=clean_environ(tmp_path), stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # so ends a terminal
            while data := os.read(ours, 4096):
                shown += data
    os.close(ours)
    assert process.returncode == 0, shown
    Daemon(tmp_path / "d" / "sxhost.pid").close()
    lines = shown.decode().split("\r\n")
    assert lines[1:4] == [
        "Bringing sxhost.db up to date, from version 3 to 5 ...",
        "Checking sxhost.db ...",
        lines[3],
    ]
    assert lines[3].startswith("The host has started. Listening on ")
    assert lines[1] in (tmp_path / "d" / "sxhost.log").read_text()
