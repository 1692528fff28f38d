"""Errors on the wire, and back."""

from __future__ import annotations

import pytest

from sxhost import errors
from sxhost.errors import BadField, HostError, QueueFull, from_wire


def test_an_error_survives_the_wire() -> None:
    wire = QueueFull("a", 32).to_wire()
    assert wire["ok"] is False
    back = from_wire(429, wire)
    assert type(back) is QueueFull
    assert back.to_wire() == wire


def test_a_field_error_carries_its_field() -> None:
    assert BadField("event", "Wrong.").to_wire() == {
        "ok": False,
        "error": "bad_field",
        "message": "Wrong.",
        "field": "event",
    }


def test_an_unknown_code_is_still_a_refusal() -> None:
    error = from_wire(418, {"error": "teapot", "message": "Short and stout."})
    assert (type(error), error.code, error.status) == (HostError, "teapot", 418)
    assert str(error) == "Short and stout."


def test_an_answer_without_words_gets_some() -> None:
    assert from_wire(502, {}).message == "The host answered 502."


@pytest.mark.parametrize("kind", HostError.__subclasses__())
def test_every_error_is_public_and_has_a_code_of_its_own(kind: type[HostError]) -> None:
    assert kind.__name__ in errors.__all__
    codes = [other.code for other in HostError.__subclasses__()]
    assert codes.count(kind.code) == 1
    assert 400 <= kind.status < 600
