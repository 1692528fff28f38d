"""Every verb of the client against the real tree, and what it makes of bad answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
import pytest_twisted
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from sxhost import errors
from sxhost.client.host import HostClient, connect
from sxhost.client.requests import PATIENCE
from sxhost.errors import (
    BadField,
    BadJSON,
    BodyTooLarge,
    EventTooLarge,
    HostError,
    HostUnreachable,
    InternalError,
    MessageClosed,
    MessageTooLarge,
    MethodNotAllowed,
    QueueFull,
    SessionLimit,
    Stopping,
    SubscriptionLimit,
    UnknownMessage,
    UnknownRoute,
    UnknownSession,
)
from sxhost.http.rendering import answer_error
from sxhost.http.site import HostSite
from sxhost.model.event import EventDraft, EventQuery, LogQuery
from sxhost.model.host import RemoteHost
from sxhost.model.message import Message, MessageDraft, PullQuery
from sxhost.model.session import (
    Done,
    Forgotten,
    Registration,
    SessionQuery,
)
from sxhost.testing import MIDNIGHT_MS, URL, HostInMemory, result_of, started
from tests.conftest import FailureLog

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, None]])

in_reactor: Callable[[F], F] = pytest_twisted.ensureDeferred
PULL = PullQuery()
HELLO = MessageDraft(content="hello")
THINKING = EventDraft(event="thinking")


def refusal(work: Coroutine[Any, Any, Any]) -> HostError:
    """Return the error with which the host refuses."""
    with pytest.raises(HostError) as caught:
        result_of(work)
    return caught.value


def below(lab: HostInMemory, path: str) -> HostClient:
    """Return a client that takes a path below the lab's host for a host."""
    return HostClient(URL + path, cast("HTTPClient", lab.treq), lab.clock)


# Sessions.


def test_status_of_the_host(lab: HostInMemory) -> None:
    lab.service.port = 7432
    result_of(lab.client.fire("a", THINKING))
    result_of(lab.client.register("b", Registration()))
    status = result_of(lab.client.status())
    assert (status.port, status.sessions, status.active, status.total_events) == (7432, 2, 1, 1)
    assert status == result_of(lab.service.status())


def test_session_is_registered_once_and_then_updated(lab: HostInMemory) -> None:
    given = Registration(
        model="gpt-4.1", provider="openai", labels={"team": "a"}, metadata={"n": [1, None]}
    )
    first = result_of(lab.client.register("a", given))
    second = result_of(lab.client.register("a", Registration(title="T")))
    assert (first.id, first.created, second.created) == ("a", True, False)
    assert (second.session.model, second.session.title) == ("gpt-4.1", "T")
    assert result_of(lab.client.session("a")).metadata == {"n": [1, None]}


def test_session_details_equal_the_services(lab: HostInMemory) -> None:
    result_of(lab.client.fire_batch("a", [THINKING] * 12))
    detail = result_of(lab.client.session("a"))
    assert [event.seq for event in detail.events] == list(range(3, 13))
    assert detail == result_of(lab.service.session("a"))


def test_sessions_are_listed_by_state_and_label(lab: HostInMemory) -> None:
    result_of(lab.client.register("idle", Registration(labels={"team": "a", "x": "a:b"})))
    result_of(lab.client.fire("busy", THINKING))
    assert listed(lab, SessionQuery()) == ["busy", "idle"]
    assert listed(lab, SessionQuery(state="active")) == ["busy"]
    assert listed(lab, SessionQuery(state="working")) == ["busy"]
    assert listed(lab, SessionQuery(label="team:a")) == ["idle"]
    assert listed(lab, SessionQuery(label="x:a:b", state="idle")) == ["idle"]


def test_sessions_come_in_pages(lab: HostInMemory) -> None:
    for name in "abcde":
        result_of(lab.client.register(name, Registration()))
    pages, after = [], ""
    while page := listed(lab, SessionQuery(limit=2, after=after)):
        pages.append(page)
        after = page[-1]
    assert pages == [["a", "b"], ["c", "d"], ["e"]]


def listed(lab: HostInMemory, query: SessionQuery) -> list[str]:
    return [session.id for session in result_of(lab.client.sessions(query))]


def test_forgotten_session_is_unknown(lab: HostInMemory) -> None:
    result_of(lab.client.register("a", Registration()))
    assert result_of(lab.client.forget("a")) == Forgotten(ok=True)
    assert listed(lab, SessionQuery()) == []


