"""Errors of hosted agents, their turns and approvals."""

from __future__ import annotations

from sxhost.errors.base import HostError

__all__ = [
    "AgentFailed",
    "AlreadyAnswered",
    "CommandRefused",
    "NoTurn",
    "NotHosted",
    "QuestionLimit",
    "TurnInProgress",
    "UnknownApproval",
    "Unsupported",
]


class TurnInProgress(HostError):
    """A turn is running, and the agent takes one at a time."""

    status = 409
    code = "turn_in_progress"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"A turn is running in {session_id!r}: steer it, interrupt it, or send a message."
        )


class NoTurn(HostError):
    """No turn is running that could be steered or interrupted."""

    status = 409
    code = "no_turn"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"No turn is running in {session_id!r}.")


class NotHosted(HostError):
    """The session is attached: its agent runs elsewhere, and the host cannot do this.

    `instead` is what can be done.
    """

    status = 409
    code = "not_hosted"

    def __init__(
        self, session_id: str, instead: str = "Do it where it runs, or send it a message."
    ) -> None:
        super().__init__(
            f"The session {session_id!r} is attached: its agent is not run by this host."
            f" {instead}"
        )


class AtTerminal(HostError):
    """The session's agent may still run at a terminal, so the host cannot go on with it.

    `pid` is its process, where the host can see that.
    """

    status = 409
    code = "at_terminal"

    def __init__(self, session_id: str, pid: int | None = None) -> None:
        known = (
            f"{session_id!r} runs at a terminal, in process {pid}. Quit it there, or have it"
            " ended for this."
            if pid
            else f"Nobody knows whether the agent of {session_id!r} has ended where it runs."
        )
        super().__init__(known, **({"pid": pid} if pid else {}))


class ConversationInUse(HostError):
    """Another session's agent has the conversation, and one may have it at a time."""

    status = 409
    code = "conversation_in_use"

    def __init__(self, conversation: str, session_id: str) -> None:
        super().__init__(
            f"The conversation {conversation!r} goes on in the session {session_id!r}.",
            session=session_id,
        )


class Unsupported(HostError):
    """The agent's driver does not offer this."""

    status = 409
    code = "unsupported"


class QuestionLimit(HostError):
    """Too many approvals wait for a decision; `limit` is the bound that is reached."""

    status = 429
    code = "question_limit"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"As many questions are open as may be: {limit} {what}.", limit=limit)


class AlreadyAnswered(HostError):
    """The approval is closed; details `by`, `decision` and `at_ms` say who, what, when."""

    status = 409
    code = "already_answered"

    def __init__(self, approval_id: int, *, by: str, decision: str, at_ms: int) -> None:
        who = {"own": "the host's own user", "terminal": "its user at the terminal"}.get(by, by)
        sentence = f"Approval {approval_id} is closed already: {decision}, by {who}."
        super().__init__(sentence, by=by, decision=decision, at_ms=at_ms)


class OnlyAtTerminal(HostError):
    """The agent waits for no answer from here any more, only at its own terminal."""

    status = 409
    code = "only_at_terminal"

    def __init__(self, approval_id: int, since_ms: int) -> None:
        super().__init__(
            f"Approval {approval_id} can only be answered at its agent's own terminal:"
            " nothing waits for an answer from here any more.",
            since_ms=since_ms,
        )


class UnknownApproval(HostError):
    """The session has no approval with this id (any more)."""

    status = 404
    code = "unknown_approval"

    def __init__(self, session_id: str, approval_id: int | str | None) -> None:
        which = "that waits" if approval_id is None else approval_id
        super().__init__(f"The session {session_id!r} has no approval {which}.")


class AgentFailed(HostError):
    """The agent could not be started, ended, or refused; the message says what is known."""

    status = 502
    code = "agent_failed"


class CommandRefused(AgentFailed):
    """The agent refused a command of its own protocol; `reason` is what it answered."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
