"""Prints a stream as it comes (`tail`, `events -f`, `approvals -f`) until one side ends it."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import DecodeError, Raw, json
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from sxhost.cli.formats import cut
from sxhost.cli.output import (
    at_terminal,
    begin_line,
    looks,
    put,
    put_json,
    terminal_width,
)
from sxhost.cli.terminal import HostLink, event_line, row
from sxhost.codec.approval_text import approval_details
from sxhost.codec.json import encode
from sxhost.errors import HostError
from sxhost.model.approval import Approval, ApprovalQuery
from sxhost.model.event import Event, Gap
from sxhost.model.event_types import (
    ApprovalMovedEvent,
    ApprovalRequestedEvent,
    ApprovalResolvedEvent,
    decode_event,
)
from sxhost.model.session import SessionRemoved, StateChange, SummaryChange
from sxhost.visible import escape_hidden

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.client.stream import EventStream, Value

__all__ = ["LinePrinter", "approval_of", "ending_with_pipe", "link_reporter", "watch"]

Subscribe = Callable[["HostClient", dict[str, Any]], Awaitable["EventStream"]]
"""Begins a stream; the second argument are the options `fail_fast` and `on_link` for it."""

Look = Callable[["HostClient", "Value"], Awaitable["Value | None"]]
"""Replaces a value of a stream before it is printed; None skips it."""

ABOUT_APPROVALS = (ApprovalRequestedEvent, ApprovalMovedEvent, ApprovalResolvedEvent)

NAME = 8
"""Columns of a session's name at the least; a longer one moves the others from there on."""

NARROW = 46
"""Columns below which an event's number and time are left out, for want of room."""

PLACE = re.compile(r" *[-0-9]*  [-:0-9]{8}  ")
"""The number and the time of day at the beginning of an event's line (`row`)."""

COLOURS = {
    "error": "red",
    "warning": "yellow",
    "approval-requested": "yellow",
    "complete": "green",
    "thinking": "dim",
    "usage": "dim",
    "user-message": "bold",
    "gap": "red",
    "= waiting": "yellow",
    "= stalled": "red",
    "= lost": "red",
}


class LinePrinter:
    """Writes values as lines: for machines as JSON, else aligned, with `names` of sessions.

    :param raw: whether events' data is printed as it is, and not what it says.
    :param width: the terminal's, for lines that are cut; None: they are not.
    """

    def __init__(
        self,
        *,
        json: bool,
        names: bool,
        colours: bool,
        raw: bool = False,
        width: int | None = None,
    ) -> None:
        self._json = json
        self._colours = colours
        self._raw = raw
        self._columns = width
        self._width = NAME if names else 0

    def line(self, value: Value) -> tuple[str, str | None]:
        """Return the line of a value, and its colour."""
        room = None if self._raw else self._columns
        name, session, text = _columns(value, raw=self._raw, flat=room is not None)
        if room is not None and room < NARROW:
            text = PLACE.sub("", text)
        if self._width:
            self._width = max(self._width, len(session))
            text = f"{session:<{self._width}}  {text}"
        if room is not None:
            text = cut(escape_hidden(text), room)
        colour = COLOURS.get(name) if self._colours else None
        return text, colour

    def show(self, value: Value) -> None:
        """Print a value."""
        if self._json:
            put_json(value)
            return
        text, colour = self.line(value)
        approval = None if self._raw else _approval(value)
        put(text, *(approval_details(approval) if approval else []), **looks(colour))


def _approval(value: Value) -> Approval | None:
    """Return the approval in an event, if it is one that waits for a decision."""
    if not isinstance(value, Event) or value.event != ApprovalRequestedEvent.name:
        return None
    try:
        return json.decode(value.data, type=Approval)
    except (DecodeError, RecursionError):
        return None  # attached agents fire any data


