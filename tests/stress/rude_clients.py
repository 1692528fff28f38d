"""Clients that a host must bear: silent, slow, rambling, vanishing ones.

Each is a function of a port and a source of chance, over within a second or so.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

from tests.stress.host_process import request
from tests.stress.scenario import Scenario
from tests.stress.stream_client import Stream, Transport, masked

__all__ = ["RudeClients"]

RudeClient = Callable[[int, Random], None]

TRANSPORTS: tuple[Transport, ...] = ("sse", "ndjson", "websocket")


@contextmanager
def connected(port: int, chance: Random) -> Iterator[socket.socket]:
    """Connect; in the end hang up, with or without a farewell.  The host may do so first."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.2) as link:
        with suppress(OSError):
            yield link
        if chance.random() < 0.5:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say(port: int, chance: Random, *words: bytes) -> None:
    """Say something, listen for a moment, and go."""
    with connected(port, chance) as link:
        for word in words:
            link.sendall(word)
        while link.recv(1 << 16):
            pass


def silent(port: int, chance: Random) -> None:
    """Connect and say nothing."""
    with connected(port, chance):
        time.sleep(chance.random() * 0.5)


def rambling(port: int, chance: Random) -> None:
    """Say what is no HTTP."""
    say(port, chance, chance.randbytes(chance.randrange(1, 4000)), b"\r\n\r\n")


def halting(port: int, chance: Random) -> None:
    """Stop in the middle of a request, wait, and vanish."""
    whole = request(
        "POST", "/sessions/rude/events", b'{"event":"idle","data":"%s"}' % (b"x" * 500)
    )
    with connected(port, chance) as link:
        for byte in whole[: chance.randrange(1, len(whole))]:
            link.sendall(bytes((byte,)))
            time.sleep(chance.random() * 0.001)


def wordy(port: int, chance: Random) -> None:
    """Send a head, or a body, that is larger than can be."""
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Much: %s\r\n\r\n" % (b"x" * 40_000)
    body = b"POST /sessions/rude/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    many = b"".join(b"X-%d: y\r\n" % number for number in range(2000))
    much = body % chance.choice((2 << 20, 1 << 40, 10**18)), b"x" * 200_000
    tall = b"GET / HTTP/1.1\r\nHost: x\r\n", many, b"\r\n"
    say(port, chance, *chance.choice(((head,), much, tall)))


def wrong(port: int, chance: Random) -> None:
    """Ask, in good form, for what cannot be; one after another, without waiting."""
    asked = [
        request("POST", "/sessions/rude/events", b"{"),
        request("POST", "/sessions/rude/events", b"[" * 100_000),
        request("POST", "/sessions/rude/events", b'{"event":"No!"}'),
        request("POST", "/sessions/rude/events", b"\xff\xfe", "application/x-ndjson"),
        request("POST", "/sessions/%00/events", b"{}"),
        request("POST", "/sessions/../events", b"{}"),
        request("GET", "/sessions/nobody/events?follow=1"),
        request("GET", "/events?follow=1&after=yesterday"),
        request("GET", "/events?after=99999999999999999999"),
        request("GET", "/sessions/nobody/messages?wait=nan&lease=inf"),
        request("DELETE", "/sessions/nobody/messages/-1"),
        request("BREW", "/status"),
        request("GET", "/v1/stream"),
    ]
    say(port, chance, *chance.sample(asked, 6))


def leaving(port: int, chance: Random) -> None:
    """Ask for what takes long, and leave."""
    waits = request("GET", "/sessions/honest-0/messages?wait=30&lease=1")
    follows = request("GET", "/events?follow=1&after=0")
    with connected(port, chance) as link:
        link.sendall(chance.choice((waits, follows, waits + follows)))
        time.sleep(chance.random() * 0.1)


def deaf(port: int, chance: Random) -> None:
    """Follow everything and read nothing."""
    with suppress(OSError):
        stream = Stream(port, chance.choice(TRANSPORTS), after="0", room=4096)
        time.sleep(chance.random())
        if chance.random() < 0.5:
            stream.socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        stream.close()


def babbling(port: int, chance: Random) -> None:
    """Open a WebSocket and say on it what is no frame, or no whole one."""
    with suppress(OSError), Stream(port, "websocket", after="now") as stream:
        stream.socket.settimeout(0.2)
        frame = masked(b"x" * 1000)
        words = (
            chance.randbytes(500),
            frame[: chance.randrange(1, 1000)],
            b"\x81\x7f" + b"\xff" * 8,  # unmasked, and longer than anything
            b"\x01\x80" + os.urandom(4),  # begins, and is continued by another beginning
            b"\x82\x80" + os.urandom(4),  # binary
            b"\x88\x80" + os.urandom(4),  # a close without a code
        )
        stream.socket.sendall(chance.choice(words) + chance.choice(words))
        while stream.socket.recv(1 << 16):
            pass


def nagging(port: int, chance: Random) -> None:
    """Send many messages on a WebSocket, and read no answer."""
    commands: tuple[object, ...] = (
        {},
        [],
        {"subscribe": {"after": "yesterday"}},
        {"subscribe": {"sessions": ["nobody"], "id": "a"}},
        {"unsubscribe": True},
        {"unsubscribe": True, "subscribe": {"after": "0"}},
        {"subscribe": {"id": "x" * 1000}},
    )
    with suppress(OSError), Stream(port, "websocket", after="0", room=4096) as stream:
        stream.socket.settimeout(0.2)
        for _ in range(300):
            stream.socket.sendall(masked(json.dumps(chance.choice(commands)).encode()))
        pings = b"".join(b"\x89\x80" + os.urandom(4) for _ in range(chance.choice((50, 500))))
        stream.socket.sendall(pings)


RUDE: tuple[RudeClient, ...] = (
    silent,
    rambling,
    halting,
    wordy,
    wrong,
    leaving,
    deaf,
    babbling,
    nagging,
)


class RudeClients:
    """A rude client after the other."""

    def __init__(self, scenario: Scenario, name: str, visits: int) -> None:
        self.visits = visits
        self._port = scenario.server.port
        self._chance = scenario.chance(name)

    def __call__(self) -> None:
        """Be rude."""
        for _ in range(self.visits):
            self._chance.choice(RUDE)(self._port, self._chance)
