"""The gate: names, pages, users and tokens, over real bytes and every route."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address

from sxhost import __version__
from sxhost.http.authentication import AccessPolicy
from sxhost.http.routes import Route
from sxhost.model.auth import TokenDraft
from sxhost.project import machine
from sxhost.testing import UID, HostInMemory
from tests.host.http.test_http_router import named, path_of
from tests.host.http.test_site import Connection

HERE = "10.0.0.1:12345"
"""Where a connection in memory leads."""

POLICY = AccessPolicy()


class Gate:
    """A host behind its gate, and clients whose user the kernel knows, or not."""

    def __init__(self, place: Path, policy: AccessPolicy = POLICY, **limits: Any) -> None:
        self.lab = HostInMemory(place, **limits)
        self.lab.keyring.open()
        self.site = self.lab.site(policy)

    @property
    def own(self) -> str:
        """The host's own token."""
        return self.lab.keyring.place.joinpath("token").read_text().strip()

    def token(self, *scopes: Any, **fields: Any) -> str:
        return self.lab.keyring.create(TokenDraft(scopes=list(scopes), **fields))[1]

    def ask(
        self,
        path: str = "/status",
        *headers: str,
        method: str = "GET",
        host: str | None = HERE,
        uid: int | None = UID,
        version: str = "1.1",
        peer: str | None = None,
    ) -> Connection:
        client = Connection(self.site, b"")
        if peer is not None:
            client.transport.peerAddr = IPv4Address("TCP", peer, 54321)
        client.protocol.__dict__["uid"] = uid
        names = [] if host is None else [f"Host: {host}"]
        lines = [f"{method} {path} HTTP/{version}", *names, *headers, "", ""]
        client.say("\r\n".join(lines).encode())
        return client

    def refused(self, *given: Any, **more: Any) -> str:
        """Ask; return the code of the refusal, or "" if there is none."""
        client = self.ask(*given, **more)
        return client.body["error"] if client.status >= 400 else ""


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


# Names.


@pytest.mark.parametrize(
    "host",
    [HERE, "localhost:12345", "127.0.0.1:12345", "[::1]:12345", "LOCALHOST:12345"],
)
def test_local_host_names_are_allowed(gate: Gate, host: str) -> None:
    assert gate.refused(host=host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.test", "evil.test:12345", "localhost", "localhost:1", "localhost:123456",
        "localhost.evil.test:12345", "0.0.0.0:12345", "10.0.0.1", "10.0.0.2:12345",
        "localhost:12345@evil.test", "localhost:12345:12345", "[::1", "::1:12345",
        "localhost:٣", "localhost:+12345", "127.0.0.1.:12345", ":12345",
        "[localhost]:12345",
    ],
)  # fmt: skip
def test_other_host_name_is_refused(gate: Gate, host: str) -> None:
    assert gate.refused(host=host) == "forbidden_host"


PEERS = ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(
    "host",
    [
        *("localhost:9999", "127.0.0.1:1", "[::1]:65535", "localhost", "127.0.0.1", "[::1]"),
        *("LocalHost:80", "127.3.2.1:9999", "[::ffff:127.0.0.1]:9999", "[0:0:0:0:0:0:0:1]:1"),
    ],
)
def test_loopback_name_at_any_port_is_ours_for_a_local_peer(
    gate: Gate, host: str, peer: str
) -> None:
    """As it comes out of a tunnel."""
    ask = partial(gate.refused, "/sessions", host=host, peer=peer)
    assert ask() == ""
    assert ask(f"Origin: http://{host}") == ""
    assert ask("Sec-Fetch-Site: none") == ask("Sec-Fetch-Site: same-origin") == ""
    assert ask(uid=None) == "unauthorized"
    for origin in ("null", "http://evil.test", f"http://{host}0", "http://localhost:12345", ""):
        assert ask(f"Origin: {origin}") == "forbidden_origin"
    for site in ("cross-site", "same-site"):
        assert ask(f"Sec-Fetch-Site: {site}") == "forbidden_origin"