# Events.


def test_event_is_read_as_it_was_fired(lab: HostInMemory) -> None:
    data = {"tool": "Bash", "args": ["ls", None, 1.5], "text": "ü\u2028\n"}
    fired = result_of(lab.client.fire("a", EventDraft.of("tool-start", data, ts=7)))
    (event,) = result_of(lab.client.events("a", EventQuery()))
    assert (fired.event_count, fired.seq, fired.id) == (1, 1, 1)
    assert (event.value(), event.ts, event.ts_ms) == (data, 7, 7000)
    assert (event.event, event.seq, event.id, event.session) == ("tool-start", 1, 1, "a")


def test_event_without_a_time_gets_the_hosts(lab: HostInMemory) -> None:
    result_of(lab.client.fire("a", THINKING))
    (event,) = result_of(lab.client.events("a", EventQuery()))
    assert (event.ts_ms, event.value()) == (MIDNIGHT_MS, None)


def test_event_with_the_same_key_is_stored_once(lab: HostInMemory) -> None:
    draft = EventDraft(event="complete", key="once")
    first, second = (result_of(lab.client.fire("a", draft)) for _ in range(2))
    assert first == second
    assert len(result_of(lab.client.events("a", EventQuery()))) == 1


def test_batch_is_stored_whole(lab: HostInMemory) -> None:
    drafts = [EventDraft.of("thinking", n) for n in range(3)]
    done = result_of(lab.client.fire_batch("a", drafts))
    assert (done.event_count, done.accepted) == (3, 3)
    assert values(lab, EventQuery()) == [0, 1, 2]


def test_batch_with_a_bad_line_is_refused_whole(lab: HostInMemory) -> None:
    drafts = [THINKING, EventDraft(event="No good")]
    error = refusal(lab.client.fire_batch("a", drafts))
    assert isinstance(error, BadField)
    assert error.details == {"field": "event", "line": 2}
    assert listed(lab, SessionQuery()) == []


def test_events_are_filtered_by_cursor_limit_and_type(lab: HostInMemory) -> None:
    names = ["thinking", "tool-start", "tool-done", "complete"]
    drafts = [EventDraft.of(name, n) for n, name in enumerate(names)]
    result_of(lab.client.fire_batch("a", drafts))
    assert values(lab, EventQuery(after="2")) == [2, 3]
    assert values(lab, EventQuery(after="1", limit=2)) == [1, 2]
    assert values(lab, EventQuery(types="thinking,complete")) == [0, 3]
    assert values(lab, EventQuery(after=f"{lab.store.epoch}:3")) == [3]


def test_the_log_of_all_sessions_is_read(lab: HostInMemory) -> None:
    for name in "aba":
        result_of(lab.client.fire(name, THINKING))
    for query, ids in (
        (LogQuery(), [1, 2, 3]),
        (LogQuery(session="a", limit=1), [1]),
        (LogQuery(after="1", types="thinking,x"), [2, 3]),
    ):
        assert [event.id for event in result_of(lab.client.log(query))] == ids
        assert result_of(lab.client.log(query)) == result_of(lab.service.log(query))


def values(lab: HostInMemory, query: EventQuery) -> list[Any]:
    return [event.value() for event in result_of(lab.client.events("a", query))]


# Messages.


@pytest.fixture
def inbox(lab: HostInMemory) -> HostInMemory:
    """A lab in which session ``a`` is registered."""
    result_of(lab.client.register("a", Registration()))
    return lab


