"""``sxhost show``: all about a session, for people, or a line a field for scripts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict

from sxhost.cli.event_text import value_text
from sxhost.cli.formats import (
    age,
    cut,
    date,
    duration,
    home_path,
    one_line,
    reason_text,
    usage_text,
    wrap,
)
from sxhost.cli.output import Pieces
from sxhost.cli.standing import COLOURS, now_text, standing
from sxhost.cli.terminal import event_line
from sxhost.codec.approval_text import approval_details

if TYPE_CHECKING:
    from sxhost.model.approval import Approval
    from sxhost.model.session import Detail

__all__ = ["detail_lines", "session_view"]

NOT_SHOWN = frozenset({"events", "os_process", "delivery"})
"""Fields of a session that stand elsewhere: its events below, its process as `pid`, and when it
hears a message as `note`."""

NAME = 12
"""Columns of a field's name."""


def session_view(
    detail: Detail, asked: Sequence[Approval], now_ms: int, width: int
) -> list[Pieces]:
    """Return all about a session as a person wants to know it; `asked` is what it waits for."""
    oldest = min(asked, key=lambda one: one.opened_ms, default=None)
    stands = standing(detail, oldest)
    now = now_text(detail, oldest, now_ms)
    name = one_line(" · ".join(filter(None, (detail.id, detail.title))))
    does = cut(one_line(now), width - len(stands) - 2)
    lines: list[Pieces] = [
        [(cut(name, width), "bold")],
        [(stands, COLOURS.get(stands)), (f"  {does}", None)],
        [("", None)],
    ]
    for name, text in _facts(detail, now_ms):
        first, *others = wrap(text, max(width - NAME, 1))
        lines.append([(f"{name:<{NAME}}", "dim"), (first, None)])
        lines += [[(" " * NAME + other, None)] for other in others]
    for approval in asked:
        lines += [[("", None)], *_asked(approval, now_ms, width)]
    if detail.events:
        lines += [[("", None)], [("last events", "dim")]]
        lines += [[(cut(event_line(one, flat=True), width), None)] for one in detail.events]
    return lines


def _facts(detail: Detail, now_ms: int) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of what is known of a session."""
    agent = " ".join(filter(None, dict.fromkeys((detail.agent, detail.model))))
    provider = f" ({detail.provider})" if detail.provider not in ("", detail.agent) else ""
    process = f", process {detail.pid}" if detail.pid else ""
    by = "run by the host" if detail.kind == "hosted" else "started by its user"
    facts = [
        ("agent", f"{agent}{provider}"),
        ("", f"{by}{process}"),
        ("directory", home_path(detail.cwd, os.environ.get("HOME", ""))),
        ("project", " ".join(filter(None, (detail.project, detail.git_branch)))),
        ("started", _moment(detail.start_time * 1000, now_ms)),
        ("heard", _moment(detail.last_seen_ms, now_ms)),
        ("turn", _turn(detail, now_ms)),
        ("last words", detail.preview),
        ("used", usage_text(detail.usage) or value_text(detail.usage)),
        ("messages", _messages(detail)),
        ("a message", detail.note),
        ("background", "; ".join(one.title or one.kind or one.id for one in detail.background)),
        ("may", _rights(detail)),
        ("command", " ".join(detail.command or ())),
        ("labels", "  ".join(f"{name}:{value}" for name, value in detail.labels.items())),
        ("metadata", value_text(detail.metadata)),
        ("continues", detail.continues),
        ("goes on as", detail.continued_by),
        ("agent's id", detail.native_id),
    ]
    yield from ((name, text) for name, text in facts if text)


def _moment(at_ms: int, now_ms: int) -> str:
    return f"{age((now_ms - at_ms) / 1000)} ago, {date(at_ms / 1000)}"


def _turn(detail: Detail, now_ms: int) -> str:
    turn = detail.turn
    if turn is None:
        return ""
    took = duration(((turn.end_ms or now_ms) - turn.start_ms) / 1000)
    if turn.status == "running":
        return f"{turn.id}, running for {took}"
    reason = f": {reason_text(turn.reason)}" if turn.reason else ""
    return f"{turn.id}, {turn.status} after {took}{reason}"


def _messages(detail: Detail) -> str:
    queued = f"{detail.queued_messages} queued" if detail.queued_messages else ""
    messages = f"{detail.message_count} in the conversation" if detail.message_count else ""
    return ", ".join(filter(None, (messages, queued, f"{detail.event_count} events")))


def _rights(detail: Detail) -> str:
    sandbox = f"sandbox {detail.sandbox}" if detail.sandbox else ""
    asks = f"asks: {detail.approval_policy}" if detail.approval_policy else ""
    return ", ".join(filter(None, (sandbox, asks)))


def _asked(approval: Approval, now_ms: int, width: int) -> list[Pieces]:
    waits = age((now_ms - approval.opened_ms) / 1000)
    where = "" if approval.at_terminal_ms is None else ", only at its terminal"
    heading = f"asks ({approval.kind} {approval.id}, for {waits}{where}): {approval.title}"
    return [
        [(cut(one_line(heading), width), "yellow")],
        *([(line, None)] for line in approval_details(approval)),
    ]


# For scripts.


def detail_lines(detail: Detail) -> list[str]:
    """Return all about a session: a line for each field, then its last events."""
    names = [name for name in detail.__struct_fields__ if name not in NOT_SHOWN]
    fields = _texts((name, getattr(detail, name)) for name in names)
    rows = [f"{name:<18}{value}" for name, value in fields]
    return [*rows, *(f"  {event_line(event)}" for event in detail.events)]


def _texts(fields: Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Return a struct's fields without empty ones, times as local dates."""
    texts = []
    for name, value in fields:
        if not value:
            continue
        if name.endswith("_ms"):
            texts.append((name.removesuffix("_ms"), date(value / 1000)))
        else:
            texts.append((name, date(value) if name == "start_time" else _text(value)))
    return texts


def _text(value: Any) -> str:
    """Return a field's value: of one that has fields, a list of them."""
    if isinstance(value, Struct):
        return ", ".join(f"{name}: {text}" for name, text in _texts(asdict(value).items()))
    if isinstance(value, list):
        between = " " if all(isinstance(each, str) for each in value) else "; "
        return between.join(map(_text, value))
    return value_text(value)
