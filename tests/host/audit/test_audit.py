"""The audit has all that changes something, also what was done while the disk failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from sxhost.audit import ACTS, RETRY_S, Audit
from sxhost.errors import StoreUnavailable
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.limits import Limits
from sxhost.model.turn import Launch
from sxhost.store.memory import MemoryStore
from sxhost.store.transaction import Transaction
from sxhost.store.verbs import Committer
from sxhost.testing import FakeDriver, FakeDrivers, HostInMemory, question, result_of, started
from tests.host.agents.test_agent_supervisor import settle
from tests.host.faces.test_native_agents import settled

T = TypeVar("T")
JSON = dict[str, Any]


class AilingCommitter:
    """Commits nothing while its store is broken."""

    def __init__(self, store: Ailing, working: Committer) -> None:
        self._store = store
        self._working = working
        self.record, self.catch_up = working.record, working.catch_up

    async def run(self, operation: Callable[[Transaction], T], size: int = 1) -> T:
        if self._store.broken:
            raise StoreUnavailable("the disk")
        return await self._working.run(operation, size)


class Ailing(MemoryStore):
    """A store on a disk that fails for a while."""

    broken = False

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        super().__init__(limits, seconds)
        self._committer = AilingCommitter(self, self._committer)

    @property
    def acts(self) -> list[str]:
        return [entry.what for entry in result_of(self.audit_entries(AuditQuery()))]


# All routes.

TURN: JSON = {"input": "go"}
LEFT_OUT = {
    "POST /sessions/<session_id>/register": "an agent says who it is",
    "POST /sessions/<session_id>/events": "the log is its own record",
    "GET /sessions/<session_id>/messages": "an agent takes what is meant for it",
    "POST /sessions/<session_id>/messages/<message_id>/ack": "an agent has taken it",
    "POST /sessions/<session_id>/messages/<message_id>/nack": "an agent gives it back",
    "POST /hooks/claude": "an agent reports",
    "POST /hooks/claude/listen": "it waits",
    "POST /hooks/receipts": "an agent has taken them",
    "POST /discover": "it reads what is there",
    "POST /hooks/codex": "an agent reports",
    "POST /telemetry": "the log is its own record",
    "POST /login/<code>": "what GET of it does",
    "POST /logins": "a link lets nobody in; whoever opens it is recorded",
    "POST /v1/codexd/sessions": "the verb of POST /sessions",
    "POST /v1/codexd/turn": "the verb of POST /sessions/<session_id>/turns",
    "POST /messages": "the verbs of POST /sessions and of its turns",
    "POST /approvals": "the verb of POST /sessions/<session_id>/approvals/<approval_id>",
    "POST /policy/propose": "it reads what is there",
    "POST /notify/test": "a notice tells of itself",
    "POST /sessions/<session_id>/seen": "somebody has looked",
}
"""Routes that change something and leave no entry, or whose verb is another route's."""

RECORDED: dict[str, tuple[str, Any, str]] = {
    "POST /sessions": ("/sessions", {"agent": "fake", "id": "b"}, "start"),
    "POST /sessions/<session_id>/turns": ("/sessions/a/turns", TURN, "turn"),
    "POST /sessions/<session_id>/steer": ("/sessions/a/steer", TURN, "steer"),
    "POST /sessions/<session_id>/approvals/<approval_id>": (
        "/sessions/a/approvals/1", {"decision": "deny"}, "answer",
    ),
    "POST /sessions/<session_id>/interrupt": ("/sessions/a/interrupt", None, "interrupt"),
    "POST /sessions/<session_id>/end": ("/sessions/a/end", None, "end"),
    "POST /sessions/<session_id>/handover": (
        "/sessions/a/handover", {"to": "host"}, "hand over",
    ),
    "POST /sessions/<session_id>/compact": ("/sessions/a/compact", None, "compact"),
    "POST /sessions/<session_id>/model": ("/sessions/a/model", {"model": "m"}, "set model"),
    "POST /sessions/<session_id>/messages": ("/sessions/c/messages", {"content": "x"}, "send"),
    "DELETE /sessions/<session_id>/messages/<message_id>": (
        "/sessions/c/messages/1", None, "withdraw",
    ),
    "DELETE /sessions/<session_id>": ("/sessions/c", None, "delete"),
    "POST /tokens": ("/tokens", {"scopes": ["read"]}, "create token"),
    "DELETE /tokens/<token_id>": ("/tokens/{token}", None, "revoke token"),
    "POST /tokens/admin/rotate": ("/tokens/admin/rotate", None, "rotate token"),
    "GET /login/<code>": ("{login}", None, "log in"),
    "POST /stop": ("/stop", None, "stop"),
}  # fmt: skip
"""What is asked of each of the others, in this order, and what the audit then has."""


