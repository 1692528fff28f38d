"""Conversations as documents: what agents say is text in them, and nothing is loaded."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from sxhost.cli.export import html_document, markdown_document
from sxhost.codec.json import encode
from sxhost.model.transcript import TranscriptItem
from sxhost.visible import escape_hidden
from tests.support.hostile import HOSTILE
from tests.unit.cli.test_conversation_view import approval, item, resolved
from tests.unit.cli.test_terminal import detail

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.test/?q=1)",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>1</script>)",
    "</pre></section><iframe src=http://evil.test>",
    '"><svg onload=alert(1)>',
    "<!-- x --><style>*{display:none}</style>",
    "~~~\n</pre><b>x",
    HOSTILE,
]

DETAIL = detail()

TAGS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "section",
    "time", "pre", "code", "details", "summary", "a", "em", "strong", "ul", "ol", "li",
    "blockquote", "br", "hr", "table", "thead", "tbody", "tr", "th", "td", "ins", "del",
    "s",
}  # fmt: skip


class Tags(HTMLParser):
    """The tags of a page, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


def everything(text: str) -> list[TranscriptItem]:
    """Return an item of each kind, with a text in each field."""
    fields: dict[str, Any] = {"text": text, "title": text, "tool": text, "path": text}
    fields |= {"diff": f"+{text}\n-{text}", "input": Raw(encode({"x": text}))}
    fields |= {"entries": [{"content": text, "status": "completed"}]}
    kinds = ("user", "message", "thinking", "tool", "plan", "diff", "end", "note", "event")
    asked = item("approval", title=text, approval=approval(title=text), status="pending")
    return [*(item(kind, **fields) for kind in kinds), asked, resolved(text, text)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_runs_and_loads_nothing(attack: str) -> None:
    session = replace(DETAIL, title=attack, cwd=attack, model=attack)
    page = "\n".join(html_document(session, everything(attack)))
    found = Tags(page)
    assert found.tags <= TAGS
    for name, value in found.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "style", "action", "formaction")
        if name == "href":
            assert not re.match(
                r"\s*(javascript|data|vbscript|file):", value or "", re.IGNORECASE
            )
    assert escape_hidden(page, "\n\t") == page
    assert "default-src &#x27;none&#x27;" in page


def test_a_page_has_all_that_was_said() -> None:
    call = item(
        "tool", tool="bash", title="make", text="out", status="failed", exit_code=2, end_ms=2000
    )
    shown = [item("user", text="go"), item("message", text="**so**"), call, item("end")]
    page = "\n".join(html_document(DETAIL, shown))
    assert "<pre>go</pre>" in page
    assert "<strong>so</strong>" in page
    assert "bash: make (failed, exit 2, 2.0 s)" in page
    assert "<pre>out</pre>" in page


def test_markdown_has_all_that_was_said() -> None:
    call = item("tool", tool="bash", title="a *b*", text="out ```` x", input=Raw(b'{"c":1}'))
    diff = item("diff", path="a.py", diff="+x")
    lines = "\n".join(
        markdown_document(
            DETAIL, [item("user", text="go\non"), call, diff, item("message", text="so")]
        )
    )
    assert "> go\n> on" in lines
    assert "**bash: a \\*b\\* (completed, 0.0 s)**" in lines
    assert "`````\nout ```` x\n`````" in lines
    assert '```json\n{"c":1}\n```' in lines
    assert "```diff\n+x\n```" in lines
    assert lines.endswith("\nso")


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_keeps_titles_inert(attack: str) -> None:
    shown = [one for one in everything(attack) if one.kind in ("note", "event", "end")]
    lines = "\n".join(markdown_document(DETAIL, shown)).partition("\n*")[2]
    assert "<" not in lines.replace("\\<", "")
    assert escape_hidden(lines, "\n\t") == lines
