"""How a face speaks: the one that its path belongs to."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sxhost.errors import NoTurn
from sxhost.http.responses import NATIVE, NativeFormat, manner_of


class FakeRequest:
    def __init__(self, path: bytes) -> None:
        self.path = path


SHORT, LONG = NativeFormat(), NativeFormat()
MANNERS = {"/v1": SHORT, "/v1/long": LONG}


@pytest.mark.parametrize(
    ("path", "manner"),
    [
        (b"/sessions", NATIVE),
        (b"/v1/threads", SHORT),
        (b"/v1/long/threads", LONG),
        (b"/", NATIVE),
        (b"/\xff", NATIVE),
        (b"", NATIVE),
    ],
)
def test_the_longest_prefix_counts(path: bytes, manner: NativeFormat) -> None:
    assert manner_of(cast("Any", FakeRequest(path)), MANNERS) is manner


def test_our_own_has_one_shape_of_errors() -> None:
    status, body = NATIVE.refusal(NoTurn("a"), cast("Any", FakeRequest(b"/")))
    assert status == 409
    assert body.startswith(b'{"ok":false,"error":"no_turn","message":')
    assert NATIVE.answer({"a": 1}) == b'{"a":1}'
