"""Channels of notifications that are lists."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from sxhost.notify.channels import SendFailed
from sxhost.notify.outbox import Notice
from sxhost.notify.rules import Channel

__all__ = ["FakeSenders"]


class FakeSenders:
    """Takes notices; `sent` are those that were taken, `tried` all.

    `refuse` is raised for each as long as it is not None, `slow` is waited for.
    """

    def __init__(self) -> None:
        self.tried: list[Notice] = []
        self.sent: list[Notice] = []
        self.refuse: SendFailed | None = None
        self.slow: Deferred[None] | None = None

    async def send(self, _channel: Channel, notice: Notice) -> None:
        """Take a notice, or not, as the test wishes."""
        self.tried.append(notice)
        if self.slow is not None:
            await self.slow
        if self.refuse is not None:
            raise self.refuse
        self.sent.append(notice)
