"""A request on the straight way: its handler is called at once, its answer is one write.

Only if the handler waits is there a Deferred.  What it has raised, or returned that is no plain
answer, is rendered by the resource tree, so that both ways say the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import lru_cache
from typing import Any, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString

from sxhost.errors import HostError
from sxhost.http.access_log import AccessLog, entry_of_head, is_logged
from sxhost.http.admission import Admission
from sxhost.http.compression import LEAST
from sxhost.http.direct_routes import DirectRoutes, Plan
from sxhost.http.guard import ConnectionGuard
from sxhost.http.request_context import HandlerOutcome
from sxhost.logs import logger
from sxhost.model.caller import Caller, current_caller
from sxhost.waiting import rest_of

__all__ = ["AnsweringSite", "Channel", "CountRequest", "DirectRequest", "request_ids"]

log = logger(__name__)

IDS: Final = 256
"""Ids of requests that are made at once: the system is seldom asked for random bytes."""

ID_BYTES: Final = 6

CountRequest = Callable[[str, str, int, float], None]
"""Counts an answered request: method, route, status, seconds."""


def request_ids() -> Iterator[str]:
    """Return endless random ids for requests."""
    while True:
        digits = os.urandom(ID_BYTES * IDS).hex()
        for at in range(0, len(digits), 2 * ID_BYTES):
            yield digits[at : at + 2 * ID_BYTES]


class Channel(Protocol):
    """A connection as its requests see it."""

    @property
    def guard(self) -> ConnectionGuard:
        """What knows the ends of the connection."""

    def begin_waiting(self, request: DirectRequest) -> None:
        """Read nothing more until this request is answered."""

    def send_answer(self, request: DirectRequest, data: bytes) -> None:
        """Send an answer; the request is done."""

    def answer_by_tree(self, request: DirectRequest, outcome: HandlerOutcome) -> None:
        """Have a `twisted.web` request answer with what the handler has returned or raised."""


class AnsweringSite(Protocol):
    """The site as its requests see it."""

    clock: IReactorTime
    access_log: AccessLog
    admission: Admission
    direct: DirectRoutes
    request_ids: Iterator[str]

    count_request: CountRequest


class DirectRequest:
    """A request on the straight way."""

    __slots__ = ("_channel", "_counted", "_left", "_site", "_waiting", "began", "body",
                 "caller", "plan", "sentLength")  # fmt: skip

    def __init__(
        self, channel: Channel, site: AnsweringSite, plan: Plan, caller: Caller, body: bytes
    ) -> None:
        self.plan = plan
        self.body = body
        self.caller = caller
        self.sentLength = 0
        self.began = site.clock.seconds()
        self._channel = channel
        self._site = site
        self._waiting: Deferred[None] | None = None
        self._counted = 0
        self._left = False

    def answer(self) -> None:
        """Call the handler; answer, or wait for what it waits for."""
        token = current_caller.set(self.caller)
        try:
            self._call()
        finally:
            current_caller.reset(token)

    def _call(self) -> None:
        try:
            work = self.plan.work(self.body, self.caller)
            awaited = work.send(None)
        except StopIteration as done:
            self._finish(done.value)
        except Exception:  # noqa: BLE001 - whatever it is, the tree answers with it
            self._hand_over(HandlerOutcome(failure=Failure()))
        else:
            self._wait(work, awaited)

    def _wait(self, work: Coroutine[Any, Any, Any], awaited: object) -> None:
        """Go on with the handler once that has happened for which it waits."""
        self._counted = self.plan.length
        self._site.admission.count_body(self._counted)
        self._channel.begin_waiting(self)
        self._waiting = Deferred.fromCoroutine(rest_of(work, awaited))
        self._waiting.addCallbacks(self._finish, self._fail).addErrback(_log_failure)

    def _finish(self, value: Any) -> None:
        """Send the answer, if it is a plain one."""
        self._release_body()
        if self._left:
            return
        plan, route = self.plan, self.plan.route
        if value is None or hasattr(value, "serve"):
            self._hand_over(HandlerOutcome(value))
            return
        try:
            body = route.encode(value)
        except Exception:  # noqa: BLE001 - whatever it is, the tree answers with it
            self._hand_over(HandlerOutcome(failure=Failure()))
            return
        if plan.head.method == b"GET" and len(body) >= LEAST:
            self._hand_over(HandlerOutcome(body))  # it may be compressed
            return
        request_id = next(self._site.request_ids)
        self.sentLength = len(body)
        self._log(request_id)
        head = plan.begin % (request_id.encode(), _date(int(time.time())), len(body))
        self._channel.send_answer(self, head + body)

    def _fail(self, failure: Failure) -> None:
        """Have the failure of a handler that has waited answered."""
        self._release_body()
        if not self._left:
            self._hand_over(HandlerOutcome(failure=failure))
        elif not failure.check(CancelledError, HostError):
            _log_failure(failure)

    def _hand_over(self, outcome: HandlerOutcome) -> None:
        self._channel.answer_by_tree(self, outcome)

    def _log(self, request_id: str) -> None:
        plan, site = self.plan, self._site
        route, seconds = plan.route, site.clock.seconds() - self.began
        site.count_request(route.method, route.path, route.status, seconds)
        if not is_logged(route.path):
            return
        if plan.entry is None or plan.logged_caller is not self.caller:
            peer = self._channel.guard.peer_name
            plan.entry = entry_of_head(plan.head, peer, self.caller, route)
            plan.logged_caller = self.caller
        site.access_log(plan.entry.of(self.sentLength, seconds * 1000, request_id))

    def connectionLost(self, _reason: object) -> None:
        """End the handler that waits: the client has left."""
        self._left = True
        if self._waiting is not None:
            self._waiting.cancel()
        self._release_body()

    def _release_body(self) -> None:
        if self._counted:  # only the body of a handler that waits was counted
            counted, self._counted = self._counted, 0
            self._site.admission.uncount_body(counted)


def _log_failure(failure: Failure) -> None:
    log.failure("a request failed", failure)


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return bytes(datetimeToString(second))
