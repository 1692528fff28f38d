"""One session's approvals: those that wait, and the last ones that are closed."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from msgspec.structs import replace

from sxhost.codec.json import encode
from sxhost.errors import AlreadyAnswered, OnlyAtTerminal, UnknownApproval
from sxhost.model.approval import TERMINAL, Approval, ApprovalState, Question, Resolution
from sxhost.model.event_types import ApprovalMovedEvent, ApprovalRequestedEvent
from sxhost.model.limits import Limits

__all__ = ["ApprovalBook"]


class ApprovalBook:
    """What one session's agent asks; a question is known by its key when it is asked again."""

    def __init__(self, session_id: str, limits: Limits) -> None:
        self._session_id = session_id
        self._limits = limits
        self._open: dict[int, Approval] = {}
        self._closed: dict[int, Approval] = {}
        self._sizes: dict[int, int] = {}
        """Bytes of JSON of each closed approval."""
        self._ids: dict[str, int] = {}
        """The ids of approvals by their keys."""
        self.forgotten: list[int] = []
        """Ids of closed approvals that are forgotten, though the journal has them."""

    def restore(self, approvals: Iterable[Approval]) -> None:
        """Add, in the order of their ids, what a journal has kept."""
        for approval in approvals:
            self._ids[approval.key] = approval.id
            if approval.state == "pending":
                self._open[approval.id] = approval
            else:
                self._keep_closed(replace(approval, native=None))

    def copy(self) -> ApprovalBook:
        """Return a book that can change without this one changing (approvals are values)."""
        twin = ApprovalBook(self._session_id, self._limits)
        twin._open, twin._closed = dict(self._open), dict(self._closed)
        twin._sizes, twin._ids = dict(self._sizes), dict(self._ids)
        return twin

    @property
    def pending(self) -> list[Approval]:
        """Those that wait, in the order of their ids."""
        return sorted(self._open.values(), key=attrgetter("id"))

    @property
    def all(self) -> list[Approval]:
        """All that are remembered, in the order of their ids."""
        return sorted([*self._open.values(), *self._closed.values()], key=attrgetter("id"))

    def open_approval(
        self, number: int, question: Question, at: int, expires_ms: int | None
    ) -> tuple[Approval, str | None]:
        """Open an approval, or again the one that has this key; return the event that tells.

        There is none if it is open already, and can be answered here.

        :param number: the id that a new one gets.
        :param at: the wall clock in Unix milliseconds.
        :raises AlreadyAnswered: the agent's user has answered it meanwhile, at its terminal.
        """
        known = self._ids.get(question.key)
        if known is not None and known in self._open:
            return self._ask_here_again(self._open[known], expires_ms)
        closed = None if known is None else self._closed.get(known)
        if closed and closed.resolution and closed.resolution.by == TERMINAL:
            raise self._refusal(closed.id)
        approval = Approval(
            id=number if known is None else known,
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
        self._closed.pop(approval.id, None)
        self._sizes.pop(approval.id, None)
        self._open[approval.id] = approval
        self._ids[approval.key] = approval.id
        return approval, ApprovalRequestedEvent.name

    def _ask_here_again(
        self, known: Approval, expires_ms: int | None
    ) -> tuple[Approval, str | None]:
        if known.at_terminal_ms is None:
            return known, None
        here = replace(known, at_terminal_ms=None, expires_ms=expires_ms)
        self._open[known.id] = here
        return here, ApprovalMovedEvent.name

    def leave_to_terminal(self, approval_id: int, at: int) -> Approval | None:
        """Note that an approval can only be answered at its agent's terminal from now on.

        None: it is closed, or was so before.
        """
        known = self._open.get(approval_id)
        if known is None or known.at_terminal_ms is not None:
            return None
        left = replace(known, at_terminal_ms=at, expires_ms=None)
        self._open[approval_id] = left
        return left

    def close_approval(
        self, approval_id: int, state: ApprovalState, resolution: Resolution
    ) -> Approval:
        """Close an approval.

        :raises UnknownApproval: it is not remembered.
        :raises AlreadyAnswered: it is closed.
        :raises OnlyAtTerminal: nobody would hear of the answer but at the terminal.
        """
        if approval_id not in self._open:
            raise self._refusal(approval_id)
        since = self._open[approval_id].at_terminal_ms
        if since is not None and state == "answered" and resolution.by != TERMINAL:
            raise OnlyAtTerminal(approval_id, since)
        known = self._open.pop(approval_id)
        # The agent's own message has no use once it is answered, and may be long.
        closed = replace(known, state=state, resolution=resolution, native=None)
        self._keep_closed(closed)
        while not self._fits():
            oldest = self._closed.pop(min(self._closed))
            del self._ids[oldest.key], self._sizes[oldest.id]
            self.forgotten.append(oldest.id)
        return closed

    def replicate(self, approval: Approval) -> None:
        """Take an approval as another node has committed it."""
        self._open.pop(approval.id, None)
        self._closed.pop(approval.id, None)
        self._sizes.pop(approval.id, None)
        self.restore([approval])

    def forget(self, approval_ids: Iterable[int]) -> None:
        """Forget closed approvals, as another node has."""
        for approval_id in approval_ids:
            if (known := self._closed.pop(approval_id, None)) is not None:
                del self._ids[known.key], self._sizes[approval_id]

    def _refusal(self, approval_id: int) -> UnknownApproval | AlreadyAnswered:
        known = self._closed.get(approval_id)
        if known is None or known.resolution is None:
            return UnknownApproval(self._session_id, approval_id)
        how = known.resolution
        return AlreadyAnswered(approval_id, by=how.by, decision=how.decision, at_ms=how.at_ms)

    def _keep_closed(self, closed: Approval) -> None:
        self._closed[closed.id] = closed
        self._sizes[closed.id] = len(encode(closed))

    def _fits(self) -> bool:
        limits = self._limits
        size = sum(self._sizes.values())
        return len(self._closed) <= limits.closed_approvals and (
            size <= limits.closed_approvals_size or len(self._closed) == 1
        )
