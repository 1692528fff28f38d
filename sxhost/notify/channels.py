"""How a notice is sent: to an ntfy topic, a webhook, a program, the desktop.

Nothing is sent where a redirect leads, and none waits longer than `PATIENCE_S`.
"""

from __future__ import annotations

import hmac
import os
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from msgspec.json import encode
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol, Protocol
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS
from twisted.web.http_headers import Headers

from sxhost.files import read_private
from sxhost.notify.outbox import Notice
from sxhost.notify.rules import (
    Channel,
    CommandChannel,
    DesktopChannel,
    NtfyChannel,
    WebhookChannel,
)
from sxhost.treq_url import treq_url

__all__ = [
    "PATIENCE_S",
    "SendFailed",
    "Senders",
    "open_senders",
    "place_of",
    "takes_back",
]

PATIENCE_S: Final = 10.0
"""Seconds that a channel has to take a notice."""

SECRET_SIZE: Final = 4096
REDIRECTION, TOO_MANY, SERVER_ERROR = 300, 429, 500

Run = Callable[[Sequence[str], Mapping[str, str], bytes], Awaitable[int]]
"""Runs a program with more variables and an input; returns its exit status."""


class SendFailed(Exception):
    """A notice was not sent; `is_final` tells whether it never will be."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


class Senders:
    """Sends notices on channels of every kind, over `client` or by programs that `run` runs."""

    def __init__(
        self, client: HTTPClient, clock: IReactorTime, wall_ms: Callable[[], int], run: Run
    ) -> None:
        self._client = client
        self._clock = clock
        self._wall_ms = wall_ms
        self._run = run

    async def send(self, channel: Channel, notice: Notice) -> None:
        """Send a notice on a channel.

        :raises SendFailed: it was not taken.
        """
        match channel:
            case NtfyChannel():
                await self._post(channel.url, *_ntfy(channel, notice))
            case WebhookChannel():
                await self._post(channel.url, *_webhook(channel, notice, self._wall_ms()))
            case CommandChannel():
                await self._execute(channel.argv, notice)
            case DesktopChannel():
                await self._execute(desktop_command(notice, sys.platform), notice)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        posting = Deferred.fromCoroutine(self._answer(url, headers, body))
        posting.addTimeout(PATIENCE_S, self._clock, _late)
        try:
            status = await posting
        except SendFailed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a network brings
            raise SendFailed(_why(error)) from None
        if status >= REDIRECTION:
            is_final = status < SERVER_ERROR and status != TOO_MANY
            raise SendFailed(f"answered with {status}", is_final=is_final)

    async def _answer(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        answer = await self._client.post(
            treq_url(url),
            headers=Headers({name: [text] for name, text in headers.items()}),
            data=body,
            allow_redirects=False,
            unbuffered=True,
        )
        answer.original.deliverBody(Discarded())
        return int(answer.code)

    async def _execute(self, argv: Sequence[str], notice: Notice) -> None:
        environ = {f"SXHOST_NOTICE_{name.upper()}": text for name, text in _texts(notice)}
        environ |= {"SXHOST_NOTICE_RESOLVED": "1"} if notice.resolved else {}
        try:
            status = await self._run(argv, environ, encode(_payload(notice)) + b"\n")
        except OSError as error:
            raise SendFailed(f"{argv[0]}: {error.strerror}", is_final=True) from None
        if status:
            raise SendFailed(f"{argv[0]} ended with {status}")


def open_senders(reactor: Any, wall_ms: Callable[[], int]) -> Senders:
    """Return senders over the network, and by programs that run beside the host."""
    client = HTTPClient(Agent(reactor, BrowserLikePolicyForHTTPS(), connectTimeout=PATIENCE_S))

    async def run(argv: Sequence[str], environ: Mapping[str, str], given: bytes) -> int:
        return await Program(reactor, given).run(argv, environ)

    return Senders(client, reactor, wall_ms, run)


def takes_back(channel: Channel) -> bool:
    """Tell whether a channel can hear that something is answered: programs can."""
    return isinstance(channel, WebhookChannel | CommandChannel)


def place_of(channel: Channel) -> tuple[str, str]:
    """Return a channel's kind, and where it leads, for a person."""
    match channel:
        case NtfyChannel() | WebhookChannel():
            kind = "ntfy" if isinstance(channel, NtfyChannel) else "webhook"
            scheme, _, rest = channel.url.partition("://")
            return kind, f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
        case CommandChannel():
            return "command", channel.argv[0]
        case DesktopChannel():
            return "desktop", "this machine's desktop"


