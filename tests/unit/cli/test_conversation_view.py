"""A conversation at a terminal and in a pipe: what each item is shown as."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from msgspec import Raw
from rich.console import Console

from sxhost.cli.conversation import (
    ASCII,
    ConversationPrinter,
    Look,
)
from sxhost.model.approval import Approval, Resolution
from sxhost.model.transcript import TranscriptItem
from sxhost.visible import escape_hidden
from tests.support.hostile import HOSTILE

PLAIN = Look(None, rendered=False)
NARROW = Look(40)


def item(kind: str, **fields: Any) -> TranscriptItem:
    times = {"seq": 1, "last": 1, "ts_ms": 0, "end_ms": 0}
    given: dict[str, Any] = {"kind": kind, **times, **fields}
    return TranscriptItem(**given)


def shown(*items: TranscriptItem, look: Look = PLAIN) -> str:
    file = StringIO()
    console = Console(
        file=file, width=look.width, force_terminal=False, highlight=False, markup=False
    )
    view = ConversationPrinter(look)
    for one in items:
        for each in view.lines(one):
            console.print(each, soft_wrap=look.width is None)
    return file.getvalue()


def approval(**fields: Any) -> Approval:
    given: dict[str, Any] = {
        "id": 7,
        "session": "s",
        "kind": "command",
        "title": "make deploy",
        "detail": {"command": "make deploy"},
        "choices": ["approve", "deny"],
        "opened_ms": 1,
        "expires_ms": None,
        "native": None,
        "key": "k",
    }
    return Approval(**{**given, **fields})


def resolved(decision: str, by: str) -> TranscriptItem:
    resolution = Resolution(decision=decision, by=by, at_ms=0, reason="no\nneed")
    return item("approval", approval=approval(state="answered", resolution=resolution))


LINES: list[tuple[TranscriptItem, str]] = [
    (
        item("tool", tool="bash", title="make test", end_ms=8100),
        "✓ bash make test  8.1 s",
    ),
    (
        item("tool", tool="bash", title="make", status="failed", exit_code=2),
        "✗ bash make  exit 2",
    ),
    (item("tool", tool="Bash", title="Bash: ls", status="declined"), "✗ Bash: ls  declined"),
    (item("tool", tool="bash", title="x", status="running"), "▸ bash x  runs"),
    (item("tool", tool="bash", title="a\nb", status="cut"), "✗ bash a b  broken off"),
    (item("tool", tool="read", parent="c"), "  ✓ read"),
    (item("thinking", text="**Plan**\nfirst\nthen"), "thinking: Plan (3 lines)"),
    (item("note", title="warning", text="slow"), "! slow"),
    (item("note", title="ended", text="Killed.", status="failed"), "✗ Killed."),
    (item("note", title="started"), "· started"),
    (item("event", title="deployed", text="prod"), "· deployed: prod"),
    (item("compact"), "· the conversation was shortened"),
    (item("end", status="failed", text="no credit"), "✗ The turn has failed: no credit"),
    (item("end", status="interrupted"), "· interrupted"),
    (item("end"), "· done"),
    (
        item("plan", entries=[{"content": "a", "status": "completed"}, {"content": "b"}]),
        "· plan\n  [x] a\n  [ ] b",
    ),
    (item("diff", path="a.py", diff="@@\n-x\n+y"), "· changes a.py (+1 -1)\n  @@\n  -x\n  +y"),
]


@pytest.mark.parametrize(("one", "line"), LINES, ids=lambda one: str(one)[:20])
def test_an_item_is_a_line_that_says_how_it_ended(one: TranscriptItem, line: str) -> None:
    assert shown(one).rstrip() == line


def test_an_answer_says_who_has_given_it() -> None:
    assert "make deploy  approved by the host's user at" in shown(resolved("approve", "own"))
    denied = shown(resolved("deny", "policy no-deploys"))
    assert "denied by policy no-deploys" in denied
    assert denied.rstrip().endswith(": no need")
    assert "answered red by token 1a" in shown(resolved("red", "token 1a"))


def test_what_waits_is_shown_whole_with_how_to_answer() -> None:
    text = shown(item("approval", approval=approval(), status="pending"))
    assert "    command: make deploy" in text
    assert "sxhost approve 7" in text


def test_turns_have_headings_and_say_how_long_they_took() -> None:
    text = shown(
        item("user", text="go\non", by="turn", turn=3),
        item("message", text="**yes**", turn=3),
        item("user", text="left", by="steer", turn=3),
        item("end", turn=3, ts_ms=61_000),
    )
    assert re.search(r"── 1970-01-01 .* · turn 3 ──", text)
    assert text.count("turn 3") == 1
    assert "> go\n  on\n" in text
    assert "**yes**" in text
    assert "> left (added while it worked)" in text
    assert "· done after 1 min 1 s" in text


def test_markdown_is_rendered_and_its_html_is_text() -> None:
    text = shown(item("message", text="**yes** <b>x</b>\n\n<script>y</script>"), look=NARROW)
    assert "yes <b>x</b>" in text
    assert "<script>y</script>" in text
    assert "**" not in text


def test_long_titles_and_outputs_are_cut() -> None:
    long = item("tool", tool="bash", title="x" * 300, text="\n".join(map(str, range(2000))))
    line = shown(long, look=NARROW).rstrip("\n")
    assert len(line) <= 40
    assert line.endswith("…")
    told = shown(long, look=PLAIN._replace(tools=True))
    assert "  │ 0\n" in told
    assert "  │ 1999\n" in told
    assert "characters more" in told
    assert len(told) < 6000
    diff = item("diff", diff="\n".join("+x" for _ in range(100)))
    assert "(40 lines more: --tools)" in shown(diff)
    assert "--tools" not in shown(diff, look=PLAIN._replace(tools=True))


def test_inputs_and_reasoning_are_shown_on_demand() -> None:
    call = item("tool", tool="bash", title="ls", input=Raw(b'{"command":"ls"}'))
    assert '  │ {"command":"ls"}' in shown(call, look=PLAIN._replace(tools=True))
    thought = item("thinking", text="first\nthen")
    assert "first\nthen" in shown(thought, look=PLAIN._replace(thinking=True))


KINDS = ("user", "message", "thinking", "tool", "plan", "diff", "approval", "end", "note")


@pytest.mark.parametrize("kind", [*KINDS, "event", "compact"])
@pytest.mark.parametrize("look", [PLAIN, NARROW, Look(80, tools=True, thinking=True)])
def test_nothing_that_is_said_drives_the_terminal(kind: str, look: Look) -> None:
    resolution = Resolution(decision=HOSTILE, by=HOSTILE, at_ms=0, reason=HOSTILE)
    for given in (None, resolution):
        one = item(
            kind,
            text=HOSTILE,
            title=HOSTILE,
            tool=HOSTILE,
            path=HOSTILE,
            diff=HOSTILE,
            item=HOSTILE,
            entries=[{"content": HOSTILE, "status": HOSTILE}],
            approval=approval(
                title=HOSTILE, detail={HOSTILE: HOSTILE, "reason": HOSTILE}, resolution=given
            ),
            input=Raw(b'"\\u001b[8m"'),
        )
        text = shown(one, look=look)
        assert escape_hidden(text, "\n\t") == text


def test_signs_are_ascii_where_others_cannot_be_shown() -> None:
    look = PLAIN._replace(signs=ASCII)
    items = [one for one, _ in LINES if one.kind != "thinking"]
    assert shown(*items, item("user", text="x"), look=look).isascii()