def test_a_pull_clears_the_queue(inbox: HostInMemory) -> None:
    draft = MessageDraft(content="fix it", mode="interrupt", sender="ada")
    sent = result_of(inbox.client.send("a", draft))
    message = Message("fix it", 1, "interrupt", MIDNIGHT_MS // 1000, "ada", "delivered")
    assert (sent.ok, sent.id, sent.queued) == (True, 1, 1)
    assert pulled(inbox) == [message]
    assert pulled(inbox) == []


def test_message_with_the_same_key_is_stored_once(inbox: HostInMemory) -> None:
    draft = MessageDraft(content="once", key="k")
    assert [result_of(inbox.client.send("a", draft)).id for _ in range(2)] == [1, 1]
    assert len(pulled(inbox)) == 1


def test_peek_takes_nothing(inbox: HostInMemory) -> None:
    result_of(inbox.client.send("a", HELLO))
    for _ in range(2):
        assert states(inbox) == ["queued"]
    assert [m.content for m in pulled(inbox)] == ["hello"]
    assert states(inbox) == ["delivered"]


def test_leased_message_is_acknowledged(inbox: HostInMemory) -> None:
    (message,) = leased(inbox)
    assert (message.state, states(inbox), pulled(inbox)) == ("leased", ["leased"], [])
    assert result_of(inbox.client.ack("a", message.id)) == Done()
    inbox.clock.advance(31)
    assert (states(inbox), pulled(inbox)) == (["delivered"], [])


def test_leased_message_is_given_back(inbox: HostInMemory) -> None:
    (message,) = leased(inbox)
    assert result_of(inbox.client.nack("a", message.id)) == Done()
    assert [m.id for m in pulled(inbox)] == [message.id]


def test_lease_expires(inbox: HostInMemory) -> None:
    (message,) = leased(inbox)
    inbox.clock.advance(30)
    assert [m.id for m in pulled(inbox)] == [message.id]


def test_message_is_withdrawn(inbox: HostInMemory) -> None:
    sent = result_of(inbox.client.send("a", HELLO))
    assert result_of(inbox.client.withdraw("a", sent.id)) == Done()
    assert (states(inbox), pulled(inbox)) == (["withdrawn"], [])


def pulled(lab: HostInMemory, query: PullQuery = PULL) -> list[Message]:
    return result_of(lab.client.pull("a", query))


def leased(lab: HostInMemory) -> list[Message]:
    result_of(lab.client.send("a", HELLO))
    return pulled(lab, PullQuery(lease=30))


def states(lab: HostInMemory) -> list[str]:
    return [message.state for message in pulled(lab, PullQuery(peek=True))]


def test_waiting_pull_gets_a_new_message(inbox: HostInMemory) -> None:
    waiting = started(inbox.client.pull("a", PullQuery(wait=30)))
    inbox.clock.advance(29)
    assert not waiting.called
    result_of(inbox.client.send("a", HELLO))
    inbox.treq.flush()
    assert [m.content for m in result_of(waiting)] == ["hello"]
    assert inbox.clock.getDelayedCalls() == []


def test_waiting_pull_outlasts_the_clients_timeout(inbox: HostInMemory) -> None:
    waiting = started(inbox.client.pull("a", PullQuery(wait=2 * PATIENCE)))
    inbox.clock.advance(PATIENCE + 1)
    inbox.treq.flush()
    assert not waiting.called
    inbox.clock.advance(PATIENCE - 1)
    inbox.treq.flush()
    assert result_of(waiting) == []


def test_stop_reaches_the_host(lab: HostInMemory) -> None:
    asked: list[bool] = []
    lab.service.on_stop = lambda: asked.append(True)
    assert result_of(lab.client.stop()) == Done()
    assert asked == [True]


def test_client_has_the_verbs_of_the_service(lab: HostInMemory) -> None:
    hosts: list[RemoteHost] = [lab.client, lab.service]  # their types are what mypy compares
    verbs = [name for name, verb in vars(RemoteHost).items() if iscoroutinefunction(verb)]
    assert {"status", "log"} < set(verbs)
    for host in hosts:
        assert all(iscoroutinefunction(getattr(host, verb)) for verb in verbs)


# What the host refuses.


SAMPLES = (
    errors.AgentFailed("There is no program 'codex'."),
    errors.AlreadyAnswered(7, by="own", decision="deny", at_ms=9),
    errors.NoTurn("a"),
    errors.OnlyAtTerminal(7, since_ms=9),
    errors.AtTerminal("a", 7),
    errors.UnknownChannel("a"),
    errors.ChannelFailed("It has not arrived."),
    errors.ConversationInUse("native", "a"),
    errors.NotHosted("a"),
    errors.NotReady("stands by for another one"),
    errors.SessionExists("a"),
    errors.TurnInProgress("a"),
    errors.UnknownApproval("a", 7),
    errors.Unsupported("echo cannot do this."),
    errors.StoreUnavailable("it hangs"),
    errors.StorageFull(),
    errors.ForbiddenOrigin("http://evil.test"),
    errors.ForbiddenHost("evil.test"),
    errors.ForbiddenScope("send", "a"),
    errors.ForbiddenTelemetry(),
    errors.RateLimited("Too much was asked", 3),
    errors.Unauthorized("Nobody is known to ask."),
    errors.UnknownToken("0123abcd"),
    errors.UpgradeRequired(),
    errors.BadRequest("The body is wrong."),
    errors.BadFraming("The request has no Host header."),
    errors.ExpectationFailed("bogus"),
    errors.HeaderTooLarge(16384, "bytes"),
    errors.NotImplementedHere("No method here is called 'get'."),
    errors.Overloaded("answers", 1 << 26),
    errors.QuestionLimit("in session a", 128),
    errors.Reserved("a", event="ended"),
    errors.RequestTimeout("The header did not come within 10 s."),
    errors.TooManyConnections(4096),
    errors.URITooLong(8192),
    errors.VersionNotSupported("HTTP/1.2"),
    BadJSON("The body is not JSON.", line=3),
    BadField("model", "The field `model` is wrong."),
    UnknownSession("a"),
    UnknownMessage("a", 7),
    UnknownRoute("/nowhere"),
    MethodNotAllowed("PUT", ["GET", "POST"]),
    MessageClosed(7, "delivered"),
    BodyTooLarge(100),
    MessageTooLarge(9000, 8192),
    EventTooLarge(9000, 8192),
    errors.UnsupportedType("text/html", ["application/json"]),
    QueueFull("a", 32),
    SessionLimit(64),
    SubscriptionLimit("The host has", 4),
    InternalError("0123abcd"),
    Stopping(),
)


def test_refusal_samples_cover_every_error_class() -> None:
    assert {type(error) for error in SAMPLES} == set(HostError.__subclasses__())


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: error.code)
def test_refusal_is_raised_as_its_class(error: HostError) -> None:
    answered = refusal(client_of(lambda request: answer_error(request, error)).status())
    assert type(answered) is type(error)
    assert answered.to_wire() == error.to_wire()
    assert str(answered) == answered.message == error.message


