"""The envelope: replays, conflicts, dependencies, versions, time, lanes, rates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sxhost.faces.pi.executor import GRACE_S
from sxhost.model.caller import Caller
from sxhost.process.contracts import ChildExit
from sxhost.testing import HostInMemory, is_done, question, started
from tests.support.multiplexer_in_memory import Peer


@pytest.fixture
def lab() -> HostInMemory:
    return HostInMemory()


@pytest.fixture
def peer(lab: HostInMemory) -> Peer:
    peer = Peer(lab)
    assert peer.ask("create_session", "s", agent="fake")["success"]
    peer.forget()
    return peer


def over(lab: HostInMemory, status: Any = "completed", reason: str = "") -> None:
    lab.drivers.last.reports.turn_ended(status, reason)
    for _ in range(6):
        lab.clock.advance(0.005)


# Replays.


def test_repeated_command_gets_the_stored_answer(lab: HostInMemory, peer: Peer) -> None:
    first = peer.ask("steer", "s", message="x", id="1")
    peer.forget()
    again = peer.ask("steer", "s", message="x", id="1")
    assert again == {**first, "replayed": True}
    assert peer.kinds == ["command_finished", "=steer"]
    assert peer.frames[0]["data"]["replayed"] is True


def test_same_id_for_another_command_is_a_conflict(peer: Peer) -> None:
    peer.ask("get_state", "s", id="1")
    answer = peer.ask("get_messages", "s", id="1")
    assert answer["error"] == (
        "Conflicting id '1': previously used for 'get_state', now used for 'get_messages'"
    )
    assert not answer["success"]


def test_repeated_running_command_waits_for_its_answer(lab: HostInMemory, peer: Peer) -> None:
    other = Peer(lab)
    peer.say("prompt", "s", message="x", id="1")
    other.say("prompt", "s", message="x", id="1")
    assert peer.answers == other.answers == []
    over(lab)
    peer.settle()
    assert [peer.answers[0].get("replayed"), other.answers[0].get("replayed")] == [None, True]
    assert [one[0] for one in lab.drivers.last.did] == ["start", "submit"]


def test_idempotency_key_is_per_session_and_expires(lab: HostInMemory, peer: Peer) -> None:
    assert "replayed" not in peer.ask("steer", "s", message="x", idempotencyKey="k", id="1")
    again = peer.ask("steer", "s", message="x", idempotencyKey="k")
    assert again["replayed"] is True
    assert "id" not in again
    conflict = peer.ask("steer", "s", message="y", idempotencyKey="k")
    assert conflict["error"].startswith("Conflicting idempotencyKey 'k': previously used")
    assert "replayed" not in peer.ask("health_check", idempotencyKey="k")
    lab.clock.advance(lab.limits.mux_keys)
    assert "replayed" not in peer.ask("steer", "s", message="y", idempotencyKey="k")


def test_old_answers_are_forgotten(lab: HostInMemory) -> None:
    peer = Peer(HostInMemory(mux_outcomes=2))
    for number in "123":
        peer.ask("health_check", id=number)
    assert "replayed" not in peer.ask("health_check", id="1")
    assert peer.ask("health_check", id="3")["replayed"] is True


# What a command waits for.


def test_after_delays_a_command_until_others_end(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="x", id="p")
    peer.say("health_check", id="h", dependsOn=["p"])
    assert peer.answers == []
    over(lab)
    peer.settle()
    assert [one["id"] for one in peer.answers] == ["p", "h"]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (["nobody"], "Dependency 'nobody' is unknown"),
        (["me"], "Command 'me' cannot depend on itself"),
        (["bad"], "Dependency 'bad' failed: Session x not found"),
    ],
)
def test_invalid_dependencies_are_refused(peer: Peer, wanted: list[str], error: str) -> None:
    peer.ask("get_state", "x", id="bad")
    assert peer.ask("health_check", id="me", dependsOn=wanted)["error"] == error


def test_dependency_wait_times_out(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="x", id="p")
    peer.say("create_session", "t", agent="fake", id="c", dependsOn=["p"])
    lab.clock.advance(lab.limits.mux_read)
    assert peer.answers[0]["error"] == "Command 'dependsOn:p' timed out after 30000ms"
    over(lab)


# Versions.


def test_expected_version_must_match(peer: Peer) -> None:
    assert peer.ask("steer", "s", message="x")["sessionVersion"] == 1
    assert peer.ask("get_state", "s")["sessionVersion"] == 1
    assert peer.ask("steer", "s", message="x", ifSessionVersion=1)["sessionVersion"] == 2
    late = peer.ask("steer", "s", message="x", ifSessionVersion=1)
    assert late["error"] == "Session version mismatch: expected 1, got 2"
    nobody = peer.ask("steer", "x", message="x", ifSessionVersion=1)
    assert nobody["error"] == "Session x not found for ifSessionVersion=1"
    assert "sessionVersion" not in peer.ask("delete_session", "s", ifSessionVersion=2)


# Time.


def test_slow_read_times_out(lab: HostInMemory, peer: Peer) -> None:
    slow: Deferred[None] = Deferred()
    lab.drivers.by_agent["fake"].slow = slow
    peer.say("create_session", "t", agent="fake")
    peer.say("get_state", "t", id="g")
    lab.clock.advance(lab.limits.mux_read)
    (answer,) = peer.answers
    assert answer["error"] == "Command 'get_state' timed out after 30000ms"
    assert answer["timedOut"] is True
    again = peer.ask("get_state", "t", id="g")
    assert (again["timedOut"], again["replayed"]) == (True, True)
    slow.callback(None)
    peer.settle()


def test_slow_command_is_aborted(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="x", id="p")
    lab.clock.advance(lab.limits.mux_work)
    peer.settle()
    assert lab.drivers.last.did[-1][0] == "interrupt"
    assert peer.answers[-1]["timedOut"] is True
    over(lab, "interrupted")
    peer.settle()
    assert len(peer.answers) == 1, "what comes late is not told"
    assert peer.ask("prompt", "s", message="x", id="p")["timedOut"] is True
    peer.say("prompt", "s", message="again")
    assert lab.drivers.last.did[-1][-1] == "again", "the lane is free"
    over(lab)


def test_agent_that_cannot_be_stopped_blocks_no_lane(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="x")
    lab.clock.advance(lab.limits.mux_work)
    peer.say("set_session_name", "s", name="n", id="n")
    assert "n" not in [one.get("id") for one in peer.answers]
    lab.clock.advance(GRACE_S)
    peer.settle()
    assert (peer.answers[-1]["id"], peer.answers[-1]["success"]) == ("n", True)


# Lanes.


def test_commands_queue_and_control_commands_do_not(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="one")
    peer.say("prompt", "s", message="two")
    peer.say("set_model", "s", provider="p", modelId="m")
    assert peer.ask("get_state", "s")["data"]["isStreaming"] is True
    assert peer.ask("abort", "s")["success"]
    over(lab, "interrupted")
    peer.settle()
    over(lab)
    peer.settle()
    did = [one for one in lab.drivers.last.did if one[0] in ("submit", "interrupt")]
    assert did == [("submit", "one"), ("interrupt",), ("submit", "two")]
    assert [one["command"] for one in peer.answers][-1] == "set_model"


def test_delete_waits_for_no_command(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="one", id="1")
    peer.say("prompt", "s", message="two", id="2")
    peer.say("delete_session", "s", id="d")
    peer.say("create_session", "s", agent="fake", id="c")
    peer.settle()
    assert [(one["id"], one.get("error")) for one in peer.answers] == [
        ("1", "the agent was ended"),
        ("d", None),
        ("2", "Session s not found"),
        ("c", None),
    ]
    kinds = [kind for kind in peer.kinds if kind.startswith(("=", "session"))]
    assert kinds == [
        "=prompt", "=delete_session", "session_deleted", "=prompt", "=create_session",
        "session_created",
    ]  # fmt: skip
    assert peer.ask("get_state", "s")["success"]


def test_creating_an_existing_session_is_refused_at_once(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="one")
    error = peer.ask("create_session", "s", agent="fake")["error"]
    assert error == "Session s already exists"
    over(lab)


def test_sessions_do_not_wait_for_each_other(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="one")
    assert peer.ask("create_session", "t", agent="fake")["success"]
    assert peer.ask("list_sessions")["success"]


def test_exited_agent_fails_its_prompt(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "s", message="x")
    lab.drivers.last.reports.exited(ChildExit(code=1))
    peer.settle()
    (answer,) = peer.answers
    assert answer["error"] == "transport_closed_before_turn_completed"


# Bounds.


def test_too_many_commands_at_once_are_refused(lab: HostInMemory) -> None:
    peer = Peer(HostInMemory(mux_pending=3, mux_rate=1000))
    peer.ask("create_session", "s", agent="fake")
    for number in range(3):
        peer.say("prompt", "s", message="x", id=f"{number}")
    answer = peer.ask("get_state", "s", id="4")
    assert answer["error"] == "Too many pending commands for this connection (max 3)"
    assert answer["id"] == "4"
    other = Peer(peer.lab)
    assert other.ask("get_state", "s")["success"]


def test_101st_command_of_a_session_is_refused(lab: HostInMemory) -> None:
    peer = Peer(HostInMemory(mux_rate=1000))
    peer.ask("create_session", "s", agent="fake")
    peer.forget()
    for _ in range(100):
        peer.client.receive(b'{"type":"prompt","sessionId":"s","message":"x"}')
    peer.settle()
    assert peer.answers == []
    answer = peer.ask("get_state", "s")
    assert answer["error"] == "Too many pending commands for this connection (max 100)"


def test_the_rate_is_what_a_burst_of_one_session_is_refused_by(lab: HostInMemory) -> None:
    peer = Peer(lab)
    peer.ask("create_session", "s", agent="fake")
    for _ in range(100):
        peer.client.receive(b'{"type":"prompt","sessionId":"s","message":"x"}')
    peer.settle()
    error = "Rate limit exceeded (100 commands/minute)"
    assert peer.ask("get_state", "s")["error"] == error
    assert Peer(lab).ask("get_metrics")["data"]["commandsRejected"]["rateLimit"] == 1
    assert peer.ask("get_state", "t")["error"].startswith("Too many pending commands")


def test_command_rates_are_limited(lab: HostInMemory) -> None:
    peer = Peer(HostInMemory(mux_rate=3, mux_rate_all=5))
    for _ in range(3):
        assert peer.ask("health_check")["success"]
    assert peer.ask("health_check")["error"] == "Rate limit exceeded (3 commands/minute)"
    assert peer.kinds[-2:] == ["command_finished", "=health_check"]
    assert peer.ask("get_state", "a")["error"] == "Session a not found"
    assert peer.ask("get_state", "b")["error"] == "Session b not found"
    everybody = "Global rate limit exceeded (5 commands/minute)"
    assert peer.ask("get_state", "c")["error"] == everybody
    peer.lab.clock.advance(60)
    assert peer.ask("health_check")["success"]


def test_repeated_commands_are_not_rate_limited(lab: HostInMemory) -> None:
    peer = Peer(HostInMemory(mux_rate=1))
    peer.ask("health_check", id="1")
    assert peer.ask("health_check", id="1")["replayed"] is True


def test_answers_have_their_own_rate_limit(lab: HostInMemory) -> None:
    peer = Peer(HostInMemory(mux_answers=1))
    peer.ask("create_session", "s", agent="fake")
    sent = {"requestId": "q", "response": {"method": "cancelled"}}
    peer.ask("extension_ui_response", "s", **sent)
    error = peer.ask("extension_ui_response", "s", **sent)["error"]
    assert error == "Extension UI response rate limit exceeded (1 responses/minute)"


def test_too_many_sessions_are_refused(lab: HostInMemory) -> None:
    peer = Peer(HostInMemory(mux_sessions=1))
    assert peer.ask("create_session", "a", agent="fake")["success"]
    error = peer.ask("create_session", "b", agent="fake")["error"]
    assert error == "Session limit reached (1 sessions)"


def test_too_many_commands_in_flight_are_refused(lab: HostInMemory) -> None:
    peer = Peer(HostInMemory(mux_in_flight=1))
    peer.ask("create_session", "s", agent="fake")
    peer.say("prompt", "s", message="x", id="1")
    error = peer.ask("health_check", id="2")["error"]
    assert error == "Server busy - too many concurrent commands. Please retry."
    assert peer.ask("health_check")["success"]


# Who asks.


def test_read_token_cannot_run_commands(lab: HostInMemory, peer: Peer) -> None:
    looker = Peer(lab, Caller(frozenset({"read"}), token="t"))
    assert looker.ask("get_state", "s")["success"]
    assert "takes scope 'send'" in looker.ask("prompt", "s", message="x")["error"]
    assert "takes scope 'admin'" in looker.ask("delete_session", "s")["error"]


def test_session_token_sees_its_session_only(lab: HostInMemory, peer: Peer) -> None:
    narrow = Peer(lab, Caller(frozenset({"read", "send"}), session="s", token="t"))
    narrow.forget()
    peer.ask("create_session", "t", agent="fake")
    peer.ask("health_check")
    assert narrow.frames == []
    peer.ask("get_state", "s")
    assert narrow.kinds == ["command_accepted", "command_started", "command_finished"]
    assert "for session 's' alone" in narrow.ask("get_state", "t")["error"]


def test_commands_during_a_stop_are_refused(lab: HostInMemory, peer: Peer) -> None:
    lab.mux.stop()
    assert peer.frames[-1]["type"] == "server_shutdown"
    assert peer.frames[-1]["data"]["timeoutMs"] == lab.limits.stop_within * 1000
    assert peer.ask("health_check")["error"] == "Server is shutting down"


@pytest.mark.parametrize("ends", [True, False])
def test_stop_lets_a_running_prompt_end(lab: HostInMemory, peer: Peer, ends: bool) -> None:
    peer.say("prompt", "s", message="x", id="p")
    lab.mux.stop()
    finished = started(lab.mux.finish())
    assert not is_done(finished)
    if ends:
        over(lab)
        peer.settle()
        assert peer.answers[-1]["id"] == "p"
    else:
        lab.clock.advance(lab.limits.stop_within)
    assert is_done(finished)


def test_stop_waits_for_nobody_who_waits_for_nothing(lab: HostInMemory, peer: Peer) -> None:
    lab.mux.stop()
    assert is_done(started(lab.mux.finish()))


def test_extension_questions_are_answered(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("switch_session", "s")
    peer.say("prompt", "s", message="x")
    lab.drivers.last.reports.approval_requested(question("q:1", title="Run rm"))
    peer.settle()
    asked = peer.events[-1]
    assert (asked["type"], asked["method"]) == ("extension_ui_request", "select")
    assert asked["options"] == ["approve", "approve_session", "deny", "cancel"]
    sent = {"requestId": asked["requestId"], "response": {"method": "select", "value": "deny"}}
    assert peer.ask("extension_ui_response", "s", **sent)["success"]
    assert lab.drivers.last.did[-1] == ("answer", "q:1", "deny")
    gone = peer.ask("extension_ui_response", "s", **sent)
    assert gone["error"] == "No pending UI request with id q:1"
    over(lab)


def test_unparsable_commands_are_refused(peer: Peer) -> None:
    peer.raw(json.dumps({"type": "nope", "id": "7"}).encode())
    assert peer.frames == [
        {
            "type": "response",
            "id": "7",
            "command": "nope",
            "success": False,
            "error": "Validation failed: type: Unknown command type 'nope'",
        }
    ]
