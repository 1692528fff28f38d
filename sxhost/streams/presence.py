"""When each session last reported, and what that makes of its state.

What the log says of a state is kept by the store; silence is known only to the process to
which sessions report.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.model.limits import Limits
from sxhost.model.session import Session, State
from sxhost.model.session_state import ACTIVE_STATES, derive_state, state_since_boot
from sxhost.store.known_sessions import KnownSessions
from sxhost.streams.notifier import LogNotifier
from sxhost.streams.subscription import LogSubscription

__all__ = ["Presence", "StateBroadcaster"]

LOOK_EVERY = 0.25
"""Seconds between two looks at the states, while a subscription wants them."""


class Presence:
    """When each session last gave a sign of life.

    :param clock: monotonic; it decides.
    :param wall_ms: the time of day in Unix milliseconds; only a label.
    """

    def __init__(self, clock: IReactorTime, wall_ms: Callable[[], int], limits: Limits) -> None:
        self.started = clock.seconds()
        self._started_ms = wall_ms()
        self._clock = clock
        self._wall_ms = wall_ms
        self._limits = limits
        self._last_signs: dict[str, tuple[float, int]] = {}

    def hear(self, session_id: str) -> None:
        """Take note of a sign of life."""
        self._last_signs[session_id] = self._clock.seconds(), self._wall_ms()

    def forget(self, session_id: str) -> None:
        """Forget a session that was deleted."""
        self._last_signs.pop(session_id, None)

    def silence(self, session_id: str) -> float:
        """Return the seconds since a session's last sign of life, or since the start."""
        at_s, _ = self._last_signs.get(session_id, (self.started, 0))
        return self._clock.seconds() - at_s

    def now(self, session: Session) -> Session:
        """Return the session with its state as of now; that of a hosted one is in its log."""
        if session.kind == "hosted":
            return session
        now, sign = self._clock.seconds(), self._last_signs.get(session.id)
        if sign is None:
            running = now - self.started
            state = state_since_boot(session, running, self._started_ms, self._limits)
            return replace(session, state=state)
        at_s, at_ms = sign
        seen = replace(session, last_seen_ms=max(at_ms, session.last_seen_ms))
        return replace(seen, state=derive_state(seen, now - at_s, self._limits))


class StateBroadcaster:
    """Sends states to the subscriptions that want them: all at first, then each change."""

    def __init__(
        self,
        notifier: LogNotifier,
        known: KnownSessions,
        clock: IReactorTime,
        now: Callable[[Session], Session],
    ) -> None:
        self._notifier = notifier
        self._known = known
        self._now = now
        self._last_sent: dict[str, State] = {}
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def begin(self, reader: LogSubscription) -> None:
        """Send a reader all states as they are; changes follow."""
        states = self._states()
        if not self._loop.running:
            self._last_sent = states
            self._loop.start(LOOK_EVERY, now=False)
        for session_id, state in states.items():
            send_state(reader, session_id, state)

    def stop(self) -> None:
        """Send no more changes."""
        if self._loop.running:
            self._loop.stop()

    def _look(self) -> None:
        readers = [reader for reader in self._notifier.readers() if reader.states]
        if not readers:
            self._loop.stop()
            return
        states = self._states()
        changed = {s: state for s, state in states.items() if self._last_sent.get(s) != state}
        self._last_sent = states
        for reader in readers:
            for session_id, state in changed.items():
                send_state(reader, session_id, state)

    def _states(self) -> dict[str, State]:
        return {session.id: self._now(session).state for session in self._known}


def send_state(reader: LogSubscription, session_id: str, state: State) -> None:
    """Send a session's state to a reader that has it in its selection."""
    if reader.feed.covers(session_id):
        fields: dict[str, object] = {
            "session": session_id,
            "state": "active" if state.name in ACTIVE_STATES else "idle",
            "detail_state": state.name,
            "reason": state.reason,
            "since_ms": state.since_ms,
        }
        reader.control("state", fields)
