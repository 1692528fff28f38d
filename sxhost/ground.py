"""What all hosted sessions stand on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sxhost.desk import Desk
from sxhost.limits import Limits
from sxhost.model import EventDraft, Hosting

__all__ = ["Ground", "shared"]

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


def shared(done: Deferred[None]) -> Deferred[None]:
    """Return a Deferred that fires as another does, which others wait for too."""
    mine: Deferred[None] = Deferred()

    def told(result: Any) -> Any:
        mine.callback(result)
        return None if isinstance(result, Failure) else result

    done.addBoth(told)
    return mine
