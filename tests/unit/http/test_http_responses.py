"""Response formats, and which one a path has."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sxhost.errors import NoTurn
from sxhost.http.responses import NATIVE, NativeFormat, format_of


class FakeRequest:
    def __init__(self, path: bytes) -> None:
        self.path = path


SHORT, LONG = NativeFormat(), NativeFormat()
FORMATS = {"/v1": SHORT, "/v1/long": LONG}


@pytest.mark.parametrize(
    ("path", "response_format"),
    [
        (b"/sessions", NATIVE),
        (b"/v1/threads", SHORT),
        (b"/v1/long/threads", LONG),
        (b"/", NATIVE),
        (b"/\xff", NATIVE),
        (b"", NATIVE),
    ],
)
def test_longest_prefix_decides_the_format(path: bytes, response_format: NativeFormat) -> None:
    assert format_of(cast("Any", FakeRequest(path)), FORMATS) is response_format


def test_native_format_has_one_error_shape() -> None:
    status, body = NATIVE.refusal(NoTurn("a"), cast("Any", FakeRequest(b"/")))
    assert status == 409
    assert body.startswith(b'{"ok":false,"error":"no_turn","message":')
    assert NATIVE.answer({"a": 1}) == b'{"a":1}'
