"""Telemetry over HTTP: this host as the collector of others."""

from __future__ import annotations

from collections.abc import Sequence

from sxhost.http.router import Route
from sxhost.service import SessionService
from sxhost.telemetry.ingest import Filing

__all__ = ["routes"]


def routes(service: SessionService) -> Sequence[Route]:
    """Return the route that payloads are posted to."""
    filing = Filing(service)
    words = "File telemetry."
    file = Route("POST", "/telemetry", filing.file, words, 204, scope="send", telemetry=True)
    return (file,)