def test_unknown_refusal_keeps_its_code_and_message() -> None:
    class Newer(HostError):
        status, code = 418, "teapot"

    try:
        error = Newer("I am a teapot.", spout="short")
        answered = refusal(client_of(lambda request: answer_error(request, error)).status())
    finally:
        del Newer
    assert answered.message == "I am a teapot."
    assert answered.details == {"spout": "short"}


def test_unknown_session_is_refused(lab: HostInMemory) -> None:
    for work in (
        lab.client.session("x"),
        lab.client.forget("x"),
        lab.client.events("x", EventQuery()),
        lab.client.send("x", HELLO),
        lab.client.pull("x", PULL),
        lab.client.ack("x", 1),
        lab.client.nack("x", 1),
        lab.client.withdraw("x", 1),
    ):
        error = refusal(work)
        assert isinstance(error, UnknownSession)
        assert error.message == UnknownSession("x").message


def test_unknown_message_is_refused(inbox: HostInMemory) -> None:
    for verb in (inbox.client.ack, inbox.client.nack, inbox.client.withdraw):
        error = refusal(verb("a", 99))
        assert isinstance(error, UnknownMessage)
        assert error.message == UnknownMessage("a", 99).message


def test_delivered_message_cannot_be_withdrawn(inbox: HostInMemory) -> None:
    result_of(inbox.client.send("a", HELLO))
    pulled(inbox)
    error = refusal(inbox.client.withdraw("a", 1))
    assert isinstance(error, MessageClosed)
    assert error.details == {"state": "delivered"}


def test_bad_field_is_named(lab: HostInMemory) -> None:
    for work, field in (
        (lab.client.register("a", Registration(model="m" * 513)), "model"),
        (lab.client.fire("a", EventDraft(event="NO")), "event"),
        (lab.client.sessions(SessionQuery(label="no-colon")), "label"),
        (lab.client.pull("a", PullQuery(wait=-1)), "wait"),
    ):
        error = refusal(work)
        assert isinstance(error, BadField)
        assert error.details == {"field": field}


def test_too_deeply_nested_json_is_refused(lab: HostInMemory) -> None:
    data: list[Any] = []
    for _ in range(70):
        data = [data]
    error = refusal(lab.client.fire("a", EventDraft.of("thinking", data)))
    assert isinstance(error, BadJSON)
    assert error.details == {"limit": 64}


