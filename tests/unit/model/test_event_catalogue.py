"""The document's catalogue of events is that of the code."""

from __future__ import annotations

from tests.support.event_catalogue import lines
from tests.support.places import TOP


def test_the_document_has_the_events_of_the_code() -> None:
    text = (TOP / "docs" / "api.md").read_text(encoding="utf-8")
    table = "\n".join(lines())
    assert table in text, "python -m tests.support.event_catalogue prints what belongs there"
