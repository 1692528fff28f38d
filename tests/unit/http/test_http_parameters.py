"""A handler's parameters: the annotation decides what may stand in the path."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import Meta

from sxhost.errors import BadField
from sxhost.http.parameters import AnyText, path_schema, path_value

Code = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z]$"})]

GOOD = [
    ("message_id", int, "7", 7),
    ("message_id", int, "9" * 18, 10**18 - 1),
    ("session_id", str, "a.b:c-d", "a.b:c-d"),
    ("session_id", AnyText, "-/é", "-/é"),
    ("code", Code, "Not a code!", "Not a code!"),
    ("name", str, "-a", "-a"),
]
BAD = [
    ("message_id", int, ""),
    ("message_id", int, "-1"),
    ("message_id", int, "٣"),
    ("message_id", int, "9" * 19),
    ("session_id", str, "-a"),
    ("session_id", str, ""),
]


@pytest.mark.parametrize(("name", "annotation", "text", "value"), GOOD)
def test_annotation_decides_how_a_path_value_is_read(
    name: str, annotation: Any, text: str, value: object
) -> None:
    assert path_value(name, annotation, text) == value


@pytest.mark.parametrize(("name", "annotation", "text"), BAD)
def test_wrong_path_value_error_names_the_parameter(
    name: str, annotation: Any, text: str
) -> None:
    with pytest.raises(BadField) as caught:
        path_value(name, annotation, text)
    assert caught.value.details["field"] == name


def test_annotation_is_the_parameters_schema() -> None:
    assert path_schema("code", Code) == {"type": "string", "pattern": "^[a-z]$"}
