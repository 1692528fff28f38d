"""Refusals rendered: the format, and the headers that some of them have."""

from __future__ import annotations

import pytest
from twisted.web.server import Request
from twisted.web.test.requesthelper import DummyChannel

from sxhost.errors import HostError, NoTurn, RateLimited, Unauthorized
from sxhost.http.rendering import SECURITY_HEADERS, answer_error, set_headers
from sxhost.http.request_context import context_of
from sxhost.http.responses import NATIVE, NativeFormat


class PlainText(NativeFormat):
    media_type = "text/plain"

    def refusal(self, error: HostError, request: Request) -> tuple[int, bytes]:
        return 418, error.message.encode()


@pytest.fixture
def request_() -> Request:
    return Request(DummyChannel(), False)


def header(request: Request, name: str) -> str | None:
    values = request.responseHeaders.getRawHeaders(name)
    return values[0] if values else None


def test_a_request_keeps_its_context(request_: Request) -> None:
    assert context_of(request_) is context_of(request_)
    assert context_of(request_).response_format is NATIVE
    assert not context_of(request_).caller.scopes, "nobody is let in by default"


def test_a_refusal_has_the_format_of_its_request(request_: Request) -> None:
    context_of(request_).response_format = PlainText()
    assert answer_error(request_, NoTurn("a")) == NoTurn("a").message.encode()
    assert (request_.code, header(request_, "content-type")) == (418, "text/plain")


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (RateLimited("Too much was asked", 3), "retry-after", "3"),
        (Unauthorized("Nobody is known to ask."), "www-authenticate", "Bearer"),
        (NoTurn("a"), "retry-after", None),
        (NoTurn("a"), "www-authenticate", None),
    ],
)
def test_some_refusals_say_more_in_a_header(
    request_: Request, error: HostError, name: str, value: str | None
) -> None:
    body = answer_error(request_, error)
    assert header(request_, name) == value
    assert header(request_, "content-length") == str(len(body))


def test_every_answer_has_the_security_headers(request_: Request) -> None:
    set_headers(request_, "text/plain")
    assert {name: header(request_, name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert header(request_, "x-accel-buffering") == "no"
    assert header(request_, "content-length") is None
