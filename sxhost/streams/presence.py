"""Who has been heard from, and what that makes of each session's state.

What the log says is kept by the store; silence is only known to the process that listens.
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
"""Seconds between two looks at the states, while somebody wants to be told."""


class Presence:
    """When each session was last heard from; `clock` is monotonic, `wall_ms` a label."""

    def __init__(self, clock: IReactorTime, wall_ms: Callable[[], int], limits: Limits) -> None:
        self.started = clock.seconds()
        self._started_ms = wall_ms()
        self._clock = clock
        self._wall_ms = wall_ms
        self._limits = limits
        self._heard: dict[str, tuple[float, int]] = {}

    def hear(self, session_id: str) -> None:
        """Take note of a sign of life."""
        self._heard[session_id] = self._clock.seconds(), self._wall_ms()

    def forget(self, session_id: str) -> None:
        """The session is no more."""
        self._heard.pop(session_id, None)

    def silence(self, session_id: str) -> float:
        """Return for how many seconds nothing was heard of a session."""
        heard, _ = self._heard.get(session_id, (self.started, 0))
        return self._clock.seconds() - heard

    def now(self, session: Session) -> Session:
        """Return the session with what is known of its silence; a hosted one's log tells it."""
        if session.kind == "hosted":
            return session
        now, heard = self._clock.seconds(), self._heard.get(session.id)
        if heard is None:
            running = now - self.started
            state = state_since_boot(session, running, self._started_ms, self._limits)
            return replace(session, state=state)
        seconds, ms = heard
        seen = replace(session, last_seen_ms=max(ms, session.last_seen_ms))
        return replace(seen, state=derive_state(seen, now - seconds, self._limits))


class StateBroadcaster:
    """Tells subscriptions that want it how states are, and how they change."""

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
        """Tell a reader all states as they are; changes follow."""
        states = self._states()
        if not self._loop.running:
            self._last_sent = states
            self._loop.start(LOOK_EVERY, now=False)
        for session_id, state in states.items():
            send_state(reader, session_id, state)

    def stop(self) -> None:
        """Look no more."""
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
