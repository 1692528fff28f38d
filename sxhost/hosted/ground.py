"""What all hosted sessions stand on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime

from sxhost.hosted.desk import Desk
from sxhost.model.limits import Limits
from sxhost.model.session import EventDraft, Hosting

__all__ = ["Ground"]

Append = Callable[[str, Sequence[EventDraft]], Awaitable[object]]
Note = Callable[[str, Hosting], Awaitable[object]]


class Ground(NamedTuple):
    """What all hosted sessions stand on.

    `append` writes to a log, `note` keeps what a later life of the host must know, `hold`
    makes agents wait while logs cannot be written.
    """

    clock: IReactorTime
    wall_ms: Callable[[], int]
    limits: Limits
    desk: Desk
    append: Append
    note: Note
    hold: Callable[[bool], object]
