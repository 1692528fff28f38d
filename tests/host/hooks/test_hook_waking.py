"""An idle agent is woken for a message, once; a message is delivered once its agent has it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from sxhost.hooks.listener import WAKE_SUMMARY
from sxhost.hooks.sessions import DELIVERY_LEASE
from sxhost.service_messages import END_LOOK_S, REST_LOOK_S
from sxhost.testing import HostInMemory, is_done, result_of, started

NOTICE = (
    "<task-notification>\n<task-id>b1</task-id>\n<summary>{}</summary>\n</task-notification>"
    "\n<system-reminder>\nIt follows.\n</system-reminder>"
)


def hook(lab: HostInMemory, name: str, **fields: Any) -> Any:
    payload = {"hook_event_name": name, "session_id": "a", "prompt_id": "p", **fields}
    return lab.request("POST", "/hooks/claude", payload).json()


class Listener:
    """A request that listens for messages to the session `a`."""

    def __init__(self, lab: HostInMemory) -> None:
        self._lab = lab
        self._answer = lab.begin("POST", "/hooks/claude/listen", {"session_id": "a"})
        lab.clock.advance(0)

    def answer(self, seconds: float = 0) -> Any:
        """Return what was answered after `seconds`: a bool, a status, or None as yet."""
        self._lab.clock.advance(seconds)
        self._lab.treq.flush()
        if not self._answer.called:
            return None
        answer = result_of(self._answer)
        return answer.json()["wake"] if answer.status == 200 else answer.status


@pytest.fixture
def idle(lab: HostInMemory) -> HostInMemory:
    hook(lab, "SessionStart", source="startup")
    return lab


def send(lab: HostInMemory, content: str, mode: str = "auto") -> str:
    sent = lab.request("POST", "/sessions/a/messages", {"content": content, "mode": mode})
    delivery: str = sent.json()["delivery"]
    return delivery


def texts(lab: HostInMemory) -> list[tuple[str, str]]:
    events = lab.request("GET", "/sessions/a/events").lines()
    said = [one["data"] for one in events if one["event"] == "user-message"]
    return [(data["by"], data["text"]) for data in said]


def expected(lab: HostInMemory) -> tuple[str, str]:
    session = lab.request("GET", "/sessions/a").json()
    return session["delivery"], session["note"]


def test_session_says_beforehand_when_a_message_is_heard(idle: HostInMemory) -> None:
    unheard = ("next_prompt", "nobody hears it until somebody types there")
    assert expected(idle) == unheard
    listener = Listener(idle)
    assert listener.answer(REST_LOOK_S) is None
    assert expected(idle) == ("wakes", "its agent is woken for it")
    assert send(idle, "go on") == "wakes"
    assert listener.answer() is True
    hook(idle, "UserPromptSubmit", prompt=NOTICE.format(WAKE_SUMMARY))
    assert expected(idle)[0] == "next_tool"


@pytest.mark.parametrize("mode", ["auto", "queue", "interrupt"])
def test_idle_agent_is_woken_and_handed_the_message(idle: HostInMemory, mode: str) -> None:
    listener = Listener(idle)
    assert listener.answer(REST_LOOK_S) is None
    assert send(idle, "go on", mode) == "wakes"
    assert listener.answer() is True
    answer = hook(idle, "UserPromptSubmit", prompt=NOTICE.format(WAKE_SUMMARY))
    given = answer["hookSpecificOutput"]["additionalContext"]
    assert given.startswith("The user, who is not at this terminal,")
    assert given.endswith("go on")
    assert texts(idle) == [("message", "go on")]
    assert idle.request("GET", "/sessions/a").json()["detail_state"] == "working"
    hook(idle, "Stop", last_assistant_message="done")
    assert idle.request("GET", "/sessions/a").json()["detail_state"] == "idle"


def test_message_that_a_hook_takes_meanwhile_wakes_nobody(idle: HostInMemory) -> None:
    send(idle, "early")
    listener = Listener(idle)  # Claude runs both hooks at once
    assert hook(idle, "UserPromptSubmit", prompt="hello")["hookSpecificOutput"]
    assert listener.answer(REST_LOOK_S) is None
    hook(idle, "Stop")
    assert listener.answer(REST_LOOK_S) is None


def test_agent_at_work_is_woken_once_it_rests_and_nobody_has_taken_the_message(
    idle: HostInMemory,
) -> None:
    hook(idle, "UserPromptSubmit", prompt="hello")
    listener = Listener(idle)
    assert send(idle, "later", "queue") == "after_turn"
    assert listener.answer(END_LOOK_S) is None
    hook(idle, "StopFailure", error="overloaded")  # which hands nothing over
    assert listener.answer(REST_LOOK_S) is True


def test_newest_listener_takes_the_place_of_those_before(idle: HostInMemory) -> None:
    first, second = Listener(idle), Listener(idle)
    assert (first.answer(), second.answer(REST_LOOK_S)) == (False, None)
    send(idle, "go on")
    assert second.answer() is True


def test_listener_of_an_agent_that_has_ended_leaves(idle: HostInMemory) -> None:
    listener = Listener(idle)
    hook(idle, "SessionEnd", reason="clear")
    assert listener.answer(END_LOOK_S) is False
    assert send(idle, "go on") == "next_prompt"


def test_listener_of_a_host_that_stops_asks_again(idle: HostInMemory) -> None:
    listener = Listener(idle)
    stopping = started(idle.service.end_streams())
    assert listener.answer(1) == 503
    assert is_done(stopping)


def test_listener_that_leaves_wakes_nobody(idle: HostInMemory) -> None:
    waiting = started(idle.service.wait_to_wake("a"))
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    waiting.cancel()
    assert send(idle, "go on") == "next_prompt"


def test_nobody_listens_for_a_session_that_is_unknown_or_hosted(lab: HostInMemory) -> None:
    assert Listener(lab).answer() == 404
    lab.request("POST", "/sessions", {"agent": "fake", "id": "a", "cwd": "/"})
    assert Listener(lab).answer() is False


def test_end_of_a_task_begins_a_turn_and_is_told_by_its_summary(idle: HostInMemory) -> None:
    hook(idle, "UserPromptSubmit", prompt=NOTICE.format("Command x completed"))
    assert texts(idle) == [("task", "Command x completed")]
    assert idle.request("GET", "/sessions/a").json()["detail_state"] == "working"


RECEIPT = {"receipt": "r1"}


def take(lab: HostInMemory, query: str = "?receipt=r1") -> Any:
    payload = {"hook_event_name": "Stop", "session_id": "a", "prompt_id": "p"}
    return lab.request("POST", f"/hooks/claude{query}", payload).json()


def waiting(lab: HostInMemory) -> list[str]:
    messages = lab.request("GET", "/sessions/a/messages?peek=1").json()
    return [message["state"] for message in messages]


def test_message_is_delivered_once_its_hook_confirms_it(idle: HostInMemory) -> None:
    send(idle, "go on")
    assert take(idle)["reason"] == "go on"
    assert waiting(idle) == ["leased"]
    assert take(idle) == {}
    assert idle.request("POST", "/hooks/receipts", RECEIPT).status == 200
    assert waiting(idle) == ["delivered"]
    assert idle.request("POST", "/hooks/receipts", RECEIPT).status == 200, "twice is once"


def test_message_that_is_not_confirmed_is_given_once_more(idle: HostInMemory) -> None:
    send(idle, "go on")
    take(idle)
    idle.clock.advance(DELIVERY_LEASE)
    assert take(idle, "?receipt=r2")["reason"] == "go on"
    idle.request("POST", "/hooks/receipts", {"receipt": "r2"})
    assert waiting(idle) == ["delivered"]


def test_message_without_a_receipt_is_delivered_when_it_is_sent(idle: HostInMemory) -> None:
    send(idle, "go on")
    assert take(idle, "")["reason"] == "go on"
    assert waiting(idle) == ["delivered"]