def test_limit_errors_carry_their_numbers(make_lab: Callable[..., HostInMemory]) -> None:
    lab = make_lab(sessions=1, messages=1, message_size=8, event_size=8, body=200)
    client = lab.client
    result_of(client.register("a", Registration()))
    result_of(client.send("a", HELLO))
    long = EventDraft.of("thinking", "x" * 9)
    for work, kind, details in (
        (client.send("a", HELLO), QueueFull, {"limit": 1, "retry_after": 2}),
        (client.fire("b", THINKING), SessionLimit, {"limit": 1, "retry_after": 60}),
        (client.send("a", MessageDraft(content="ü" * 5)), MessageTooLarge, {"limit": 8}),
        (client.fire("a", long), EventTooLarge, {"limit": 8}),
        (client.register("a", Registration(title="t" * 200)), BodyTooLarge, {"limit": 200}),
    ):
        error = refusal(work)
        assert (type(error), error.details) == (kind, details)


def test_url_with_a_wrong_path_is_refused_by_the_host(lab: HostInMemory) -> None:
    assert isinstance(refusal(below(lab, "/nowhere").status()), UnknownRoute)
    assert isinstance(refusal(below(lab, "/sessions").stop()), MethodNotAllowed)


def test_internal_error_has_a_request_id(lab: HostInMemory, failure_log: FailureLog) -> None:
    del lab.store.epoch
    error = refusal(lab.client.status())
    assert isinstance(error, InternalError)
    (logged,) = failure_log.flush()
    assert error.details == {"request_id": logged["request_id"]}


ODD = ["", "/", ".", "..", "-a", "a b", "a\n", "ü", "%41", "a%2Fb", "a?b=1", "a#b", "a" * 129]


@pytest.mark.parametrize("name", [*ODD, "a/events", "../status", "a/messages/1"])
def test_impossible_id_sends_no_request(inbox: HostInMemory, name: str) -> None:
    result_of(inbox.client.send("a", HELLO))
    for work in (
        inbox.client.session(name),
        inbox.client.register(name, Registration()),
        inbox.client.forget(name),
        inbox.client.fire(name, THINKING),
        inbox.client.pull(name, PULL),
    ):
        error = refusal(work)
        assert isinstance(error, BadField)
        assert error.details == {"field": "session_id"}
    assert (listed(inbox, SessionQuery()), states(inbox)) == (["a"], ["queued"])


@pytest.mark.parametrize("name", ["a.b", "a:b", "A_-9", "a" * 128])
def test_every_possible_id_is_found(lab: HostInMemory, name: str) -> None:
    result_of(lab.client.register(name, Registration()))
    assert result_of(lab.client.session(name)).id == name


# What is no host.


class Stranger(Resource):
    """Answers every request as `answer` does."""

    isLeaf = True

    def __init__(self, answer: Callable[[Request], bytes | int]) -> None:
        super().__init__()
        self._answer = answer

    def render(self, request: Request) -> bytes | int:
        return self._answer(request)


def client_of(
    answer: Callable[[Request], bytes | int], clock: Clock | None = None
) -> HostClient:
    treq = cast("HTTPClient", StubTreq(Stranger(answer)))
    return HostClient(URL, treq, clock or Clock())


def saying(status: int, body: bytes) -> Callable[[Request], bytes]:
    def answer(request: Request) -> bytes:
        request.setResponseCode(status)
        return body

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        saying(200, b"<html>It works!</html>"),
        saying(200, b"[]"),
        saying(200, b"{}"),
        saying(200, b"\xff"),
        saying(200, b'{"\xff": 1}'),
        saying(302, b"elsewhere"),
        saying(404, b"<html>Not found</html>"),
        saying(502, b""),
        saying(500, b'{"detail": "oops"}'),
        saying(500, b'{"error": {"code": 1}}'),
        saying(500, b'{"error": "\xff"}'),
    ],
)
def test_malformed_answer_is_an_error(answer: Callable[[Request], bytes]) -> None:
    with pytest.raises(HostUnreachable, match=f"^{URL}: what answers there is not a host$"):
        result_of(client_of(answer).status())


def test_malformed_event_lines_are_an_error() -> None:
    with pytest.raises(HostUnreachable, match="is not a host"):
        result_of(client_of(saying(200, b'{"a": 1}\n')).events("a", EventQuery()))


