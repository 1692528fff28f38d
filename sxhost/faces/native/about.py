"""The index of all routes (``/``) and the contract (``/openapi.json``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sxhost import __version__
from sxhost.http.openapi import document
from sxhost.http.readiness import READY, Readiness
from sxhost.http.routes import Route

__all__ = ["routes"]


def routes(others: Sequence[Route], readiness: Readiness) -> Sequence[Route]:
    """Return the routes that describe `others` and themselves."""

    async def index() -> dict[str, object]:
        return _index(everything)

    async def openapi() -> dict[str, object]:
        return contract()

    @cache
    def contract() -> dict[str, object]:
        return document(everything)

    everything = (
        # Before the dashboard, which is at `/` for those alone who accept its type.
        Route("GET", "/", index, "List what is served here.", tag="about"),
        *others,
        Route(
            "GET",
            READY,
            readiness.ready,
            "Check that the host takes requests, for balancers.",
            scope="open",
            tag="about",
        ),
        Route("GET", "/openapi.json", openapi, "The contract, for programs.", tag="about"),
    )
    return everything


def _index(routes: Sequence[Route]) -> dict[str, object]:
    served = [{"method": r.method, "path": r.path, "summary": r.summary} for r in routes]
    return {"name": "sxhost", "version": __version__, "routes": served}
