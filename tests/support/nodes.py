"""Nodes in memory over one log, and what tests say of them in short."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.store.journalled import JournalledStore
from sxhost.testing import result_of
from sxhost.testing.cluster import LogInMemory, NodeJournal, node_store

__all__ = ["Nodes"]


class Nodes:
    """Some nodes, each with its journal."""

    def __init__(self, count: int, **limits: Any) -> None:
        self.clock = Clock()
        self.limits = Limits(**limits)
        self.log = LogInMemory(self.clock, ahead_s=1_000)
        self.journals: list[NodeJournal] = []
        self.stores: list[JournalledStore] = []
        for _ in range(count):
            self.join()

    def join(self) -> JournalledStore:
        """Add a node, which reads all that there is."""
        self.journals.append(NodeJournal(self.log, str(len(self.journals))))
        self.stores.append(node_store(self.journals[-1], self.limits, self.clock))
        self.stores[-1].open()
        return self.stores[-1]

    def close(self) -> None:
        """End all nodes, and forget the log."""
        for store in self.stores:
            result_of(store.close())
        self.log.close()
