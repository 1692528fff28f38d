"""The JSON codec: what it reads, and what it says of what it cannot read."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from sxhost.codec.json import convert, decode, decode_lines, encode, encode_lines
from sxhost.errors import BadField, BadJSON, BadRequest, HostError
from sxhost.model.approval import AnswerBatch
from sxhost.model.event import EventDraft
from sxhost.model.message import PullQuery
from sxhost.model.session import Registration

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda children: st.lists(children, max_size=4)
    | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_encode_decode_round_trip(value: Any) -> None:
    assert decode(encode(value), object) == value


@given(st.lists(values))
def test_lines_come_back_one_by_one(many: list[Any]) -> None:
    text = encode_lines(many)
    assert text.count(b"\n") == len(many)
    assert decode_lines(text, object) == many


@given(values)
def test_encoding_agrees_with_the_standard_library(value: Any) -> None:
    assert json.loads(encode(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(body: bytes) -> None:
    with suppress(BadField, BadJSON, BadRequest):
        assert isinstance(decode(body, EventDraft), EventDraft)


BAD_BODIES = [
    (b"", BadJSON, "The body is not JSON: input data was truncated."),
    (b"{", BadJSON, "The body is not JSON: input data was truncated."),
    (b"nonsense", BadJSON, "The body is not JSON: invalid character (byte 4)."),
    (b"\xff", BadJSON, "The body is not UTF-8."),
    (b'{"event":\xff}', BadJSON, "The body is not UTF-8."),
    (b'{"event":"\xff"}', BadField, "The field `event` is wrong: expected a name of 1"),
    (b'{"event":"\\ud800"}', BadField, "The field `event` is wrong: expected a name of 1"),
    (b'{"event":"a","data":NaN}', BadJSON, "The body is not JSON: invalid character"),
    (b"[]", BadRequest, "The body is wrong: expected `object`, got `array`."),
    (b"null", BadRequest, "The body is wrong: expected `object`, got `null`."),
    (b"{}", BadField, "The field `event` is missing."),
    (b'{"event":7}', BadField, "The field `event` is wrong: expected `str`, got `int`."),
    (b'{"event":"A"}', BadField, "The field `event` is wrong: expected a name of 1"),
    (b'{"event":"a\\n"}', BadField, "The field `event` is wrong: expected a name of 1"),
    (b'{"event":"a","ts":1.5}', BadField, "expected `int | null`, got `float`"),
    (b'{"event":"a","ts":-1}', BadField, "The field `ts` is wrong: expected `int` >= 0."),
    (b'{"event":"a","data":1e400}', BadField, "The field `data` is wrong: number out of"),
    (b'{"event":"a","data":%s}' % (b"1" * 100_000), BadField, "integer value out of range"),
]


@pytest.mark.parametrize(("body", "kind", "says"), BAD_BODIES)
def test_bad_body_error_says_what_is_wrong(
    body: bytes, kind: type[HostError], says: str
) -> None:
    with pytest.raises(kind) as refusal:
        decode(body, EventDraft)
    assert says in refusal.value.message


def test_decode_error_names_the_field() -> None:
    with pytest.raises(BadField) as refusal:
        decode(b'{"labels":{"team":1}}', Registration)
    assert refusal.value.details == {"field": "labels[...]"}


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused(opening: bytes, closing: bytes) -> None:
    def nested(levels: int) -> bytes:
        return opening * levels + b"1" + closing * levels

    assert decode(nested(64), object)
    for levels in (65, 900, 100_000):
        with pytest.raises(BadJSON, match="nests deeper than 64 levels"):
            decode(nested(levels), object)


def test_brackets_in_strings_do_not_nest() -> None:
    text = "[" * 500 + '\\"{' * 500
    assert decode(encode({"data": [text]}), object) == {"data": [text]}


def test_an_unclosed_bracket_bomb_is_refused() -> None:
    with pytest.raises(BadJSON):
        decode(b"[" * 1_000_000, object)


def test_a_whole_float_is_an_integer() -> None:
    batch = b'{"answers":[{"session":"a","id":7.0,"decision":"x","reason":null}]}'
    assert decode(batch, AnswerBatch).answers[0].id == 7
    draft = decode(b'{"event":"a","ts":7.0,"data":7.0}', EventDraft)
    assert (draft.ts, encode(draft.data)) == (7, b"7.0")


class Whole(Struct):
    n: int = 0
    m: int | None = None
    inner: Whole | None = None
    many: list[Whole] = []


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b'{"n": 7.0, "m": 8e0}', Whole(7, 8)),
        (b'{"inner": {"inner": {"m": 7.0}}}', Whole(inner=Whole(inner=Whole(m=7)))),
        (b'{"many": [{}, {"n": 7.0}, {"n": 8.0}]}', Whole(many=[Whole(), Whole(7), Whole(8)])),
    ],
)
def test_whole_floats_are_integers_wherever_they_stand(body: bytes, whole: Whole) -> None:
    assert decode(body, Whole) == whole


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"n": 7.5}', "n"),
        (b'{"n": 7.0, "m": 7.5}', "m"),
        (b'{"many": [{"n": 7.0}, {"n": 7.5}]}', "many[1].n"),
        (b'{"many": [{"n": 7.0}, 1]}', "many[1]"),
    ],
)
def test_other_floats_are_none(body: bytes, field: str) -> None:
    with pytest.raises(BadField) as refusal:
        decode(body, Whole)
    assert refusal.value.details["field"] == field


def test_the_last_of_duplicate_keys_counts() -> None:
    assert decode(b'{"event":"a","event":"b"}', EventDraft).event == "b"


def test_lines_split_on_line_feeds_alone() -> None:
    body = '{"event":"a","data":"\u2028"}\r\n\n  \n{"event":"b"}'.encode()
    assert [d.event for d in decode_lines(body, EventDraft)] == ["a", "b"]


def test_a_bad_line_is_numbered() -> None:
    with pytest.raises(BadField) as refusal:
        decode_lines(b'{"event":"a"}\n\n{"event":1}\n', EventDraft)
    assert refusal.value.details == {"field": "event", "line": 3}
    assert refusal.value.message.startswith("Line 3: The field `event` is wrong")


def test_a_query_is_made_of_strings() -> None:
    query = convert({"wait": "2.5", "peek": "1"}, PullQuery)
    assert query == PullQuery(wait=2.5, peek=True)


@pytest.mark.parametrize("wait", ["x", "-1", "nan", ""])
def test_a_bad_parameter_is_named(wait: str) -> None:
    with pytest.raises(BadField) as refusal:
        convert({"wait": wait}, PullQuery)
    assert refusal.value.details == {"field": "wait"}


HUGE = [b"1e309", b"1E+0309", b"0.1e400", b"9" * 5000, b"1" * 310 + b".5", b"1" * 250 + b"e99"]


@pytest.mark.parametrize("number", HUGE)
def test_huge_number_in_raw_data_is_refused(
    number: bytes,
) -> None:
    with pytest.raises(BadField, match="The field `data` is wrong"):
        decode(b'{"event":"a","data":{"b":[%s]}}' % number, EventDraft)
    with pytest.raises(BadField) as refusal:
        decode_lines(b'{"event":"a"}\n{"event":"a","data":%s}' % number, EventDraft)
    assert (refusal.value.details["line"], refusal.value.details["field"]) == (2, "data")


@pytest.mark.parametrize("data", [b'"0e000"', b'"1e999"', b"1e-999", b'"%s"' % (b"1" * 999)])
def test_digits_in_strings_are_no_huge_number(data: bytes) -> None:
    body = b'{"event":"a","data":%s}' % data
    assert bytes(decode(body, EventDraft).data) == data
    (draft,) = decode_lines(body, EventDraft)
    assert bytes(draft.data) == data
