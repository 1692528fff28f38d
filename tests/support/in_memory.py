"""A whole host in memory: the real tree, service and store on a clock that we move."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource

from sxhost.agents.dependencies import Agents
from sxhost.auth.browsers import Browsers
from sxhost.auth.tokens import TokenStore
from sxhost.client.host import HostClient
from sxhost.faces.native.tokens import Keys
from sxhost.faces.pi.multiplexer import Multiplexer
from sxhost.http.authentication import Authenticator, Policy, login_attempts
from sxhost.http.metrics import Metrics
from sxhost.http.request_context import context_of
from sxhost.http.router import asks, opens, tree
from sxhost.http.site import HostSite
from sxhost.model.caller import HOST
from sxhost.model.limits import Limits
from sxhost.service import SessionService
from sxhost.store.memory import MemoryStore
from sxhost.tap import MANNERS, faces
from tests.support.fake_agents import Crew

T = TypeVar("T")

MIDNIGHT_MS = 1_710_288_000_000
"""The wall clock's reading when a lab opens: 13 March 2024."""

URL = "http://127.0.0.1:7432"


def result_of(work: Coroutine[Any, Any, T] | Deferred[T]) -> T:
    """Return the result of work that is done without waiting, or raise its error."""
    results: list[Any] = []
    started(work).addBoth(results.append)
    assert results, "it has not finished"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]  # type: ignore[no-any-return]


def started(work: Coroutine[Any, Any, T] | Deferred[T]) -> Deferred[T]:
    """Begin work that may have to wait."""
    return work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)


def is_done(work: Deferred[Any]) -> bool:
    """Tell whether work has finished."""
    return work.called


def finished(work: Coroutine[Any, Any, T] | Deferred[T], clock: Clock) -> T:
    """Return the result of work that may take many turns, but no time."""
    begun = started(work)
    clock.advance(0)
    return result_of(begun)


def turn(clock: Clock) -> None:
    """Run what is due now, and not what that makes due, as a turn of a reactor does."""
    for call in clock.getDelayedCalls():
        if call.active() and call.getTime() <= clock.seconds():
            clock.calls.remove(call)  # type: ignore[arg-type]
            call.called = 1  # type: ignore[attr-defined]
            call.func(*call.args, **call.kw)  # type: ignore[attr-defined]


NOWHERE = Path("/nowhere")
ANYONE = Policy(hosts=frozenset({"x", "localhost", "127.0.0.1"}), tokens="none")
UID = 1000
"""The user that a host in memory runs as."""


class Answer:
    """A response that has been read whole."""

    def __init__(self, response: Any, body: bytes) -> None:
        self.status: int = response.code
        self.length: int = response.length
        self.headers = response.headers
        self.body = body

    def header(self, name: str) -> str | None:
        values = self.headers.getRawHeaders(name)
        return values[0] if values else None

    def json(self) -> Any:
        assert self.header("content-type") == "application/json", self.body
        return msgspec.json.decode(self.body)

    def lines(self) -> list[Any]:
        assert self.header("content-type") == "application/x-ndjson", self.body
        return [msgspec.json.decode(line) for line in self.body.splitlines()]


class Door(Resource):
    """Lets everyone in as `caller`; the gate itself is tested over real bytes."""

    isLeaf = True

    def __init__(self, tree: IResource) -> None:
        super().__init__()
        self.caller = HOST
        self._tree = tree

    def render(self, request: Any) -> Any:
        context_of(request).caller = self.caller
        return self._tree.render(request)


class Lab:
    """A host (`service`), its HTTP face (`request`) and a `client`, all on one `clock`."""

    def __init__(
        self, place: Path = NOWHERE, *, crew: Crew | None = None, **limits: Any
    ) -> None:
        self.clock = Clock()
        self.ahead_ms = 0
        """How much the wall clock has jumped."""
        self.limits = Limits(**limits)
        self.store = MemoryStore(self.limits, self.clock.seconds)
        self.keyring = TokenStore(place, self.wall_ms, self.clock.callLater)
        self.browsers = Browsers(self.clock, self.wall_ms, self.limits)
        self.crew = crew or Crew()
        self.bypass = False
        self.agents = Agents(self.crew)
        self.live()
        self.client = HostClient(URL, cast(HTTPClient, self.treq), self.clock)

    def live(self) -> None:
        """Begin a life of the host on its store: the first, or one after a stop."""
        self.service = SessionService(
            self.store, self.clock, self.wall_ms, self.limits, self.agents
        )
        self.metrics = Metrics(self.service)
        self.mux = Multiplexer(self.service, self.clock)
        self.routes = faces(
            self.service,
            self.metrics,
            Keys(
                self.keyring,
                self.browsers,
                self.clock,
                self.limits,
                note=self.service.note,
                own=UID,
            ),
            self.mux,
            bypass=self.bypass,
        )
        self.door = Door(tree(self.routes, self.limits, MANNERS, self.service.slices))
        self.treq: Any = StubTreq(self.door)

    def wall_ms(self) -> int:
        return MIDNIGHT_MS + self.ahead_ms + int(self.clock.seconds() * 1000)

    def site(self, policy: Policy = ANYONE, clock: Any = None) -> HostSite:
        """Return the listening side of this host, behind a gate."""
        attempts = login_attempts(self.clock, self.limits.tries)
        guard = Authenticator(
            policy,
            self.keyring.caller,
            opens(self.routes),
            UID,
            attempts,
            check_browser=self.browsers.caller,
            asks=asks(self.routes),
        )
        root = tree(self.routes, self.limits, MANNERS, self.service.slices)
        own: dict[str, Any] = {"own": UID, "formats": MANNERS}
        return HostSite(
            root, guard, clock or self.clock, self.limits, self.metrics.count, **own
        )

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request that is answered at once; a `body` that is not bytes goes as JSON."""
        return result_of(self.begin(method, path, body, **headers))

    def begin(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> Deferred[Answer]:
        """Send a request that may have to wait."""
        data = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return started(self._exchange(method, path, data, named))

    async def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> Answer:
        response = await self.treq.request(method, URL + path, data=data, headers=headers)
        return Answer(response, await response.content())
