"""The client's side of a WebSocket, byte by byte."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from websockets.frames import Close, Frame, Opcode
from websockets.utils import accept_key

from sxhost.client.endpoints import CONNECT_WITHIN
from sxhost.client.websocket import WebSocketClient
from sxhost.testing import is_done, started


class Client(WebSocketClient):
    def __init__(self) -> None:
        headers = {"Host": "[::1]:80", "Authorization": "Bearer x"}
        super().__init__("ws://[::1]/ws?cwd=%2F", headers)
        self.got: list[bytes] = []
        self.left: Deferred[tuple[int, str]] = Deferred()

    def message_received(self, message: bytes) -> None:
        self.got.append(message)

    def connection_lost(self, code: int, why: str) -> None:
        self.left.callback((code, why))


class Link:
    """A client, and what a server says to it."""

    def __init__(self) -> None:
        self.client = Client()
        self.transport = StringTransport()
        self.client.makeConnection(self.transport)

    @property
    def sent(self) -> bytes:
        return bytes(self.transport.value())

    def accept(self) -> None:
        key = self.sent.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
        head = f"Upgrade: websocket\r\nSec-WebSocket-Accept: {accept_key(key)}"
        head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{head}\r\n\r\n"
        self.say(head.encode())
        self.transport.clear()

    def say(self, data: bytes) -> None:
        self.client.dataReceived(data)

    def frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        self.say(Frame(opcode, data, fin).serialize(mask=False))

    def lose(self) -> None:
        self.client.connectionLost(Failure(ConnectionDone()))


@pytest.fixture
def link() -> Link:
    return Link()


def failure_of(link: Link) -> str:
    found: list[Failure] = []
    link.client.opened.addErrback(found.append)
    return str(found[0].value)


def test_handshake_has_the_given_headers_once(link: Link) -> None:
    lines = link.sent.decode().split("\r\n")
    assert lines[0] == "GET /ws?cwd=%2F HTTP/1.1"
    assert [line for line in lines if line.startswith("Host")] == ["Host: [::1]:80"]
    assert "Authorization: Bearer x" in lines
    assert not is_done(link.client.opened)
    link.accept()
    assert is_done(link.client.opened)


def test_message_in_pieces_is_taken_whole(link: Link) -> None:
    link.accept()
    link.frame(Opcode.TEXT, b"one", fin=False)
    link.frame(Opcode.PING, b"")
    link.frame(Opcode.CONT, b" two")
    link.frame(Opcode.TEXT, b"three")
    assert link.client.got == [b"one two", b"three"]
    assert link.sent[:2] == b"\x8a\x80", "a masked pong"


def test_refused_handshake_says_what_was_answered(link: Link) -> None:
    link.say(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    assert failure_of(link) == "it answers 401 Unauthorized"
    assert link.transport.disconnecting
    link.lose()


def test_what_is_no_websocket_is_refused(link: Link) -> None:
    link.say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    assert failure_of(link) == "it does not answer as a host does"
    link.lose()


def test_silence_ends_the_wait(link: Link) -> None:
    clock = Clock()
    waited = started(link.client.wait_until_open(clock))
    clock.advance(CONNECT_WITHIN)
    found: list[Failure] = []
    waited.addErrback(found.append)
    assert [str(failure.value) for failure in found] == ["it was silent for 5 s"]
    assert link.transport.disconnecting
    link.lose()


def test_wait_ends_once_messages_may_be_sent(link: Link) -> None:
    clock = Clock()
    waited = started(link.client.wait_until_open(clock))
    link.accept()
    assert is_done(waited)
    assert clock.getDelayedCalls() == []


def test_connection_lost_before_the_answer_fails(link: Link) -> None:
    link.lose()
    assert failure_of(link) == "it has closed the connection"
    assert link.client.left.result == (1006, "")


def test_close_of_the_host_has_its_code(link: Link) -> None:
    link.accept()
    link.frame(Opcode.CLOSE, Close(1001, "the host is stopping").serialize())
    link.client.send_message(b"late")
    link.client.close()
    assert link.sent[:2] == b"\x88\x96", "its answer, and nothing behind"
    assert len(link.sent) == 2 + 4 + 22
    link.lose()
    assert link.client.left.result == (1001, "the host is stopping")


def test_messages_are_sent_until_the_close(link: Link) -> None:
    link.accept()
    link.client.send_message(b"x")
    link.client.close()
    link.client.send_message(b"y")
    assert (link.sent[:2], len(link.sent)) == (b"\x81\x81", 7 + 8)
