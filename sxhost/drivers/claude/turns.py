"""Where a turn of Claude Code begins and ends, by what becomes of the messages sent to it.

Claude has no ids of turns, but the host gives each message a UUID.  A message that is sent
while a turn runs is read between two uses of tools, or else answered afterwards by a ``result``
of its own.  To the host it belongs to the turn that it was added to: that turn ends when all of
its messages are answered or dropped.  A turn that Claude begins by itself (a task in the
background has ended) is known by the ``origin`` of its result.

Claude announces all that it does for a message by ``system/init``.  Words that come after a
result and before that are late: they belong to the turn that is over, and begin none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Raw

from sxhost.drivers.claude.events import ClaudeTranslator
from sxhost.drivers.claude.messages import CommandLifecycle, ModelUsage, Result
from sxhost.drivers.contracts import Reports
from sxhost.model.event_types import UsageEvent
from sxhost.model.turn import TurnStatus

__all__ = ["ClaudeTurns"]

DROPPED: Final = frozenset({"cancelled", "discarded", "refused"})
"""States of a message that will never be answered."""


class ClaudeTurns:
    """Reports where turns begin and end; `running` says whether one runs.

    `on_first_count` is told what the process has counted before its first turn.
    """

    def __init__(
        self,
        reports: Reports,
        translator: ClaudeTranslator,
        on_first_count: Callable[[dict[str, float]], None],
    ) -> None:
        self._reports = reports
        self._on_first_count = on_first_count
        self._has_counted = False
        self._translator = translator
        self._unanswered: set[str] = set()
        self._native_id: str | None = None
        self._reported = False
        self._announces = False
        self.announced = True
        """Whether Claude has announced that it works; what it says before that is late."""
        self.running = False

    def message_sent(self, message_id: str) -> None:
        """Note a message that is being sent: it begins a turn, or adds to the running one."""
        if not self.running:
            self.running, self._reported, self._native_id = True, False, message_id
        self._unanswered.add(message_id)

    def begin_turn(self, message_id: str | None = None) -> None:
        """Begin a turn that nobody has submitted: by a message of the driver, or by Claude."""
        self.running, self._reported, self._native_id = True, True, None
        self._unanswered.update({message_id} if message_id else ())
        self._translator.begin_turn()
        self._reports.turn_started(None)

    def work_announced(self) -> None:
        """Note that Claude begins to work on a message, its own or one that it was sent."""
        self._announces = self.announced = True

    def activity_seen(self) -> None:
        """Note that Claude works: on the submitted turn, or else on one of its own."""
        if not self.running:
            self.begin_turn()
        elif not self._reported:
            self._reported = True
            self._translator.begin_turn()
            self._reports.turn_started(self._native_id)

    def lifecycle_received(self, message: CommandLifecycle) -> None:
        """Note a new state of a message; the turn ends if its last one was dropped."""
        if message.command_uuid not in self._unanswered:
            return
        if message.state == "started":
            self.activity_seen()
        elif message.state in DROPPED:
            self._unanswered.discard(message.command_uuid)
            if not self._unanswered:
                self._end("interrupted", f"Claude has {message.state} the message.", None)

    def result_received(self, message: Result, line: bytes) -> None:
        """Note that messages were answered; the turn ends if none is left."""
        self.activity_seen()
        if message.model_usage:
            usage = _usage(message, self._translator.model)
            if not self._has_counted:
                self._has_counted = True
                self._on_first_count(_carried(message, usage))
            self._reports.report_event(usage)
        self._remove_answered(message)
        if not self._unanswered:
            self._end(*_status(message), Raw(line))

    def process_exited(self) -> None:
        """Cut what is open.  The host itself ends a turn whose process has ended."""
        self._translator.cut_open_items(everything=True)
        self._unanswered.clear()
        self.running = False

    def _remove_answered(self, message: Result) -> None:
        began_by_itself = message.origin is not None and message.origin.kind not in {
            "",
            "human",
        }
        if message.user_message_uuids:
            self._unanswered.difference_update(message.user_message_uuids)
        elif not began_by_itself:
            self._unanswered.clear()

    def _end(self, status: TurnStatus, reason: str, native: Raw | None) -> None:
        self._translator.cut_open_items(everything=status != "completed")
        self._translator.interrupting = False
        self.running, self.announced = False, not self._announces
        self._reports.turn_ended(status, reason, native)


def _status(message: Result) -> tuple[TurnStatus, str]:
    """Return a turn's status, and the reason if it is not completed."""
    if (message.terminal_reason or "").startswith("aborted"):
        return "interrupted", ""
    if message.subtype == "success" and not message.is_error:
        return "completed", ""
    reason = (
        message.result or "; ".join(message.errors or ()) or message.subtype.replace("_", " ")
    )
    return "failed", reason or "Claude gives no reason."


def _usage(message: Result, model: str) -> UsageEvent:
    """Return the tokens used since the process began, summed over models.

    Claude counts tokens read from or written to its cache apart from input tokens.
    """
    used = list(message.model_usage.values())
    counts = [_counts(one) for one in used]
    total = {name: sum(each[name] for each in counts) for name in counts[0]}
    main = message.model_usage.get(model)
    return UsageEvent(
        input_tokens=total["input_tokens"],
        cached_tokens=total["cached_tokens"],
        cache_write_tokens=total["cache_write_tokens"],
        output_tokens=total["output_tokens"],
        reasoning_tokens=total["reasoning_tokens"],
        total_tokens=total["total_tokens"],
        context_window=max(u.context_window for u in ([main] if main else used)),
        cost_usd=message.total_cost_usd,
        models={
            name: {**_counts(one), "cost_usd": one.cost_usd}
            for name, one in message.model_usage.items()
        },
    )


def _counts(used: ModelUsage) -> dict[str, int]:
    cached, created = used.cache_read_input_tokens, used.cache_creation_input_tokens
    input_tokens = used.input_tokens + cached + created
    return {
        "input_tokens": input_tokens,
        "cached_tokens": cached,
        "cache_write_tokens": created,
        "output_tokens": used.output_tokens,
        "reasoning_tokens": used.thinking_tokens,
        "total_tokens": input_tokens + used.output_tokens,
    }


def _carried(message: Result, usage: UsageEvent) -> dict[str, float]:
    """Return what is counted in a process's first result beside the turn itself."""
    turn = message.usage
    if turn is None:
        return {}
    cached = turn.cache_read_input_tokens
    new = {
        "input_tokens": turn.input_tokens + cached + turn.cache_creation_input_tokens,
        "cached_tokens": cached,
        "cache_write_tokens": turn.cache_creation_input_tokens,
        "output_tokens": turn.output_tokens,
    }
    new["total_tokens"] = new["input_tokens"] + new["output_tokens"]
    return {name: max(0, (getattr(usage, name) or 0) - count) for name, count in new.items()}
