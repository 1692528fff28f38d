"""A conversation followed live (``sxhost log -f``): words as they come, items as they end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rich.text import Text

from sxhost.cli import formats
from sxhost.cli.conversation import ConversationPrinter, Look
from sxhost.cli.follow import ending_with_pipe, link_reporter
from sxhost.cli.output import Flow, put, put_json, put_views
from sxhost.cli.terminal import HostLink
from sxhost.model.event import Event, Gap
from sxhost.model.event_types import MessageDeltaEvent, decode_event
from sxhost.transcripts.conversation import ConversationFold

if TYPE_CHECKING:
    from sxhost.cli.log_reader import ConversationPart
    from sxhost.client.host import HostClient
    from sxhost.model.transcript import TranscriptItem

__all__ = ["LiveConversation", "follow_conversation"]

WHOLE = ("message", "thinking")

Clean = Callable[["TranscriptItem"], "TranscriptItem"]


def follow_conversation(
    link: HostLink,
    read: Callable[[HostClient], Awaitable[ConversationPart]],
    look: Look,
    clean: Clean | None = None,
) -> None:
    """Print what was said last, then what is said from now on, until one side ends it.

    :param clean: takes out of an item what is not to be shown.
    """

    async def follow(host: HostClient) -> str:
        begun = await read(host)
        live = LiveConversation(look, clean, json=link.json)
        stream = host.subscribe(
            begun.id,
            after=str(begun.through),
            fail_fast=True,
            on_link=link_reporter(link),
        )
        async with stream:
            with ending_with_pipe(link, stream):
                live.begin(begun.items)
                async for value in stream:
                    live.show(value)
        return stream.ended

    ended = link.run_with_client(follow)
    if ended:
        put(f"The end: {ended}.", err=True)


class LiveConversation:
    """Prints a conversation as it goes on; words flow, all else is printed once it is whole.

    :param json: whether items are printed as JSON, each once it is over.
    """

    def __init__(self, look: Look, clean: Clean | None = None, *, json: bool = False) -> None:
        self._json = json
        self._look = look
        self._clean = clean
        self._view = ConversationPrinter(look)
        self._fold = ConversationFold()
        self._flowing: str | None = None
        """The text that is being printed, by its name."""
        self._flowed: set[str] = set()
        self._started: set[int] = set()
        """The calls that were printed when they began, by their places."""

    def begin(self, items: list[TranscriptItem]) -> None:
        """Print items that there are already; what they have begun goes on."""
        self._fold = ConversationFold(items)
        for place, item in enumerate(items):
            if item.status == "running" and (self._json or item.kind in WHOLE):
                continue  # it comes whole
            self._print(item)
            self._started.add(place)

    def show(self, value: object) -> None:
        """Print a value of the stream."""
        if isinstance(value, Gap):
            self._end_line()
            why = formats.one_line(value.reason)
            missing = Text(f"(events are missing: {why})", "yellow")
            put_views([missing], self._look.width)
        elif isinstance(value, Event):
            self._show_event(value)

    def _show_event(self, event: Event) -> None:
        data = decode_event(event)
        place = self._fold.add(event)
        if isinstance(data, MessageDeltaEvent):
            self._flow(data)
        elif place is not None:
            self._show_item(place, self._fold.item(place))

    def _flow(self, data: MessageDeltaEvent) -> None:
        """Print a piece of the text that flows; one that begins meanwhile comes whole."""
        # A secret may stand in two pieces: what is to be clean comes whole, too.
        if self._json or self._clean is not None or data.parent:
            return
        begins = self._flowing is None and data.item not in self._flowed
        if not begins and data.item != self._flowing:
            return
        self._flowing = data.item
        self._flowed.add(data.item)
        put(Flow(data.text), nl=False)

    def _show_item(self, place: int, item: TranscriptItem) -> None:
        if item.kind == "message" and item.item in self._flowed:
            self._end_line()
            self._flowed.discard(item.item)
            put("")
            return
        if item.kind in ("tool", "approval"):
            if item.status == "running" and (self._json or place in self._started):
                return  # more of its output
            self._started.add(place)
        elif item.status == "running" or item.kind == "diff":
            return  # a diff is told again and again, and comes with the end of its turn
        if item.kind == "end":
            self._print_diffs(place)
        self._print(item)

    def _print_diffs(self, end: int) -> None:
        for place in range(end - 1, -1, -1):
            item = self._fold.item(place)
            if item.kind == "end" or place in self._started:
                break
            if item.kind == "diff":
                self._print(item)
                self._started.add(place)

    def _print(self, item: TranscriptItem) -> None:
        self._end_line()
        shown = self._clean(item) if self._clean is not None else item
        if self._json:
            put_json(shown)
            return
        put_views(self._view.lines(shown), self._look.width)

    def _end_line(self) -> None:
        if self._flowing is not None:
            self._flowing = None
            put("")
