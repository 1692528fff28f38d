"""Figures over time, in memory: a sample a minute, of as many as a limit says.

What agents report of tokens and cost is what a conversation has used so far.  Here it becomes
what was added since the sample before, so that a session which is deleted takes nothing away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from sxhost.model.history import History, Sample
from sxhost.model.session import Session
from sxhost.model.summaries import cost_of, count_of

__all__ = ["SAMPLE_EVERY", "HistoryRecorder"]

SAMPLE_EVERY = 60.0
"""Seconds between two samples."""


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
