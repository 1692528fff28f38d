"""Another user of the same machine, against a real host."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sxhost.auth.client_tokens import own_host_token
from sxhost.config import host_url
from sxhost.hooks.connection import announced
from tests.support.hosts import FOREGROUND, Host, StartHost

NOBODY = 65534


def curl(uid: int, *words: str) -> tuple[int, Any]:
    """Ask as a user; return the status and the body."""
    command = ["curl", "-sS", "-w", "\n%{http_code}", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, user=uid, check=True, cwd="/"
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Make a directory that every user may enter."""
    with TemporaryDirectory(prefix="sxhost-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


@pytest.fixture(params=["tcp", "tcp6", "unix"])
def asked(request: pytest.FixtureRequest, start_host: StartHost, open_place: Path) -> list[str]:
    """What curl is told to reach a host by."""
    first = {
        "tcp": "tcp:0:interface=127.0.0.1",
        "tcp6": r"tcp:0:interface=\:\:1",
        "unix": f"unix:{open_place}/sock:mode=666",
    }[request.param]
    host = start_host("--listen", first, "--listen", "tcp:0:interface=127.0.0.1")
    assert host.port
    if request.param == "unix":
        return ["--unix-socket", f"{open_place}/sock", "http://localhost"]
    return [host.url if request.param == "tcp" else f"http://[::1]:{host.port}"]


def test_another_user_is_refused_without_a_token(asked: list[str]) -> None:
    *how, url = asked
    assert curl(os.getuid(), *how, f"{url}/status")[0] == 200
    assert curl(NOBODY, *how, f"{url}/health") == (200, {"status": "ok"})
    for word in ("status", "sessions", "sessions/a/messages", "events", "metrics", "tokens"):
        status, body = curl(NOBODY, *how, f"{url}/{word}")
        assert (status, body["error"]) == (401, "unauthorized")
    status, body = curl(NOBODY, *how, f"{url}/sessions/a/events", "-d", '{"event":"x"}')
    assert (status, body["error"]) == (401, "unauthorized")


def test_another_user_cannot_read_the_token(running_host: Host, tmp_path: Path) -> None:
    token = tmp_path / "state" / "token"
    assert running_host.port
    assert token.exists()
    look = ["cat", str(token)]
    done = subprocess.run(look, capture_output=True, user=NOBODY, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert token.stat().st_mode & 0o777 == 0o600


def test_state_directory_of_another_user_is_refused(
    start_host: StartHost, open_place: Path
) -> None:
    open_place.chmod(0o1777)
    make = "cd $0; mkdir -m 777 d; echo http://127.0.0.1:1 > d/url"
    subprocess.run(["sh", "-c", make, str(open_place)], user=NOBODY, check=True)
    place = open_place / "d"
    (open_place / "link").symlink_to(place)
    os.chown(open_place / "link", NOBODY, NOBODY, follow_symlinks=False)
    for name in ("d", "d/below", "link"):
        command = (*FOREGROUND, "--state-dir", str(open_place / name))
        host = start_host("--port", "0", command=command)
        assert host.wait() == 2
        assert "the state directory is not safe" in host.output()
    assert [file.name for file in place.iterdir()] == ["url"]


def test_commands_ignore_files_of_another_user(open_place: Path) -> None:
    open_place.chmod(0o1777)
    make = "cd $0; mkdir sxhost; cd sxhost; echo http://127.0.0.1:1 > url; echo x > token"
    subprocess.run(["sh", "-c", make, str(open_place)], user=NOBODY, check=True)
    environ = {"XDG_STATE_HOME": str(open_place)}
    assert host_url(environ) == "http://127.0.0.1:7432"
    assert announced(environ) == ""
    with socket.create_server(("127.0.0.1", 0)) as ours:
        assert own_host_token(f"http://127.0.0.1:{ours.getsockname()[1]}", environ) is None