@pytest.mark.parametrize("peer", [*PEERS, "192.168.1.1"])
@pytest.mark.parametrize(
    "host",
    [
        *("evil.test:9999", "localhost.evil.test:9999", "0.0.0.0:9999", "10.0.0.2:9999"),
        *("localhost:9999@evil.test", "127.0.0.1.evil.test", "127.0.0.1.:9999", "[::]:9999"),
        *(
            "x.localhost:9999",
            "10.0.0.1:9999",
            "127.1:9999",
            "2130706433:9999",
            ":9999",
            "[::1",
        ),
    ],
)
def test_other_name_is_not_ours_for_any_peer(gate: Gate, host: str, peer: str) -> None:
    assert gate.refused("/sessions", host=host, peer=peer) == "forbidden_host"


@pytest.mark.parametrize("peer", ["192.168.1.1", "10.0.0.1", "::2", "fe80::1"])
def test_loopback_name_of_another_machine_needs_our_port(gate: Gate, peer: str) -> None:
    for host in ("localhost:9999", "localhost", "[::1]:9999", "127.0.0.1"):
        assert gate.refused("/sessions", host=host, peer=peer) == "forbidden_host"
    assert gate.refused("/sessions", host="localhost:12345", peer=peer) == ""


def test_listed_host_name_is_allowed(tmp_path: Path) -> None:
    gate = Gate(tmp_path, AccessPolicy(hosts=frozenset({"box.test", "front.test:8443"})))
    for host in ("box.test", "box.test:1", "front.test:8443"):
        assert gate.refused(host=host) == ""
    for host in ("front.test", "front.test:1", "x.box.test"):
        assert gate.refused(host=host) == "forbidden_host"


def test_repeated_host_header_is_refused(gate: Gate) -> None:
    assert gate.refused("/status", f"Host: {HERE}") == "bad_framing"
    assert gate.refused(host=None) == "bad_framing"
    assert gate.refused(host="") == "bad_framing"
    assert gate.refused(host=None, version="1.0") == ""


# Pages.


@pytest.mark.parametrize("origin", [f"http://{HERE}", f"https://{HERE}"])
def test_same_origin_page_is_allowed(gate: Gate, origin: str) -> None:
    client = gate.ask("/status", f"Origin: {origin}")
    assert client.status == 200
    assert b"Access-Control" not in client.got


@pytest.mark.parametrize("origin", ["null", "http://evil.test", "http://localhost:12345", ""])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT"])
def test_cross_origin_page_is_refused(gate: Gate, origin: str, method: str) -> None:
    client = gate.ask("/sessions/a", f"Origin: {origin}", method=method)
    assert client.status == 403
    assert b"Access-Control" not in client.got


def test_listed_origin_is_allowed(tmp_path: Path) -> None:
    gate = Gate(tmp_path, AccessPolicy(origins=frozenset({"https://app.test"})))
    client = gate.ask("/status", "Origin: https://app.test", "Sec-Fetch-Site: cross-site")
    assert client.status == 200
    assert b"\r\nAccess-Control-Allow-Origin: https://app.test\r\n" in client.got
    assert b"\r\nVary: Origin\r\n" in client.got
    assert b"Allow-Credentials" not in client.got
    for origin in ("https://app.test:1", "http://app.test", "null"):
        assert gate.refused("/status", f"Origin: {origin}") == "forbidden_origin"


def test_listed_origin_gets_a_preflight_answer(tmp_path: Path) -> None:
    gate = Gate(tmp_path, AccessPolicy(origins=frozenset({"https://app.test"}), tokens="all"))
    asks = "Access-Control-Request-Method: POST"
    client = gate.ask("/stop", "Origin: https://app.test", asks, method="OPTIONS")
    assert client.status == 204
    assert b"Access-Control-Allow-Headers: Authorization" in client.got


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_cross_site_fetch_is_refused(gate: Gate, site: str) -> None:
    fetch = f"Sec-Fetch-Site: {site}"
    assert gate.refused("/sessions/a/messages", fetch) == "forbidden_origin"
    assert gate.refused("/", fetch, "Sec-Fetch-Mode: no-cors") == "forbidden_origin"
    assert gate.refused("/", fetch, "Sec-Fetch-Mode: navigate") == ""
    assert gate.refused("/status", fetch, "Sec-Fetch-Mode: navigate") == "forbidden_origin"


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_navigation_by_the_user_is_allowed(gate: Gate, site: str) -> None:
    assert gate.refused("/status", f"Sec-Fetch-Site: {site}") == ""


