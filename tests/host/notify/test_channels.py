"""What a channel is sent, and what becomes of its answers."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from sxhost.notify.channels import (
    PATIENCE_S,
    Senders,
    SendFailed,
    desktop_command,
    place_of,
    takes_back,
)
from sxhost.notify.outbox import Notice
from sxhost.notify.rules import (
    Channel,
    CommandChannel,
    DesktopChannel,
    NtfyChannel,
    WebhookChannel,
)
from sxhost.testing import result_of, started

NOTICE = Notice(
    id="n1",
    rule="r",
    channel="c",
    kind="asks",
    session="a",
    title="Needs your answer: Grüße",
    body="make deploy",
    link="https://host.example/#/inbox",
    at_ms=5000,
)


class Receiver(Resource):
    """Takes notices and answers with `status`; with 0, never."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.got: list[tuple[dict[str, str], bytes]] = []

    def render_POST(self, request: Any) -> Any:
        headers = {
            name.decode().lower(): values[0].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.got.append((headers, request.content.read()))
        request.setResponseCode(self.status or 200)
        request.setHeader("Location", "http://other.example/")
        return b"{}" if self.status else NOT_DONE_YET


class Bench:
    def __init__(self) -> None:
        self.receiver = Receiver()
        self.clock = Clock()
        self.ran: list[tuple[Sequence[str], Mapping[str, str], bytes]] = []
        self.status: int | OSError = 0
        client = cast(HTTPClient, StubTreq(self.receiver))
        self.senders = Senders(client, self.clock, lambda: 7000, self.run)

    async def run(self, argv: Sequence[str], environ: Mapping[str, str], given: bytes) -> int:
        self.ran.append((argv, environ, given))
        if isinstance(self.status, OSError):
            raise self.status
        return self.status

    def send(self, channel: Channel, notice: Notice = NOTICE) -> None:
        result_of(started(self.senders.send(channel, notice)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_ntfy_is_told_title_priority_and_link(bench: Bench, tmp_path: Path) -> None:
    token = tmp_path / "ntfy"
    token.write_text("geheim\n")
    bench.send(NtfyChannel(url="http://ntfy.example/agents", token_file=str(token)))
    ((headers, body),) = bench.receiver.got
    title = headers["title"].removeprefix("=?UTF-8?B?").removesuffix("?=")
    assert base64.b64decode(title).decode() == "Needs your answer: Grüße"
    assert (headers["priority"], headers["tags"]) == ("high", "asks")
    assert headers["click"] == "https://host.example/#/inbox"
    assert headers["authorization"] == "Bearer geheim"
    assert body == b"make deploy"


def test_webhook_is_signed_with_its_secret(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("geheim\n")
    bench.send(WebhookChannel(url="http://hooks.example/x", secret_file=str(secret)))
    ((headers, body),) = bench.receiver.got
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("n1", "7")
    digest = hmac.new(b"geheim", b"n1.7." + body, sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    told = json.loads(body)
    assert (told["kind"], told["session"], told["resolved"]) == ("asks", "a", False)


@pytest.mark.parametrize(
    ("status", "is_final"),
    [
        (500, False),
        (503, False),
        (429, False),
        (302, True),
        (307, True),
        (400, True),
        (410, True),
    ],
)
def test_answer_tells_whether_to_try_again(bench: Bench, status: int, is_final: bool) -> None:
    bench.receiver.status = status
    with pytest.raises(SendFailed, match=f"answered with {status}") as failed:
        bench.send(WebhookChannel(url="http://hooks.example/x"))
    assert failed.value.is_final is is_final
    assert len(bench.receiver.got) == 1, "no redirect is followed"


def test_answer_that_never_comes_is_not_waited_for(bench: Bench) -> None:
    bench.receiver.status = 0
    sending = started(bench.senders.send(WebhookChannel(url="http://hooks.example/x"), NOTICE))
    bench.clock.advance(PATIENCE_S)
    with pytest.raises(SendFailed, match="no answer within 10 s"):
        result_of(sending)


def test_secret_that_is_not_there_is_said(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(SendFailed, match="its secret cannot be read") as failed:
        bench.send(
            WebhookChannel(url="http://hooks.example/x", secret_file=str(tmp_path / "no"))
        )
    assert failed.value.is_final
    assert bench.receiver.got == []


def test_command_has_the_notice_in_its_environment(bench: Bench) -> None:
    bench.send(CommandChannel(argv=["tell", "me"]))
    ((argv, environ, given),) = bench.ran
    assert argv == ["tell", "me"]
    assert environ["SXHOST_NOTICE_TITLE"] == "Needs your answer: Grüße"
    assert "SXHOST_NOTICE_RESOLVED" not in environ
    assert json.loads(given)["body"] == "make deploy"


def test_command_that_fails_is_tried_again_and_none_is_not(bench: Bench) -> None:
    bench.status = 3
    with pytest.raises(SendFailed, match="tell ended with 3") as failed:
        bench.send(CommandChannel(argv=["tell"]))
    assert not failed.value.is_final
    bench.status = FileNotFoundError(2, "No such file or directory")
    with pytest.raises(SendFailed, match="No such file") as failed:
        bench.send(CommandChannel(argv=["tell"]))
    assert failed.value.is_final


def test_words_that_begin_with_a_dash_are_no_options_of_a_desktop() -> None:
    notice = Notice(id="n", rule="", channel="", kind="done", session="", title="-x", at_ms=0)
    command = desktop_command(notice, "linux")
    assert command.index("--") < command.index("-x")
    script = desktop_command(notice, "darwin")
    assert script[0] == "osascript"
    assert "-x" not in script[2], "words are arguments, never a part of the script"


def test_place_shows_no_secret() -> None:
    channel = WebhookChannel(url="https://me:geheim@hooks.example/x?token=geheim")
    assert place_of(channel) == ("webhook", "https://hooks.example/x")
    assert place_of(CommandChannel(argv=["tell", "geheim"])) == ("command", "tell")


def test_programs_alone_hear_that_something_is_answered() -> None:
    assert takes_back(WebhookChannel(url="http://x.example/"))
    assert takes_back(CommandChannel(argv=["x"]))
    assert not takes_back(NtfyChannel(url="http://x.example/"))
    assert not takes_back(DesktopChannel())


def test_network_that_fails_is_said() -> None:
    class Refusing:
        def post(self, *_: Any, **__: Any) -> Deferred[None]:
            raise ConnectionRefusedError(111, "Connection refused")

    senders = Senders(cast(HTTPClient, Refusing()), Clock(), lambda: 0, Bench().run)
    with pytest.raises(SendFailed, match="connection refused"):
        result_of(started(senders.send(WebhookChannel(url="http://x.example/"), NOTICE)))
