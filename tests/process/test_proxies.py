"""A real nginx and a real haproxy in front of a real host: nobody gets another's answer.

Each request that is wrong in some way is sent through the proxy with an honest one behind it,
and then another client asks.  Were proxy and host of two minds about where a request ends,
one of the two would get an answer that is not its own, or none.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.http_bytes import ACCEPTED, CLOSING, REFUSED, Reply, get, replies
from tests.support.proxies import SHORT, haproxy, nginx

if TYPE_CHECKING:
    from tests.support.hosts import StartHost

PATIENCE = 60.0

CASES = {
    **{name: said for name, (said, _, _) in REFUSED.items()},
    **ACCEPTED,
    **{f"closing: {name}": said for name, said in CLOSING.items()},
}


CHANGED = {"blanks around a value", "99 more fields", "a connection that is not closed"}
"""What a proxy may refuse, make too many fields of by adding its own, or close behind."""


def lax_haproxy(folder: Path, upstream: int) -> AbstractContextManager[str]:
    """Run haproxy so that it passes on what it would refuse."""
    return haproxy(folder, upstream, laxly=True)


def hasty_nginx(folder: Path, upstream: int) -> AbstractContextManager[str]:
    """Run nginx with the shipped site, whose clients have little time."""
    return nginx(folder, upstream, SHORT)


def asked_for(name: str) -> bytes:
    """Return an honest request, whose answer has its name in it."""
    return get(line=b"GET /sessions/%s HTTP/1.1" % name.encode())


def said_by(port: int, data: bytes, enough: Callable[[bytes], bool]) -> bytes:
    """Send bytes and return what comes back, until it is enough or the proxy hangs up."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        try:
            client.sendall(data)
            while not enough(got):
                piece = client.recv(1 << 16)
                if not piece:
                    break
                got += piece
        except ConnectionError:  # it was closed while we still spoke
            pass
    return got


def answered(port: int, data: bytes, name: str) -> list[Reply]:
    """Send bytes that end in an honest request; return the answers."""
    got = said_by(port, data, lambda got: name.encode() in got and got.endswith(b"}"))
    if not got.startswith(b"HTTP/1"):  # HTTP/0.9: nothing but a body, or nothing at all
        assert name.encode() not in got
        return []
    return replies(got)


@pytest.mark.parametrize("proxy", [hasty_nginx, haproxy, lax_haproxy])
def test_answers_are_not_mixed_up_behind_a_proxy(
    proxy: Callable[[Path, int], AbstractContextManager[str]],
    start_host: StartHost,
    tmp_path: Path,
) -> None:
    free = ("--no-token", "--allow-host", "x", "--limit", "burst=1000000")
    host = start_host("--port", "0", *free)
    with proxy(tmp_path / "proxy", host.port) as url:
        port = int(url.rpartition(":")[2])
        for number, (name, said) in enumerate(CASES.items()):
            check(port, name, said, number)
    output = host.output()
    assert "Traceback" not in output
    assert not re.search(r'" 50[02-4] ', output)


def check(port: int, name: str, said: bytes, number: int) -> None:
    """Send a case with an honest request behind it, and let another client ask."""
    honest, other = f"honest-{number}", f"other-{number}"
    answers = answered(port, said + asked_for(honest), honest)
    assert len(answers) <= 2, name
    assert not {reply.status for reply in answers} & {500, 502, 503, 504}, name
    mine = [reply for reply in answers if honest.encode() in reply.body]
    if name in ACCEPTED.keys() - CHANGED:
        assert [reply.status for reply in answers] == [200, 404], name
    assert mine in ([], answers[1:]), name
    (reply,) = answered(port, asked_for(other), other)
    assert (reply.status, other.encode() in reply.body) == (404, True), name
