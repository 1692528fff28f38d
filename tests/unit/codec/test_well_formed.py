from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.codec.well_formed import decode_from_program, well_formed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"x\ud83d"', "x\ufffd"),
        (rb'"\uDE00x"', "\ufffdx"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\ud83d\ud83d\ude00\ude00"', "\ufffd😀\ufffd"),
        (rb'"\ud83dA\n"', "\ufffdA\n"),
        (rb'"\\ud83d \ud83d"', "\\ud83d \ufffd"),
        (rb'{"\ud83d":"\\\ud83d"}', {"\ufffd": "\\\ufffd"}),
        (b'"\xff\xc3"', "\ufffd\ufffd"),
        (b'"\xed\xa0\xbd"', "\ufffd" * 3),
        (b'"\x00\x1b[1m\x7f"', "\0\x1b[1m\x7f"),
        (b'{\t"a":\r\n"x\ty\n\\"\r"}', {"a": 'x\ty\n"\r'}),
        (b'\xef\xbb\xbf"x"', "x"),
    ],
)
def test_odd_characters_cost_no_text(text: bytes, value: object) -> None:
    assert decode_from_program(text, msgspec.json.decode).value == value


@pytest.mark.parametrize(
    "text", [b"", b"nonsense", b"\xff", b'"x', rb'"\ud8"', b'"\\\t"', b'"\t']
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's or Unicode's
        decode_from_program(text, msgspec.json.decode)


def test_what_a_decoder_takes_is_not_touched() -> None:
    text = b'{"a": 1.0, "b": "\\u0041"}'
    assert decode_from_program(text, msgspec.json.decode).text is text


@given(st.text(st.characters()))
def test_any_text_of_javascript_can_be_encoded_again(text: str) -> None:
    written = json.dumps(text).encode()
    read: str = decode_from_program(written, msgspec.json.decode).value
    assert read == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert read.encode().decode() == read


@given(st.binary())
def test_any_bytes_become_a_text(text: bytes) -> None:
    assert isinstance(well_formed(text).decode(), str)
