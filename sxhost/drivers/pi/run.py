"""Whether pi is at work, and how it ended.

Newer pi says ``agent_settled`` when nothing more will come.  Old pi says only ``agent_end``,
and a retry, a compaction or a queued message may follow it; so pi is asked for its state,
which it tells after all that it had to say, and asked again while it is not idle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, DecodeError, Raw, json
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

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

SOON_S = 1.0
"""Seconds until pi is asked again, or is asked whether a prompt began anything at all."""

PATIENCE_S = 10.0
"""Seconds that pi may take to go on by itself, beside the delay that it told."""

BEGINS = frozenset({"agent_start", "compaction_start", "auto_compaction_start"})
"""With these pi begins to work, or goes on."""

WHOLE = frozenset({"stop", "length"})
"""Reasons of an answer's end that an interruption was too late for."""


class TurnTracker:
    """Follows the turns of one agent.

    `ask` asks for pi's state; `over` is called before a turn's end is reported.
    """

    def __init__(
        self,
        reports: Reports,
        clock: IReactorTime,
        ask: Callable[[], Deferred[Raw]],
        over: Callable[[], object],
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._ask = ask
        self._over = over
        self._look: IDelayedCall | None = None
        self._looks = 0
        self._until = 0.0
        self._last = Message()
        self._cut = False
        self._begun = False
        self._opening = False
        self.running = False
        """Whether a turn runs."""

    # What we do.

    def prompt_sent(self) -> None:
        """A prompt is on its way."""
        self.running = self._opening = True
        self._last, self._cut, self._until = Message(), False, 0.0

    def prompt_accepted(self, *, handled: bool = False) -> None:
        """The prompt was accepted; `handled` by an extension, it may begin nothing.

        Old pi does not say so: it is asked, if nothing has begun soon.
        """
        self._opening = False
        if handled or not self._begun:
            self._look_in(0 if handled else SOON_S)

    def prompt_refused(self, why: str) -> None:
        """The prompt was refused: what it began before, if anything, has failed."""
        if self._begun:
            self._last = Message(stop_reason="error", error_message=why)
            self._finish()
        else:
            self._close()

    def interrupt_requested(self) -> None:
        """The turn is to stop."""
        self._cut = True

    def process_exited(self) -> None:
        """Pi is gone."""
        self._close()

    # What pi says.

    def before_event(self, heard: DecodedLine) -> None:
        """Hear a line, before its event is told."""
        if heard.kind not in BEGINS:
            return
        self._no_look()
        self._until = 0.0
        if not self.running:
            self.prompt_sent()
            self._opening = False
        if not self._begun:
            self._begun = True
            self._reports.turn_began(None)

    def after_event(self, heard: DecodedLine) -> None:
        """Hear a line, after its event was told."""
        hear = _HEARD.get((type(heard.message), heard.kind)) or _HEARD.get(type(heard.message))
        if hear is not None and self.running:
            hear(self, heard.message)

    def _message(self, said: MessageEnd) -> None:
        if said.message.role == "assistant":
            self._last = said.message

    def _end(self, said: AgentEnd) -> None:
        answers = [m for m in said.messages if m.role == "assistant"]
        self._last = answers[-1] if answers else self._last
        if said.will_retry is True:
            self._wait(0)
        self._look_in(0 if said.will_retry is UNSET else SOON_S)

    def _settled(self, said: AgentSettled) -> None:
        self._cut = self._cut or said.aborted
        if self._begun:
            self._finish()

    def _retries(self, said: RetryOrCompaction) -> None:
        self._wait(said.delay_ms / 1000)

    def _gives_up(self, said: RetryOrCompaction) -> None:
        if not said.success:
            self._until = 0.0
            self._look_in(0)

    def _compacted(self, said: RetryOrCompaction) -> None:
        if said.will_retry:
            self._wait(0)
        self._cut = self._cut or said.aborted
        if said.error_message and not self._last.stop_reason:
            self._last = Message(stop_reason="error", error_message=said.error_message)
        self._look_in(0)

    def _wait(self, seconds: float) -> None:
        """Let pi go on by itself."""
        self._until = self._clock.seconds() + seconds + PATIENCE_S

    # Looking whether it is over.

    def _look_in(self, seconds: float) -> None:
        self._no_look()
        if seconds:
            self._look = self._clock.callLater(seconds, self._look_now)
        else:
            self._look_now()

    def _look_now(self) -> None:
        self._look = None
        self._ask().addCallbacks(self._seen, self._blind, callbackArgs=(self._looks,))

    def _no_look(self) -> None:
        """Look no more; what an earlier look will see is old."""
        self._looks += 1
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _seen(self, data: Raw, number: int) -> None:
        if number != self._looks or not self.running:
            return
        state, now = _state(data), self._clock.seconds()
        if self._opening or state is None or state.is_streaming or state.is_compacting:
            self._look_in(SOON_S)
        elif now < self._until:
            self._look_in(self._until - now)
        else:
            self._finish()

    def _blind(self, _failure: Failure) -> None:
        """Pi is gone; that is told elsewhere."""

    # The end.

    def _finish(self) -> None:
        status, reason = self._outcome()
        self._close()
        self._over()
        self._reports.turn_ended(status, reason)

    def _outcome(self) -> tuple[TurnStatus, str]:
        last = self._last
        if last.stop_reason == "aborted" or (self._cut and last.stop_reason not in WHOLE):
            return "interrupted", last.error_message or ""
        if last.stop_reason == "error":
            return "failed", last.error_message or "pi does not say why"
        return "completed", ""

    def _close(self) -> None:
        self.running = self._begun = self._opening = False
        self._no_look()


def _state(data: Raw) -> PiState | None:
    try:
        return json.decode(data, type=PiState)
    except DecodeError:
        return None


_HEARD: Mapping[Any, Callable[[TurnTracker, Any], None]] = {
    MessageEnd: TurnTracker._message,
    AgentEnd: TurnTracker._end,
    AgentSettled: TurnTracker._settled,
    (RetryOrCompaction, "auto_retry_start"): TurnTracker._retries,
    (RetryOrCompaction, "auto_retry_end"): TurnTracker._gives_up,
    (RetryOrCompaction, "compaction_end"): TurnTracker._compacted,
    (RetryOrCompaction, "auto_compaction_end"): TurnTracker._compacted,
}
