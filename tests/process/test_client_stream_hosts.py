"""Following real hosts over real connections that are cut, and hosts that end and return."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from sxhost.client.host import HostClient, connect
from sxhost.client.stream import EventStream, Value
from sxhost.errors import UnknownSession
from sxhost.model.event import (
    Event,
    EventDraft,
    EventQuery,
    Gap,
)
from sxhost.testing import UNLIMITED
from tests.support.hosts import PATIENCE, Host, StartHost, running_host, start_host

__all__ = ["running_host", "start_host"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, None]])
in_reactor: Callable[[F], F] = pytest_twisted.ensureDeferred

CUTS = 20


class Cutter(Factory):
    """A proxy that cuts its first connections after bytes by chance, and no more then."""

    noisy = False

    def __init__(self, reactor: Any, port: int, chance: random.Random) -> None:
        self.cuts = CUTS
        self.host = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self._chance = chance

    def buildProtocol(self, addr: Any) -> Protocol:
        return ClientSide(self, self._chance.randrange(1, 20_000) if self.cuts else UNLIMITED)


class Side(Protocol):
    """One end of a proxied connection: what it gets is written to the other."""

    transport: Any

    def __init__(self) -> None:
        self.other: Deferred[Any] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.other.addCallback(partial(self.write, data))

    def write(self, data: bytes, other: Any) -> Any:
        other.transport.write(data)
        return other

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.other.addCallback(self._leave)

    def _leave(self, other: Any) -> Any:
        other.transport.loseConnection()
        return other


class ClientSide(Side):
    """The client's end."""

    def __init__(self, cutter: Cutter, room: int) -> None:
        super().__init__()
        self.cutter = cutter
        self.room = room

    def connectionMade(self) -> None:
        connecting = connectProtocol(self.cutter.host, HostSide())
        connecting.addCallback(self._meet).chainDeferred(self.other)

    def cut(self) -> None:
        """Send what there was room for, and nothing after it."""
        self.cutter.cuts -= 1
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _meet(self, host: HostSide) -> HostSide:
        host.transport.registerProducer(self.transport, True)
        self.transport.registerProducer(host.transport, True)
        host.other.callback(self)
        return host


class HostSide(Side):
    """The host's end: passes on what there is room for, then cuts."""

    def write(self, data: bytes, other: ClientSide) -> ClientSide:
        if other.room > 0:
            other.transport.write(data[: other.room])
            other.room -= len(data)
            if other.room <= 0:
                other.cut()
        return other


def at(url: str) -> HostClient:
    from twisted.internet import reactor

    return connect(reactor, url)


@asynccontextmanager
async def cutting(host: Host, chance: random.Random) -> AsyncIterator[tuple[str, Cutter]]:
    """Give a cutter's address, and the cutter."""
    from twisted.internet import reactor

    cutter = Cutter(reactor, host.port, chance)
    listen = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
    port: IListeningPort = await listen.listen(cutter)
    address: Any = port.getHost()
    try:
        yield f"http://127.0.0.1:{address.port}", cutter
    finally:
        await cast("Deferred[None]", port.stopListening())


class Watcher:
    """Follows a host in the background: its events, and news of the link."""

    def __init__(self, client: HostClient, *which: str, **how: Any) -> None:
        self.values: list[Value] = []
        self._news: DeferredQueue[bool] = DeferredQueue()
        self._more: Deferred[None] = Deferred()
        self.stream: EventStream = client.subscribe(
            *which, on_link=lambda up, _why: self._news.put(up), **how
        )
        self.done = Deferred.fromCoroutine(self._watch())

    async def _watch(self) -> None:
        async with self.stream:
            async for value in self.stream:
                self.values.append(value)
                more, self._more = self._more, Deferred()
                more.callback(None)

    @property
    def ids(self) -> list[int]:
        return [value.id for value in self.values if isinstance(value, Event)]

    @property
    def gaps(self) -> list[Gap]:
        return [value for value in self.values if isinstance(value, Gap)]

    async def until(self, last: int) -> None:
        """Return once the event with this id has come."""
        while last not in self.ids[-1:]:
            await patient(self._more)

    async def news(self) -> bool:
        """Return the next news of the link."""
        return await patient(self._news.get())

    async def close(self) -> None:
        await self.stream.aclose()
        await self.done


async def patient(work: Deferred[T]) -> T:
    """Wait for something, but not for ever."""
    from twisted.internet import reactor

    shared: Deferred[T] = Deferred()
    work.chainDeferred(shared)
    return await shared.addTimeout(PATIENCE, cast("Any", reactor))


