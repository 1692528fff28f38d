"""The same nasty texts through every way in: none costs a line, and each is kept as it was.

Routes, commands of the multiplexer and drivers are walked, so a new one is tested at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from sxhost.drivers.acp.presets import PRESETS
from sxhost.drivers.registry import installed
from sxhost.faces.pi.commands import COMMANDS
from sxhost.faces.pi.validation import BadCommand, parse
from sxhost.http.routes import NDJSON, Route
from sxhost.process.contracts import ChildExit, ChildListener
from sxhost.testing import HostInMemory
from tests.support.agents.stages import STAGES, DriverStage

NASTY = {
    "half a character": (rb"x\ud83d", "x\ufffd"),
    "the other half": (rb"\uDE00x", "\ufffdx"),
    "halves in the wrong order": (rb"\ude00\ud83d", "\ufffd\ufffd"),
    "a character and a half": (rb"\ud83d\ude00\ud83d", "😀\ufffd"),
    "a half before a letter": (rb"\ud83dA", "\ufffdA"),
    "an escaped backslash": (rb"\\ud83d\ud83d", "\\ud83d\ufffd"),
    "no UTF-8": (b"a\xffb", "a\ufffdb"),
    "a letter cut in its middle": (b"a\xf0\x9f\x98", "a\ufffd"),
    "Latin-1": (b"caf\xe9", "caf\ufffd"),
    "a surrogate as UTF-8": (b"\xed\xa0\xbd", "\ufffd" * 3),
    "NUL, escaped": (rb"a\u0000b", "a\0b"),
    "NUL as it is": (b"a\0b", "a\0b"),
    "colours as they are": (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
    "a tab as it is": (b"a\tb", "a\tb"),
}
"""JSON between two quotes, and the text that it is."""

NO_JSON = [b"nonsense", b'{"x":"', b'{"x":\xff}', rb'{"x":"\ud8"}', b"\xff\xfe", b"{\0}"]

nasty = pytest.mark.parametrize(("written", "text"), NASTY.values(), ids=NASTY)
ROUTES = [route for route in HostInMemory().routes if route.body is not None]


def named(route: Route) -> str:
    return f"{route.method} {route.path} {route.consumes}"


def path_of(route: Route) -> str:
    path = route.path
    for name in route.path_names:
        path = path.replace(f"<{name}>", "1" if name.endswith("_id") else "a")
    return path.replace("/sessions/1", "/sessions/a")


def outcome(route: Route, body: bytes) -> tuple[int, Any]:
    """Return the status and what is said to be wrong, on a host of its own."""
    lab = HostInMemory()
    lab.request("POST", "/sessions/a/register")
    answer = lab.request(route.method, path_of(route), body, content_type=route.consumes)
    said = json.loads(answer.body or b"null")
    return answer.status, said.get("error") if isinstance(said, dict) else None


class TestRoutes:
    @pytest.mark.parametrize("route", ROUTES, ids=named)
    def test_nasty_texts_are_no_reason_to_refuse(self, route: Route) -> None:
        plain = outcome(route, b'{"other":"plain"}')
        assert {w: outcome(route, b'{"other":"%s"}' % w) for w, _ in NASTY.values()} == {
            w: plain for w, _ in NASTY.values()
        }

    @pytest.mark.parametrize("route", ROUTES, ids=named)
    @pytest.mark.parametrize("body", NO_JSON)
    def test_what_is_no_json_is_refused(self, route: Route, body: bytes) -> None:
        assert outcome(route, body)[0] == 400


def events(lab: HostInMemory, session: str = "a") -> list[dict[str, Any]]:
    return lab.request("GET", f"/sessions/{session}/events").lines()


@nasty
class TestWhatIsKept:
    def test_data_of_events(self, written: bytes, text: str) -> None:
        lab = HostInMemory()
        for kind in ("application/json", NDJSON):
            body = b'{"event":"x","data":{"%s":["%s"]}}' % (written, written)
            assert (
                lab.request("POST", "/sessions/a/events", body, content_type=kind).status == 200
            )
        assert [event["data"] for event in events(lab)] == [{text: [text]}] * 2

    def test_content_of_messages(self, written: bytes, text: str) -> None:
        lab = HostInMemory()
        lab.request("POST", "/sessions/a/register")
        body = b'{"content":"%s","from":"%s"}' % (written, written)
        assert lab.request("POST", "/sessions/a/messages", body).status == 200
        (message,) = lab.request("GET", "/sessions/a/messages").json()
        assert message["content"] == text

    def test_telemetry(self, written: bytes, text: str) -> None:
        lab = HostInMemory()
        body = b'{"session_id":"s","type":"user","content":"%s"}' % written
        assert lab.request("POST", "/telemetry", body).status == 204
        assert events(lab, "telemetry:s")[-1]["data"] == {"text": text}

    @pytest.mark.parametrize("agent", ["claude", "codex"])
    def test_hooks(self, agent: str, written: bytes, text: str) -> None:
        lab = HostInMemory()
        body = b'{"session_id":"s","hook_event_name":"UserPromptSubmit","prompt":"%s"}'
        assert lab.request("POST", f"/hooks/{agent}", body % written).status == 200
        assert [e["data"]["text"] for e in events(lab, "s") if "message" in e["event"]] == [
            text
        ]


# The multiplexer.


def command_outcome(frame: bytes) -> str:
    try:
        return parse(frame).type
    except BadCommand as bad:
        return bad.error


@nasty
@pytest.mark.parametrize("name", COMMANDS)
def test_commands_of_the_multiplexer(name: str, written: bytes, text: str) -> None:
    frame = b'{"type":"%s","sessionId":"a","message":"%s"}'
    plain = command_outcome(frame % (name.encode(), b"plain"))
    assert command_outcome(frame % (name.encode(), written)) == plain


# Drivers.


class SpoiledLines:
    """Passes a program's lines on to its driver, with nasty texts in them."""

    def __init__(self, listener: ChildListener, written: bytes) -> None:
        self._listener = listener
        self._written = written

    def line_received(self, line: bytes) -> None:
        spoiled = line.replace(b"NASTY", self._written)
        end = b',"not known":"%s"}' % self._written
        self._listener.line_received(spoiled[:-1] + end if spoiled.endswith(b"}") else spoiled)

    def child_exited(self, how: ChildExit) -> None:
        self._listener.child_exited(how)


