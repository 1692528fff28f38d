"""A host as the board asks and follows it: Twisted's side and asyncio's meet here alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from twisted.internet.defer import Deferred

from sxhost.errors import HostError, HostUnreachable
from sxhost.logs import logger
from sxhost.waiting import background

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.client.stream import Value
    from sxhost.model.host import RemoteHost

__all__ = ["BoardHost", "BoardReader", "ClientOfBoard"]

T = TypeVar("T")

log = logger(__name__)


class BoardReader(Protocol):
    """Who is told what a stream brings."""

    def on_value(self, value: Value) -> None:
        """Take the next event, gap or change of state."""

    def on_link(self, up: bool, why: str) -> None:
        """Take it that the link was lost, or is there again."""

    def on_end(self, why: str) -> None:
        """Take it that nothing more comes."""


class BoardHost(Protocol):
    """All that the board sees of a host."""

    url: str

    async def ask(self, work: Callable[[RemoteHost], Awaitable[T]]) -> T:
        """Return what a verb returns.

        :raises HostError: the host says no.
        :raises HostUnreachable: there is none.
        """

    def follow(
        self,
        follower: BoardReader,
        session_id: str | None = None,
        *,
        after: str = "",
        types: Sequence[str] = (),
        summaries: bool = False,
    ) -> Callable[[], object]:
        """Tell a follower the events of a session, or of all, live, with their summaries.

        What is returned ends it.
        """


class ClientOfBoard:
    """A client's host for code that awaits in asyncio, on the loop of Twisted's reactor."""

    def __init__(self, client: HostClient) -> None:
        self.url = client.url
        self._client = client

    async def ask(self, work: Callable[[RemoteHost], Awaitable[T]]) -> T:
        """Return what a verb of the client returns."""

        async def run() -> T:
            return await work(self._client)

        return await Deferred.fromCoroutine(run()).asFuture(asyncio.get_running_loop())

    def follow(
        self,
        follower: BoardReader,
        session_id: str | None = None,
        *,
        after: str = "",
        types: Sequence[str] = (),
        summaries: bool = False,
    ) -> Callable[[], object]:
        """Tell a follower what a stream of the client brings; it reconnects by itself."""
        stream = self._client.subscribe(
            session_id,
            after=after,
            types=types,
            summary=summaries,
            native=False,
            merged=True,
            on_link=follower.on_link,
        )

        async def read() -> None:
            try:
                async for value in stream:
                    follower.on_value(value)
            except (HostError, HostUnreachable) as error:
                follower.on_end(str(error))
            if stream.ended:
                follower.on_end(stream.ended)

        background(read(), log, "The stream")
        return lambda: background(stream.aclose(), log, "Closing the stream")
