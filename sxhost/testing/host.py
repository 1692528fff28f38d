"""A whole host in memory: the real routes, service and store on a clock that the test moves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import msgspec
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.resource import IResource, Resource

from sxhost.agent_files.follower import Follower
from sxhost.agent_files.running import RunningAgent
from sxhost.agents.dependencies import Agents
from sxhost.auth.browsers import BrowserLogins
from sxhost.auth.tokens import TokenStore
from sxhost.client.host import HostClient
from sxhost.faces.native import hooks, notify
from sxhost.faces.native.tokens import TokenHandlers
from sxhost.faces.pi.multiplexer import Multiplexer
from sxhost.hooks.sessions import HookHandler
from sxhost.http.authentication import AccessPolicy, Authenticator, login_attempts
from sxhost.http.direct_routes import DirectRoutes
from sxhost.http.metrics import Metrics
from sxhost.http.request_context import context_of
from sxhost.http.router import make_tree
from sxhost.http.routes import identifying_paths, large_paths, open_paths
from sxhost.http.site import HostSite
from sxhost.model.caller import HOST, Caller
from sxhost.model.limits import Limits
from sxhost.notify.notifier import Notifications
from sxhost.notify.outbox import NoticeOutbox
from sxhost.service import SessionService
from sxhost.store.memory import MemoryStore
from sxhost.streams.notifier import LogNotifier
from sxhost.tap import RESPONSE_FORMATS, faces
from sxhost.waiting import run_inline

from .agents import FakeDrivers
from .processes import FakeProcesses
from .senders import FakeSenders
from .waiting import result_of, started

MIDNIGHT_MS = 1_710_288_000_000
"""The wall clock's reading (Unix time in ms) when a host in memory begins: 13 March 2024."""

URL = "http://127.0.0.1:7432"

NOWHERE = Path("/nowhere")
ANYONE = AccessPolicy(hosts=frozenset({"x", "localhost", "127.0.0.1"}), tokens="none")
UID = 1000
"""The user that a host in memory runs as."""


class BufferedResponse:
    """A response whose body has been read whole."""

    def __init__(self, response: Any, body: bytes) -> None:
        self.status: int = response.code
        self.length: int = response.length
        self.headers = response.headers
        self.body = body

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        values = self.headers.getRawHeaders(name)
        return values[0] if values else None

    def json(self) -> Any:
        """Return the value of a JSON body."""
        self._expect("application/json")
        return msgspec.json.decode(self.body)

    def lines(self) -> list[Any]:
        """Return the values of a body of JSON lines."""
        self._expect("application/x-ndjson")
        return [msgspec.json.decode(line) for line in self.body.splitlines()]

    def _expect(self, media_type: str) -> None:
        if self.header("content-type") != media_type:
            raise AssertionError(f"not {media_type}: {self.body!r}")


class AssumedCaller(Resource):
    """Serves each request as that of the host's `caller`, without authentication."""

    isLeaf = True

    def __init__(self, host: HostInMemory, tree: IResource) -> None:
        super().__init__()
        self._host = host
        self._tree = tree

    def render(self, request: Any) -> Any:
        """Answer a request as the routes do."""
        context_of(request).caller = self._host.caller
        request.requestHeaders.removeHeader(b"accept-encoding")  # treq adds it to each
        return self._tree.render(request)


