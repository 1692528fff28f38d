"""Every verb on every kind of session: the answer given is what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from sxhost.agent_files.running import RunningAgent
from sxhost.attach import AgentSession
from sxhost.model.session import Registration
from sxhost.testing import FakeDriver, HostInMemory, question
from sxhost.testing.host import UID
from tests.host.client.test_client_agents import do

Answer = tuple[int, str]
"""The status; the error, the delivery, or empty."""

HEARD_NEVER = "nobody hears it"


def post(lab: HostInMemory, path: str, body: Any = None) -> Any:
    """Post what is answered after some turns of the reactor."""
    return do(lab, lab._exchange("POST", path, msgspec.json.encode(body or {}), {}))


# Sessions, all named `a`.


def hosted(lab: HostInMemory, *, prompt: str | None = None) -> None:
    launch = {"agent": "fake", "id": "a", "cwd": "/"}
    assert post(lab, "/sessions", launch | ({"prompt": prompt} if prompt else {})).status == 201


def hosted_running(lab: HostInMemory) -> None:
    hosted(lab, prompt="go")


def hosted_waiting(lab: HostInMemory) -> None:
    hosted_running(lab)
    lab.drivers.last.reports.approval_requested(question())
    lab.clock.advance(0)


def hosted_asleep(lab: HostInMemory) -> None:
    hosted(lab)
    lab.clock.advance(lab.limits.sleep_after)
    assert shown(lab)["rest"] == "asleep"


def hosted_ended(lab: HostInMemory) -> None:
    hosted(lab)
    assert post(lab, "/sessions/a/end").status == 200


def hosted_dead(lab: HostInMemory) -> None:
    """Its agent cannot go on with its conversation."""
    lab.drivers.by_agent["fake"] = FakeDriver()
    hosted_ended(lab)
    lab.drivers.by_agent["fake"].can = FakeDriver(resume=False).can


def hook(lab: HostInMemory, name: str, **fields: Any) -> Any:
    body = {"hook_event_name": name, "session_id": "a", "cwd": "/w", **fields}
    return post(lab, "/hooks/claude?wait=30", body).json()


def hooked_idle(lab: HostInMemory) -> None:
    hook(lab, "SessionStart", source="startup")


def hooked_listening(lab: HostInMemory) -> None:
    """Something waits beside it that wakes it."""
    hooked_idle(lab)
    lab.begin("POST", "/hooks/claude/listen", {"session_id": "a"})
    lab.clock.advance(0)


def hooked_working(lab: HostInMemory) -> None:
    hooked_idle(lab)
    hook(lab, "UserPromptSubmit", prompt="go")


def hooked_waiting(lab: HostInMemory) -> None:
    hooked_working(lab)
    asks = {"hook_event_name": "PermissionRequest", "session_id": "a", "tool_name": "Bash"}
    lab.begin("POST", "/hooks/claude?wait=30", asks | {"tool_input": {"command": "ls"}})
    lab.clock.advance(0)
    assert shown(lab)["detail_state"] == "waiting"


def hooked_at_terminal(lab: HostInMemory) -> None:
    """Nobody has decided in time: from now on only its own user can."""
    hooked_waiting(lab)
    lab.clock.advance(31)
    assert shown(lab)["detail_state"] == "waiting"


def hooked_in_background(lab: HostInMemory) -> None:
    hooked_working(lab)
    hook(lab, "Stop", background_tasks=[{"id": "b1", "type": "shell", "status": "running"}])
    assert shown(lab)["detail_state"] == "working"


def hooked_ended(lab: HostInMemory) -> None:
    hooked_working(lab)
    hook(lab, "SessionEnd", reason="prompt_input_exit")


def discovered(lab: HostInMemory) -> None:
    lab.running.append(
        RunningAgent(
            agent="claude", session_id="a", pid=7, cwd="/w", transcript="/w/x/y/a.jsonl"
        )
    )
    do(lab, lab.hook_handler.discover(UID))


def program(lab: HostInMemory, on_message: Callable[[Any], object] | None) -> AgentSession:
    session = AgentSession(lab.clock, session_id="a", cwd="/", find=lambda: lab.client)
    session.start(on_message)
    session.fire("thinking")
    lab.clock.advance(0)
    lab.treq.flush()
    return session


def program_pulling(lab: HostInMemory) -> None:
    program(lab, lambda _message: None)
    lab.clock.advance(1)
    lab.treq.flush()


def program_deaf(lab: HostInMemory) -> None:
    program(lab, None)


def program_ended(lab: HostInMemory) -> None:
    closing = program(lab, None).close()
    lab.treq.flush()
    lab.clock.advance(3)
    assert closing.called


def registered(lab: HostInMemory) -> None:
    """A script that has said nothing about messages."""
    do(lab, lab.service.register("a", Registration()))


SESSIONS: dict[str, Callable[[HostInMemory], None]] = {
    function.__name__: function
    for function in (
        *(hosted, hosted_running, hosted_waiting, hosted_asleep, hosted_ended, hosted_dead),
        *(hooked_idle, hooked_listening, hooked_working, hooked_waiting, hooked_at_terminal),
        *(hooked_in_background, hooked_ended),
        *(discovered, program_pulling, program_deaf, program_ended, registered),
    )
}


def shown(lab: HostInMemory) -> Any:
    return lab.request("GET", "/sessions/a").json()


# What is answered.

OK: Answer = (200, "")
NOT_HOSTED: Answer = (409, "not_hosted")
NO_TURN: Answer = (409, "no_turn")
BUSY: Answer = (409, "turn_in_progress")
DEAD: Answer = (502, "agent_failed")
UNKNOWN: Answer = (404, "unknown_approval")

COLUMNS = ("turn", "steer", "interrupt", "send", "queue", "model", "compact", "approve", "end")

ANSWERS: dict[str, tuple[Answer, ...]] = {
    "hosted": (
        *((202, ""), NO_TURN, NO_TURN, (200, "now"), (200, "now"), OK, OK),
        *(UNKNOWN, OK),
    ),
    "hosted_running": (
        *(BUSY, OK, OK, (200, "now"), (200, "after_turn"), OK, OK),
        *(UNKNOWN, OK),
    ),
    "hosted_waiting": (
        *(BUSY, OK, OK, (200, "after_decision"), (200, "after_turn"), OK, OK),
        *(OK, OK),
    ),
    "hosted_asleep": (
        *((202, ""), NO_TURN, NO_TURN, (200, "starts_agent"), (200, "starts_agent"), OK, OK),
        *(UNKNOWN, OK),
    ),
    "hosted_ended": (
        *((202, ""), NO_TURN, NO_TURN, (200, "starts_agent"), (200, "starts_agent"), OK, OK),
        *(UNKNOWN, OK),
    ),
    "hosted_dead": (
        *(DEAD, DEAD, DEAD, (200, "agent_ended"), (200, "agent_ended"), DEAD, DEAD),
        *(UNKNOWN, OK),
    ),
}


def attached_answers(heard: str, queued: str, approve: Answer) -> tuple[Answer, ...]:
    words = ((200, heard), NOT_HOSTED, (200, heard), (200, queued))
    return (NOT_HOSTED, *words, NOT_HOSTED, NOT_HOSTED, approve, NOT_HOSTED)


WORKS = ("next_tool", "after_turn")
RESTS = ("next_prompt", "next_prompt")
ANSWERS |= {
    "hooked_idle": attached_answers(*RESTS, UNKNOWN),
    "hooked_listening": attached_answers("wakes", "wakes", UNKNOWN),
    "hooked_working": attached_answers(*WORKS, UNKNOWN),
    "hooked_waiting": attached_answers(*WORKS, OK),
    "hooked_at_terminal": attached_answers(*WORKS, (409, "only_at_terminal")),
    "hooked_in_background": attached_answers(*RESTS, UNKNOWN),
    "hooked_ended": attached_answers(*RESTS, UNKNOWN),
    "discovered": attached_answers("unhooked", "unhooked", UNKNOWN),
    "program_pulling": attached_answers("now", "now", UNKNOWN),
    "program_deaf": attached_answers("not_taken", "not_taken", UNKNOWN),
    "program_ended": attached_answers("agent_ended", "agent_ended", UNKNOWN),
    "registered": attached_answers("next_pull", "next_pull", UNKNOWN),
}

REQUESTS: dict[str, tuple[str, Any]] = {
    "turn": ("turns", {"input": "do"}),
    "steer": ("steer", {"input": "left"}),
    "interrupt": ("interrupt", {}),
    "send": ("messages", {"content": "left"}),
    "queue": ("messages", {"content": "left", "mode": "queue"}),
    "model": ("model", {"model": "large"}),
    "compact": ("compact", {}),
    "approve": ("approvals/1", {"decision": "approve"}),
    "end": ("end", {}),
}

CASES = [
    (name, verb, answer)
    for name, answers in ANSWERS.items()
    for verb, answer in zip(COLUMNS, answers, strict=True)
]


@pytest.fixture
def lab(lab: HostInMemory) -> Iterator[HostInMemory]:
    lab.drivers.by_agent["fake"] = FakeDriver(set_model=True)
    yield lab
    lab.hook_handler.close()


def ask(lab: HostInMemory, verb: str) -> Any:
    path, body = REQUESTS[verb]
    return post(lab, f"/sessions/a/{path}", body)


def test_every_session_has_its_answers() -> None:
    assert set(ANSWERS) == set(SESSIONS)
    assert set(REQUESTS) == set(COLUMNS)


@pytest.mark.parametrize(("name", "verb", "expected"), CASES)
def test_answer_to_a_verb(lab: HostInMemory, name: str, verb: str, expected: Answer) -> None:
    SESSIONS[name](lab)
    answer = ask(lab, verb)
    fields = answer.json()
    assert (answer.status, fields.get("error") or fields.get("delivery", "")) == expected
    if expected == NOT_HOSTED:
        assert ("send it a message" in fields["message"]) == (verb != "end")
        assert ("End it where it runs" in fields["message"]) == (verb == "end")


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_is_forgotten_and_what_goes_on_is_said(lab: HostInMemory, name: str) -> None:
    SESSIONS[name](lab)
    works = shown(lab)["detail_state"] in ("working", "waiting", "stalled")
    goes_on = name == "discovered" or (works and not name.startswith("hosted"))
    done = do(lab, lab._exchange("DELETE", "/sessions/a", None, {})).json()
    assert done["ok"]
    assert ("runs on" in done.get("note", "")) == goes_on
    assert lab.request("GET", "/sessions/a").status == 404 or goes_on


# What happens then.


def heard(answer: Any) -> bool:
    return "left" in str(answer)


def test_words_to_a_working_agent_are_heard_at_its_next_tool(lab: HostInMemory) -> None:
    hooked_working(lab)
    assert ask(lab, "steer").json()["note"].startswith("queued: heard at its next tool")
    assert heard(hook(lab, "PostToolUse", tool_name="Bash", tool_use_id="t1"))


def test_words_that_wait_for_the_turn_are_heard_at_its_end(lab: HostInMemory) -> None:
    hooked_working(lab)
    assert "at the end of its turn" in ask(lab, "queue").json()["note"]
    assert not heard(hook(lab, "PostToolUse", tool_name="Bash", tool_use_id="t1"))
    assert heard(hook(lab, "Stop"))


@pytest.mark.parametrize("session", [hooked_idle, hooked_ended, hooked_in_background])
def test_nobody_hears_words_to_an_idle_agent_until_somebody_types_there(
    lab: HostInMemory, session: Callable[[HostInMemory], None]
) -> None:
    session(lab)
    note = ask(lab, "steer").json()["note"]
    assert note == "queued: nobody hears it until somebody types there"
    assert not heard(hook(lab, "SessionStart", source="resume"))
    assert heard(hook(lab, "UserPromptSubmit", prompt="and now?"))


def test_discovered_agent_hears_once_it_has_hooks(lab: HostInMemory) -> None:
    discovered(lab)
    assert HEARD_NEVER in ask(lab, "send").json()["note"]
    hooked_working(lab)
    assert ask(lab, "send").json()["delivery"] == "next_tool"
    assert heard(hook(lab, "PostToolUse", tool_name="Bash", tool_use_id="t1"))


def test_program_that_waits_for_messages_takes_them_now(lab: HostInMemory) -> None:
    taken: list[str] = []
    program(lab, lambda message: taken.append(message.content))
    lab.clock.advance(1)
    lab.treq.flush()
    assert ask(lab, "steer").json()["delivery"] == "now"
    lab.clock.advance(1)
    lab.treq.flush()
    assert taken == ["left"]


def test_whoever_has_pulled_is_waited_for(lab: HostInMemory) -> None:
    registered(lab)
    assert lab.request("GET", "/sessions/a/messages").json() == []
    assert lab.service.stored_session("a").inbox == "pull"  # type: ignore[union-attr]
    assert ask(lab, "send").json()["delivery"] == "next_pull"


def test_interrupt_of_an_attached_agent_leaves_nothing_behind(lab: HostInMemory) -> None:
    hooked_working(lab)
    assert "Esc at its terminal" in ask(lab, "interrupt").json()["message"]
    assert shown(lab)["queued_messages"] == 0
    assert not heard(hook(lab, "Stop"))


def test_agent_that_cannot_be_steered_is_stopped_for_urgent_words(lab: HostInMemory) -> None:
    lab.drivers.by_agent["fake"] = FakeDriver(steer=False)
    hosted_running(lab)
    urgent = {"content": "left", "mode": "interrupt"}
    assert post(lab, "/sessions/a/messages", urgent).json()["delivery"] == "stops_turn"
    assert lab.drivers.last.did[-1] == ("interrupt",)
    assert ask(lab, "send").json()["delivery"] == "after_turn"
    assert ask(lab, "steer").json()["error"] == "unsupported"


def test_a_key_that_was_used_says_that_nothing_waits(lab: HostInMemory) -> None:
    registered(lab)
    keyed = {"content": "left", "key": "k"}
    assert post(lab, "/sessions/a/messages", keyed).json()["delivery"] == "next_pull"
    lab.request("GET", "/sessions/a/messages")
    assert post(lab, "/sessions/a/messages", keyed).json()["delivery"] == "repeated"
