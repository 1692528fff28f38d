"""Lanes: what is for one session is done in order, but for what may overtake.

One command of a lane is at its head.  What controls or reads does not wait behind work that
has begun (a turn that runs), nor control behind a read; behind all else it does, so that a
client may send ``create_session``, ``switch_session``, ``prompt``, ``abort`` in one go.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred

__all__ = ["Lanes", "Ride"]


class Ride:
    """One command's way through its lane."""

    def __init__(self, lane: Lane, *, overtakes: bool) -> None:
        self.overtakes = overtakes
        self.lets_by = overtakes
        """Whether others may overtake it now."""
        self.go: Deferred[None] | None = None
        self._lane = lane

    def begun(self) -> None:
        """What it does goes on by itself: it can be controlled from now on."""
        self.lets_by = True
        self._lane.move()

    def leave(self) -> None:
        """It is done, or does not want to go any more."""
        self._lane.leave(self)


class Lane:
    """What waits for its turn in one session."""

    def __init__(self, name: str, lanes: dict[str, Lane]) -> None:
        self._name = name
        self._lanes = lanes
        self._head: Ride | None = None
        self._waiting: deque[Ride] = deque()
        self._riding = 0

    def enter(self, *, overtakes: bool) -> Ride:
        """Queue; the ride's `go`, if it has one, fires when it may go."""
        ride = Ride(self, overtakes=overtakes)
        self._riding += 1
        if self._head is None:
            self._head = ride
        elif not (overtakes and self._head.lets_by):
            ride.go = Deferred()
            self._waiting.append(ride)
        return ride

    def leave(self, ride: Ride) -> None:
        """Let the next one go."""
        self._riding -= 1
        if ride is self._head:
            self._head = None
        elif ride in self._waiting:
            self._waiting.remove(ride)
        self.move()
        if not self._riding:
            self._lanes.pop(self._name, None)

    def move(self) -> None:
        """Let go who may."""
        if self._head is None and self._waiting:
            self._head = self._waiting.popleft()
            _go(self._head)
        while self._head is not None and self._head.lets_by:
            ride = next((ride for ride in self._waiting if ride.overtakes), None)
            if ride is None:
                return
            self._waiting.remove(ride)
            _go(ride)


def _go(ride: Ride) -> None:
    if ride.go is not None and not ride.go.called:
        ride.go.callback(None)


class Lanes:
    """The lanes that something is in."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def enter(self, name: str, *, overtakes: bool) -> Ride:
        """Queue in a lane."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, self._lanes)
        return lane.enter(overtakes=overtakes)

    def __len__(self) -> int:
        return len(self._lanes)