def test_silent_host_times_out() -> None:
    clock = Clock()
    asked = started(client_of(lambda _: NOT_DONE_YET, clock).status())
    clock.advance(PATIENCE - 1)
    assert not asked.called
    clock.advance(1)
    with pytest.raises(HostUnreachable, match="it took too long"):
        result_of(asked)


def test_silent_pull_times_out_later() -> None:
    clock = Clock()
    client = client_of(lambda _: NOT_DONE_YET, clock)
    asked = started(client.pull("a", PullQuery(wait=30)))
    clock.advance(30 + PATIENCE - 1)
    assert not asked.called
    clock.advance(1)
    with pytest.raises(HostUnreachable, match="it took too long"):
        result_of(asked)


# Real sockets.


TCP = "tcp:0:interface=127.0.0.1"


@asynccontextmanager
async def listening(
    factory: IProtocolFactory, place: str = TCP
) -> AsyncIterator[IListeningPort]:
    from twisted.internet import reactor

    port = await serverFromString(reactor, place).listen(factory)
    try:
        yield port
    finally:
        await maybeDeferred(port.stopListening)


def site_of(lab: HostInMemory) -> HostSite:
    from twisted.internet import reactor

    clock: Any = reactor
    return lab.site(clock=clock)


def client_at(url: str) -> HostClient:
    from twisted.internet import reactor

    return connect(reactor, url)


def url_of(port: IListeningPort) -> str:
    address: Any = port.getHost()
    return f"http://127.0.0.1:{address.port}"


@in_reactor
async def test_client_reaches_a_host_over_tcp(lab: HostInMemory) -> None:
    async with listening(site_of(lab)) as port:
        client = client_at(url_of(port) + "/")
        await client.register("a", Registration(title="ü"))
        await client.send("a", HELLO)
        assert [m.content for m in await client.pull("a", PULL)] == ["hello"]
        assert (await client.session("a")).title == "ü"
        with pytest.raises(UnknownSession):
            await client.session("b")


@in_reactor
async def test_client_reaches_a_host_over_a_unix_socket(
    lab: HostInMemory, tmp_path: Path
) -> None:
    path = tmp_path / "sock"
    async with listening(site_of(lab), f"unix:{path}:mode=600"):
        for url in (f"unix:{path}", f"unix://{path}"):
            client = client_at(url)
            await client.fire("a", THINKING)
            assert [event.event for event in await client.events("a", EventQuery(limit=1))] == [
                "thinking"
            ]


@in_reactor
async def test_stopping_host_refuses_requests(lab: HostInMemory) -> None:
    site = site_of(lab)
    site.stopping = True
    async with listening(site) as port:
        with pytest.raises(Stopping) as caught:
            await client_at(url_of(port)).status()
    assert caught.value.details == {"retry_after": 5}


@in_reactor
async def test_closed_port_is_unreachable() -> None:
    async with listening(Factory()) as port:
        url = url_of(port)
    with pytest.raises(HostUnreachable, match=f"^{url}: .*refused"):
        await client_at(url).status()


@in_reactor
async def test_missing_socket_is_unreachable(tmp_path: Path) -> None:
    url = f"unix:{tmp_path}/sock"
    with pytest.raises(HostUnreachable, match=f"^{url}: no such file or directory$"):
        await client_at(url).status()


@in_reactor
async def test_unknown_host_name_is_unreachable() -> None:
    with pytest.raises(HostUnreachable, match="DNS lookup failed"):
        await client_at("http://nowhere.invalid:7432").status()


class Rude(Protocol):
    """Says `words` to whoever connects or asks, and hangs up."""

    words = b""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(self.words)
        self.transport.loseConnection()


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x00\xff\x00",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
    ],
)
@in_reactor
async def test_server_that_is_no_host_is_an_error(words: bytes) -> None:
    class Ruder(Rude):
        pass

    Ruder.words = words
    async with listening(Factory.forProtocol(Ruder)) as port:
        with pytest.raises(HostUnreachable, match=f"^{url_of(port)}: "):
            await client_at(url_of(port)).status()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "7432",
        "127.0.0.1:7432",
        "ftp://h",
        "http://",
        "http://h:x",
        "http://h:0",
        "http://[::1",
    ],
)
def test_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        client_at(url)