# Users and tokens.


def test_hosts_user_needs_no_token(gate: Gate) -> None:
    assert gate.refused() == ""


@pytest.mark.parametrize("uid", [None, 0, UID + 1])
def test_other_users_need_a_token(gate: Gate, uid: int | None) -> None:
    client = gate.ask(uid=uid)
    assert (client.status, client.body["error"]) == (401, "unauthorized")
    assert b"\r\nWWW-Authenticate: Bearer\r\n" in client.got
    assert "host_user" not in client.body, "no names for other machines"
    assert gate.refused("/status", bearer(gate.own), uid=uid) == ""


@pytest.mark.parametrize("headers", [(), ("Authorization: Bearer wrong",)])
def test_other_users_of_this_machine_are_told_whose_token_is_where(
    gate: Gate, headers: tuple[str, ...]
) -> None:
    client = gate.ask("/status", *headers, uid=UID + 1, peer="127.0.0.1")
    assert (client.status, client.body["token_file"]) == (401, "/state/token")
    assert client.body["host_user"] in client.body["message"]
    assert "or read /state/token" in client.body["message"]
    proxied = gate.ask("/status", "Via: 1.1 x", *headers, peer="127.0.0.1")
    assert "host_user" not in proxied.body


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 1.2.3.4", "Via: 1.1 x", "Forwarded: for=x"]
)
def test_proxy_of_the_hosts_user_needs_a_token(gate: Gate, header: str) -> None:
    assert gate.refused("/status", header) == "unauthorized"


def test_require_token_asks_the_hosts_user_too(tmp_path: Path) -> None:
    gate = Gate(tmp_path, AccessPolicy(tokens="all"))
    assert gate.refused() == "unauthorized"
    assert gate.refused("/status", bearer(gate.own)) == ""


@pytest.mark.parametrize("path", ["/health", "/health/"])
def test_health_needs_no_token(gate: Gate, path: str) -> None:
    client = gate.ask(path, uid=None)
    assert (client.status, client.body) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "header",
    ["Authorization: Bearer nonsense", "Authorization: Bearer", "Authorization: Basic eDp5",
     "Authorization: ", "Authorization: Bearer sxhost_admin_x", "Cookie: sxhost-12345=x"],
)  # fmt: skip
def test_wrong_token_is_refused(gate: Gate, header: str) -> None:
    assert gate.refused("/status", header, uid=None) == "unauthorized"


def test_shown_token_limits_the_hosts_user(gate: Gate) -> None:
    reads = bearer(gate.token("read"))
    assert gate.refused("/status", reads) == ""
    assert gate.refused("/stop", reads, method="POST") == "forbidden_scope"
    assert gate.refused("/status", bearer("wrong")) == "unauthorized"


def test_stale_cookie_does_not_lock_the_hosts_user_out(gate: Gate) -> None:
    assert gate.refused("/status", "Cookie: sxhost-12345=stale") == ""


def test_wrong_tokens_are_limited_to_ten_a_minute(gate: Gate) -> None:
    for _ in range(10):
        assert gate.refused("/status", bearer("wrong"), uid=7) == "unauthorized"
    client = gate.ask("/status", bearer("wrong"), uid=7)
    assert (client.status, client.body["error"]) == (429, "rate_limited")
    assert b"\r\nRetry-After: 61\r\n" in client.got
    assert gate.refused("/status", bearer("wrong"), uid=8) == "unauthorized"
    gate.lab.clock.advance(61)
    assert gate.refused("/status", bearer("wrong"), uid=7) == "unauthorized"


@pytest.mark.parametrize("header", ["X-Forwarded-For: 1.2.3.4", "X-Nothing: x"])
def test_right_token_is_accepted_after_too_many_wrong_ones(gate: Gate, header: str) -> None:
    """Behind a proxy all are one peer."""
    page = log_in(gate)
    for _ in range(100):
        gate.ask("/status", bearer("wrong"), header, uid=7)
    assert gate.refused("/status", bearer("wrong"), header, uid=7) == "rate_limited"
    for given in ([bearer(gate.own)], page):
        assert gate.refused("/status", header, *given, uid=7) == ""
    assert gate.refused("/status", header, uid=7) == "unauthorized"


