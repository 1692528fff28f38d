"""What pi said, through its driver and a log, is told as pi said it, field for field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.faces.pi.encoder import PiEncoding
from sxhost.faces.pi.translator import Translator
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.testing import result_of
from tests.support.agents.recorded_pi import LINES, OLD, Player, tapes
from tests.support.stores import logs_before_and_after_pieces_leave

Object = dict[str, Any]

SCENARIOS = (
    "abort", "bash", "compact", "eof_in_turn", "extension_confirm", "fail", "hello", "models",
    "resume", "sigterm_in_turn", "steer", "tool",
)  # fmt: skip
LATER = ("content", "usage", "stopReason", "responseId", "errorMessage")
"""What old pi's snapshots run ahead with: they are of when they are printed."""

every_line = pytest.mark.parametrize("line", LINES)
every_scenario = pytest.mark.parametrize("scenario", SCENARIOS)


def played(line: str, scenario: str) -> Iterator[tuple[list[Object], list[Object]]]:
    """Yield what pi said, and what is told of it, for each process of a recording."""
    for which in range(len(list(tapes(line, scenario)))):
        player = Player(line, scenario, which).play()
        lines = [one["msg"] for one in player.tape if one["dir"] == "in"]
        sent = [one for one in lines if one["type"] != "response"]
        yield sent, told_of(player)


def log_of(player: Player) -> list[Event]:
    """Return a log as the driver's reports make it."""
    pairs = enumerate(player.reports.events(), 1)
    return [Event(name, Raw(encode(d)), 1, n, n, 1000, "s") for n, (name, d) in pairs]


def told_of(player: Player) -> list[Object]:
    runs = Translator(Limits(), lambda _: "pi")
    return [json.loads(one) for event in log_of(player) for one in runs.translate(event)]


def plain(text: Object) -> Object:
    """Return an event without what is added to some lines of pi, and what runs ahead."""
    if text["type"] == "message_update":
        step = {k: v for k, v in text["assistantMessageEvent"].items() if k != "partial"}
        if step["type"] == "toolcall_start":  # old pi has them in its snapshots only
            step = {k: v for k, v in step.items() if k not in ("id", "toolName")}
        return {**text, "message": None, "assistantMessageEvent": step}
    return {**text, "id": None} if text["type"] == "bash_execution_update" else text


def is_told(text: Object) -> bool:
    """Tell whether an event is told as it is: others are approvals, or say nothing yet."""
    begins = text["type"] == "tool_execution_update" and not text["partialResult"]["content"]
    return not begins and text["type"] != "extension_ui_request"


@every_line
@every_scenario
def test_translated_frames_equal_pis_own(line: str, scenario: str) -> None:
    for text, shown in played(line, scenario):
        assert list(map(plain, shown)) == [plain(one) for one in text if is_told(one)]


@every_line
@every_scenario
def test_each_delta_carries_the_partial_message(line: str, scenario: str) -> None:
    for text, shown in played(line, scenario):
        grown = [one for one in shown if one["type"] == "message_update"]
        theirs = [one for one in text if one["type"] == "message_update"]
        for ours, pis in zip(grown, theirs, strict=True):
            assert ours["message"] == ours["assistantMessageEvent"]["partial"]
            if line == OLD:
                compare(ours["message"], pis["message"])


def compare(ours: Object, pis: Object) -> None:
    """Compare a snapshot of ours with pi's, which may be ahead."""
    rest = [{k: v for k, v in one.items() if k not in LATER} for one in (ours, pis)]
    assert rest[0] == rest[1]
    for block, theirs in zip(ours["content"], pis["content"], strict=False):
        kind = block["type"]
        assert kind == theirs["type"]
        if kind == "toolCall":
            assert (block["id"], block["name"]) == (theirs["id"], theirs["name"])
            assert set(block) <= {*theirs, "partialArgs"}
        else:
            assert theirs[kind].startswith(block[kind])
    assert len(ours["content"]) <= len(pis["content"])