async def restarted(start_host: StartHost, host: Host, *options: str) -> Host:
    """Return the next life of a host that has ended, at the same port; it listens."""

    def start() -> Host:
        new = start_host("--port", str(host.port), *options)
        assert new.port == host.port
        return new

    return await deferToThread(start)


async def fire(client: HostClient, session: str = "a", data: Any = None) -> int:
    return (await client.fire(session, EventDraft.of("x", data))).id


@pytest.mark.parametrize("seed", [1, 2])
@in_reactor
async def test_stream_cut_repeatedly_under_load_loses_nothing(
    start_host: StartHost, seed: int
) -> None:
    # By the cutter's port; how much is fired before its last cut depends on the machine.
    host = start_host("--port", "0", "--allow-host", "127.0.0.1", "--retain", "1000000")
    chance, direct = random.Random(seed), at(host.url)
    last = await fire(direct)
    async with cutting(host, chance) as (url, cutter):
        watcher = Watcher(at(url), after="0", jitter=lambda: 0.0)
        while cutter.cuts:
            drafts = [EventDraft.of("x", "y" * chance.randrange(300)) for _ in range(20)]
            await direct.fire_batch(chance.choice("abc"), drafts)
            last += len(drafts)
        await watcher.until(last)
        assert watcher.ids == list(range(1, last + 1))
        assert watcher.gaps == []
        await watcher.close()


@in_reactor
async def test_stream_follows_a_killed_host_to_its_next_life(
    start_host: StartHost,
) -> None:
    host = start_host("--port", "0")
    client, ids = at(host.url), list[int]()
    watcher = Watcher(client, after="0")
    for life in range(2):
        ids += [await fire(client) for _ in range(20)]
        await watcher.until(ids[-1])
        host.process.kill()
        assert not await watcher.news()
        await deferToThread(host.wait)
        host = await restarted(start_host, host)
        ids.append(await fire(client, "b", life))
        assert await watcher.news()
        ids.append(await fire(client))
        await watcher.until(ids[-1])
    assert (watcher.ids, watcher.gaps) == (ids, [])
    await watcher.close()


@pytest.mark.parametrize("which", [("a",), ()])
@in_reactor
async def test_stream_follows_a_stopped_host_to_its_next_life(
    start_host: StartHost, which: tuple[str, ...]
) -> None:
    host = start_host("--port", "0")
    client = at(host.url)
    ids = [await fire(client)]
    watcher = Watcher(client, *which)
    for _ in range(3):
        await watcher.until(ids[-1])
        if which:
            await fire(client, "b")  # its place is not the end of the log: the disk is asked
        await client.stop()
        assert not await watcher.news()
        assert await deferToThread(host.wait) == 0
        host = await restarted(start_host, host)
        while (await client.status()).subscribers == 0:
            pass
        ids.append(await fire(client))
        assert await watcher.news()
        ids += [await fire(client) for _ in range(3)]
        await watcher.until(ids[-1])
    assert (watcher.ids, watcher.gaps) == (ids, [])
    await watcher.close()


@in_reactor
async def test_new_store_is_a_gap_and_begins_anew(start_host: StartHost) -> None:
    host = start_host("--port", "0", "--store", "memory:")
    client = at(host.url)
    last = await fire(client)
    all_of_them, one = Watcher(client), Watcher(client, "a")
    await all_of_them.until(last)
    await one.until(last)
    host.process.kill()
    await deferToThread(host.wait)
    host = await restarted(start_host, host, "--store", "memory:")
    with pytest.raises(UnknownSession):
        await patient(one.done)
    await fire(client)
    last = await fire(client)
    await all_of_them.until(last)
    assert [gap.reason for gap in all_of_them.gaps] == ["another epoch"]
    await all_of_them.close()


@in_reactor
async def test_slow_reader_gets_all_of_a_long_log(running_host: Host) -> None:
    client = at(running_host.url)
    draft = EventDraft.of("x", "y" * 2000)
    for _ in range(10):
        await client.fire_batch("a", [draft] * 500)
    async with client.subscribe("a", after="0") as stream:
        assert [await client.status() for _ in range(3)]  # meanwhile the host waits for us
        numbers = []
        async for value in stream:
            assert isinstance(value, Event)
            numbers.append(value.seq)
            if value.seq % 1000 == 0:
                await client.events("a", EventQuery(limit=1))
            if value.seq == 5000:
                break
    assert numbers == list(range(1, 5001))
    assert (await client.status()).subscribers == 0