def desktop_command(notice: Notice, platform: str) -> Sequence[str]:
    """Return the program that shows a notice on a desktop."""
    if platform == "darwin":
        script = "on run {title, text}\ndisplay notification text with title title\nend run"
        return ("osascript", "-e", script, notice.title, notice.body or "sxhost")
    urgency = "critical" if notice.kind == "asks" else "normal"
    options = ("--app-name=sxhost", f"--urgency={urgency}")
    return ("notify-send", *options, "--", notice.title, notice.body)


# What is sent.


def _ntfy(channel: NtfyChannel, notice: Notice) -> tuple[Mapping[str, str], bytes]:
    headers = {
        "Title": _header(notice.title),
        "Priority": "high" if notice.kind in ("asks", "failed") else "default",
        "Tags": notice.kind,
    }
    if notice.link:
        headers["Click"] = notice.link
    if channel.token_file:
        headers["Authorization"] = f"Bearer {_secret(channel.token_file).decode('latin-1')}"
    return headers, (notice.body or notice.title).encode()


def _header(text: str) -> str:
    """Return a text as a header takes it (RFC 2047)."""
    if text.isascii() and text.isprintable():
        return text
    return f"=?UTF-8?B?{b64encode(text.encode()).decode()}?="


def _webhook(
    channel: WebhookChannel, notice: Notice, now_ms: int
) -> tuple[Mapping[str, str], bytes]:
    body, at = encode(_payload(notice)), str(now_ms // 1000)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": at,
    }
    if channel.secret_file:
        signed = b".".join((notice.id.encode(), at.encode(), body))
        digest = hmac.new(_secret(channel.secret_file), signed, sha256).digest()
        headers["webhook-signature"] = f"v1,{b64encode(digest).decode()}"
    return headers, body


def _secret(file: str) -> bytes:
    try:
        return read_private(Path(file).expanduser(), SECRET_SIZE).strip()
    except OSError as error:
        raise SendFailed(f"its secret cannot be read: {error}", is_final=True) from None


def _payload(notice: Notice) -> dict[str, object]:
    return {**dict(_texts(notice)), "at_ms": notice.at_ms, "resolved": notice.resolved}


def _texts(notice: Notice) -> list[tuple[str, str]]:
    names = ("id", "kind", "session", "rule", "title", "body", "link")
    return [(name, str(getattr(notice, name)).replace("\0", "")) for name in names]


def _late(_: object, seconds: float) -> None:
    raise SendFailed(f"no answer within {seconds:.0f} s")


def _why(error: BaseException | None) -> str:
    reasons = getattr(error, "reasons", None)
    if reasons and isinstance(reasons[0], Failure):
        return _why(reasons[0].value)
    words = str(error).rpartition(": ")[2].rstrip(".").lower()
    return words or type(error).__name__


# Programs, and answers that nobody reads.


class Discarded(Protocol):
    """Takes an answer's body and closes its connection: it could go on for ever."""

    def connectionMade(self) -> None:
        """Close it."""
        if self.transport is not None:
            self.transport.loseConnection()


class Program(ProcessProtocol):
    """A program that is given an input, and `PATIENCE_S` seconds."""

    def __init__(self, reactor: Any, given: bytes) -> None:
        self._reactor = reactor
        self._given = given
        self._ended: Deferred[int] = Deferred()

    async def run(self, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run it; return its exit status, or minus the signal that has ended it."""
        process = self._reactor.spawnProcess(
            self, argv[0], argv, env={**os.environ, **environ}, path="/"
        )
        late = self._reactor.callLater(PATIENCE_S, process.signalProcess, "KILL")
        try:
            return await self._ended
        finally:
            if late.active():
                late.cancel()

    def connectionMade(self) -> None:
        """Write its input."""
        if self.transport is not None:
            self.transport.write(self._given)
            self.transport.closeStdin()

    def processEnded(self, reason: Failure) -> None:
        """Take note of its end."""
        value = reason.value
        code = getattr(value, "exitCode", None)
        signal = getattr(value, "signal", None)
        self._ended.callback(0 if isinstance(value, ProcessDone) else code or -(signal or 1))
