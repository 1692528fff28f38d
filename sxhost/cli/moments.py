"""Moments as people write them: ``2h`` (ago), ``12:00``, ``yesterday``, ``2026-11-30``."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Any

import click

__all__ = ["MOMENT", "SECONDS", "parse_moment"]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Units of durations, in seconds."""

AGO = re.compile(r"(?:[0-9]{1,9}[smhdw])+")


def parse_moment(text: str, now: float) -> float:
    """Return the moment that a text means, in Unix seconds.

    A duration is counted back from `now`; a time of day is the last one that has been; what
    says no time zone is local.

    :raises ValueError: it means none.
    """
    text = text.strip()
    if AGO.fullmatch(text):
        parts = re.findall(r"([0-9]+)([smhdw])", text)
        return now - sum(int(number) * SECONDS[unit] for number, unit in parts)
    here = datetime.fromtimestamp(now)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    if text in ("now", "today", "yesterday"):
        days = {"now": here, "today": midnight, "yesterday": midnight - timedelta(days=1)}
        return days[text].timestamp()
    if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", text):
        hour, minute, *second = map(int, text.split(":"))
        at = midnight.replace(hour=hour, minute=minute, second=second[0] if second else 0)
        return (at if at.timestamp() <= now else at - timedelta(days=1)).timestamp()
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]|$)", text):
        return datetime.fromisoformat(text).timestamp()
    raise ValueError(text)


class Moment(click.ParamType[float]):
    """An option's moment in the past; it is passed on in Unix seconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it.

        :raises click.BadParameter: it is none.
        """
        if isinstance(value, float):
            return value
        try:
            return parse_moment(value, time.time())
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is no time such as 2h, 12:00, yesterday, 2026-11-30 or"
                " '2026-11-30 14:00'.",
                param,
                ctx,
            )


MOMENT = Moment()
