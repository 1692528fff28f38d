"""What the host knows of a request beside its bytes, for whatever answers it or logs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import Interface, implementer

from sxhost.http.responses import NATIVE, ResponseFormat
from sxhost.model.caller import NOBODY, Caller

__all__ = ["HandlerOutcome", "RequestContext", "context_of"]


class HandlerOutcome(NamedTuple):
    """What a handler has returned or raised."""

    value: Any = None
    failure: Failure | None = None

    def result(self) -> Any:
        """Return or raise it again."""
        if self.failure is not None:
            self.failure.raiseException()
        return self.value


class IRequestContext(Interface):
    """The `RequestContext` among a request's components."""


@implementer(IRequestContext)
@dataclass(slots=True)
class RequestContext:
    """Who asks, which route answers and in which format, as far as that is known yet."""

    request_id: str = "-"
    """Names the request to its client and in the log."""
    caller: Caller = NOBODY
    """Who asks: nobody with any right, until somebody is let in."""
    response_format: ResponseFormat = NATIVE
    """What answers and refusals look like."""
    route: str = ""
    """The path of the route that answers, for the log and the metrics."""
    query_names: frozenset[str] = frozenset()
    """The query's parameters that the route knows; no others are logged."""
    outcome: HandlerOutcome | None = None
    """What the handler has returned or raised, if it was called already."""


def context_of(request: Request) -> RequestContext:
    """Return the context of `request`, which it has from the first time on."""
    context: RequestContext | None = request.getComponent(IRequestContext)
    if context is None:
        context = RequestContext()
        request.setComponent(IRequestContext, context)
    return context
