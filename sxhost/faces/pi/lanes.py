"""Lanes: the commands for one session take effect in the order in which they were sent.

Beside work that has begun (a turn), commands that read and commands that control it run at
once, past what waits for its end.  Otherwise nothing passes what was sent before it, so that a
client may send ``create_session``, ``switch_session``, ``prompt``, ``abort`` in one go: the
abort waits until the prompt has begun and there is something to stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from twisted.internet.defer import Deferred

__all__ = ["Lanes", "Priority", "Ride", "Ticket"]

Priority = Literal["in_order", "reads", "controls", "answers", "exclusive"]
"""What a command waits for.

in_order: all that was sent before.
reads, controls: the same, but for work that has begun, and what waits for its end.  Both hold
up commands of the same client alone, and reads hold up no reads.
answers: only what creates or deletes the session, since an answer names what it is about.
exclusive: what its client has sent before, but for work and what waits for its end; all that is
sent later waits for it.
"""


class Ride(NamedTuple):
    """A command as its lane sees it: `client`, compared by identity, has sent it.

    `controls`: the commands beside whose work it may run; None if beside any.  `stops`: it ends
    that work.  `surveys`: it is about all sessions, and waits until those that its client
    creates or deletes are.
    """

    command: str
    priority: Priority
    client: object
    controls: frozenset[str] | None = None
    stops: bool = False
    surveys: bool = False


class Ticket:
    """A command's place in its lane; `admitted` fires at its turn, and is None if that is now.

    :param after: commands of other lanes that it waits for as well.
    """

    def __init__(self, lane: Lane, ride: Ride, after: tuple[Ticket, ...]) -> None:
        self.ride = ride
        self.after = after
        self.target: Ticket | None = None
        """The command whose work it stops: the first that no other stops."""
        self.is_target = False
        self.is_ending = False
        """Whether its work has been stopped, so that no more comes of it."""
        self.admitted: Deferred[None] | None = None
        self.runs = False
        self.works = False
        """Whether its work runs by itself, beside which others may run."""
        self.released = False
        self.followed_by: list[Lane] = []
        self._impatient = False
        self._lane = lane

    def waits_for(self, other: Ticket, at_work: Sequence[Ticket]) -> bool:
        """Tell whether it may not run yet, because of a command that was sent before it.

        :param at_work: the commands whose work runs in the lane.
        """
        kind, same = self.ride.priority, other.ride.client is self.ride.client
        if other.ride.priority == "exclusive" or kind == "in_order":
            return True
        if kind == "answers" or other.works:
            return False
        if kind == "exclusive" and (self._impatient or not same):
            return False
        if other.ride.priority == "reads":
            return same and kind != "reads"
        if other.ride.priority == "controls" and not same:
            return other.ride.command in (self.ride.controls or ())
        return other.runs or not self._may_run_beside(at_work, same=same)

    def _may_run_beside(self, at_work: Sequence[Ticket], *, same: bool) -> bool:
        """Tell whether it passes what waits for the end of such work."""
        if not same:
            return bool(at_work)
        if self.target is not None:
            at_work = [self.target] if self.target.works else []
        controls = self.ride.controls
        return any(
            not each.is_ending and (controls is None or each.ride.command in controls)
            for each in at_work
        )

    def may_stop(self, other: Ticket) -> bool:
        """Tell whether it stops the work of a command that was sent before it."""
        of_kind = self.ride.stops and other.ride.command in (self.ride.controls or ())
        is_meant = other.works or other.ride.client is self.ride.client
        return of_kind and is_meant and not other.is_target

    def work_started(self) -> None:
        """Let others overtake: the command's work runs by itself and can be controlled."""
        self.works = self.ride.priority != "exclusive"
        self._lane.admit_next()

    def wait_no_longer(self) -> None:
        """Run, though a command that was sent before has not come to its end."""
        self._impatient = True
        self._lane.admit_next()

    def release(self) -> None:
        """Leave the lane: the command is done, or given up."""
        self.released = True
        if self.target is not None:
            self.target.is_ending = True
        self._lane.release(self)
        for lane in self.followed_by:
            lane.admit_next()


class Lane:
    """The commands of one session, or of the server; it is dropped when it is empty."""

    def __init__(self, name: str, lanes: dict[str, Lane]) -> None:
        self._name = name
        self._lanes = lanes
        self._tickets: dict[Ticket, None] = {}
        """In the order in which they came."""

    def enter(self, ticket: Ticket) -> None:
        """Queue a command."""
        self._tickets[ticket] = None
        self._aim(ticket)
        if self._may_run(ticket):
            ticket.runs = True
        else:
            ticket.admitted = Deferred()

    def _aim(self, ticket: Ticket) -> None:
        """Find the work that a command is to stop."""
        ticket.target = next(filter(ticket.may_stop, self._ahead_of(ticket)), None)
        if ticket.target is not None:
            ticket.target.is_target = True

    def _may_run(self, ticket: Ticket) -> bool:
        """Tell whether it is a command's turn; beside an exclusive one nothing begins."""
        if any(each.runs and each.ride.priority == "exclusive" for each in self._tickets):
            return False
        at_work = [each for each in self._tickets if each.works]
        held_up = any(ticket.waits_for(each, at_work) for each in self._ahead_of(ticket))
        return not held_up and all(each.released for each in ticket.after)

    def _ahead_of(self, ticket: Ticket) -> Iterator[Ticket]:
        """Yield the commands that were sent before this one."""
        for each in self._tickets:
            if each is ticket:
                return
            yield each

    def release(self, ticket: Ticket) -> None:
        """Take a command out, and let the next ones run."""
        self._tickets.pop(ticket, None)
        for each in self._tickets:
            if each.target is ticket and not ticket.works:
                self._aim(each)
        if self._tickets:
            self.admit_next()
        elif self._lanes.get(self._name) is self:
            del self._lanes[self._name]

    def admit_next(self) -> None:
        """Let waiting commands run, in order.

        The search begins anew after each, since a command may be done, and have left, at once.
        """
        while True:
            waiting = (each for each in self._tickets if not each.runs)
            ticket = next((each for each in waiting if self._may_run(each)), None)
            if ticket is None:
                return
            ticket.runs = True
            if ticket.admitted is not None and not ticket.admitted.called:
                ticket.admitted.callback(None)


class Lanes:
    """All lanes that have a command."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._exclusive: list[Ticket] = []

    def enter(self, name: str, ride: Ride) -> Ticket:
        """Queue a command in a lane."""
        lane = self._lanes.setdefault(name, Lane(name, self._lanes))
        ticket = Ticket(lane, ride, tuple(self._sessions_in_the_making(ride)))
        for each in ticket.after:
            each.followed_by.append(lane)
        if ride.priority == "exclusive":
            self._exclusive.append(ticket)
        lane.enter(ticket)
        return ticket

    def _sessions_in_the_making(self, ride: Ride) -> Iterator[Ticket]:
        """Yield the commands that create or delete sessions, for a survey of its client's."""
        self._exclusive = [each for each in self._exclusive if not each.released]
        if ride.surveys:
            yield from (each for each in self._exclusive if each.ride.client is ride.client)

    def __len__(self) -> int:
        return len(self._lanes)