@pytest.fixture
def lab(tmp_path: Any) -> HostInMemory:
    """A host with a hosted session, `a`, that asks something, and an attached one, `c`."""
    lab = HostInMemory(tmp_path, drivers=FakeDrivers(fake=FakeDriver(set_model=True)))
    lab.store = Ailing(lab.limits, lab.clock.seconds)
    lab.restart()
    lab.keyring.open()
    assert settled(lab, "POST", "/sessions", {"agent": "fake", "id": "a"}).status == 201
    lab.request("POST", "/sessions/c/register")
    return lab


def store_of(lab: HostInMemory) -> Ailing:
    assert isinstance(lab.store, Ailing)
    return lab.store


COMMANDS = {name for name, trait in TRAITS.items() if trait.scope == "admin"} - {
    *("create_session", "load_session", "delete_session"),  # as the routes do it
}
"""The multiplexer's commands that take scope `admin`, and have no route."""


def test_every_changing_route_is_audited_or_exempt_with_a_reason(
    lab: HostInMemory,
) -> None:
    changing = {
        f"{route.method} {route.path}"
        for route in lab.routes
        if route.method != "GET" or not route.safe or route.path.startswith("/login/")
    }
    assert changing == LEFT_OUT.keys() | RECORDED.keys()
    assert not LEFT_OUT.keys() & RECORDED.keys()


def test_each_changing_request_leaves_an_audit_entry(lab: HostInMemory) -> None:
    names = {"token": "", "login": ""}
    for what, (path, body, act) in RECORDED.items():
        if act == "answer":
            lab.drivers.by_agent["fake"].agents[0].reports.approval_requested(question())
        if act == "log in":
            names["login"] = settled(lab, "POST", "/logins").json()["path"]
        method = what.split()[0]
        answer = settled(lab, method, path.format_map(names), body)
        assert answer.status < 400, (what, answer.body)
        if act == "create token":
            names["token"] = answer.json()["token"]["id"]
        assert store_of(lab).acts[-1] == act
    beside = {"not started", *COMMANDS}
    assert ACTS.keys() - {act for *_, act in RECORDED.values()} == beside


def test_every_mux_command_has_an_audit_act() -> None:
    assert all(ACTS[name] for name in COMMANDS)


# While the disk fails.


def test_interrupt_is_done_even_if_its_audit_entry_is_late(lab: HostInMemory) -> None:
    settled(lab, "POST", "/sessions/a/turns", TURN)
    store = store_of(lab)
    store.broken = True
    with capturedLogs() as logged:
        assert settled(lab, "POST", "/sessions/a/interrupt").status == 200
    assert lab.drivers.last.did[-1] == ("interrupt",)
    assert [(e["why"], e["what"]) for e in logged if "why" in e] == [
        ("not in the audit yet", "interrupt")
    ]
    lab.clock.advance(RETRY_S)
    store.broken = False
    assert store.acts == ["start", "turn"]
    lab.clock.advance(RETRY_S)
    assert store.acts == ["start", "turn", "interrupt"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/sessions", {"agent": "fake", "id": "b"}), ("/tokens", {"scopes": ["admin"]})],
)
def test_privileged_act_without_an_audit_entry_is_not_done(
    lab: HostInMemory, path: str, body: JSON
) -> None:
    before = lab.keyring.tokens()
    store_of(lab).broken = True
    assert settled(lab, "POST", path, body).status == 503
    assert lab.keyring.tokens() == before
    assert len(lab.drivers.by_agent["fake"].agents) == 1


