"""Where a turn of pi begins and ends, and how.

Newer pi sends ``agent_settled`` when nothing more will come.  Old pi sends only ``agent_end``,
which a retry, a compaction or a queued message may follow.  Therefore pi is polled for its
state (``get_state``), whose answer comes after all earlier lines, until it is idle.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET, DecodeError, Raw, json
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.drivers.contracts import Reports
from sxhost.drivers.pi.decoder import DecodedLine
from sxhost.drivers.pi.messages import (
    AgentEnd,
    AgentSettled,
    Message,
    MessageEnd,
    PiState,
    RetryOrCompaction,
)
from sxhost.model.turn import TurnStatus

__all__ = ["BEGINS", "TurnTracker"]

POLL_S = 1.0
"""Seconds between two polls, and before the first one after a prompt that began nothing."""

PATIENCE_S = 10.0
"""Seconds that pi may take to retry, beyond the delay that it has announced."""

BEGINS = frozenset({"agent_start", "compaction_start", "auto_compaction_start"})
"""Lines by which pi begins to work, or goes on."""

WHOLE = frozenset({"stop", "length"})
"""Stop reasons of a whole answer: an interruption came too late for it."""


class TurnTracker:
    """Reports where the turns of one agent begin and end.

    `get_state` asks pi for its state; `before_turn` and `before_turn_end` are called before a
    beginning and an end are reported.
    """

    def __init__(
        self,
        reports: Reports,
        clock: IReactorTime,
        get_state: Callable[[], Deferred[Raw]],
        before_turn: Callable[[], object],
        before_turn_end: Callable[[], object],
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._get_state = get_state
        self._before_turn = before_turn
        self._before_turn_end = before_turn_end
        self._poll_timer: IDelayedCall | None = None
        self._poll_number = 0
        self._wait_until = 0.0
        self._last_answer = Message()
        self._interrupted = False
        self._begun = False
        self._prompting = False
        self.running = False
        """Whether a turn runs."""

    # The host.

    def prompt_sent(self) -> None:
        """Note that a prompt is being sent: a turn runs, though pi may still refuse it."""
        self.running = self._prompting = True
        self._last_answer, self._interrupted, self._wait_until = Message(), False, 0.0

    def prompt_accepted(self, *, handled: bool = False) -> None:
        """Note that pi has accepted the prompt; one that an extension has `handled` may begin
        nothing.

        Old pi does not say that it was handled: it is polled if nothing has begun soon.
        """
        self._prompting = False
        if handled or not self._begun:
            self._poll_in(0 if handled else POLL_S)

    def prompt_refused(self, reason: str) -> None:
        """Note that pi has refused the prompt; a turn that it had begun has failed."""
        if self._begun:
            self._last_answer = Message(stop_reason="error", error_message=reason)
            self._finish()
        else:
            self._reset()

    def interrupt_requested(self) -> None:
        """Note that the turn is being interrupted."""
        self._interrupted = True

    def process_exited(self) -> None:
        """Note that pi has ended: the host ends the turn."""
        self._reset()

    # Lines of pi.

    def before_event(self, line: DecodedLine) -> None:
        """Begin a turn if a line says so; called before the line's event is reported."""
        if line.kind not in BEGINS:
            return
        self._stop_polling()
        self._wait_until = 0.0
        if not self.running:
            self.prompt_sent()
            self._prompting = False
        if not self._begun:
            self._begun = True
            self._before_turn()
            self._reports.turn_started(None)

    def after_event(self, line: DecodedLine) -> None:
        """End a turn if a line says so; called after the line's event was reported."""
        if not self.running:
            return
        match line.message:
            case MessageEnd(message=message) if message.role == "assistant":
                self._last_answer = message
            case AgentEnd() as ended:
                self._agent_ended(ended)
            case AgentSettled(aborted=aborted):
                self._interrupted = self._interrupted or aborted
                if self._begun:
                    self._finish()
            case RetryOrCompaction() as step:
                self._retry_or_compaction(line.kind, step)

    def _agent_ended(self, message: AgentEnd) -> None:
        answers = [m for m in message.messages if m.role == "assistant"]
        self._last_answer = answers[-1] if answers else self._last_answer
        if message.will_retry is True:
            self._wait(0)
        self._poll_in(0 if message.will_retry is UNSET else POLL_S)

    def _retry_or_compaction(self, kind: str, step: RetryOrCompaction) -> None:
        if kind == "auto_retry_start":
            self._wait(step.delay_ms / 1000)
        elif kind == "auto_retry_end" and not step.success:
            self._wait_until = 0.0
            self._poll_in(0)
        elif kind.endswith("compaction_end"):
            self._compacted(step)

    def _compacted(self, message: RetryOrCompaction) -> None:
        if message.will_retry:
            self._wait(0)
        self._interrupted = self._interrupted or message.aborted
        if message.error_message and not self._last_answer.stop_reason:
            self._last_answer = Message(
                stop_reason="error", error_message=message.error_message
            )
        self._poll_in(0)

    def _wait(self, seconds: float) -> None:
        """Wait so long (and `PATIENCE_S`) for pi to go on by itself."""
        self._wait_until = self._clock.seconds() + seconds + PATIENCE_S

    # Polling.

    def _poll_in(self, seconds: float) -> None:
        self._stop_polling()
        if seconds:
            self._poll_timer = self._clock.callLater(seconds, self._poll)
        else:
            self._poll()

    def _poll(self) -> None:
        self._poll_timer = None
        self._get_state().addCallbacks(
            self._state_received,
            lambda _: None,  # pi has ended, which is reported elsewhere
            callbackArgs=(self._poll_number,),
        )

    def _stop_polling(self) -> None:
        """Stop polling; the answer to an earlier poll is ignored."""
        self._poll_number += 1
        if self._poll_timer is not None:
            self._poll_timer.cancel()
            self._poll_timer = None

    def _state_received(self, data: Raw, number: int) -> None:
        if number != self._poll_number or not self.running:
            return
        state, now = _state(data), self._clock.seconds()
        if self._prompting or state is None or state.is_streaming or state.is_compacting:
            self._poll_in(POLL_S)
        elif now < self._wait_until:
            self._poll_in(self._wait_until - now)
        else:
            self._finish()

    # The end.

    def _finish(self) -> None:
        status, reason = self._outcome()
        self._reset()
        self._before_turn_end()
        self._reports.turn_ended(status, reason)

    def _outcome(self) -> tuple[TurnStatus, str]:
        last = self._last_answer
        if last.stop_reason == "aborted" or (
            self._interrupted and last.stop_reason not in WHOLE
        ):
            return "interrupted", last.error_message or ""
        if last.stop_reason == "error":
            return "failed", last.error_message or "pi does not say why"
        return "completed", ""

    def _reset(self) -> None:
        self.running = self._begun = self._prompting = False
        self._stop_polling()


def _state(data: Raw) -> PiState | None:
    try:
        return json.decode(data, type=PiState)
    except DecodeError:
        return None