@every_line
def test_last_frame_has_the_whole_message(line: str) -> None:
    ((_, shown),) = played(line, "steer")
    ends = [n for n, one in enumerate(shown) if one["type"] == "message_end"]
    for end in ends:
        if shown[end - 1]["type"] == "message_update":
            whole = shown[end]["message"]["content"]
            assert shown[end - 1]["message"]["content"] == whole


@every_line
@pytest.mark.parametrize("scenario", ["tool", "steer", "fail", "abort"])
def test_frames_do_not_depend_on_where_reading_begins(line: str, scenario: str) -> None:
    log = log_of(Player(line, scenario).play())
    runs = Translator(Limits(), lambda _: "pi")
    expected = [runs.translate(event) for event in log]
    assert [runs.translate(event) for event in reversed(log)] == expected[::-1], "again"

    async def read(after: int, limit: int) -> list[Event]:
        return [event for event in log if event.seq > after][:limit]

    for n in range(len(log)):
        later = Translator(Limits(), lambda _: "pi")
        assert not later.covers("s", n + 1)
        result_of(later.read_back("s", n + 1, read))
        assert later.translate(log[n]) == expected[n]


def test_too_large_partial_message_is_left_out() -> None:
    log = log_of(Player(OLD, "steer").play())
    runs = Translator(Limits(mux_snapshot=40), lambda _: "pi")
    reported = [json.loads(one) for event in log for one in runs.translate(event)]
    grown = [one for one in reported if one["type"] == "message_update"]
    (first, *_, last) = grown[:12]
    assert first["message"]["content"] == [{"type": "text", "text": ""}]
    assert "message" not in last
    assert "partial" not in last["assistantMessageEvent"]
    (ends, *_) = [one for one in reported if one["type"] == "turn_end"]
    assert len(ends["message"]["content"][0]["text"]) > 40


def test_end_of_a_long_run_is_kept() -> None:
    log = log_of(Player(OLD, "steer").play())
    runs = Translator(Limits(mux_run=500), lambda _: "pi")
    reported = [json.loads(one) for event in log for one in runs.translate(event)]
    ends = [one["messages"] for one in reported if one["type"] == "agent_end"]
    assert [len(one) for one in ends] == [1, 1]
    assert ends[-1][-1]["content"][0]["text"] == "follow up answer"


def test_thin_readers_get_deltas_without_partial_messages() -> None:
    log = log_of(Player(OLD, "hello").play())
    runs = Translator(Limits(), lambda _: "pi")
    reported = [
        json.loads(one) for event in log for one in runs.translate(event, snapshots=False)
    ]
    grown = [one for one in reported if one["type"] == "message_update"]
    assert grown
    assert not any("message" in one for one in grown)
    assert [one["messages"] for one in reported if one["type"] == "agent_end"]


# Once pi's own lines have left the log.


def in_host(player: Player) -> Iterator[tuple[str, Any]]:
    """Yield a recording's events with what the host itself adds to them: turns, their input."""
    told = player.reports.told
    inputs = iter([each[2]["native"]["message"] for each in told if is_input(each)])
    running = False
    for what, name, *rest in told:
        if what == "turn_ended":
            running = False
            end = "error" if name == "failed" else "complete"
            yield end, {"turn": 1, "status": name, "reason": rest[0]}
        elif what == "event":
            if not running and rest[0].get("native", {}).get("type") == "agent_start":
                running = True
                yield "turn-started", {"turn": 1, "native_id": None}
                text = next(inputs)["content"][0]["text"]
                yield "user-message", {"text": text, "by": "turn"}
            yield name, rest[0]


def is_input(told: tuple[Any, ...]) -> bool:
    native = told[2].get("native", {}) if told[0] == "event" else {}
    return native.get("type") == "message_end" and native["message"]["role"] == "user"


def facts_of(shown: list[Object]) -> list[Object]:
    """Return the events that say something whole, without what only pi's own lines know."""
    whole = ("agent_start", "turn_start", "message_end", "turn_end", "agent_end")
    tools = ("tool_execution_start", "tool_execution_end")
    return [
        untimed(one)
        for one in shown
        if one["type"] in (*whole, *tools) and one.get("message", {}).get("role") != "system"
    ]


