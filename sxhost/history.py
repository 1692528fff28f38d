"""Figures over time, in memory: a sample a minute, of as many as a limit says.

What agents report of tokens and cost is what a conversation has used so far.  Here it becomes
what was added since the sample before, so that a session which is deleted takes nothing away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from sxhost.model.history import History, Sample, SessionActivity
from sxhost.model.session import Session
from sxhost.model.summaries import cost_of, count_of

__all__ = ["SAMPLE_EVERY", "ActivityRecorder", "HistoryRecorder"]

SAMPLE_EVERY = 60.0
"""Seconds between two samples."""

SPANS, SAMPLES = 12, 5
"""Spans of time for which the events of each session are counted; samples of one: an hour."""


class HistoryRecorder:
    """Takes samples of a host's sessions.

    :param most: samples that are kept.
    """

    def __init__(self, most: int) -> None:
        self._samples: deque[Sample] = deque(maxlen=most)
        self._used: dict[str, tuple[int, float]] = {}
        """What each session had used at the last sample: tokens, dollars."""
        self._tokens = 0
        self._cost = 0.0

    def note(self, at_ms: int, events: int, sessions: Iterable[Session]) -> None:
        """Take a sample of the sessions as they are now."""
        states = list[str]()
        used = {}
        for session in sessions:
            states.append("waiting" if session.pending_approvals else session.state.name)
            used[session.id] = self._add(session)
        self._used = used
        self._samples.append(
            Sample(
                at_ms=at_ms,
                events=events,
                sessions=len(states),
                working=states.count("working"),
                waiting=states.count("waiting"),
                tokens=self._tokens,
                cost_usd=round(self._cost, 6),
            )
        )

    def _add(self, session: Session) -> tuple[int, float]:
        """Add what a session has used since the last sample; return what it has used in all."""
        tokens = (count_of(session, "input_tokens") or 0) + (
            count_of(session, "output_tokens") or 0
        )
        now = tokens, cost_of(session) or 0.0
        before = self._used.get(session.id)
        if before is None:
            # One that was there before the last sample comes back: nobody knows what it added.
            is_new = bool(self._samples) and session.start_ms >= self._samples[-1].at_ms
            before = (0, 0.0) if is_new else now
        self._tokens += max(0, now[0] - before[0])
        self._cost += max(0.0, now[1] - before[1])
        return now

    def after(self, at_ms: int) -> History:
        """Return the samples after a time."""
        samples = [sample for sample in self._samples if sample.at_ms > at_ms]
        return History(every_s=SAMPLE_EVERY, samples=samples)


class ActivityRecorder:
    """Counts the events of each session over the last hour, in spans of five minutes."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        """Of those that had any: events by span, the present one last."""
        self._before: dict[str, int] | None = None
        """The events that each session had at the last sample; None before the first."""
        self._samples = 0

    def note(self, sessions: Collection[Session]) -> None:
        """Count what was added since the last sample."""
        if self._samples % SAMPLES == 0:
            self._begin_span()
        self._samples += 1
        known = self._before
        if known is not None:
            for session in sessions:
                self._add(session.id, session.event_count - known.get(session.id, 0))
        self._before = {session.id: session.event_count for session in sessions}
        self._counts = {
            name: self._counts[name] for name in self._before if name in self._counts
        }

    def _begin_span(self) -> None:
        moved = {name: [*counts[1:], 0] for name, counts in self._counts.items()}
        self._counts = {name: counts for name, counts in moved.items() if any(counts)}

    def _add(self, name: str, events: int) -> None:
        if events > 0:
            self._counts.setdefault(name, [0] * SPANS)[-1] += events

    def current(self) -> SessionActivity:
        """Return the counts of the sessions that had any event."""
        counts = {name: list(each) for name, each in self._counts.items()}
        return SessionActivity(every_s=SAMPLES * SAMPLE_EVERY, sessions=counts)
