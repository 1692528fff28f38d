"""The log over a WebSocket: the lines of ``GET /events?follow=1``, a text message each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sxhost.codec.compact import compact_encoding
from sxhost.codec.frames import TEXT
from sxhost.codec.json import decode
from sxhost.errors import BadField, BadRequest, ForbiddenScope, HostError
from sxhost.http.routes import NDJSON, Route
from sxhost.http.site import HostRequest
from sxhost.http.websocket import Connection
from sxhost.http.websocket_handshake import Upgrade
from sxhost.model.event import EventQuery
from sxhost.model.host import Host
from sxhost.model.names import CURSOR, EVENT_CHOICE, LABEL, SESSION_ID, Label, LabelName
from sxhost.model.subscription import Selection, Subscription, Summaries

__all__ = ["routes"]

MOST_SUBSCRIPTIONS = 64
"""Subscriptions on one connection: one for each of many panes, not for each session."""

Name = Annotated[str, Meta(min_length=1, max_length=128)]


# Messages of clients.


class Subscribe(Struct, frozen=True, kw_only=True):
    """What to follow, after which cursor; a field that is empty selects everything."""

    id: Name | None = None
    """The client's id for the subscription, repeated in its control frames."""
    sessions: list[Annotated[str, Meta(pattern=SESSION_ID)]] = []
    labels: dict[LabelName, Label] = {}
    types: list[Annotated[str, Meta(pattern=EVENT_CHOICE)]] = []
    after: Annotated[str, Meta(pattern=CURSOR)] | Annotated[int, Meta(ge=0, lt=10**18)] = ""
    state: bool = False
    summary: Summaries = False
    native: bool = True
    deltas: Literal["all", "merged"] = "all"

    @property
    def query(self) -> EventQuery:
        """What it asks for of the events that it selects."""
        types = ",".join(self.types)
        return EventQuery(types=types, native=self.native, deltas=self.deltas)

    def selection(self, only: str | None) -> Selection:
        """Return the selection of events; `only` is the one session of which any are told.

        :raises ForbiddenScope: it names another session.
        """
        if only is not None and not {only}.issuperset(self.sessions):
            raise ForbiddenScope("read", only)
        sessions = frozenset(self.sessions if only is None else [only])
        labels, query = frozenset(self.labels.items()), self.query
        return Selection(sessions, labels, query.names(), query.without())


class Command(Struct, frozen=True, kw_only=True):
    """A client's message; with both fields, one subscription replaces another."""

    unsubscribe: bool | Name | None = None
    """The id of a subscription, or true for the one without."""
    subscribe: Subscribe | None = None


class StreamQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The query: a first subscription, if any field is given, as for ``GET /events``."""

    after: Annotated[str, Meta(pattern=CURSOR)] = ""
    session: str = ""
    label: Annotated[str, Meta(pattern=LABEL)] = ""
    types: str = ""
    state: bool = False
    summary: bool = False
    native: bool = True
    deltas: Literal["all", "merged"] = "all"

    def command(self) -> Command | None:
        """Return the message that subscribes to the same; None if no field is given."""
        if self == StreamQuery():
            return None
        name, colon, value = self.label.partition(":")
        subscribe = Subscribe(
            sessions=list(filter(None, self.session.split(","))),
            labels={name: value} if colon else {},
            types=list(filter(None, self.types.split(","))),
            after=self.after,
            state=self.state,
            summary=self.summary,
            native=self.native,
            deltas=self.deltas,
        )
        return Command(subscribe=subscribe)


# The connection.


class Sink:
    """The sink of one subscription."""

    def __init__(self, connection: LiveConnection, name: str | None) -> None:
        self.tag: Mapping[str, object] = {} if name is None else {"id": name}
        self._connection = connection
        self._name = name

    def begin(self, reader: Subscription) -> None:
        """Let the connection pause and resume the reader."""
        self._connection.keep(self._name, reader)

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        self._connection.send_now(data)

    def end(self) -> None:
        """Forget the subscription; the connection stays."""
        self._connection.readers.pop(self._name, None)


class LiveConnection(Connection):
    """One client, and its subscriptions: of all sessions, or of one `only`."""

    def __init__(
        self, host: Host, request: HostRequest, first: Command | None, only: str | None
    ) -> None:
        super().__init__(request)
        self._only = only
        self.readers: dict[str | None, Subscription] = {}
        self._host = host
        self._first = first

    async def begin(self) -> None:
        """Subscribe to what the query asks for."""
        if self._first is not None:
            await self._answer(self._first)

    async def answer_message(self, message: bytes) -> None:
        """Execute a message, or send the refusal."""
        try:
            limits = self.site.limits
            command = decode(message, Command, depth=limits.depth, brackets=limits.brackets)
        except HostError as error:
            self._refuse(error, None)
        else:
            await self._answer(command)

    def keep(self, name: str | None, reader: Subscription) -> None:
        """Take in a subscription that is about to begin."""
        self.readers[name] = reader
        if self.paused:
            reader.pauseProducing()

    def pause_sending(self) -> None:
        """Pause all subscriptions."""
        for reader in tuple(self.readers.values()):
            reader.pauseProducing()

    def resume_sending(self) -> None:
        """Resume the subscriptions, in turns: the first now is the last next time."""
        for name in tuple(self.readers):
            if not self.paused and name in self.readers:
                reader = self.readers[name] = self.readers.pop(name)
                reader.resumeProducing()

    def connection_closed(self) -> None:
        """End all subscriptions."""
        for reader in tuple(self.readers.values()):
            reader.close()

    async def _answer(self, command: Command) -> None:
        try:
            await self._execute(command)
        except HostError as error:
            self._refuse(error, command.subscribe.id if command.subscribe else None)

    def _refuse(self, error: HostError, name: str | None) -> None:
        fields = {"error": error.code, "message": error.message, **error.details}
        self.send(TEXT.control("error", fields if name is None else {**fields, "id": name}))

    async def _execute(self, command: Command) -> None:
        if not command.unsubscribe and command.subscribe is None:
            raise BadRequest("Say what to `subscribe` to, or what to `unsubscribe` from.")
        if command.unsubscribe:
            self._unsubscribe(None if command.unsubscribe is True else command.unsubscribe)
        if command.subscribe is not None:
            await self._subscribe(command.subscribe)

    def _unsubscribe(self, name: str | None) -> None:
        if name not in self.readers:
            which = "without an id" if name is None else repr(name)
            raise BadField("unsubscribe", f"There is no subscription {which} here.")
        self.readers[name].end("unsubscribed", reconnect=False)

    async def _subscribe(self, request: Subscribe) -> None:
        if request.id in self.readers:
            raise BadField("subscribe.id", "It is taken; unsubscribe first, or give another.")
        if len(self.readers) >= MOST_SUBSCRIPTIONS:
            most = f"A connection has at most {MOST_SUBSCRIPTIONS} subscriptions."
            raise BadField("subscribe", most)
        await self._host.subscribe(
            request.selection(self._only),
            str(request.after),
            compact_encoding(TEXT, request.query),
            Sink(self, request.id),
            states=request.state,
            summaries=request.summary,
        )


# The route.


class StreamHandler:
    """The handler of the route."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def stream(self, query: StreamQuery) -> Upgrade:
        """Follow events over a WebSocket."""
        return await self._upgrade(query, None)

    async def session_stream(self, session_id: str, query: StreamQuery) -> Upgrade:
        """Follow the events of one session over a WebSocket."""
        return await self._upgrade(query, session_id)

    async def _upgrade(self, query: StreamQuery, only: str | None) -> Upgrade:
        first = query.command()
        named = first.subscribe.selection(only).only if first and first.subscribe else only
        if named:
            await self._host.session(named)  # refuse an unknown one before the upgrade
        return Upgrade(lambda request: LiveConnection(self._host, request, first, only))


def routes(host: Host) -> Sequence[Route]:
    """Return the route of the WebSocket."""
    handler = StreamHandler(host)
    route = partial(Route, "GET", status=101, produces=NDJSON)
    one = "Follow the events of one session over a WebSocket."
    return (
        route("/v1/stream", handler.stream, "Follow events over a WebSocket."),
        route("/sessions/<session_id>/stream", handler.session_stream, one),
    )
