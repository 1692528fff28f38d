"""The routes as a whole: one error shape, pinned over every one of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.http.responses import NATIVE
from sxhost.http.router import make_tree
from sxhost.http.routes import JSON, NDJSON, Route
from sxhost.testing import BufferedResponse, HostInMemory
from tests.conftest import FailureLog

MakeLab = Callable[..., HostInMemory]
ROUTES = [route for route in HostInMemory().routes if route.response_format is NATIVE]
"""Those of our own; the faces of other systems refuse in their ways."""


def path_of(route: Route, session_id: str = "a", message_id: str = "1") -> str:
    filled = route.path.replace("<session_id>", session_id)
    return filled.replace("<message_id>", message_id).replace("<approval_id>", "1")


def assert_refused(answer: BufferedResponse, status: int, code: str) -> None:
    """Check the one error shape."""
    body = answer.json()
    assert (answer.status, body["error"]) == (status, code), body
    assert list(body)[:3] == ["ok", "error", "message"]
    assert body["ok"] is False
    assert body["message"].endswith((".", ".'", "lists what there is."))
    assert answer.length == len(answer.body)
    assert answer.header("cache-control") == "no-store"


def with_(part: str) -> list[Route]:
    return [route for route in ROUTES if part in route.path]


def named(route: Route) -> str:
    return f"{route.method} {route.path} {route.consumes}"


CREATE = [named(r) for r in ROUTES if r.summary.startswith(("Fire", "Create"))]
"""Routes to which no session is unknown."""


@pytest.mark.parametrize("route", with_("<session_id>"), ids=named)
@pytest.mark.parametrize("session_id", ["-a", "%00", "a%20b", "a%0a", "é", "x" * 129])
def test_malformed_session_id_is_refused(
    lab: HostInMemory, route: Route, session_id: str
) -> None:
    answer = lab.request(route.method, path_of(route, session_id), content_type=route.consumes)
    assert_refused(answer, 400, "bad_field")
    assert answer.json()["field"] == "session_id"


@pytest.mark.parametrize("route", with_("<message_id>"), ids=named)
def test_malformed_message_id_is_refused(lab: HostInMemory, route: Route) -> None:
    lab.request("POST", "/sessions/a/register")
    assert_refused(lab.request(route.method, path_of(route, "a", "x")), 400, "bad_field")
    assert_refused(lab.request(route.method, path_of(route, "a", "9")), 404, "unknown_message")


@pytest.mark.parametrize(
    "route",
    [r for r in with_("<session_id>") if named(r) not in CREATE],
    ids=named,
)  # fmt: skip
def test_unknown_session_is_404(lab: HostInMemory, route: Route) -> None:
    every = {"content": "x", "input": "x", "model": "x", "decision": "deny", "to": "host"}
    body = every if route.body else None
    assert_refused(lab.request(route.method, path_of(route), body), 404, "unknown_session")


HOOKS = ("/hooks/claude", "/hooks/codex")
BODIES = [route for route in ROUTES if route.body is not None]


@pytest.mark.parametrize("route", BODIES, ids=named)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"nonsense", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b'{"event":"x","content":\xff}', "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "bad_json"),
        (b"[]", "bad_request"),
        (b"7", "bad_request"),
        (b'{"event":7,"content":7,"model":7,"seq":"x"}', "bad_field"),
    ],
)
def test_bad_body_is_400(lab: HostInMemory, route: Route, body: bytes, code: str) -> None:
    lab.request("POST", "/sessions/a/register")
    answer = lab.request(route.method, path_of(route), body, content_type=route.consumes)
    if route.path in HOOKS and body.startswith(b'{"a":{"a":'):
        code = "bad_field"  # of deep fields the beginning is read
    assert_refused(answer, 400, code)


@pytest.mark.parametrize("route", BODIES, ids=named)
def test_body_of_another_type_is_415(lab: HostInMemory, route: Route) -> None:
    answer = lab.request(route.method, path_of(route), b"{}", content_type="text/plain")
    assert_refused(answer, 415, "unsupported_type")
    assert "Content-Type: application/json" in answer.json()["message"]


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("body", [b"{}", b' \n{"a":1}', b""])
@pytest.mark.parametrize("route", [r for r in BODIES if r.consumes == JSON], ids=named)
def test_json_that_curl_declares_as_a_form_is_taken(
    lab: HostInMemory, route: Route, body: bytes
) -> None:
    as_form, as_json = (
        HostInMemory().request(route.method, path_of(route), body, content_type=kind)
        for kind in (FORM, "application/json")
    )
    assert (as_form.status, as_form.body) == (as_json.status, as_json.body)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Origin": "http://127.0.0.1:7432"}, b"{}"),
        ({"Origin": "null"}, b"{}"),
        ({"Referer": "http://evil.example/"}, b"{}"),
        ({"Sec_Fetch_Site": "none"}, b"{}"),
        ({"Sec_Fetch_Mode": "no-cors"}, b"{}"),
        ({"Sec_Fetch_Dest": "document"}, b"{}"),
        ({}, b"event=idle"),
        ({}, b'"event"'),
        ({}, b"%7B%7D="),
    ],
)
def test_forms_of_pages_and_real_forms_are_415(
    lab: HostInMemory, headers: dict[str, str], body: bytes
) -> None:
    path = "/sessions/a/events"
    answer = lab.request("POST", path, body, content_type=f"{FORM}; charset=utf-8", **headers)
    assert_refused(answer, 415, "unsupported_type")


@pytest.mark.parametrize("route", BODIES, ids=named)
def test_body_over_the_limit_is_413(make_lab: MakeLab, route: Route) -> None:
    lab = make_lab(body=100, batch_body=200, large_body=300)
    limit = 200 if route.consumes == NDJSON else 300 if route.large else 100
    lab.request("POST", "/sessions/a/register")
    body = b" " * (limit + 1)
    answer = lab.request(route.method, path_of(route), body, content_type=route.consumes)
    assert_refused(answer, 413, "body_too_large")
    assert answer.json()["limit"] == limit


@pytest.mark.parametrize("path", sorted({path_of(route) for route in ROUTES}))
def test_wrong_method_is_405(lab: HostInMemory, path: str) -> None:
    answer = lab.request("PATCH", path)
    assert_refused(answer, 405, "method_not_allowed")
    allowed = {route.method for route in ROUTES if path_of(route) == path}
    assert set((answer.header("allow") or "").split(", ")) - {"HEAD"} == allowed


@pytest.mark.parametrize("path", ["/nope", "/sessions/a/nope", "/sessions//a/events"])
def test_unknown_route_is_404(lab: HostInMemory, path: str) -> None:
    assert_refused(lab.request("GET", path), 404, "unknown_route")


@pytest.mark.parametrize("slashes", ["", "/", "//", "////"])
def test_trailing_slashes_are_ignored(lab: HostInMemory, slashes: str) -> None:
    assert lab.request("GET", f"/health{slashes}").status == 200
    assert lab.request("POST", f"/sessions/a/register{slashes}", {}).status == 200


def test_path_that_is_not_utf8_is_refused(lab: HostInMemory) -> None:
    assert_refused(lab.request("GET", "/sessions/%ff"), 400, "bad_field")


@pytest.mark.parametrize("path", ["/sessions/a%2Fevents", "/sessions%2Fa", "/%2Fhealth"])
def test_escaped_slash_in_a_name_is_refused(lab: HostInMemory, path: str) -> None:
    lab.request("POST", "/sessions/a/register")
    assert_refused(lab.request("GET", path), 400, "bad_field")


def test_query_that_is_not_utf8_is_refused(lab: HostInMemory) -> None:
    assert_refused(lab.request("GET", "/sessions?state=%ff"), 400, "bad_field")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=", "limit=1.5", "limit=null", f"limit={10**30}"]
)
def test_bad_query_parameter_is_refused(lab: HostInMemory, query: str) -> None:
    answer = lab.request("GET", f"/sessions?{query}")
    assert_refused(answer, 400, "bad_field")
    assert answer.json()["field"] == "limit"


@pytest.mark.parametrize("label", ["team", ":x"])
def test_label_without_a_name_is_refused(lab: HostInMemory, label: str) -> None:
    assert_refused(lab.request("GET", f"/sessions?label={label}"), 400, "bad_field")


@pytest.mark.parametrize("cursor", ["x", "a:", "-1", "1.5", "null", "a:b:1"])
def test_malformed_cursor_is_refused(lab: HostInMemory, cursor: str) -> None:
    lab.request("POST", "/sessions/a/register")
    answer = lab.request("GET", f"/sessions/a/events?after={cursor}")
    assert_refused(answer, 400, "bad_field")
    assert answer.json()["field"] == "after"


def test_one_trailing_slash_is_the_same_route(lab: HostInMemory) -> None:
    assert lab.request("GET", "/health/").json() == {"status": "ok"}


def test_last_of_a_repeated_parameter_counts(lab: HostInMemory) -> None:
    for session_id in ("a", "b"):
        lab.request("POST", f"/sessions/{session_id}/register")
    assert len(lab.request("GET", "/sessions?limit=2&limit=1").json()) == 1


def test_head_is_get_without_the_body(lab: HostInMemory) -> None:
    answer = lab.request("HEAD", "/health")
    assert (answer.status, answer.body) == (200, b"")


def test_head_takes_no_message(lab: HostInMemory) -> None:
    lab.request("POST", "/sessions/a/register")
    lab.request("POST", "/sessions/a/messages", {"content": "x"})
    answer = lab.request("HEAD", "/sessions/a/messages")
    assert (answer.status, answer.header("allow")) == (405, "GET")
    assert len(lab.request("GET", "/sessions/a/messages").json()) == 1


def test_grammar_errors_are_in_words(lab: HostInMemory) -> None:
    answer = lab.request("POST", "/sessions/a/events", {"event": "Bad"})
    assert answer.json()["message"] == (
        "The field `event` is wrong: expected a name of 1 to 64 lower-case letters, digits and"
        " `_./:-`, the first a letter."
    )


@pytest.mark.parametrize("declared", ["", JSON, "Application/JSON; charset=utf-8"])
def test_json_is_read_whatever_its_charset(lab: HostInMemory, declared: str) -> None:
    headers = {"content_type": declared} if declared else {}
    answer = lab.request("POST", "/sessions/a/events", {"event": "x"}, **headers)
    assert answer.status == 200


def test_internal_error_shows_no_traceback(lab: HostInMemory, failure_log: FailureLog) -> None:
    async def broken() -> None:
        raise ZeroDivisionError("planted")

    broken_tree = make_tree([Route("GET", "/", broken, "Break.")], lab.limits)
    lab.serve(broken_tree)
    answer = lab.request("GET", "/")
    assert_refused(answer, 500, "internal_error")
    assert b"planted" not in answer.body
    assert b"Traceback" not in answer.body
    (event,) = failure_log.flush()
    assert event["request_id"] == answer.json()["request_id"]


@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"]),
    path=st.text(st.characters(codec="ascii", exclude_characters="#?"), max_size=40),
    body=st.binary(max_size=100),
)
def test_random_request_is_never_a_500(method: str, path: str, body: bytes) -> None:
    from urllib.parse import quote

    answer = HostInMemory().request(method, "/" + quote(path, safe="/%"), body)
    assert answer.status < 500


def test_security_headers_are_set(lab: HostInMemory) -> None:
    for path in ("/", "/sessions", "/nowhere"):
        answer = lab.request("GET", path)
        assert answer.header("content-security-policy") == (
            "default-src 'self'; frame-ancestors 'none'"
        )
        assert answer.header("referrer-policy") == "no-referrer"
        assert answer.header("x-content-type-options") == "nosniff"