def _columns(value: Value, *, raw: bool, flat: bool) -> tuple[str, str, str]:
    """Return the name of a value, its session, and its line."""
    match value:
        case Event() if not raw and (approval := _approval(value)) is not None:
            text = f"{approval.id}  {approval.kind}  {approval.title}"
            return value.event, value.session, row(value.seq, value.ts, value.event, text)
        case Event():
            return value.event, value.session, event_line(value, raw=raw, flat=flat)
        case StateChange():
            name = f"= {value.detail_state}"
            return name, value.session, row("", value.since_ms // 1000, name, value.reason)
        case SummaryChange() | SessionRemoved():
            return "", value.session, row("", 0, "session", "")
        case Gap():
            text = f"events are missing ({value.reason})"
            return "gap", "", f"{'-':>6}  --:--:--  {'gap':<12}  {text}"


def watch(
    link: HostLink,
    subscribe: Subscribe,
    most: int | None = None,
    *,
    names: bool = False,
    raw: bool = False,
    hidden: Collection[str] = (),
    look: Look | None = None,
) -> None:
    """Print the values of a stream, at most `most` of them, until the stream ends.

    `look` may replace or skip a value before it is printed.  `raw` data is for those who want
    to see what agents really say.
    A reader of the output that has seen enough is a good end; an interrupt is the same as
    for every command.
    """
    width = terminal_width() if at_terminal() else None
    lines = LinePrinter(json=link.json, names=names, colours=True, raw=raw, width=width)
    link_options: dict[str, Any] = {"fail_fast": True, "on_link": link_reporter(link)}

    async def follow(host: HostClient) -> str:
        async with await subscribe(host, link_options) as stream:
            with ending_with_pipe(link, stream):
                count = 0
                async for value in stream:
                    if isinstance(value, Event) and value.event in hidden:
                        continue
                    shown = value if look is None else await look(host, value)
                    if shown is None:
                        continue
                    lines.show(shown)
                    count += 1
                    if count == most:
                        break
        return stream.ended

    ended = link.run_with_client(follow)
    if ended:
        put(f"The end: {ended}.", err=True)


async def approval_of(host: HostClient, value: Value) -> Value | None:
    """Return an event about an approval with the approval as it is now as its data."""
    if not isinstance(value, Event):
        return value
    event = decode_event(value)
    if not isinstance(event, ABOUT_APPROVALS):
        return None
    try:
        known = await host.session_approvals(value.session, ApprovalQuery(all=True))
    except HostError:  # forgotten with its session
        return None
    approval_now = next((approval for approval in known if approval.id == event.id), None)
    return None if approval_now is None else replace(value, data=Raw(encode(approval_now)))


def link_reporter(link: HostLink) -> Callable[[bool, str], None]:
    """Return a callback that reports lost connections on stderr until an interrupt."""

    def report(up: bool, why: str) -> None:
        if not link.interrupted:
            news = "Reconnected." if up else f"Lost the host ({why}); trying again."
            begin_line()
            put(news, err=True)

    return report


@contextmanager
def ending_with_pipe(link: HostLink, stream: EventStream) -> Iterator[None]:
    """End the stream quietly once nobody reads our output, even between two values."""
    output = sys.stdout.fileno()
    pipe = _Pipe(output, link, stream)
    watched = stat.S_ISFIFO(os.fstat(output).st_mode)
    if watched:
        link.reactor.addReader(pipe)
    try:
        yield
    except BrokenPipeError:
        pipe.broken = True
    finally:
        if watched:
            link.reactor.removeReader(pipe)
    if pipe.broken:  # what is still buffered has to go somewhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)


@implementer(IReadDescriptor)
class _Pipe:
    """Our end of a pipe that we write to: its only news is that the other end is closed."""

    def __init__(self, output: int, link: HostLink, stream: EventStream) -> None:
        self.broken = False
        self._output = output
        self._link = link
        self._stream = stream

    def fileno(self) -> int:
        return self._output

    def doRead(self) -> None:
        """There is nothing to read."""

    def logPrefix(self) -> str:
        return "pipe"

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        if not self._link.interrupted:  # else it is the reactor that closes all it has
            self.broken = True
            Deferred.fromCoroutine(self._stream.aclose())
