"""The document's tables are those of the code."""

from __future__ import annotations

from tests.support.multiplexer_table import lines
from tests.support.places import TOP

DOCUMENT = TOP / "docs" / "multiplexer.md"


def test_the_document_has_the_tables_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for table in "\n".join(lines()).split("\n\n"):
        assert table in text, "tests.support.multiplexer_table prints it"