def play(stage: DriverStage, said: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Let a driver's program say all that it may say; return events, and what else happened."""
    stage.begin()
    stage.say(said)
    stage.finish_text(said)
    stage.call_tool()
    stage.ask()
    stage.take_back()
    stage.end()
    told = stage.reports.told
    others = ("native", "item")  # what is kept as it came, and what may be made up
    data = [{k: v for k, v in d.items() if k not in others} for _, d in stage.reports.events()]
    return data, [each[0] for each in told]


def test_every_driver_has_a_stage() -> None:
    assert installed().keys() - PRESETS.keys() == STAGES.keys()


@nasty
@pytest.mark.parametrize("name", [name for name in STAGES if name != "echo"])
def test_lines_of_drivers(name: str, written: bytes, text: str) -> None:
    plain, spoiled = STAGES[name](), STAGES[name]()
    plain.start()
    spoiled.start()
    child = spoiled.child  # type: ignore[attr-defined]
    child._talk = SpoiledLines(child._talk, written)
    data, told = play(spoiled, "NASTY")
    expected, expected_told = play(plain, "NASTY")
    assert told == expected_told
    assert data == json.loads(json.dumps(expected).replace("NASTY", json.dumps(text)[1:-1]))
    assert {"turn_began", "turn_ended", "asked"} <= {*told} or spoiled.reports.questions
