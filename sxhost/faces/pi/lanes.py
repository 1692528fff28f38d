"""Lanes: the commands for one session run in order, except where one may overtake.

One command of a lane is its head.  Commands that control or read do not wait behind work that
runs (a turn), nor control behind a read; behind all else they do, so that a client may send
``create_session``, ``switch_session``, ``prompt``, ``abort`` in one go.  Commands that create
or delete the session are exclusive: they wait for each other alone, and all others for them.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from twisted.internet.defer import Deferred

__all__ = ["Lanes", "Priority", "Ticket"]

Priority = Literal["in_order", "overtakes", "exclusive"]
"""Behind all that wait; past a head that can be overtaken; past everything but its like."""


class Ticket:
    """A command's place in its lane; `admitted` fires at its turn, and is None if that is now.

    `can_be_overtaken`: whether commands that overtake may run beside it.
    """

    def __init__(self, lane: Lane, priority: Priority) -> None:
        self.priority = priority
        self.can_be_overtaken = priority == "overtakes"
        self.admitted: Deferred[None] | None = None
        self._lane = lane

    def work_started(self) -> None:
        """Let others overtake: the command's work runs by itself and can be controlled."""
        self.can_be_overtaken = self.priority != "exclusive"
        self._lane.admit_next()

    def release(self) -> None:
        """Leave the lane: the command is done, or given up."""
        self._lane.release(self)


class Lane:
    """The commands of one session, or of the server; it is dropped when it is empty."""

    def __init__(self, name: str, lanes: dict[str, Lane]) -> None:
        self._name = name
        self._lanes = lanes
        self._head: Ticket | None = None
        self._exclusive: Ticket | None = None
        """A command that runs beside the head and holds up all others."""
        self._waiting: deque[Ticket] = deque()
        self._size = 0

    def enter(self, priority: Priority) -> Ticket:
        """Queue a command."""
        ticket = Ticket(self, priority)
        self._size += 1
        if not self._admit(ticket):
            ticket.admitted = Deferred()
            self._waiting.append(ticket)
        return ticket

    def _admit(self, ticket: Ticket) -> bool:
        """Let a command run if it may; tell whether it does."""
        head = self._head
        if self._exclusive is not None:
            return False
        if head is None:
            self._head = ticket
        elif ticket.priority == "exclusive" and head.priority != "exclusive":
            self._exclusive = ticket
        else:
            return ticket.priority == "overtakes" and head.can_be_overtaken
        return True

    def release(self, ticket: Ticket) -> None:
        """Take a command out, and let the next ones run."""
        self._size -= 1
        if ticket is self._head:
            self._head = None
        elif ticket is self._exclusive:
            self._exclusive = None
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        self.admit_next()
        if not self._size:
            self._lanes.pop(self._name, None)

    def admit_next(self) -> None:
        """Let waiting commands run, in order.

        The search begins anew after each, since a command may be done, and have left, at once.
        """
        while True:
            ticket = next((each for each in self._waiting if self._admit(each)), None)
            if ticket is None:
                return
            self._waiting.remove(ticket)
            if ticket.admitted is not None and not ticket.admitted.called:
                ticket.admitted.callback(None)


class Lanes:
    """All lanes that have a command."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def enter(self, name: str, priority: Priority) -> Ticket:
        """Queue a command in a lane."""
        return self._lanes.setdefault(name, Lane(name, self._lanes)).enter(priority)

    def __len__(self) -> int:
        return len(self._lanes)
