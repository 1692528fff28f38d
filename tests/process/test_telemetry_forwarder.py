"""A host's own telemetry: what is sent of its log, and what never is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from ssl import create_default_context
from typing import Any, cast
from urllib.request import Request, urlopen

import pytest
from msgspec import Raw
from twisted.internet.defer import Deferred, succeed

from sxhost.daemon.options import Options
from sxhost.model.event import Event
from sxhost.telemetry.forwarder import Forwarder, forwarded_content
from sxhost.telemetry.sender import IN_FLIGHT, Emitter
from sxhost.testing import HostInMemory
from sxhost.trust import trust
from tests.support.certificates import Authority
from tests.support.hosts import FOREGROUND, PATIENCE, Host, StartHost, until


class FakeEmitter:
    """Remembers what it is given; with `slow`, sends nothing until it is told to."""

    def __init__(self, *, slow: bool = False) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.waiting: list[Deferred[None]] = []
        self.slow = slow

    @property
    def in_flight(self) -> int:
        return len(self.waiting)

    def emit(self, session_id: str, kind: str, content: str, root: str) -> Deferred[None]:
        self.sent.append((session_id, kind, content))
        if not self.slow:
            return succeed(None)
        self.waiting.append(Deferred())
        return self.waiting[-1]


def forwarding(lab: HostInMemory, emitter: FakeEmitter, content: Any = "full") -> Forwarder:
    forwarder = Forwarder(lab.service, cast(Emitter, emitter), content, "http://collector")
    forwarder.startService()
    return forwarder


def fire(lab: HostInMemory, event: str, data: Any, session: str = "a") -> None:
    lab.request("POST", f"/sessions/{session}/events", {"event": event, "data": data})
    lab.clock.advance(0.01)


def test_forwarded_events_have_the_collectors_names(lab: HostInMemory) -> None:
    fire(lab, "message", "before")
    emitter = FakeEmitter()
    forwarder = forwarding(lab, emitter)
    fire(lab, "user-message", {"text": "hi", "by": "turn"})
    fire(lab, "message-delta", {"text": "h"})
    fire(lab, "thinking", "hm")
    fire(lab, "tool-start", "Bash: ls")
    fire(lab, "tool-done", {"output": "x", "status": "completed"})
    fire(lab, "message", {"text": "hello"})
    fire(lab, "error", {"reason": "rate limit"})
    fire(lab, "warning", {"n": 1})
    fire(lab, "complete", {})
    assert emitter.sent == [
        ("a", "user", "hi"),
        ("a", "tool_call", "Bash: ls"),
        ("a", "tool_result", "x"),
        ("a", "assistant", "hello"),
        ("a", "error", "rate limit"),
        ("a", "system", '{"n":1}'),
    ]
    forwarder.stopService()
    fire(lab, "message", "after")
    assert len(emitter.sent) == 6


def test_received_telemetry_is_not_forwarded(lab: HostInMemory) -> None:
    emitter = FakeEmitter()
    forwarder = forwarding(lab, emitter)
    fire(lab, "message", "x", session="telemetry:a")
    assert not emitter.sent
    forwarder.stopService()


@pytest.mark.parametrize(
    ("how", "message"), [("full", "secret"), ("redacted", "[6 characters]"), ("none", "")]
)
def test_forward_option_chooses_how_much_is_sent(
    lab: HostInMemory, how: Any, message: str
) -> None:
    emitter = FakeEmitter()
    forwarder = forwarding(lab, emitter, how)
    fire(lab, "message", "secret")
    assert emitter.sent == [("a", "assistant", message)]
    forwarder.stopService()


def test_unsent_events_wait_in_the_log(lab: HostInMemory) -> None:
    emitter = FakeEmitter(slow=True)
    forwarder = forwarding(lab, emitter)
    for number in range(200):
        fire(lab, "message", str(number))
    assert IN_FLIGHT <= len(emitter.sent) <= IN_FLIGHT + 1
    while emitter.waiting:
        emitter.waiting.pop(0).callback(None)
        lab.clock.advance(0.01)
    assert [content for _, _, content in emitter.sent] == [str(n) for n in range(200)]
    forwarder.stopService()


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("message", b"null", ""),
        ("message", b'[1,{"a":2}]', '[1,{"a":2}]'),
        ("message", b'"hello"', "hello"),
        ("message", b'{"text":"hello"}', "hello"),
        ("tool-start", b'{"tool":"Bash","title":"make"}', "make"),
        ("tool-done", b'{"tool":"Bash","output":"ok"}', "ok"),
        ("tool-done", b'{"tool":"Bash","output":[1]}', '{"tool":"Bash","output":[1]}'),
        ("error", b'{"reason":"no model"}', "no model"),
        ("started", b'{"agent":"echo"}', '{"agent":"echo"}'),
    ],
)
def test_event_of_any_shape_is_forwarded_as_text(name: str, data: bytes, text: str) -> None:
    event = Event(name, Raw(data), 0, 1, 1, 0, "a")
    assert forwarded_content(event, "full") == text


def test_forward_option_is_one_of_three(capsys: pytest.CaptureFixture[str]) -> None:
    options = Options()
    options.parseOptions(["--emit-content", "none"])
    assert options["settings"].emit_content == "none"
    with pytest.raises(SystemExit):
        Options().parseOptions(["--emit-content", "some"])
    assert "--emit-content must be" in capsys.readouterr().err


# Over a real network.


def ask(host: Host, path: str, body: Any = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = Request(host.url + path, data, {"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE) as answer:
        return bytes(answer.read())


def at(place: Path) -> tuple[str, ...]:
    return (*FOREGROUND, "--state-dir", str(place))


@pytest.mark.parametrize("believed", [True, False])
def test_host_forwards_to_another_host_over_tls(
    start_host: StartHost, tmp_path: Path, believed: bool
) -> None:
    ours = Authority(tmp_path, "ours")
    pair = ours.issue("localhost")
    other = Authority(tmp_path, "other").file
    places = tmp_path / "collector", tmp_path / "host"
    collector = start_host("--port", "0", *pair.options, command=at(places[0]))
    settings = {
        "EMIT_SESSION_TRACKING": "1",
        "EMIT_SESSION_API_URL": f"https://localhost:{collector.port}/telemetry",
        "SSL_CERT_FILE": str(ours.file if believed else other),
    }
    loud = ("--port", "0", "--log-level", "debug")
    host = start_host(*loud, command=at(places[1]), environ=settings)
    ask(host, "/sessions/a/events", {"event": "message", "data": {"text": "hello"}})
    if believed:
        assert until(lambda: filed(collector, ours)) == ["hello"]
    else:
        until(lambda: re.search("was not sent: .*certificate", host.output()))
        assert filed(collector, ours) == []
    ask(host, "/sessions/a/events", {"event": "message", "data": {"text": "still there"}})
    assert b"still there" in ask(host, "/sessions/a/events")


@pytest.mark.parametrize("where", ["home", "environment"])
def test_forwarding_target_is_logged(start_host: StartHost, tmp_path: Path, where: str) -> None:
    url = "https://127.0.0.1:1/v1?key=secret"
    text = f"EMIT_SESSION_TRACKING=1\nEMIT_SESSION_API_URL={url}\n"
    environ = {}
    if where == "home":
        (tmp_path / ".scorpiox-env.txt").write_text(text)
    else:
        environ = dict(line.split("=", 1) for line in text.splitlines())
    host = start_host("--port", "0", environ=environ)
    assert json.loads(ask(host, "/status"))["telemetry"] == "https://127.0.0.1:1/v1?***"
    assert "Telemetry (full) goes to https://127.0.0.1:1/v1?***\n" in host.output()
    assert "secret" not in host.output()


def test_host_ignores_telemetry_settings_of_its_directory(
    start_host: StartHost, tmp_path: Path
) -> None:
    text = b"EMIT_SESSION_TRACKING=1\nEMIT_SESSION_API_URL=https://127.0.0.1:1/\n"
    (tmp_path / "scorpiox-env.txt").write_bytes(text)  # hosts of tests begin there
    trust({"HOME": str(tmp_path)}, f"{tmp_path}/scorpiox-env.txt", text)
    host = start_host("--port", "0")
    assert json.loads(ask(host, "/status"))["telemetry"] == ""


def test_invalid_collector_url_is_logged(start_host: StartHost) -> None:
    url = "http://name:secret@collector.example/"
    environ = {"EMIT_SESSION_TRACKING": "1", "EMIT_SESSION_API_URL": url}
    host = start_host("--port", "0", environ=environ)
    assert json.loads(ask(host, "/status"))["telemetry"] == ""
    assert "Telemetry stays off: the address is not https://host/path" in host.output()
    assert "secret" not in host.output()


def filed(collector: Host, ours: Authority) -> list[str]:
    """Return what a collector has heard of the session ``a``."""
    context = create_default_context(cafile=str(ours.file))
    url = f"https://localhost:{collector.port}"
    with urlopen(f"{url}/sessions", context=context) as answer:
        known = [session["id"] for session in json.loads(answer.read())]
    if not known:
        return []
    with urlopen(f"{url}/sessions/telemetry:a/events", context=context) as answer:
        return [json.loads(line)["data"]["text"] for line in answer.read().splitlines()]
