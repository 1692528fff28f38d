"""A reader's place in the log, as clients keep it and send it back."""

from __future__ import annotations

import re

from msgspec import Struct

from sxhost.errors import BadField
from sxhost.model.names import CURSOR, END_OF_LOG, GRAMMARS

__all__ = ["UNKNOWN", "Cursor"]

UNKNOWN = "unknown:0"
"""A cursor that no host gives out: its reader begins with the oldest event, after a gap."""


class Cursor(Struct, frozen=True):
    """A place in the log: behind the event `position`, in the log's life `epoch`.

    Without an epoch it is a plain number, whose meaning depends on who reads it: within one
    session it counts that session's events, over all sessions it is an event's id.
    `END_OF_LOG` is the end of the log, wherever that is.  Numbers of another epoch mean other
    events: a reader that comes with one starts over and is told of a gap.
    """

    position: int
    epoch: str = ""

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor, a plain integer or ``now``; "" is the beginning.

        :raises BadField: it is none of them.
        """
        if text == "now":
            return cls(END_OF_LOG)
        if re.match(CURSOR, text):
            epoch, _, position = text.rpartition(":")
            return cls(int(position or 0), epoch)
        raise BadField("after", f"The field `after` is wrong: expected {GRAMMARS[CURSOR]}.")

    def __str__(self) -> str:
        """Write it so that `parse` reads the same."""
        if self.position == END_OF_LOG:
            return "now"
        return f"{self.epoch}:{self.position}" if self.epoch else str(self.position)