def test_login_without_an_audit_entry_is_refused(lab: HostInMemory) -> None:
    link = settled(lab, "POST", "/logins").json()["path"]
    store_of(lab).broken = True
    assert settled(lab, "GET", link).status == 503
    assert [token.name for token in lab.keyring.tokens() if token.name == "browser"] == []


def test_ended_agent_of_a_kept_session_is_audited(
    lab: HostInMemory,
) -> None:
    store = store_of(lab)
    store.broken = True
    deleting = started(lab.service.forget("a"))
    assert lab.drivers.last.did[-1] == ("stop",)
    deleting.addErrback(lambda failure: failure.trap(CancelledError))
    deleting.cancel()
    store.broken = False
    lab.clock.advance(RETRY_S)
    assert store.acts == ["start", "end"]


def test_failed_start_is_audited_as_failed(lab: HostInMemory) -> None:
    assert settled(lab, "POST", "/sessions", {"agent": "nobody", "id": "b"}).status == 400
    assert store_of(lab).acts == ["start", "start", "not started"]


def test_act_of_a_client_that_disconnects_is_audited(lab: HostInMemory) -> None:
    agent, stopped = lab.drivers.last, Deferred[None]()
    settled(lab, "POST", "/sessions/a/turns", TURN)

    async def slowly() -> None:
        await stopped

    agent.interrupt = slowly  # type: ignore[method-assign]
    asking = started(lab.service.interrupt("a"))
    asking.addErrback(lambda failure: failure.trap(CancelledError))
    asking.cancel()
    assert store_of(lab).acts == ["start", "turn"]
    stopped.callback(None)
    assert store_of(lab).acts == ["start", "turn", "interrupt"]


def test_start_of_a_client_that_disconnects_is_audited_as_undone(lab: HostInMemory) -> None:
    ready = lab.drivers("fake").slow = Deferred[None]()
    starting = started(lab.service.start(Launch(agent="fake", id="b")))
    starting.addErrback(lambda failure: failure.trap(CancelledError))
    starting.cancel()
    ready.callback(None)
    settle(lab)
    assert store_of(lab).acts == ["start", "start", "not started"]


def test_disconnecting_client_loses_no_audit_entry() -> None:
    clock = Clock()
    disk: Deferred[None] = Deferred()

    class Slow(Ailing):
        async def record_entry(self, entry: AuditEntry) -> AuditEntry:
            await disk
            return await super().record_entry(entry)

    store = Slow(Limits(), clock.seconds)
    audit = Audit(store, clock, lambda: 0, Limits())
    noting = started(audit.record("interrupt"))
    noting.addErrback(lambda failure: failure.trap(CancelledError))
    noting.cancel()
    disk.callback(None)
    assert store.acts == ["interrupt"]


def test_waiting_audit_entries_are_written_at_the_stop_or_reported_lost() -> None:
    clock = Clock()
    store = Ailing(Limits(), clock.seconds)
    audit = Audit(store, clock, lambda: 0, Limits())
    store.broken = True
    for act in ("interrupt", "steer"):
        result_of(audit.record(act))
    store.broken = False
    result_of(audit.close())
    assert (store.acts, clock.getDelayedCalls()) == (["interrupt", "steer"], [])
    store.broken = True
    result_of(audit.record("turn"))
    with capturedLogs() as logged:
        result_of(audit.close())
    assert [(e["why"], e["what"]) for e in logged] == [("never in the audit", "turn")]
