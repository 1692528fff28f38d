"""Names of sessions and their ids, both ways."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.faces.pi.session_names import MAX_NAME, NAME, NAME_FIELD, id_of, name_of, named
from sxhost.model.names import SESSION_ID

names = st.from_regex(NAME, fullmatch=True).map(lambda name: name[:MAX_NAME])
long_names = st.tuples(st.sampled_from("._-aZ9"), st.integers(100, MAX_NAME - 1)).map(
    lambda parts: parts[0] + "x" * parts[1]
)
ids = st.from_regex(SESSION_ID, fullmatch=True) | st.builds("pi:{}".format, names).filter(
    lambda text: re.match(SESSION_ID, text) is not None
)
metadata = st.dictionaries(st.just(NAME_FIELD), names | long_names | ids | st.none())


@given(names | long_names)
def test_names_come_back_from_their_ids(name: str) -> None:
    launch: dict[str, Any] = named({"agent": "pi"}, name)
    assert re.match(SESSION_ID, launch["id"])
    assert name_of(launch["id"], launch.get("metadata", {})) == name


@given(names | long_names | ids, names | long_names | ids)
def test_no_two_sessions_have_the_same_name(one: str, other: str) -> None:
    shown = {name_of(id_of(each), {NAME_FIELD: each}) for each in (one, other)}
    assert len(shown) == len({id_of(one), id_of(other)})


@given(ids, metadata)
def test_sessions_are_found_by_what_they_are_called(session_id: str, more: Any) -> None:
    assert id_of(name_of(session_id, more)) == session_id


@pytest.mark.parametrize(
    ("name", "session_id"),
    [
        ("a", "a"),
        ("a:b", "a:b"),
        (".", "pi:."),
        ("_a", "pi:_a"),
        ("-" * 125, "pi:" + "-" * 125),
        ("a" * 128, "a" * 128),
        ("a b", "a b"),
        ("", ""),
    ],
)
def test_short_names_are_seen_in_their_ids(name: str, session_id: str) -> None:
    assert id_of(name) == session_id


def test_the_ids_of_long_names_stay_as_they_are() -> None:
    digest = "cbe04acadc19256823af93040bc0aa11"
    assert id_of("." + "a" * 199) == f"pi:.{'a' * 31}:{digest}"


def test_metadata_of_the_client_are_kept() -> None:
    assert named({"metadata": {"a": 1}}, ".x")["metadata"] == {"a": 1, NAME_FIELD: ".x"}
    assert named({"metadata": {"a": 1}}, "x") == {"metadata": {"a": 1}, "id": "x"}
    assert named({"metadata": 7}, ".x") == {"metadata": 7, "id": "pi:.x"}
