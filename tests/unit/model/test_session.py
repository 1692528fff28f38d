"""Values: their grammar and their wire form."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.errors import BadField
from sxhost.model.event import Event, EventQuery, raw_json
from sxhost.model.message import Message
from sxhost.model.names import check_session_id

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", fullmatch=True)


@given(ids)
def test_good_session_ids(text: str) -> None:
    assert check_session_id(text) == text


@pytest.mark.parametrize("text", ["", "-a", ".", "a/b", "a b", "a\n", "a\x00", "é", "a" * 129])
def test_bad_session_ids(text: str) -> None:
    with pytest.raises(BadField) as refusal:
        check_session_id(text)
    assert refusal.value.details == {"field": "session_id"}


def test_types_are_a_list_with_commas() -> None:
    assert EventQuery(types="a,b,").names() == {"a", "b"}
    assert EventQuery().names() == frozenset()


def test_an_event_begins_with_the_fields_of_the_source() -> None:
    event = Event("thinking", msgspec.Raw(b'"x"'), 5, 1, 2, 5000, "s")
    assert msgspec.json.encode(event).startswith(b'{"event":"thinking","data":"x","ts":5,')
    assert event.value() == "x"


def test_a_message_says_who_it_is_from() -> None:
    message = Message("hi", 1, "auto", 5, "me", "queued")
    assert msgspec.json.encode(message) == (
        b'{"content":"hi","id":1,"mode":"auto","ts":5,"from":"me","state":"queued","ttl_s":null}'
    )


def test_names_of_files_that_are_no_text_can_be_data() -> None:
    odd = {"caf\udce9": ["x\ud83d", ("\ud83d\ude00",), 1.5, None]}
    assert bytes(raw_json(odd)).decode() == '{"caf\ufffd":["x\ufffd",["😀"],1.5,null]}'
