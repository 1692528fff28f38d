"""``sxhost sessions --watch``: each change of the host's sessions is on the screen soon."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import MemoryReactorClock

from sxhost.cli.output import Pieces
from sxhost.cli.progress import Progress
from sxhost.cli.session_list import Listed
from sxhost.cli.session_watch import SessionWatch
from sxhost.cli.terminal import HostLink
from sxhost.model.event import EventDraft
from sxhost.model.session import Registration, SessionQuery
from sxhost.testing import NetworkInMemory, result_of
from tests.support.screens import Screen, terminal


class Watched:
    """A terminal with the list; of each session its id, its state, and whether it asks."""

    def __init__(self, net: NetworkInMemory, screen: Screen, query: SessionQuery) -> None:
        self.net = net
        self.screen = screen
        self.link = HostLink("http://x", json=False)
        self.link.reactor = MemoryReactorClock()
        self.link.progress = Progress(self.link.reactor, self)
        watch = SessionWatch(self.link, net.client, query, self.table)
        self.done = Deferred.fromCoroutine(watch.run())
        self.settle()

    def show(self, what: str, seconds: float) -> None:
        raise AssertionError("the screen is the list's")

    def clear(self) -> None:
        pass

    @staticmethod
    def table(listed: Listed) -> list[Pieces]:
        return [
            [(f"{one.id} {one.detail_state} {one.id in listed.asked}", None)]
            for one in listed.sessions
        ]

    def settle(self) -> None:
        """Let what has changed come to the screen."""
        self.net.run()
        self.net.advance(1)
        self.link.reactor.advance(0.1)

    def leave(self) -> None:
        """Press Ctrl-C."""
        self.done.addErrback(lambda failure: failure.trap(CancelledError))
        self.done.cancel()
        self.net.run()
        assert not self.net.open_cables

    @property
    def shown(self) -> list[str]:
        """The lines of the screen, without the last one."""
        lines = self.screen.getvalue().rpartition("\x1b[H")[2].split("\x1b[K\n")
        return lines[:-1]

    def register(self, name: str, **fields: Any) -> None:
        result_of(self.net.service.register(name, Registration(**fields)))
        self.settle()

    def fire(self, name: str, event: str, data: Any = None) -> None:
        result_of(self.net.service.fire(name, EventDraft.of(event, data)))
        self.settle()


def test_each_change_is_shown() -> None:
    net = NetworkInMemory()
    result_of(net.service.register("a", Registration()))
    with terminal() as screen:
        watched = Watched(net, screen, SessionQuery())
        assert watched.shown == ["a idle False"]
        watched.register("b")
        assert watched.shown == ["a idle False", "b idle False"]
        watched.fire("a", "tool-start", {"tool": "Bash"})
        assert watched.shown == ["a working False", "b idle False"]
        result_of(net.service.forget("b"))
        watched.settle()
        assert watched.shown == ["a working False"]
        watched.leave()


def test_only_what_was_asked_for_is_shown() -> None:
    net = NetworkInMemory()
    with terminal() as screen:
        watched = Watched(net, screen, SessionQuery(agent="claude", state="working"))
        watched.register("a", agent="claude")
        watched.register("b", agent="codex")
        assert watched.shown == []
        for name in "ab":
            watched.fire(name, "tool-start", {"tool": "Bash"})
        assert watched.shown == ["a working False"]
        watched.leave()
