"""Who is told that the host takes requests, and which requests pass."""

from __future__ import annotations

import pytest

from sxhost.errors import NotReady
from sxhost.http.readiness import PROBES, Readiness, Ready
from sxhost.testing import result_of


def test_a_host_is_ready_unless_something_says_otherwise() -> None:
    readiness = Readiness()
    assert result_of(readiness.ready()) == Ready()
    readiness.check("/sessions")


def test_one_that_stands_by_answers_probes_alone() -> None:
    readiness = Readiness()
    readiness.standing_by = True
    for path in PROBES:
        readiness.check(path)
    with pytest.raises(NotReady, match="stands by"):
        readiness.check("/sessions")
    with pytest.raises(NotReady, match="stands by") as refused:
        result_of(readiness.ready())
    assert (refused.value.status, refused.value.code) == (503, "not_ready")


def test_one_that_is_about_to_stop_serves_to_the_end() -> None:
    readiness = Readiness()
    readiness.stopping = True
    readiness.check("/sessions")
    with pytest.raises(NotReady, match="is about to stop"):
        result_of(readiness.ready())
