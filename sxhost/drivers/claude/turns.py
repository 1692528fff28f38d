"""Where a turn of Claude Code begins and ends, told by what becomes of our messages.

Each message that we send is named by a UUID.  A message sent while a turn runs is taken by
Claude between two uses of tools, or else answered when the rest is done, by a `result` of its
own: it counts as a part of the turn that it was added to, and that turn ends when all of its
messages are answered or dropped.  Turns that Claude begins by itself (a task in the
background has ended) are told by the `origin` of their result.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from sxhost.drivers.claude.events import ClaudeTranslator
from sxhost.drivers.claude.messages import CommandLifecycle, Result
from sxhost.drivers.contracts import Reports
from sxhost.model.turn import TurnStatus

__all__ = ["ClaudeTurns"]

DROPPED: Final = frozenset({"cancelled", "discarded", "refused"})
"""What becomes of messages that are never answered."""


class ClaudeTurns:
    """The turn that runs, if one does."""

    def __init__(self, reports: Reports, teller: ClaudeTranslator) -> None:
        self._reports = reports
        self._teller = teller
        self._open: set[str] = set()
        self._name: str | None = None
        self._told = False
        self.running = False

    def message_sent(self, name: str) -> None:
        """A message is sent that begins a turn of its name (or, as it runs, adds to it)."""
        if not self.running:
            self.running, self._told, self._name = True, False, name
        self._open.add(name)

    def begin_turn(self, name: str | None = None) -> None:
        """A turn begins that nobody has submitted, by the message `name` or by Claude."""
        self.running, self._told, self._name = True, True, None
        self._open.update({name} if name else ())
        self._reports.turn_began(None)

    def activity_seen(self) -> None:
        """Claude is at work."""
        if not self.running:
            self.begin_turn()
        elif not self._told:
            self._told = True
            self._reports.turn_began(self._name)

    def lifecycle_received(self, said: CommandLifecycle) -> None:
        """Hear what becomes of a message."""
        if said.command_uuid not in self._open:
            return
        if said.state == "started":
            self.activity_seen()
        elif said.state in DROPPED:
            self._open.discard(said.command_uuid)
            if not self._open:
                self._end("interrupted", f"Claude has {said.state} the message.", None)

    def result_received(self, said: Result, line: bytes) -> None:
        """Hear that something was answered."""
        self.activity_seen()
        if said.model_usage:
            self._reports.event("usage", _usage(said, self._teller.model))
        self._answered(said)
        if not self._open:
            self._end(*_status(said), Raw(line))

    def process_exited(self) -> None:
        """Nothing more will be answered; the host tells of the turn whose process has gone."""
        self._teller.cut_open_items(everything=True)
        self._open.clear()
        self.running = False

    def _answered(self, said: Result) -> None:
        foreign = said.origin is not None and said.origin.kind not in {"", "human"}
        if said.user_message_uuids:
            self._open.difference_update(said.user_message_uuids)
        elif not foreign:
            self._open.clear()

    def _end(self, status: TurnStatus, reason: str, native: Raw | None) -> None:
        self._teller.cut_open_items(everything=status != "completed")
        self._teller.interrupting = False
        self.running = False
        self._reports.turn_ended(status, reason, native)


def _status(said: Result) -> tuple[TurnStatus, str]:
    """Return how a turn went, and why it is not completed."""
    if (said.terminal_reason or "").startswith("aborted"):
        return "interrupted", ""
    if said.subtype == "success" and not said.is_error:
        return "completed", ""
    words = said.result or "; ".join(said.errors or ()) or said.subtype.replace("_", " ")
    return "failed", words or "Claude gives no reason."


def _usage(said: Result, model: str) -> dict[str, Any]:
    """Return what was used since the process began; tokens read from a cache are input."""
    used = list(said.model_usage.values())
    cached = sum(u.cache_read_input_tokens for u in used)
    created = sum(u.cache_creation_input_tokens for u in used)
    given = sum(u.input_tokens for u in used) + cached + created
    made = sum(u.output_tokens for u in used)
    main = said.model_usage.get(model)
    return {
        "input_tokens": given,
        "cached_tokens": cached,
        "output_tokens": made,
        "reasoning_tokens": sum(u.thinking_tokens for u in used),
        "total_tokens": given + made,
        "context_window": max(u.context_window for u in ([main] if main else used)),
        "cost_usd": said.total_cost_usd,
    }