# Browsers.


def log_in(gate: Gate, **how: Any) -> list[str]:
    """Return the headers with which a page asks whose browser was let in."""
    cookie, page = entered(gate, **how)
    return [f"Cookie: {cookie}", f"Sxhost-Page: {page}"]


def entered(
    gate: Gate, *headers: str, uid: int | None = None, allowed: str = ""
) -> tuple[str, str]:
    """Let a browser in; return its cookie, and what its page is to keep."""
    link = gate.lab.request("POST", f"/logins{allowed}").json()["path"]
    client = gate.ask(link, "Sec-Fetch-Site: none", *headers, uid=uid)
    assert client.status == 303
    head = client.got.decode()
    found = re.search(r"\r\nSet-Cookie: (\S+); .*HttpOnly; SameSite=strict\r\n", head)
    page = re.search(r"\r\nLocation: /#page=(\S{43})\r\n", head)
    assert found, head
    assert page, head
    return found[1], page[1]


def test_login_link_works_once(gate: Gate) -> None:
    link = gate.ask("/logins", method="POST").body["path"]
    assert gate.ask(link, uid=None).status == 303
    assert gate.refused(link, uid=None) == "unauthorized"


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "OPTIONS"])
def test_only_get_and_post_use_a_login_link_up(gate: Gate, method: str) -> None:
    link = gate.ask("/logins", method="POST").body["path"]
    for path in (link, f"{link}/", f"{link}?x=1", link.replace("login", "%6cogin")):
        assert gate.ask(path, method=method, uid=None).status in (401, 405)
    assert gate.ask(link, uid=None).status == 303


READS = [r for r in HostInMemory().routes if r.method == "GET"]


@pytest.mark.parametrize("route", READS, ids=named)
@pytest.mark.parametrize("query", ["", "?follow=1", "?wait=1", "?lease=5", "?peek=0"])
def test_head_changes_nothing(gate: Gate, route: Route, query: str) -> None:
    link = gate.ask("/logins", method="POST").body["path"]
    gate.lab.request("POST", "/sessions/a/register")
    gate.lab.request("POST", "/sessions/a/messages", {"content": "for the agent"})
    before = state_of(gate)
    path = path_of(route).replace("/login/<code>", link).replace("<code>", "x")
    answered = gate.ask(path + query, method="HEAD")
    assert answered.got.partition(b"\r\n\r\n")[2] == b""
    answered.protocol.connectionLost(None)
    assert state_of(gate) == before
    assert gate.ask(link, uid=None).status == 303


def state_of(gate: Gate) -> list[Any]:
    """Return all that can be seen of a host."""
    paths = (
        *("/status", "/sessions", "/sessions/a", "/sessions/a/messages?peek=1"),
        *("/events?after=0", "/approvals?all=1", "/tokens", "/audit"),
    )
    return [gate.ask(path).got.partition(b"\r\n\r\n")[2] for path in paths]


def test_cookie_needs_its_page_headers(gate: Gate) -> None:
    cookie, page = entered(gate)
    other, others = entered(gate)
    ask = partial(gate.refused, "/status", uid=None)
    assert ask(f"Cookie: {cookie}", f"Sxhost-Page: {page}") == ""
    assert ask(f"Cookie: {other}", f"Sxhost-Page: {others}") == ""
    for given in (
        [f"Cookie: {cookie}"],
        [f"Sxhost-Page: {page}"],
        [f"Cookie: {cookie}", f"Sxhost-Page: {others}"],
        [f"Cookie: {cookie}", "Sxhost-Page: "],
        [f"Cookie: {cookie[:-1]}", f"Sxhost-Page: {page}"],
    ):
        assert ask(*given) == "unauthorized", given


@pytest.mark.parametrize("uid", [None, 0, UID, UID + 1])
def test_cookie_is_no_bearer_token(gate: Gate, uid: int | None) -> None:
    cookie, page = entered(gate)
    value = cookie.partition("=")[2]
    for secret in (value, value.partition(".")[2], page):
        assert gate.refused("/status", bearer(secret), uid=uid) == "unauthorized"
        header = f"Authorization: {secret}"
        assert gate.refused("/status", header, f"Cookie: {cookie}", uid=uid) == "unauthorized"


