"""A conversation as a document: Markdown, or HTML that stands for itself and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sxhost.cli import formats
from sxhost.visible import escape_hidden

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

    from sxhost.model.session import Detail
    from sxhost.model.transcript import TranscriptItem

__all__ = ["html_document", "markdown_document"]

STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;
color:#1b1f24;background:#fff}
pre{background:#f4f5f7;padding:.6rem;overflow:auto;white-space:pre-wrap;border-radius:4px}
section{margin:1rem 0}.user{border-left:4px solid #2563eb;padding-left:.8rem}
.thinking,.note,.end,.event,.compact,footer{color:#6b7280;font-size:.9rem}
.failed,del{color:#b91c1c}ins{color:#15803d}ins,del{text-decoration:none}
.approval{border-left:4px solid #d97706;padding-left:.8rem}summary{cursor:pointer}
time{color:#6b7280;font-size:.8rem;float:right}
@media(prefers-color-scheme:dark){body{color:#e5e7eb;background:#111418}pre{background:#1c2128}}
"""

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""What a browser may load for the document: nothing."""


def _title(session: Detail) -> str:
    return escape_hidden(session.title or session.id)


def _about(session: Detail) -> str:
    """Return whose conversation it is, in a line."""
    agent = " ".join(filter(None, (session.agent, session.model)))
    parts = (agent, session.cwd, session.git_branch, formats.usage_text(session.usage))
    return " · ".join(escape_hidden(part) for part in parts if part)


def _heading(item: TranscriptItem) -> str:
    """Return what an item is, in a line; "" of words."""
    match item.kind:
        case "tool":
            named = item.title.lower().startswith(item.tool.lower())
            title = item.title if named else f"{item.tool}: {item.title}"
            took = formats.duration((item.end_ms - item.ts_ms) / 1000)
            code = f", exit {item.exit_code}" if item.exit_code else ""
            return f"{formats.one_line(title)} ({item.status}{code}, {took})"
        case "approval" if item.approval is not None:
            resolution = item.approval.resolution
            decided = f"{resolution.decision} by {resolution.by}" if resolution else item.status
            return f"asked: {formats.one_line(item.title)} ({formats.one_line(decided)})"
        case "diff":
            return f"changes {formats.one_line(item.path)}".strip()
        case "end" | "note" | "event" | "compact":
            words = ": ".join(
                filter(None, (item.title or item.kind, formats.reason_text(item.text)))
            )
            status = f" ({item.status})" if item.kind == "end" else ""
            return f"{formats.one_line(words)}{status}"
        case "user" | "message":
            return ""
        case _:
            return item.kind


def _plan_lines(item: TranscriptItem) -> Iterator[str]:
    for entry in item.entries:
        done = "x" if entry.get("status") == "completed" else " "
        yield f"- [{done}] {formats.one_line(str(entry.get('content', '')))}"


# Markdown.


def markdown_document(session: Detail, items: Iterable[TranscriptItem]) -> Iterator[str]:
    """Yield a conversation as lines of Markdown."""
    yield f"# {_title(session)}"
    yield ""
    yield _about(session)
    for item in items:
        yield ""
        yield from _markdown(item)


def _markdown(item: TranscriptItem) -> Iterator[str]:
    text = escape_hidden(item.text.strip("\n"), "\n\t")
    match item.kind:
        case "user":
            yield f"## {formats.date(item.ts_ms / 1000)}"
            yield ""
            yield from (f"> {line}".rstrip() for line in text.split("\n"))
        case "message":
            yield text
        case "thinking":
            yield from (f"> *{line.strip('*')}*" if line else ">" for line in text.split("\n"))
        case "plan":
            yield from _plan_lines(item)
        case "diff" | "tool":
            yield f"**{_inert(_heading(item))}**"
            for part, language in ((_arguments(item), "json"), (item.diff, "diff"), (text, "")):
                if part:
                    yield ""
                    yield from _fenced(escape_hidden(part, "\n\t"), language)
        case _:
            yield f"*{_inert(_heading(item))}*"


def _arguments(item: TranscriptItem) -> str:
    """Return a call's arguments as JSON."""
    return "" if item.input is UNSET else bytes(item.input).decode()


def _fenced(text: str, language: str = "") -> Iterator[str]:
    """Yield a block of code whose fence is longer than any in its text."""
    longest = max(
        (len(run) for run in text.replace("\n", " ").split() if set(run) == {"`"}), default=0
    )
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{language}"
    yield text.rstrip("\n")
    yield fence


def _inert(text: str) -> str:
    """Return a text in which Markdown finds nothing to act on."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>#!|~&" else char for char in text)


# HTML.


def html_document(session: Detail, items: Iterable[TranscriptItem]) -> Iterator[str]:
    """Yield a conversation as a page without scripts, which loads nothing."""
    title = escape(_title(session))
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
    yield '<meta name="viewport" content="width=device-width">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{title}</title><style>{STYLE}</style></head><body>"
    yield f"<h1>{title}</h1><p>{escape(_about(session))}</p>"
    for item in items:
        yield from _section(item)
    yield "</body></html>"


def _section(item: TranscriptItem) -> Iterator[str]:
    failed = " failed" if item.status == "failed" else ""
    yield f'<section class="{item.kind}{failed}">'
    if item.kind in ("user", "message"):
        yield f"<time>{formats.date(item.ts_ms / 1000)}</time>"
    yield from _content(item)
    yield "</section>"


def _content(item: TranscriptItem) -> Iterator[str]:
    text = escape(escape_hidden(item.text.strip("\n"), "\n\t"))
    heading = escape(_heading(item))
    match item.kind:
        case "user":
            yield f"<pre>{text}</pre>"
        case "message":
            yield _words(item.text)
        case "thinking":
            yield f"<details><summary>thinking</summary><pre>{text}</pre></details>"
        case "plan":
            yield f"<pre>{escape(chr(10).join(_plan_lines(item)))}</pre>"
        case "diff":
            yield f"<details open><summary>{heading}</summary><pre>"
            yield "\n".join(map(_diff_line, item.diff.splitlines()))
            yield "</pre></details>"
        case "tool":
            yield f"<details><summary>{heading}</summary>"
            yield f"<pre>{escape(escape_hidden(_arguments(item)))}</pre>"
            yield f"<pre>{text}</pre></details>"
        case _:
            yield f"<p>{heading}</p>"


def _words(text: str) -> str:
    """Return an agent's Markdown as HTML: its own HTML is text, its images are links."""
    rendered: str = _markdown_parser().render(escape_hidden(text, "\n\t"))
    return rendered.replace("<a href=", '<a rel="noreferrer nofollow" href=')


@cache
def _markdown_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    return parser.disable("image")


def _diff_line(line: str) -> str:
    shown = escape(escape_hidden(line, "\t"))
    tag = {"+": "ins", "-": "del"}.get(line[:1])
    return f"<{tag}>{shown}</{tag}>" if tag else shown
