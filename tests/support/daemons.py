"""Hosts that go to the background, and commands that run to their end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.fork_server import can_fork, run_forked

PATIENCE = 60.0
TWISTD, SXHOST = (str(Path(sys.executable).with_name(name)) for name in ("twistd", "sxhost"))
NODAEMON = (TWISTD, "-n", "--pidfile=", "sxhost")
DAEMON = (TWISTD, "--pidfile=pid", "--logfile=log", "sxhost")
CLASSIC = (SXHOST, "--daemon", "--pid-file=pid")
FREE_PORT = ("--port", "0", "--state-dir", "d")
_OURS = ("SXHOST_", "LISTEN_", "NOTIFY_", "WATCHDOG_", "STATE_DIRECTORY", "XDG_")

Ended = subprocess.CompletedProcess[str]


def clean_environ(home: Path) -> dict[str, str]:
    """Our environment without what would steer a host, and with another home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, "HOME": str(home)}


def run(home: Path, *command: str, **environ: str) -> Ended:
    """Run a command that does not stay to its end; it is forked if that can be."""
    whole_environ = {**clean_environ(home), **environ}
    if can_fork(command, environ):
        return run_forked(command, home, whole_environ)
    return subprocess.run(
        command,
        cwd=home,
        env=whole_environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Daemon:
    """A host that has gone to the background, held so that no other process is meant."""

    def __init__(self, pidfile: Path) -> None:
        self.pid = int(pidfile.read_text())
        self._handle = os.pidfd_open(self.pid)

    def send(self, number: int) -> None:
        signal.pidfd_send_signal(self._handle, number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.send(number)
        self.wait()

    def wait(self) -> None:
        """Wait until it is gone."""
        assert self.has_ended(PATIENCE)

    def has_ended(self, seconds: float = 0) -> bool:
        """Tell whether it has ended."""
        return bool(select.select([self._handle], [], [], seconds)[0])

    def close(self) -> None:
        """End it if the test has not."""
        if not self.has_ended():
            self.stop(signal.SIGKILL)
        os.close(self._handle)