def test_cookie_needs_the_peer_user(tmp_path: Path) -> None:
    gate = Gate(tmp_path, AccessPolicy(tokens="all"))
    cookie = f"Cookie: {entered(gate, uid=UID)[0]}"
    assert gate.refused("/status", cookie, uid=UID) == ""
    for uid in (None, 0, UID + 1):
        assert gate.refused("/status", cookie, uid=uid) == "unauthorized"
    through = "X-Forwarded-For: 1.2.3.4"
    assert gate.refused("/status", cookie, through, uid=UID) == "unauthorized"


def test_cookie_opens_a_websocket(gate: Gate) -> None:
    cookie, page = entered(gate)
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    upgrade += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Cookie: {cookie}"]
    shown = f"Sec-WebSocket-Protocol: sxhost, sxhost-page.{page}"
    client = gate.ask("/v1/stream", *upgrade, shown, uid=None)
    assert client.status == 101
    assert b"\r\nSec-WebSocket-Protocol: sxhost\r\n" in client.got
    for wrong in ("sxhost", f"sxhost, {page}", f"x.sxhost-page.{page}"):
        shown = f"Sec-WebSocket-Protocol: {wrong}"
        assert gate.ask("/v1/stream", *upgrade, shown, uid=None).status == 401


def test_login_without_need_sets_no_cookie(gate: Gate) -> None:
    link = gate.ask("/logins", method="POST").body["path"]
    client = gate.ask(link, "Sec-Fetch-Site: none")
    assert (client.status, b"Set-Cookie" in client.got) == (303, False)
    assert b"\r\nLocation: /\r\n" in client.got
    assert [token["id"] for token in gate.ask("/tokens").body] == ["admin"]
    assert gate.refused(link) == "unauthorized"


def test_browser_login_is_extended_by_use_up_to_a_week(gate: Gate) -> None:
    limits, page = gate.lab.limits, log_in(gate)
    asked = 0.0
    while asked + limits.browser_idle / 2 < limits.browser_life:
        asked += limits.browser_idle / 2
        gate.lab.clock.advance(limits.browser_idle / 2)
        assert gate.refused("/status", *page, uid=None) == "", asked
    gate.lab.clock.advance(limits.browser_life - asked)
    assert gate.refused("/status", *page, uid=None) == "unauthorized"
    page = log_in(gate)
    gate.lab.clock.advance(limits.browser_idle)
    assert gate.refused("/status", *page, uid=None) == "unauthorized"


def test_browser_login_is_listed_and_revoked(gate: Gate) -> None:
    page = log_in(gate)
    stream = gate.ask("/events?follow=1", *page, uid=None)
    (listed,) = gate.ask("/tokens").body[1:]
    assert (listed["name"], listed["scopes"]) == ("browser", ["admin"])
    expires = gate.lab.wall_ms() + gate.lab.limits.browser_idle * 1000
    assert listed["expires_ms"] == expires
    assert gate.ask(f"/tokens/{listed['id']}", method="DELETE").status == 200
    assert b'"token_revoked"' in stream.got
    assert gate.refused("/status", *page, uid=None) == "unauthorized"
    assert len(gate.ask("/tokens").body) == 1


def test_login_may_do_what_its_link_allows(gate: Gate) -> None:
    for session in ("a", "b"):
        gate.lab.request("POST", f"/sessions/{session}/register", {"title": session})
    page = log_in(gate, allowed="?scopes=read,send&session=a&life_s=600")
    assert gate.refused("/sessions/a", *page, uid=None) == ""
    assert gate.refused("/sessions/b", *page, uid=None) == "forbidden_scope"
    assert gate.refused("/tokens", *page, uid=None) == "forbidden_scope"
    (listed,) = gate.ask("/tokens").body[1:]
    assert (listed["scopes"], listed["session"]) == (["read", "send"], "a")
    assert listed["expires_ms"] == gate.lab.wall_ms() + 600_000
    entry = gate.ask("/audit").body[-1]
    assert (entry["what"], entry["session"]) == ("log in", "a")
    gate.lab.clock.advance(600)
    assert gate.refused("/sessions/a", *page, uid=None) == "unauthorized"


