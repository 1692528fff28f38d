"""Real hosts in processes of their own, for the tests that need one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import pytest

from tests.support.daemons import Daemon, clean_environ
from tests.support.daemons import run as to_the_end
from tests.support.fork_server import ForkedProcess, can_fork, fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

TWISTD = str(Path(sys.executable).with_name("twistd"))
FOREGROUND = (TWISTD, "--nodaemon", "--pidfile=", "sxhost")

# Nothing here is timed: this long a test waits before it gives a process up, in seconds.
PATIENCE = 60.0

_ANNOUNCED = re.compile(r"Listening on https?://\S+:(\d+)")


HostProcess: TypeAlias = "subprocess.Popen[Any] | ForkedProcess"


class Host:
    """A process whose output is read as it comes, and which says what its port is."""

    def __init__(self, process: HostProcess, output: Iterable[str]) -> None:
        self.process = process
        self._output = output
        self._lines: list[str] = []
        self._announced: SimpleQueue[int | None] = SimpleQueue()
        self._port: int | None = None
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def port(self) -> int:
        """The port it has announced; waits for it."""
        if self._port is None:
            self._port = self._announced.get(timeout=PATIENCE)
        assert self._port is not None, f"it ended without listening:\n{self.output()}"
        return self._port

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        """All that it has printed so far, stdout and stderr in one."""
        return "".join(self._lines)

    def stop(self) -> int:
        """End it by SIGTERM and wait for it; its exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end and all its output; its exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def _read(self) -> None:
        for line in self._output:
            self._lines.append(line)
            if found := _ANNOUNCED.search(line):
                self._announced.put(int(found[1]))
        self._announced.put(None)


class StartHost(Protocol):
    """Start one more host; the test's end ends it."""

    def __call__(
        self,
        *options: str,
        command: Sequence[str] = FOREGROUND,
        environ: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Host: ...


@contextmanager
def run(
    command: Sequence[str],
    home: Path,
    environ: Mapping[str, str],
    fds: Sequence[int] = (),
    *,
    forks: bool = True,
) -> Iterator[Host]:
    """Run `command` in `home` and, if it still runs at the end, end it.

    It is forked from a process that has imported it, if that can be, and unless `forks` is
    False.
    """
    whole_environ = {**clean_environ(home), **environ}
    with ExitStack() as stack:
        output, of_host = os.pipe()
        lines = stack.enter_context(os.fdopen(output, errors="replace"))
        with os.fdopen(of_host, "wb"), Path(os.devnull).open() as nothing:
            files = (nothing.fileno(), of_host, of_host)
            if forks and can_fork(command, environ):
                process: HostProcess = fork(command, home, whole_environ, files, fds)
            else:
                process = _start(command, home, whole_environ, files, fds)
        stack.enter_context(process)
        host = Host(process, lines)
        try:
            yield host
        finally:
            _end(host)


def _start(
    command: Sequence[str],
    home: Path,
    environ: Mapping[str, str],
    files: tuple[int, int, int],
    fds: Sequence[int],
) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = files
    return subprocess.Popen(
        command,
        cwd=home,
        env=environ,
        pass_fds=fds,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )


def until(look: Callable[[], Any]) -> Any:
    """Return what `look` finds, once it finds something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("it has not come")


def _end(host: Host) -> None:
    try:
        host.stop()
    except subprocess.TimeoutExpired:
        host.process.kill()
        host.wait()
        raise


@pytest.fixture
def twistd() -> str:
    """Return the path of this environment's twistd."""
    return TWISTD


@pytest.fixture
def forks_hosts() -> bool:
    """Tell whether hosts may be forked: not where a module tests how the program starts."""
    return True


@pytest.fixture
def start_host(tmp_path: Path, forks_hosts: bool) -> Iterator[StartHost]:
    """Start hosts with a home and a state directory of the test's own."""
    with ExitStack() as stack:

        def start(
            *options: str,
            command: Sequence[str] = FOREGROUND,
            environ: Mapping[str, str] | None = None,
            pass_fds: Sequence[int] = (),
        ) -> Host:
            state = ("--state-dir", str(tmp_path / "state"))
            line = (*command, *options, *(() if state[0] in command else state))
            running = run(line, tmp_path, environ or {}, pass_fds, forks=forks_hosts)
            return stack.enter_context(running)

        yield start


@pytest.fixture
def running_host(start_host: StartHost) -> Host:
    """Start a host on a free port of 127.0.0.1 and wait until it listens."""
    host = start_host("--port", "0")
    assert host.port
    return host


StartDaemon: TypeAlias = "Callable[..., Daemon]"


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Start daemons whose pidfile is ``pid``, and end them with the test."""
    with ExitStack() as stack:

        def start(*command: str, pidfile: str = "pid") -> Daemon:
            done = to_the_end(tmp_path, *command)
            assert done.returncode == 0, done.stderr
            words = (
                "The host has started. Listening on " if command[0].endswith("sxhost") else ""
            )
            assert done.stdout.startswith(words)
            assert bool(done.stdout) == bool(words)
            daemon = Daemon(tmp_path / pidfile)
            stack.callback(daemon.close)
            return daemon

        yield start
