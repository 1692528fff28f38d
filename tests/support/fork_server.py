"""``twistd sxhost`` and ``sxhost``, forked from a process that has imported them already.

Importing a host takes half a second of a processor, and the suite starts hundreds.  A forked
program has its arguments, directory, environment and files, as one that was started has them.
But ``/proc`` shows the server's command line and environment, and variables that act when an
interpreter starts (``LD_PRELOAD``, ``PYTHONUNBUFFERED``) do nothing.  Tests of these, and of
how a program starts, start it.

The server takes a launch as JSON, with the program's files and a socket for the report, and
forks a minder, which forks the program; the minder reports the program's pid with a handle,
and in the end its exit code.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryFile
from types import ModuleType, TracebackType
from typing import IO, Any, Self

from twisted.application.service import IServiceMaker
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins

from sxhost.config import Settings

PATIENCE = 60.0
"""How long, in seconds, a program may run before the test fails."""

LAUNCH_BYTES, LAUNCH_FILES = 1 << 20, 32
FREE_DESCRIPTORS = 200
"""File descriptors from here on are free in a program that begins."""

REACTOR = "twisted.internet.reactor"

_PROGRAMS = {"twistd": "twisted.scripts.twistd:run", "sxhost": "sxhost.__main__:main"}
_LOCALE = {"LC_ALL": "C.UTF-8"}
"""The server's own: it decides how programs encode what they print."""


class ForkedProcess:
    """A program that was forked; it has what of `subprocess.Popen` the tests use."""

    def __init__(self, report: socket.socket) -> None:
        self._report = report
        data, (self._handle,), _, _ = socket.recv_fds(report, 64, 1)
        self.pid = int(data)
        self.returncode: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wait()
        self._report.close()
        os.close(self._handle)

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code, negative if a signal ended it.

        :raises subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.returncode = int(self._report.recv(64))
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            try:
                signal.pidfd_send_signal(self._handle, number)
            except ProcessLookupError:
                self.wait()

    def terminate(self) -> None:
        """Send it SIGTERM, if it still runs."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL, if it still runs."""
        self.send_signal(signal.SIGKILL)


