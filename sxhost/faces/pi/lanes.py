"""Lanes: what is for one session is done in order, but for what may overtake.

One command of a lane is at its head.  What controls or reads does not wait behind work that
has begun (a turn that runs), nor control behind a read; behind all else it does, so that a
client may send ``create_session``, ``switch_session``, ``prompt``, ``abort`` in one go.
What makes or ends the session waits only for its like, and everything else for it.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from twisted.internet.defer import Deferred

__all__ = ["Lanes", "Ticket", "Way"]

Way = Literal["last", "beside", "first"]
"""Behind all that is there; past work that has begun; past everything."""


class Ticket:
    """One command's way through its lane."""

    def __init__(self, lane: Lane, way: Way) -> None:
        self.way = way
        self.lets_by = way == "beside"
        """Whether others may overtake it now."""
        self.go: Deferred[None] | None = None
        self._lane = lane

    def begun(self) -> None:
        """What it does goes on by itself: it can be controlled from now on."""
        self.lets_by = self.way != "first"
        self._lane.move()

    def leave(self) -> None:
        """It is done, or does not want to go any more."""
        self._lane.leave(self)


class Lane:
    """What waits for its turn in one session; `_ruler` is past the head, and holds all up."""

    def __init__(self, name: str, lanes: dict[str, Lane]) -> None:
        self._name = name
        self._lanes = lanes
        self._head: Ticket | None = None
        self._ruler: Ticket | None = None
        self._waiting: deque[Ticket] = deque()
        self._riding = 0

    def enter(self, way: Way) -> Ticket:
        """Queue; the ride's `go`, if it has one, fires when it may go."""
        ride = Ticket(self, way)
        self._riding += 1
        if not self._takes(ride):
            ride.go = Deferred()
            self._waiting.append(ride)
        return ride

    def _takes(self, ride: Ticket) -> bool:
        """Let a ride go, if it may."""
        head = self._head
        if self._ruler is not None:
            return False
        if head is None:
            self._head = ride
        elif ride.way == "first" and head.way != "first":
            self._ruler = ride
        else:
            return ride.way == "beside" and head.lets_by
        return True

    def leave(self, ride: Ticket) -> None:
        """Let the next one go."""
        self._riding -= 1
        if ride is self._head:
            self._head = None
        elif ride is self._ruler:
            self._ruler = None
        elif ride in self._waiting:
            self._waiting.remove(ride)
        self.move()
        if not self._riding:
            self._lanes.pop(self._name, None)

    def move(self) -> None:
        """Let go who may: in order, and again, since whoever goes may be gone at once."""
        while True:
            ride = next((one for one in self._waiting if self._takes(one)), None)
            if ride is None:
                return
            self._waiting.remove(ride)
            if ride.go is not None and not ride.go.called:
                ride.go.callback(None)


class Lanes:
    """The lanes that something is in."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def enter(self, name: str, way: Way) -> Ticket:
        """Queue in a lane."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, self._lanes)
        return lane.enter(way)

    def __len__(self) -> int:
        return len(self._lanes)
