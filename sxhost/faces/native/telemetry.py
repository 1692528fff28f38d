"""Telemetry over HTTP: this host as the collector of others."""

from __future__ import annotations

from collections.abc import Sequence

from sxhost.http.routes import Route
from sxhost.model.host import RemoteHost
from sxhost.telemetry.ingest import TelemetryIngest

__all__ = ["routes"]


def routes(host: RemoteHost) -> Sequence[Route]:
    """Return the route that payloads are posted to."""
    ingest = TelemetryIngest(host)
    summary = "Take telemetry."
    return (
        Route(
            "POST",
            "/telemetry",
            ingest.append_payload,
            summary,
            204,
            scope="send",
            telemetry=True,
            large=True,
        ),
    )