def can_fork(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether a command may be forked in place of started, with these variables set."""
    program = Path(command[0]).name
    steered = any(
        name.startswith(("LD_", "PYTHON", "LC_", "LANG")) and _LOCALE.get(name) != value
        for name, value in environ.items()
    )
    stays = "--nodaemon" in command if program == "twistd" else "--daemon" not in command
    return program in _PROGRAMS and stays and not steered


def run_forked(
    command: Sequence[str], home: Path, environ: Mapping[str, str], given: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Fork a program of ours and wait for its end; `given` is what it can read.

    :raises subprocess.TimeoutExpired: it does not end.
    """
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(given)
        stdin.seek(0)
        files = (stdin.fileno(), stdout.fileno(), stderr.fileno())
        with fork(command, home, environ, files) as process:
            try:
                code = process.wait(PATIENCE)
            finally:
                process.kill()
        output, errors = (_text_of(file) for file in (stdout, stderr))
    return subprocess.CompletedProcess(command, code, output, errors)


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")


def fork(
    command: Sequence[str],
    home: Path,
    environ: Mapping[str, str],
    standard_files: tuple[int, int, int],
    pass_fds: Sequence[int] = (),
) -> ForkedProcess:
    """Fork a program of ours in the directory `home`; `environ` is its whole environment.

    `standard_files` are what it reads from and writes to; the caller closes its own.
    """
    report, report_of_minder = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    launch = {
        "command": list(command),
        "home": str(home),
        "environ": dict(environ),
        "descriptors": [0, 1, 2, *pass_fds],
    }
    with report_of_minder:
        files = [report_of_minder.fileno(), *standard_files, *pass_fds]
        socket.send_fds(_server(), [json.dumps(launch).encode()], files)
    return ForkedProcess(report)


@cache
def _server() -> socket.socket:
    """Start the server of this process, which ends with it; return the socket for launches."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for side in (ours, theirs):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LAUNCH_BYTES)
    with theirs:
        code = f"from {__name__} import main; main({theirs.fileno()})"
        server = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **_LOCALE},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )

    atexit.register(server.wait)
    atexit.register(ours.close)
    return ours


# The server.


def _serve(launches: socket.socket) -> Callable[[], Any] | None:
    """Fork what is asked for, until nobody can ask; return, in a forked program, its main."""
    while True:
        data, files, _, _ = socket.recv_fds(launches, LAUNCH_BYTES, LAUNCH_FILES)
        if not data:
            return None
        while _reap_minder():
            pass
        if os.fork() == 0:
            launches.close()
            return _mind(json.loads(data), files)
        for file in files:
            os.close(file)


def _reap_minder() -> bool:
    try:
        return bool(os.waitpid(-1, os.WNOHANG)[0])
    except ChildProcessError:
        return False


def _mind(launch: dict[str, Any], files: list[int]) -> Callable[[], Any]:
    """Fork a program, report its pid and its exit code; return, in the program, its main."""
    report, *given = files
    pid = os.fork()
    if pid == 0:
        os.close(report)
        return _prepare(launch, given)
    for file in given:
        os.close(file)
    with socket.socket(fileno=report) as reports:
        socket.send_fds(reports, [str(pid).encode()], [os.pidfd_open(pid)])
        _, status = os.waitpid(pid, 0)
        reports.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _prepare(launch: dict[str, Any], files: list[int]) -> Callable[[], Any]:
    """Make this process what a started program would find; return its main."""
    free = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, FREE_DESCRIPTORS) for file in files]
    os.closerange(3, FREE_DESCRIPTORS)
    for file, descriptor in zip(free, launch["descriptors"], strict=True):
        os.dup2(file, descriptor)
        os.close(file)
    os.chdir(launch["home"])
    os.environ.clear()
    os.environ.update(launch["environ"])
    time.tzset()
    _reopen_standard_files()
    sys.argv = launch["command"]
    module, _, name = _PROGRAMS[Path(sys.argv[0]).name].partition(":")
    main: Callable[[], Any] = getattr(sys.modules[module], name)
    return main


def _reopen_standard_files() -> None:
    """Let Python look anew at what the standard files are, as it does when it starts."""
    for stream, mode, errors in (
        ("stdin", "r", "surrogateescape"),
        ("stdout", "w", "surrogateescape"),
        ("stderr", "w", "backslashreplace"),
    ):
        number = getattr(sys, stream).fileno()
        lines = 1 if stream == "stderr" else -1
        file = open(number, mode, lines, "utf-8", errors, closefd=False)  # noqa: SIM115
        setattr(sys, stream, file)
        setattr(sys, f"__{stream}__", file)


def import_programs() -> None:
    """Import what is to be forked, but no reactor: what epoll knows, forks would share."""
    sys.modules[REACTOR] = ModuleType(REACTOR)
    for module in ("sxhost.tap", "sxhost.telemetry.command"):
        import_module(module)
    for package in ("sxhost.attach", "sxhost.cli", "sxhost.client"):
        for found in iter_modules(import_module(package).__path__, f"{package}."):
            import_module(found.name)
    for agent in ("acp", "claude", "codex", "echo", "pi"):
        import_module(f"sxhost.drivers.{agent}")  # which a host imports when it needs it
    for program in _PROGRAMS.values():
        import_module(program.partition(":")[0])
    import_module("twisted.internet.default")  # which installs none
    import_module("encodings.idna")  # for the names of hosts


def _assemble_host() -> None:
    """Put a host together for nobody: what it compiles and keeps, each fork would by itself."""
    list(getPlugins(IServiceMaker))
    settings = Settings(listen=(), state_dir=Path(os.devnull), store="memory:")
    sys.modules["sxhost.tap"].assemble(settings, MemoryReactorClock())


def _install_reactor(stand_ins: Iterable[tuple[ModuleType, str]]) -> None:
    """Install a reactor, also where a stand-in has been imported meanwhile."""
    del sys.modules[REACTOR]
    reactor = import_module(REACTOR)
    for module, name in stand_ins:
        setattr(module, name, reactor)


def _stand_ins() -> list[tuple[ModuleType, str]]:
    """Return which modules have imported the stand-in of the reactor, and as what.

    To look for them copies most of the memory that forks share, so that they do not look.
    """
    stand_in = sys.modules[REACTOR]
    return [
        (module, name)
        for module in list(sys.modules.values())
        for name, value in list(vars(module).items())
        if value is stand_in
    ]


def main(descriptor: int) -> None:
    """Serve the launches that come through a socket; in each program, run it to its end."""
    import_programs()
    _assemble_host()
    stand_ins = _stand_ins()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as launches:
        program = _serve(launches)
    if program is not None:
        _install_reactor(stand_ins)
        sys.exit(program())