class HostInMemory:
    """A host (`service`), its routes (`request`) and a `client`, all on one `clock`.

    `caller` is whom each request comes from; `drivers` make the agents that it runs; keyword
    arguments are limits (`sxhost.model.limits.Limits`).  Only `place`, if it is given, is
    written to: tokens are stored there.
    """

    def __init__(
        self, place: Path = NOWHERE, *, drivers: FakeDrivers | None = None, **limits: Any
    ) -> None:
        self.clock = Clock()
        self.ahead_ms = 0
        """How much the wall clock has jumped."""
        self.caller: Caller = HOST
        self.limits = Limits(**limits)
        self.store = MemoryStore(self.limits, self.clock.seconds)
        self.keyring = TokenStore(place, self.wall_ms, self.clock.callLater)
        self.browsers = BrowserLogins(self.clock, self.wall_ms, self.limits)
        self.drivers = drivers or FakeDrivers()
        self.bypass = False
        self.running: list[RunningAgent] = []
        """Agents that run without hooks, to be discovered."""
        self.processes = FakeProcesses()
        self.senders, self.outbox = FakeSenders(), NoticeOutbox()
        self.rules: Path | None = None
        self.agents = Agents(self.drivers, watch=self.processes.watch, processes=self.processes)
        self.restart()
        self.client = HostClient(URL, cast(HTTPClient, self.treq), self.clock)

    def restart(self) -> None:
        """Begin a life of the host on its store: the first, or one after a stop."""
        self.service = SessionService(
            self.store, self.clock, self.wall_ms, self.limits, self.agents
        )
        self.metrics = Metrics(self.service)
        self.mux = Multiplexer(self.service, self.clock)
        self.follower = Follower(self.clock, run_inline, os.geteuid())
        self.hook_handler = HookHandler(
            self.service,
            self.clock,
            self.follower,
            find=lambda _uid: self.running,
            serves_one=lambda _process: True,
        )
        self.service.on_process_end(self.hook_handler.read_last_words)
        self.service.on_hand_over(self.hook_handler.follow_terminal)
        self.notifications = Notifications(
            self.service, self.clock, self.wall_ms, self.senders, self.outbox, file=self.rules
        )
        self.routes = faces(
            self.service,
            self.metrics,
            TokenHandlers(
                self.keyring,
                self.browsers,
                self.clock,
                self.limits,
                record=self.service.record_action,
                host_uid=UID,
            ),
            self.mux,
            [*hooks.routes(self.hook_handler, UID), *notify.routes(self.notifications)],
            bypass=self.bypass,
        )
        self.serve(make_tree(self.routes, self.limits, RESPONSE_FORMATS, self.service.slices))

    @property
    def notifier(self) -> LogNotifier:
        """The service's notifier: who waits, and who reads live."""
        return self.service._core.notifier

    def serve(self, root: IResource) -> None:
        """Answer requests by `root`, as whatever `caller` is at the time."""
        self.treq: Any = StubTreq(AssumedCaller(self, root))

    def wall_ms(self) -> int:
        """Return what the wall clock shows (Unix time in ms)."""
        return MIDNIGHT_MS + self.ahead_ms + int(self.clock.seconds() * 1000)

    def site(
        self, policy: AccessPolicy = ANYONE, clock: Any = None, *, direct: bool = True
    ) -> HostSite:
        """Return the listening side of this host, which authenticates by `policy`.

        Without `direct` every request goes through the resource tree.
        """
        attempts = login_attempts(self.clock, self.limits.tries)
        authenticator = Authenticator(
            policy,
            self.keyring.caller,
            open_paths(self.routes),
            UID,
            attempts,
            check_browser=self.browsers.caller,
            asks=identifying_paths(self.routes),
            token_file="/state/token",  # noqa: S106 - a path
        )
        root = make_tree(self.routes, self.limits, RESPONSE_FORMATS, self.service.slices)
        return HostSite(
            root,
            authenticator,
            clock or self.clock,
            self.limits,
            self.metrics.count,
            host_uid=UID,
            formats=RESPONSE_FORMATS,
            large_paths=large_paths(self.routes),
            direct=DirectRoutes(
                self.routes if direct else (), self.limits, self.service.slices
            ),
        )

    def request(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> BufferedResponse:
        """Send a request that is answered at once; a `body` that is not bytes goes as JSON."""
        return result_of(self.begin(method, path, body, **headers))

    def begin(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> Deferred[BufferedResponse]:
        """Send a request that may have to wait; ``_`` in a header's name stands for ``-``."""
        data = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return started(self._exchange(method, path, data, named))

    async def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> BufferedResponse:
        response = await self.treq.request(method, URL + path, data=data, headers=headers)
        return BufferedResponse(response, await response.content())