def test_login_lasts_no_longer_than_any_does(gate: Gate) -> None:
    page = log_in(gate, allowed="?life_s=1e9")
    limits = gate.lab.limits
    for _ in range(int(2 * limits.browser_life / limits.browser_idle) - 1):
        gate.lab.clock.advance(limits.browser_idle / 2)
        assert gate.refused("/status", *page, uid=None) == ""
    gate.lab.clock.advance(limits.browser_idle / 2)
    assert gate.refused("/status", *page, uid=None) == "unauthorized"


@pytest.mark.parametrize(
    "query", ["?scopes=", "?scopes=all", "?scopes=read,", "?session=/", "?life_s=1"]
)
def test_link_for_what_there_is_not_is_refused(gate: Gate, query: str) -> None:
    assert gate.refused(f"/logins{query}", method="POST") == "bad_field"


def test_login_link_is_bound_to_its_user(gate: Gate) -> None:
    link = gate.ask("/logins", method="POST").body["path"]
    assert gate.refused(link, uid=UID + 1) == "unauthorized"
    assert gate.ask(link).status == 303


def test_login_link_expires_after_a_minute(gate: Gate) -> None:
    link = gate.ask("/logins", method="POST").body["path"]
    gate.lab.clock.advance(60)
    assert gate.refused(link, uid=None) == "unauthorized"


# Every route.

ROUTES = [route for route in HostInMemory().routes if route.path != "/login/<code>"]
BARRED = [route for route in ROUTES if route.needs != "open"]


def asked(gate: Gate, route: Route, *headers: str, **how: Any) -> str:
    return gate.refused(path_of(route), *headers, method=route.method, **how)


def status_of(gate: Gate, route: Route, *headers: str) -> int:
    """Ask as somebody from elsewhere; return the status."""
    return gate.ask(path_of(route), *headers, method=route.method, uid=None).status


@pytest.mark.parametrize("route", BARRED, ids=named)
def test_every_route_refuses_unauthenticated_requests(gate: Gate, route: Route) -> None:
    assert asked(gate, route, uid=None) == "unauthorized"
    assert asked(gate, route, bearer("wrong"), uid=None) == "unauthorized"
    upgrade = ("Upgrade: websocket", "Connection: Upgrade")
    assert asked(gate, route, *upgrade, uid=None) == "unauthorized"


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_every_route_refuses_cross_origin_requests(gate: Gate, route: Route) -> None:
    assert asked(gate, route, "Origin: http://evil.test") == "forbidden_origin"
    assert asked(gate, route, host="evil.test:12345") == "forbidden_host"


@pytest.mark.parametrize("route", BARRED, ids=named)
def test_token_allows_its_scopes(gate: Gate, route: Route) -> None:
    for scope in ("read", "send", "approve"):
        status = status_of(gate, route, bearer(gate.token(scope)))
        assert (status == 403) == (scope != route.needs), scope


@pytest.mark.parametrize("route", BARRED, ids=named)
def test_session_token_allows_its_session(gate: Gate, route: Route) -> None:
    for session_id in ("a", "b"):
        token = gate.token("admin", session=session_id)
        ours = session_id == "a" and "<session_id>" in route.path
        assert (status_of(gate, route, bearer(token)) == 403) == (not ours), session_id


def test_read_only_routes_need_the_read_scope(lab: HostInMemory) -> None:
    for route in lab.routes:
        if route.method != "GET" and route.path != "/login/<code>":
            assert route.needs in ("send", "approve", "admin"), route
    opened = {route.path for route in lab.routes if route.needs == "open"}
    dashboard = {"/", "/ui/<version>/<name>", "/ui/<version>/vendor/<name>", "/worker.js"}
    assert opened == {"/health", "/healthz", "/login/<code>", "/ready", "/whoami", *dashboard}


def who(gate: Gate, *headers: str, **how: Any) -> dict[str, Any]:
    body: dict[str, Any] = gate.ask("/whoami", *headers, **how).body
    return body