def untimed(value: Any) -> Any:
    """Return messages without when they came, and without pi's prompt for its model."""
    if isinstance(value, list):
        return [untimed(one) for one in value if not is_system(one)]
    if not isinstance(value, dict):
        return value
    lost = {"willRetry"} if "messages" in value else set()
    if value.get("role") in ("user", "toolResult"):
        lost = {"timestamp", "durationMs"}
    return {k: untimed(v) for k, v in value.items() if k not in lost}


def is_system(value: Any) -> bool:
    return isinstance(value, dict) and value.get("role") == "system"


class Late:
    """A recording's frames for a live reader, and for one that comes once pieces have left."""

    def __init__(self, line: str, scenario: str) -> None:
        whole, self.log = logs_before_and_after_pieces_leave(
            in_host(Player(line, scenario).play())
        )
        self.runs = Translator(Limits(), lambda _: "pi")
        self.live = decoded(map(self.runs.translate, whole))
        late = Translator(Limits(), lambda _: "pi")
        self.frames = {event.seq: late.translate(event) for event in self.log}
        self.late = decoded(self.frames.values())

    async def read(self, after: int, limit: int) -> list[Event]:
        return [event for event in self.log if event.seq > after][:limit]


def decoded(frames: Iterable[Sequence[bytes]]) -> list[Object]:
    return [json.loads(one) for some in frames for one in some]


@every_line
@pytest.mark.parametrize("scenario", ["hello", "models", "tool"])
def test_facts_tell_what_pis_lines_did_once_they_have_left(line: str, scenario: str) -> None:
    played = Late(line, scenario)
    assert facts_of(played.late) == facts_of(played.live)


@every_line
@every_scenario
def test_every_answer_is_told_once_pis_lines_have_left(line: str, scenario: str) -> None:
    played = Late(line, scenario)
    assert answers_of(played.late) == answers_of(played.live)
    for event in played.log:
        later = Translator(Limits(), lambda _: "pi")
        result_of(later.read_back("s", event.seq, played.read))
        assert later.translate(event) == played.frames[event.seq], "wherever reading begins"


@every_line
def test_a_late_reader_is_told_no_less_when_others_have_read_before(line: str) -> None:
    played = Late(line, "tool")
    encoding = PiEncoding(bytes, played.runs)
    known = [encoding.event(event, "e") for event in played.log]
    assert played.runs.drop_ended("s", 1)
    assert not played.runs.drop_ended("s", 1)
    assert [encoding.event(event, "e") for event in played.log] == known
    encoding.drop_frames(1)
    frames = [encoding.event(event, "e") for event in played.log]
    alone = PiEncoding(bytes, Translator(Limits(), lambda _: "pi"))
    assert frames == [alone.event(event, "e") for event in played.log] != known


def answers_of(shown: list[Object]) -> list[Object]:
    """Return the assistant's messages; those that failed without a word left no fact."""
    ends = [one["message"] for one in shown if one["type"] == "message_end"]
    return [
        one
        for one in ends
        if one["role"] == "assistant" and any(b.get("text", b) for b in one["content"])
    ]


def test_a_failure_is_told_once_pis_lines_have_left() -> None:
    played = Late(OLD, "fail")
    reasons = [
        [one["messages"][-1].get("errorMessage") for one in shown if one["type"] == "agent_end"]
        for shown in (played.late, played.live)
    ]
    assert reasons[0] == reasons[1]
    assert any(reasons[0])


def test_a_turn_that_pi_refused_has_no_run() -> None:
    log, _ = logs_before_and_after_pieces_leave(
        [
            ("turn-started", {"turn": 1, "native_id": None}),
            ("user-message", {"text": "hi", "by": "turn"}),
            ("error", {"turn": 1, "status": "failed", "reason": "no model"}),
        ]
    )
    runs = Translator(Limits(), lambda _: "pi")
    assert [runs.translate(event) for event in log] == [()] * 3
