"""What was told, and what is still to be sent: over a restart, in one small file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sxhost.files import UnsafeFile, read_private, replace_private
from sxhost.logs import logger
from sxhost.model.notify import Delivery, Sending
from sxhost.notify.conditions import WorkTime

__all__ = ["DELIVERIES", "WAITING", "Notice", "NoticeOutbox", "Told"]

log = logger(__name__)

WAITING: Final = 500
"""Notices that wait to be sent; with one more, the oldest is not."""

DELIVERIES: Final = 500
"""Deliveries that are remembered."""

SIZE: Final = 16 << 20
"""Bytes of the file that are read."""


class Notice(Struct, frozen=True, kw_only=True):
    """Something to tell on one channel; `id` is the same with each try."""

    id: str
    rule: str
    channel: str
    kind: str
    session: str
    title: str
    body: str = ""
    link: str = ""
    at_ms: int
    about: str = ""
    """What of it was told, by which it is found again."""
    resolved: bool = False
    """Whether it takes back an earlier one, whose id it has."""
    tries: int = 0
    next_ms: int = 0
    """When it is sent, or tried again."""
    digest: bool = False
    """Whether it is told in one with others of its rule."""


class Told(Struct, frozen=True, kw_only=True):
    """Something that was told on a channel, or kept back in quiet hours, and is still so."""

    notice: Notice
    at_ms: int
    """When it was told last; 0 if it was only kept back."""
    times: int = 0


class _State(Struct):
    told: dict[str, Told] = {}
    work: dict[str, WorkTime] = {}
    queue: list[Notice] = []
    deliveries: list[Delivery] = []
    begun: bool = False


class NoticeOutbox:
    """The notices of a host; without a `place` they end with the process.

    :ivar told: what was told and is still so, by channel and condition.
    :ivar work: what sessions work at, or have.
    :ivar queue: what is to be sent, in order.
    :ivar begun: whether there was a look before this one, in this life or an earlier one.
    """

    def __init__(self, place: Path | None = None) -> None:
        self._place = place
        state = _State() if place is None else _read(place)
        self.told, self.work = state.told, state.work
        self.queue, self._deliveries = state.queue, state.deliveries
        self.begun = state.begun
        self._saved = self._encoded()

    @property
    def deliveries(self) -> list[Delivery]:
        """What became of notices, in order: the newest of them."""
        waiting = [_delivery(one, "waits", "", one.at_ms) for one in self.queue]
        return [*self._deliveries, *waiting]

    def put(self, notice: Notice, now_ms: int) -> None:
        """Have a notice sent; the oldest that waits makes room."""
        self.queue.append(notice)
        for late in self.queue[:-WAITING]:
            self.settle(late, "suppressed", "too many others waited", now_ms)

    def gather(self, notice: Notice, until_ms: int, now_ms: int) -> None:
        """Have a notice sent with those of its rule and channel that are gathered already.

        The first of them is sent at `until_ms` (Unix ms), and all others with it.
        """
        digests = (
            one.next_ms
            for one in self.queue
            if one.digest
            and not one.tries
            and (one.rule, one.channel) == (notice.rule, notice.channel)
        )
        ends_ms = min((until_ms, *digests))
        self.put(replace(notice, digest=True, next_ms=ends_ms), now_ms)

    def settle(self, notice: Notice, state: Sending, why: str, now_ms: int) -> None:
        """Note what became of a notice, which is not sent any more."""
        self.queue = [one for one in self.queue if one is not notice]
        self._deliveries.append(_delivery(notice, state, why, now_ms))
        del self._deliveries[:-DELIVERIES]

    def postpone(self, notice: Notice, next_ms: int) -> None:
        """Try a notice again at a time."""
        again = replace(notice, tries=notice.tries + 1, next_ms=next_ms)
        self.queue = [again if one is notice else one for one in self.queue]

    def forget_waiting(self, about: Iterable[str], now_ms: int) -> None:
        """Leave out notices of what is not so any more."""
        over = set(about)
        for notice in [one for one in self.queue if one.about in over and not one.resolved]:
            self.settle(notice, "suppressed", "it was over before", now_ms)

    def save(self) -> None:
        """Write what has changed."""
        encoded = self._encoded()
        if self._place is None or encoded == self._saved:
            return
        try:
            replace_private(self._place, encoded, synced=False)
        except OSError as error:
            log.warn("what was told cannot be written: {why}", why=str(error))
        else:
            self._saved = encoded

    def _encoded(self) -> bytes:
        state = _State(self.told, self.work, self.queue, self._deliveries, self.begun)
        return msgspec.json.encode(state)


def _delivery(notice: Notice, state: Sending, why: str, at_ms: int) -> Delivery:
    return Delivery(
        id=notice.id,
        rule=notice.rule,
        channel=notice.channel,
        kind="answered" if notice.resolved else notice.kind,
        session=notice.session,
        title=notice.title,
        at_ms=at_ms,
        state=state,
        tries=notice.tries,
        why=why,
    )


def _read(place: Path) -> _State:
    try:
        return msgspec.json.decode(read_private(place, SIZE), type=_State)
    except FileNotFoundError:
        return _State()
    except (UnsafeFile, OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warn("what was told before is not known: {why}", why=str(error))
        return _State()
