"""One session's approvals: those that wait, and the last ones that are closed."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from sxhost.approval import Approval, ApprovalState, Question, Resolution
from sxhost.errors import AlreadyAnswered, UnknownApproval
from sxhost.limits import Limits

__all__ = ["Book"]


class Book:
    """What an agent has asked; asked again under the same key, it is the same approval."""

    def __init__(self, session_id: str, limits: Limits) -> None:
        self._session_id = session_id
        self._limits = limits
        self._approvals: dict[int, Approval] = {}
        self.forgotten: list[int] = []
        """Ids of closed approvals that are remembered no longer, though a journal has them."""

    def restore(self, approvals: Iterable[Approval]) -> None:
        """Put back, in the order of their ids, what a journal has kept."""
        self._approvals.update((approval.id, approval) for approval in approvals)

    def copy(self) -> Book:
        """Return a book that can change without this one changing (approvals are values)."""
        twin = Book(self._session_id, self._limits)
        twin._approvals = dict(self._approvals)
        return twin

    @property
    def pending(self) -> list[Approval]:
        """Those that wait, in the order of their ids."""
        return [approval for approval in self.all if approval.state == "pending"]

    @property
    def all(self) -> list[Approval]:
        """All that are remembered, in the order of their ids."""
        return sorted(self._approvals.values(), key=lambda approval: approval.id)

    def ask(
        self, number: int, question: Question, at: int, expires_ms: int | None
    ) -> tuple[Approval, bool]:
        """Open an approval, or again the one that has this key; tell if it is new."""
        known = next((a for a in self._approvals.values() if a.key == question.key), None)
        if known is not None and known.state == "pending":
            return known, False
        approval = Approval(
            id=known.id if known else number,
            session=self._session_id,
            kind=question.kind,
            title=question.title,
            detail=question.detail,
            choices=question.choices,
            opened_ms=at,
            expires_ms=expires_ms,
            native=question.native,
            inquiries=question.inquiries,
            key=question.key,
        )
        self._approvals[approval.id] = approval
        return approval, True

    def settle(
        self, approval_id: int, state: ApprovalState, resolution: Resolution
    ) -> Approval:
        """Close an approval.

        :raises UnknownApproval: it is not remembered.
        :raises AlreadyAnswered: it is closed.
        """
        known = self._approvals.get(approval_id)
        if known is None:
            raise UnknownApproval(self._session_id, approval_id)
        if known.resolution is not None and known.state != "pending":
            how = known.resolution
            raise AlreadyAnswered(
                approval_id, by=how.by, decision=how.decision, at_ms=how.at_ms
            )
        closed = replace(known, state=state, resolution=resolution)
        self._approvals[approval_id] = closed
        self._forget_oldest()
        return closed

    def _forget_oldest(self) -> None:
        closed = [approval.id for approval in self.all if approval.state != "pending"]
        for number in closed[: -self._limits.closed_approvals]:
            del self._approvals[number]
            self.forgotten.append(number)
