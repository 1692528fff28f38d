"""The sessions of a board: which there are, in which order, and what each of them does now."""

from __future__ import annotations

from collections.abc import Iterable

from sxhost.cli.standing import NEEDY, ORDER, Standing, now_text, standing
from sxhost.model.approval import Approval
from sxhost.model.session import SessionRemoved, Summary, SummaryChange

__all__ = ["BoardSessions"]


class BoardSessions:
    """Sessions as the host has last told of them, in the order in which they need somebody."""

    def __init__(self) -> None:
        self._known: dict[str, Summary] = {}
        self.approvals: dict[str, list[Approval]] = {}
        """What waits for a decision, by session, oldest first."""

    def get(self, session_id: str) -> Summary | None:
        """Return a session; None if there is none."""
        return self._known.get(session_id)

    def name_of(self, session_id: str | None) -> str:
        """Return what people call a session: its title, or its id; "" of none."""
        session = self.get(session_id or "")
        return (session and session.title) or session_id or ""

    # What the host says.

    def apply(self, change: SummaryChange | SessionRemoved) -> None:
        """Take a session as it is now, or that it has gone."""
        match change:
            case SummaryChange(session=session, summary=summary):
                self._known[session] = summary
            case SessionRemoved(session=session):
                self._known.pop(session, None)

    def replace_approvals(self, approvals: Iterable[Approval]) -> None:
        """Take these approvals for all that wait."""
        self.approvals = {}
        for approval in sorted(approvals, key=lambda approval: approval.opened_ms):
            self.approvals.setdefault(approval.session, []).append(approval)

    # What is shown.

    def standing(self, session: Summary) -> Standing:
        """Return how a session stands."""
        return standing(session, self._first_asked(session))

    def counts(self) -> dict[Standing, int]:
        """Count the sessions that stand alike, in the order of the list."""
        counts = dict.fromkeys(ORDER, 0)
        for session in self._known.values():
            counts[self.standing(session)] += 1
        return {stands: count for stands, count in counts.items() if count}

    def listed(self, words: str = "") -> list[Summary]:
        """Return the sessions that have all these words, those first that need somebody.

        Of those the one that waits longest is first, of all others the one that has changed
        last; of what is idle, what nobody has looked at.  What merely says more stays where
        it is: nothing moves below a hand.
        """
        wanted = words.casefold().split()
        found = [
            session
            for session in self._known.values()
            if all(word in self._searched(session) for word in wanted)
        ]
        return sorted(found, key=self._rank)

    def doing(self, session: Summary, now_ms: int) -> str:
        """Return what a session does now and for how long, in a line."""
        return now_text(session, self._first_asked(session), now_ms)

    def _first_asked(self, session: Summary) -> Approval | None:
        return next(iter(self.asked_by(session.id)), None)

    def is_new(self, session: Summary) -> bool:
        """Tell whether a session is done and nobody has looked at how, on any screen."""
        return self.standing(session) == "idle" and session.seen_seq < session.event_count

    def _rank(self, session: Summary) -> tuple[int, bool, int, str]:
        stands = self.standing(session)
        at = session.since_ms if stands in NEEDY else -session.since_ms
        return ORDER[stands], not self.is_new(session), at, session.id

    def _searched(self, session: Summary) -> str:
        labels = " ".join(f"{name}:{value}" for name, value in session.labels.items())
        fields = (session.id, session.title, session.agent, session.model, session.cwd)
        more = (session.git_branch, session.project, self.standing(session), labels)
        return " ".join((*fields, *more)).casefold()

    def asked_by(self, session_id: str | None) -> list[Approval]:
        """Return what a session waits for, oldest first."""
        return self.approvals.get(session_id or "", [])

    def asked_elsewhere(self, session_id: str | None) -> list[Approval]:
        """Return what all other sessions wait for, oldest first."""
        others = [
            approval
            for asking, approvals in self.approvals.items()
            if asking != session_id
            for approval in approvals
        ]
        return sorted(others, key=lambda approval: approval.opened_ms)