@pytest.mark.parametrize("scope", ["read", "send", "approve", "admin"])
@pytest.mark.parametrize("session", [None, "a"])
def test_whoami_tells_every_token_what_it_allows(
    gate: Gate, scope: str, session: str | None
) -> None:
    token = gate.token(scope, session=session, name="phone", expires_s=60)
    told = who(gate, bearer(token), uid=None)
    assert (told["scopes"], told["session"], told["name"]) == ([scope], session, "phone")
    assert told["token"] == token.split("_")[1]
    assert told["expires_ms"] == gate.lab.wall_ms() + 60_000
    assert told["host"] == {
        "name": machine()[0],
        "version": __version__,
        "epoch": gate.lab.store.epoch,
    }


def test_whoami_tells_callers_without_a_token_who_they_are(gate: Gate) -> None:
    told = who(gate)
    assert (told["scopes"], told["token"], told["expires_ms"]) == (["admin"], None, None)
    browser = who(gate, *log_in(gate), uid=None)
    assert (browser["name"], browser["scopes"]) == ("browser", ["admin"])
    assert browser["expires_ms"] == gate.ask("/tokens").body[1]["expires_ms"]


def test_whoami_refuses_whom_the_host_does_not_know(gate: Gate) -> None:
    assert gate.refused("/whoami", uid=None) == "unauthorized"
    assert gate.refused("/whoami", bearer("wrong"), uid=None) == "unauthorized"
    token = gate.token("read", expires_s=1)
    gate.lab.clock.advance(2)
    assert gate.refused("/whoami", bearer(token), uid=None) == "unauthorized"


@pytest.mark.parametrize("path", ["/healthz", "/healthz///"])
def test_open_route_shows_less_to_unauthenticated_callers(gate: Gate, path: str) -> None:
    assert "service" in gate.ask(path).body
    assert "service" in gate.ask(path, bearer(gate.token("read")), uid=None).body
    little = {"ok": True, "status": "ok"}
    for token in ("wrong", gate.token("send"), gate.token("read", session="a")):
        assert gate.ask(path, bearer(token), uid=None).body == little
    assert gate.ask(path, uid=None).body == little


def test_wrong_tokens_are_counted_on_open_routes(gate: Gate) -> None:
    for _ in range(11):
        assert gate.ask("/healthz", bearer("wrong"), uid=7).status == 200
    assert gate.refused("/status", bearer("wrong"), uid=7) == "rate_limited"
    assert "service" in gate.ask("/healthz", bearer(gate.own), uid=7).body


def test_unknown_route_is_401_without_a_token(gate: Gate) -> None:
    assert gate.refused("/nothing/here", uid=None) == "unauthorized"
    assert gate.refused("/nothing/here") == "unknown_route"


def test_body_is_not_read_before_authentication(gate: Gate) -> None:
    client = gate.ask("/sessions/a/events", "Content-Length: 1000", method="POST", uid=None)
    assert client.status == 401
    assert client.protocol.requests[0].content.getvalue() == b""


def test_session_list_is_limited_to_the_callers_session(gate: Gate) -> None:
    gate.lab.request("POST", "/sessions/a/register")
    token = bearer(gate.token("read", "send", session="a"))
    assert gate.refused("/sessions/a", token, uid=None) == ""
    assert gate.refused("/sessions", token, uid=None) == "forbidden_scope"
    assert gate.refused("/sessions/a%2F..%2Fb", token, uid=None) != ""


# The audit.


def test_audit_entries_name_the_caller(gate: Gate) -> None:
    gate.lab.request("POST", "/sessions/a/register")
    secret = gate.token("send", name="ci")
    body = b'{"content":"hi"}'
    length = f"Content-Length: {len(body)}"
    client = gate.ask("/sessions/a/messages", bearer(secret), length, method="POST", uid=None)
    client.say(body)
    assert client.status == 200
    gate.ask("/sessions/a", method="DELETE")
    sent, deleted = gate.ask("/audit").body
    assert (sent["what"], sent["session"], sent["detail"]) == ("send", "a", "message 1")
    assert (sent["token"], sent["uid"]) == (secret.split("_")[1], None)
    assert (deleted["what"], deleted["token"], deleted["uid"]) == ("delete", None, UID)
    assert deleted["peer"] == "192.168.1.1"
    assert [d["id"] for d in gate.ask("/audit?after=1").body] == [2]


def test_audit_needs_the_admin_scope(gate: Gate) -> None:
    assert gate.refused("/audit", bearer(gate.token("read"))) == "forbidden_scope"
