"""A hosted session's turns as its log tells them, and reports that have to wait for that."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from sxhost.agents.event_writer import EventWriter
from sxhost.model.event_types import (
    CompleteEvent,
    ErrorEvent,
    TurnStartedEvent,
    raw_json,
)
from sxhost.model.turn import Turn, TurnStatus

__all__ = ["EARLY", "HeldReports", "TurnLog"]

EARLY = 256
"""Reports that are held at the most; an agent that begins in haste makes a few."""


class TurnLog:
    """The turn that runs, or the last one.

    The log has its ``turn-started`` before all that happens in it.
    """

    def __init__(
        self, writer: EventWriter, wall_ms: Callable[[], int], last: Turn | None
    ) -> None:
        self.turn = last
        self._writer = writer
        self._wall_ms = wall_ms
        self._announced = True

    @property
    def number(self) -> int:
        """The turn's number; 0 before the first one."""
        return self.turn.id if self.turn else 0

    @property
    def runs(self) -> bool:
        """Whether the turn is not over yet."""
        return self.turn is not None and self.turn.status == "running"

    def begin(self) -> Turn:
        """Begin the next turn; the log has it once it is announced."""
        self.turn = Turn(id=self.number + 1, start_ms=self._wall_ms())
        self._announced = False
        return self.turn

    def revert(self, before: Turn | None) -> None:
        """Forget a turn that did not begin, which was not announced."""
        self.turn, self._announced = before, True

    def set_native_id(self, native_id: str | None) -> None:
        """Keep the agent's own name for the turn, if it has one."""
        if native_id and self.turn is not None:
            self.turn = replace(self.turn, native_id=native_id)

    def announce(self) -> None:
        """Write ``turn-started``, unless the log has it: call it before each of its events."""
        if self.turn is not None and not self._announced:
            self._announced = True
            self._writer.put(TurnStartedEvent(turn=self.turn.id, native_id=self.turn.native_id))

    def end(self, status: TurnStatus, reason: str, native: object) -> None:
        """Write ``complete``, or ``error`` if it failed; does nothing if no turn runs."""
        if self.turn is not None and self.runs:
            self.announce()
            end = ErrorEvent if status == "failed" else CompleteEvent
            self._writer.put(
                end(
                    turn=self.turn.id,
                    native_id=self.turn.native_id,
                    status=status,
                    reason=reason,
                    native=raw_json(native),
                )
            )
            self.turn = replace(self.turn, status=status, reason=reason)


class HeldReports:
    """Reports of an agent that are held back while a turn is submitted, then made in order.

    The agent may report from the turn before its answer to the submission is there, and the
    log tells of the turn first.
    """

    def __init__(self) -> None:
        self.holding = False
        """Whether reports have to wait."""
        self._held: list[Callable[[], None]] = []

    def hold(self) -> None:
        """Hold reports from now on."""
        self.holding = True

    def add(self, report: Callable[[], None]) -> None:
        """Make a report later; with one too many, all are made now."""
        self._held.append(report)
        if len(self._held) > EARLY:
            self.release()

    def release(self) -> None:
        """Make what was held, and hold no more."""
        self.holding = False
        held, self._held = self._held, []
        for report in held:
            report()
