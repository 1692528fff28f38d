"""Notifications over HTTP: what is told where, what became of it, a channel tried."""

from __future__ import annotations

from collections.abc import Sequence

from sxhost.http.routes import Route
from sxhost.notify.notifier import Notifications

__all__ = ["routes"]


def routes(notifications: Notifications) -> Sequence[Route]:
    """Return the routes to the notifications of a host."""
    return (
        Route("GET", "/notify", notifications.view, "Show notifications.", scope="admin"),
        Route("POST", "/notify/test", notifications.test, "Try a channel."),
    )
