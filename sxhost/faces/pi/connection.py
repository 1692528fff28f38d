"""One client: its commands, its subscriptions, and whether it keeps up.

Events wait for it in the log and nowhere else.  What everybody is told goes by a client that
is behind; it is told how much that was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sxhost.codec.json import encode
from sxhost.errors import HostError
from sxhost.faces.pi.commands import Command, SwitchSession, Unsubscribe
from sxhost.faces.pi.encoder import Wire
from sxhost.faces.pi.responses import Response, notification
from sxhost.faces.pi.validation import BadCommand, parse
from sxhost.logs import logger
from sxhost.model.caller import Caller, current
from sxhost.streams.subscription import Selection, Subscription

__all__ = ["Client", "ClientTransport"]

log = logger(__name__)


class ClientTransport(Protocol):
    """A transport's side of a client."""

    paused: bool
    """Whether it takes no more for now."""

    def send(self, data: bytes) -> object:
        """Send whole frames."""


class Mux(Protocol):
    """What a client has of the multiplexer."""

    service: Any
    limits: Any

    async def execute(
        self, command: Command, said: bytes, answer: Callable[[Response], object]
    ) -> None:
        """Have a command done, and answered once."""

    def follow(self, command: Command, response: Response) -> None:
        """Tell everybody what has become of sessions."""

    async def learn(self, session_id: str, cursor: str) -> None:
        """Learn whose session it is, and what comes before a place, before more is told."""

    def forget(self, session_id: str) -> None:
        """Forget a session that is no more."""

    def knows(self, session_id: str) -> bool:
        """Tell whether there is such a session."""

    @property
    def clients(self) -> dict[Client, None]:
        """All clients."""


class Sink:
    """Where one subscription writes; it is quiet until it is `open`."""

    def __init__(self, client: Client, session_id: str) -> None:
        self.tag: Mapping[str, object] = {"sessionId": session_id}
        self._client = client
        self._id = session_id

    def begin(self, reader: Subscription) -> None:
        """Let the client pause and resume the reader."""
        self._client.keep(self._id, reader)

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        if data:
            self._client.link.send(data)

    def end(self) -> None:
        """The session is forgotten."""
        self._client.lost(self._id)


class Client:
    """Whoever is at the other end of a link."""

    def __init__(
        self, mux: Mux, link: ClientTransport, wires: tuple[Wire, Wire], caller: Caller
    ) -> None:
        self.link = link
        self.readers: dict[str, Subscription] = {}
        self._mux = mux
        self._wire, self._thin_wire = wires
        self._caller = caller
        self._pending = 0
        self._missed = 0
        self._gone = False
        self._idle: list[Deferred[None]] = []

    # What it says.

    def receive(self, said: bytes) -> None:
        """Take a frame: it is answered once."""
        most = self._mux.limits.mux_message
        if len(said) > most:
            self.refuse_size(len(said))
            return
        try:
            command = parse(said)
        except BadCommand as bad:
            self._refuse(bad.error, bad.command, bad.id)
            return
        if self._pending >= self._mux.limits.mux_pending:
            most = self._mux.limits.mux_pending
            text = f"Too many pending commands for this connection (max {most})"
            self._refuse(text, command.type, command.id)
            return
        self._pending += 1
        Deferred.fromCoroutine(self._serve(command, said)).addErrback(_report)

    def refuse_size(self, size: int) -> None:
        """Refuse a frame that is too large."""
        self._refuse(f"Message size {size} exceeds limit {self._mux.limits.mux_message}")

    def _refuse(self, error: str, command: str = "unknown", number: Any = UNSET) -> None:
        self.say(encode(Response(id=number, command=command, success=False, error=error)))

    async def _serve(self, command: Command, said: bytes) -> None:
        current.set(self._caller)
        try:
            await self._mux.execute(command, said, partial(self._answer, command))
        finally:
            self._pending -= 1
            self._rest()

    def _answer(self, command: Command, response: Response) -> None:
        """Say the answer, and do what follows from it before anything else happens."""
        self.say(encode(response))
        if response.success and not self._gone:
            begun = Deferred.fromCoroutine(self._subscribe(command, response))
            begun.addErrback(_report)
        self._mux.follow(command, response)

    def idle(self) -> Deferred[None]:
        """Return what fires once all that it has said is answered."""
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        self._rest()
        return done

    def _rest(self) -> None:
        if not self._pending:
            idle, self._idle = self._idle, []
            for done in idle:
                done.callback(None)

    async def _subscribe(self, command: Command, response: Response) -> None:
        if isinstance(command, Unsubscribe):
            self.drop(command.session_id)
        elif isinstance(command, SwitchSession):
            now = response.data["cursor"]
            await self._switch(command, self._mux.service.cursor if response.replayed else now)

    async def _switch(self, command: SwitchSession, now: str) -> None:
        """Subscribe, from a cursor or from now on; where one is already, it goes on."""
        session_id, after = command.session_id, command.after
        known = self.readers.get(session_id)
        if known is not None and after is UNSET:
            return
        self.drop(session_id)
        begin = now if after is UNSET else after
        wire = self._wire if command.snapshots else self._thin_wire
        chosen, sink = Selection(frozenset({session_id})), Sink(self, session_id)
        try:
            await self._mux.learn(session_id, begin)
            await self._mux.service.subscribe(chosen, begin, wire, sink)
        except HostError as error:
            log.info("a subscription did not begin: {error}", error=error)

    # What it is told.

    def say(self, said: bytes) -> None:
        """Send an object."""
        if not self._gone:
            self.link.send(self._wire.wrap(said))

    def overhear(self, said: bytes, session_id: str | None) -> None:
        """Tell it what everybody is told, if it keeps up and may know of the session."""
        if self._caller.session not in (None, session_id):
            return
        if self.link.paused:
            self._missed += 1
        else:
            self.say(said)

    def lost(self, session_id: str) -> None:
        """A subscription has ended by itself: its session is forgotten, or the host stops."""
        if self.readers.pop(session_id, None) and not self._mux.knows(session_id):
            self._mux.forget(session_id)
            self.say(notification("session_deleted", {"sessionId": session_id}))

    def drop(self, session_id: str) -> None:
        """End a subscription."""
        reader = self.readers.pop(session_id, None)
        if reader is not None:
            reader.close()

    # How it keeps up.

    def keep(self, session_id: str, reader: Subscription) -> None:
        """Remember a subscription that is about to begin."""
        if self._gone:
            reader.close()
            return
        self.readers[session_id] = reader
        if self.link.paused:
            reader.pauseProducing()

    def behind(self) -> None:
        """Let all subscriptions wait."""
        for reader in tuple(self.readers.values()):
            reader.pauseProducing()

    def go_on(self) -> None:
        """Serve the subscriptions; who is first now is last in the next turn."""
        if self._missed:
            missed, self._missed = self._missed, 0
            gap = {"type": "gap", "reason": "slow", "missed": missed}
            self.say(encode(gap))
        for name in tuple(self.readers):
            if not self.link.paused and name in self.readers:
                reader = self.readers[name] = self.readers.pop(name)
                reader.resumeProducing()

    def connection_closed(self) -> None:
        """Forget it and its subscriptions; what it asked for goes on."""
        self._gone = True
        self._mux.clients.pop(self, None)
        for reader in tuple(self.readers.values()):
            reader.close()
        self.readers.clear()


def _report(failure: Failure) -> None:
    log.failure("a command could not be answered", failure)
