"""Verbs over HTTP: paths that lead nowhere else, queries of what was given."""

from __future__ import annotations

import pytest

from sxhost.client.requests import query_of, session_path
from sxhost.errors import BadField
from sxhost.model.approval import ApprovalQuery
from sxhost.model.event import EventQuery
from sxhost.model.session import SessionQuery


def test_a_path_below_a_session() -> None:
    assert session_path("a.b:c") == "/sessions/a.b:c"
    assert session_path("a", "approvals", 7) == "/sessions/a/approvals/7"


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "a%2Fb", "a?x", "a#", " "])
def test_session_id_cannot_escape_its_path(name: str) -> None:
    with pytest.raises(BadField):
        session_path(name, "turns")


def test_query_has_only_values_that_differ_from_defaults() -> None:
    assert query_of(None) == ""
    assert query_of(ApprovalQuery()) == ""
    assert query_of(ApprovalQuery(all=True)) == "?all=1"
    assert query_of(SessionQuery(label="team:a&b")) == "?label=team%3Aa%26b"
    assert query_of(EventQuery(after="e:1", follow=True)) == "?after=e%3A1&follow=1"
