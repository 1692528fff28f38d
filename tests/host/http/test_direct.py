"""The straight way against the resource tree: the same is said, logged, recorded and done."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.logger import LogEvent, capturedLogs

from sxhost.http.authentication import AccessPolicy
from sxhost.http.direct_routes import DirectRoutes
from sxhost.http.framing import read_head
from sxhost.http.routes import NDJSON
from sxhost.model.auth import AuditQuery, TokenDraft
from sxhost.model.limits import Limits
from sxhost.testing import UID, HostInMemory, result_of
from tests.host.http.test_framing import mutated
from tests.host.http.test_http_router import path_of
from tests.host.http.test_site import Connection
from tests.support.http_bytes import HONEST, REFUSED, Reply, replies

ROUTES = HostInMemory().routes
HOST = "localhost"
POLICY = AccessPolicy(
    hosts=frozenset({"x", HOST}), origins=frozenset({"https://board.example"})
)
SMALL: dict[str, Any] = {"body": 2000, "large_body": 4000, "batch_body": 6000, "tries": 3}

RANDOM = re.compile(rb"sxhost_\w+|[0-9a-f]{8,}|\"(?:pid|uptime|memory)\":[^,}]+|/login/[\w-]+")
"""What differs from one host to the next."""

FIGURES = "/metrics"
"""A route whose answer has figures of the process."""


class Keys(NamedTuple):
    """Tokens that both hosts know, by what they are for."""

    place: Path
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    with TemporaryDirectory() as place:
        lab = HostInMemory(Path(place))
        lab.keyring.open()
        drafts = {
            "admin": TokenDraft(scopes=["admin"]),
            "read": TokenDraft(scopes=["read"]),
            "send": TokenDraft(scopes=["send"]),
            "one": TokenDraft(scopes=["send", "read"], session="a"),
            "short": TokenDraft(scopes=["admin"], expires_s=1.0),
        }
        tokens = {name: lab.keyring.create(draft)[1] for name, draft in drafts.items()}
        yield Keys(Path(place), {**tokens, "wrong": "sxhost_x_" + "y" * 43})


class Way:
    """A host with some sessions, and one connection to it."""

    def __init__(self, place: Path, uid: int | None, *, direct: bool) -> None:
        self.lab = HostInMemory(place, **SMALL)
        self.lab.store.epoch = "0123abcd"
        self.lab.keyring.open()
        for session in ("a", "b"):
            self.lab.request("POST", f"/sessions/{session}/events", {"event": "thinking"})
            self.lab.request("POST", f"/sessions/{session}/messages", {"content": "hello"})
        self.site = self.lab.site(POLICY, direct=direct)
        self._uid = uid
        self.client = self._connected()

    def _connected(self) -> Connection:
        client = Connection(self.site, b"")
        client.protocol.__dict__["uid"] = self._uid
        return client

    def ask(self, message: bytes, cut: int = 0) -> tuple[object, ...]:
        """Ask, in two pieces or at once; return what was answered and logged."""
        if not self.client.open or self.client.protocol.head is not None:
            self.client.release()
            self.client = self._connected()
        self.client.transport.clear()
        with capturedLogs() as events:
            for piece in filter(None, (message[:cut], message[cut:])):
                self.client.say(piece)
        answers = [said(reply) for reply in complete(self.client.got)]
        lines = [logged(event) for event in events if "access" in event]
        self.lab.clock.advance(0.1)
        return answers, lines, self.client.open

    def effect(self) -> tuple[object, ...]:
        """Return what has become of the host."""
        lab = self.lab
        audit = result_of(lab.service.audit(AuditQuery()))
        events = list(lab.store.recent.retained(None))
        sessions = result_of(lab.store.sessions())
        counts = lab.request("GET", FIGURES).body
        requests = sorted(re.findall(rb"sxhost_requests_total\{.*", counts))
        return masked(repr((audit, events, sessions))), requests

    def close(self) -> None:
        self.client.release()


LOGGED = frozenset({
    "peer", "method", "uri", "version", "route", "status", "size", "token", "referer", "agent",
})  # fmt: skip
UNLIKE = frozenset({"date", "x-request-id"})
"""Headers that differ from one answer to the next."""


def logged(event: LogEvent) -> dict[str, object]:
    """Return what a line of the access log says, but for what differs."""
    unlike = {"size"} if event["route"] == FIGURES else set()
    return {name: event[name] for name in LOGGED - unlike}


def masked(text: str | bytes) -> bytes:
    """Return a text without what differs from one host to the next."""
    raw = text.encode() if isinstance(text, str) else text
    return RANDOM.sub(b"#", raw)


def complete(got: bytes) -> list[Reply]:
    """Return the answers that are there; a stream has begun only."""
    try:
        return replies(got)
    except AssertionError:
        return [Reply(int(got.split()[1]), {}, b"")]


def said(reply: Reply) -> tuple[object, ...]:
    headers = {k: masked(v) for k, v in reply.headers.items() if k not in UNLIKE}
    assert ("x-request-id" in reply.headers) or not reply.headers
    if b"sxhost_requests" in reply.body:
        return reply.status, sorted(headers)
    return reply.status, headers, masked(reply.body)


class Both:
    """Both ways, asked the same."""

    def __init__(self, keys: Keys, uid: int | None) -> None:
        self._places = [TemporaryDirectory() for _ in range(2)]
        for place in self._places:
            shutil.copytree(keys.place, place.name, dirs_exist_ok=True)
        self.ways = [
            Way(Path(place.name), uid, direct=direct)
            for place, direct in zip(self._places, (True, False), strict=True)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for way in self.ways:
            way.close()
        for place in self._places:
            place.cleanup()

    def ask(self, message: bytes, cut: int = 0) -> tuple[object, ...]:
        """Ask both; they must say the same."""
        straight, tree = (way.ask(message, cut) for way in self.ways)
        assert straight == tree, message
        return straight

    def compare(self) -> None:
        """Compare what both have done."""
        straight, tree = (way.effect() for way in self.ways)
        assert straight == tree


EVENT = b'{"event":"tool-start","data":{"tool":"bash","title":"x","input":null}}'
BODIES = [
    b"", b"{}", EVENT, EVENT + b"\n" + EVENT, b"[]", b"{", b'{"event":7}', b"nonsense", b"\xff",
    b'{"event":"approval-requested"}', b'{"event":"x","data":"' + b"y" * 1900 + b'"}',
    b'{"content":"go on"}', b'{"title":"t","labels":{"k":"v"}}', b'{"decision":"approve"}',
    b'{"seq":1}', b'{"agent":"fake"}', b'{"input":"go"}', b'{"scopes":["read"]}', b"x" * 7000,
    b'{"event":"user-message","key":"k"}', b'{"event":"ended"}', b'{"event":"x","ts":1}',
]  # fmt: skip
TYPES = ["application/json", NDJSON, "", "application/json; charset=utf-8", "text/plain",
         "application/x-www-form-urlencoded", "Application/JSON"]  # fmt: skip
PATHS = [*(path_of(route, s) for route in ROUTES for s in ("a", "new", "-bad")), "/nowhere",
         "/sessions/a/events/", "/sessions//events", "/sessions/a%20b/events", "//health",
         "/health?x=1", "/sessions/a/messages?wait=0", "/sessions?limit=1"]  # fmt: skip
FIELDS = [
    "Accept: */*", "Accept-Encoding: gzip", "Accept: text/event-stream", "Connection: close",
    "Connection: keep-alive", "Origin: https://board.example", "Origin: http://evil.example",
    "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin", "X-Forwarded-For: 10.0.0.1",
    "Cookie: sxhost-12345=abc", "Referer: http://x/p?q", 'User-Agent: a"b', "Via: 1.1 x",
    "Expect: 100-continue",
    "Last-Event-ID: 1", "Sxhost-Telemetry: 1", "Upgrade: websocket",
    "Host: evil.example",
]  # fmt: skip


class Asked(NamedTuple):
    """A request that is put together when the tokens are known."""

    method: str
    path: str
    token: str
    media_type: str
    body: bytes
    fields: tuple[str, ...] = ()

    def message(self, tokens: dict[str, str]) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}", *self.fields]
        if self.token:
            lines.append(f"Authorization: Bearer {tokens[self.token]}")
        if self.media_type:
            lines.append(f"Content-Type: {self.media_type}")
        if self.body or self.method == "POST":
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


HOT = Asked("POST", "/sessions/a/events", "", "application/json", EVENT)
BATCH = HOT._replace(body=EVENT + b"\n" + EVENT, media_type=NDJSON)
ASKED = st.builds(
    Asked,
    st.sampled_from(["GET", "POST", "POST", "DELETE", "HEAD", "PUT", "OPTIONS"]),
    st.one_of(st.sampled_from(PATHS), st.just("/sessions/a/events"), st.just("/health")),
    st.sampled_from(["", "", "admin", "read", "send", "one", "wrong", "short"]),
    st.sampled_from(TYPES),
    st.sampled_from(BODIES),
    st.lists(st.sampled_from(FIELDS), max_size=2, unique=True).map(tuple),
)
UIDS = st.sampled_from([UID, UID + 1, None])


@settings(max_examples=60)
@given(asked=st.lists(ASKED, min_size=1, max_size=4), uid=UIDS, cut=st.integers(-200, 300))
@example(asked=[HOT, HOT], uid=UID, cut=0)
@example(asked=[HOT, HOT], uid=UID, cut=-30)
@example(asked=[HOT._replace(token="wrong")] * 4, uid=None, cut=-30)
@example(asked=[HOT._replace(token="short")] * 12, uid=None, cut=0)
@example(
    asked=[HOT._replace(body=EVENT + b"\n" + EVENT, media_type=NDJSON)] * 2, uid=UID, cut=9
)
def test_both_ways_answer_and_do_the_same(
    keys: Keys, asked: list[Asked], uid: int | None, cut: int
) -> None:
    with Both(keys, uid) as both:
        for one in asked:
            both.ask(one.message(keys.tokens), cut)
        both.compare()


@pytest.mark.parametrize(
    ("token", "uid"),
    [("", UID), ("", None), ("read", UID), ("send", None), ("one", None), ("wrong", None)],
)
def test_every_route_answers_the_same_on_both_ways(
    keys: Keys, token: str, uid: int | None
) -> None:
    with Both(keys, uid) as both:
        for route in ROUTES:
            if route.path == "/stop":
                continue
            for session, body in (("a", b"{}"), ("new", EVENT), ("-bad", b"")):
                path = path_of(route, session)
                media_type = route.consumes if route.body is not None else ""
                asked = Asked(route.method, path, token, media_type, body)
                both.ask(asked.message(keys.tokens))
        both.compare()


@pytest.fixture(scope="module")
def hardened(keys: Keys) -> Iterator[Both]:
    """Return both ways, for requests that mostly are refused."""
    with Both(keys, UID) as both:
        yield both
        both.compare()


@settings(max_examples=200)
@given(message=mutated(), cut=st.integers(-50, 200))
def test_vile_requests_are_answered_the_same_on_both_ways(
    hardened: Both, message: bytes, cut: int
) -> None:
    hardened.ask(message, cut)


@pytest.mark.parametrize("message", [*HONEST, *(one for one, _, _ in REFUSED.values())])
def test_framing_is_the_same_on_both_ways(keys: Keys, hardened: Both, message: bytes) -> None:
    hardened.ask(message)
    hardened.ask(HOT.message(keys.tokens))


# Which requests go straight.


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


@pytest.mark.parametrize(
    ("line", "fields", "path"),
    [
        ("GET /health", [], "/health"),
        ("GET /status", ["Accept: */*"], "/status"),
        ("POST /sessions/a/events", ["Content-Length: 9"], "/sessions/<session_id>/events"),
        (
            "POST /sessions/a/events",
            ["Content-Length: 9", f"Content-Type: {NDJSON}"],
            "/sessions/<session_id>/events",
        ),
        ("DELETE /sessions/a", [], "/sessions/<session_id>"),
        ("POST /sessions/events/register", [], "/sessions/<session_id>/register"),
    ],
)
def test_plain_requests_go_straight(line: str, fields: list[str], path: str) -> None:
    plan = DirectRoutes(ROUTES, Limits()).plan(read_head(head(line, *fields), Limits()))
    assert plan is not None
    assert (plan.route.path, plan.route.method) == (path, line.split(maxsplit=1)[0])


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("GET /health?x=1", []),
        ("GET /health/", []),
        ("GET /%68ealth", []),
        ("GET /", []),
        ("HEAD /health", []),
        ("GET /sessions/a/events", []),
        ("GET /nowhere", []),
        ("GET /health", ["Connection: close"]),
        ("GET /health", ["Upgrade: websocket"]),
        ("GET /health", ["Origin: http://x"]),
        ("POST /sessions/a/events", ["Transfer-Encoding: chunked"]),
        ("POST /sessions/a/events", ["Content-Length: 99999999"]),
        ("POST /sessions/a/events", ["Expect: 100-continue", "Content-Length: 1"]),
        ("POST /sessions/a/events", ["Content-Type: text/plain"]),
        ("POST /sessions/a/events", ["Content-Type: application/x-www-form-urlencoded"]),
        ("POST /sessions/a/events", ["Sxhost-Telemetry: 1"]),
        ("POST /sessions/-bad/events", []),
    ],
)
def test_unusual_requests_go_through_the_tree(line: str, fields: list[str]) -> None:
    found = read_head(head(line, *fields), Limits())
    assert DirectRoutes(ROUTES, Limits()).plan(found) is None


# What is remembered of a connection.


def revoke(way: Way, keys: Keys) -> None:
    way.lab.keyring.revoke(keys.tokens["admin"].split("_")[1])


def rotate(way: Way, _keys: Keys) -> None:
    way.lab.keyring.rotate()


def expire(way: Way, _keys: Keys) -> None:
    way.lab.clock.advance(1.0)


@pytest.mark.parametrize(
    ("token", "end"), [("admin", revoke), ("own", rotate), ("short", expire)]
)
def test_remembered_decision_ends_with_its_token(
    keys: Keys, tmp_path: Path, token: str, end: Callable[[Way, Keys], None]
) -> None:
    shutil.copytree(keys.place, tmp_path, dirs_exist_ok=True)
    way = Way(tmp_path, None, direct=True)
    own = (tmp_path / "token").read_text().strip()
    message = HOT._replace(token=token).message({**keys.tokens, "own": own})
    for _ in range(2):
        way.client.transport.clear()
        way.client.say(message)
        assert way.client.status == 200
    end(way, keys)
    way.client.transport.clear()
    way.client.say(message)
    assert (way.client.status, way.client.body["error"]) == (401, "unauthorized")
    assert not way.client.protocol.persistent


def test_decision_is_for_the_very_same_fields(keys: Keys, tmp_path: Path) -> None:
    shutil.copytree(keys.place, tmp_path, dirs_exist_ok=True)
    way = Way(tmp_path, None, direct=True)
    statuses = []
    for asked in (
        HOT._replace(token="send"),
        HOT._replace(
            token="send", method="DELETE", path="/sessions/b", media_type="", body=b""
        ),
        HOT._replace(token="admin"),
        HOT._replace(token="read"),
        HOT._replace(token="send", fields=("Sec-Fetch-Site: cross-site",)),
    ):
        if not way.client.protocol.persistent:
            way = Way(tmp_path, None, direct=True)
        way.client.transport.clear()
        way.client.say(asked.message(keys.tokens))
        statuses.append(way.client.status)
    assert statuses == [200, 403, 200, 403, 403]
