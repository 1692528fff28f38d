"""The system's notices of changed files: inotify, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted.python.filepath import FilePath

from sxhost.agent_files.follower import ChangeNotices, NoNotices
from sxhost.logs import logger

if TYPE_CHECKING:
    from twisted.internet.inotify import INotify

__all__ = ["INotifyNotices", "change_notices"]

log = logger(__name__)

MASK: Final = 0x2 | 0x8 | 0x80 | 0x100
"""IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE."""


def change_notices(reactor: Any) -> ChangeNotices:
    """Return the notices of this system, on a reactor."""
    try:
        return INotifyNotices(reactor)
    except Exception as error:  # noqa: BLE001 - no Linux, or too many users of inotify
        log.info("files are looked at now and then: no inotify ({error})", error=error)
        return NoNotices()


class INotifyNotices:
    """Notices of one inotify.

    A path is watched once, for all who care.  Whatever cannot be watched (too many are, or the
    file is not there yet) is looked at now and then instead.
    """

    def __init__(self, reactor: Any) -> None:
        from twisted.internet.inotify import INotify, INotifyError

        self._refusals = (INotifyError, OSError)
        self._inotify: INotify = INotify(reactor)
        self._inotify.startReading()
        self._pokes: dict[str, dict[str, Callable[[], None]]] = {}

    def watch(self, path: str, name: str, poke: Callable[[], None]) -> None:
        """Have `poke` called whenever a file, or what is in a directory, changes.

        `name` is who cares; a second time for the same name replaces the first.
        """
        if path not in self._pokes:
            with suppress(*self._refusals):
                self._inotify.watch(FilePath(path), MASK, callbacks=[self._notice(path)])
                self._pokes[path] = {}
        if path in self._pokes:
            self._pokes[path][name] = poke

    def unwatch(self, path: str, name: str) -> None:
        """End that."""
        pokes = self._pokes.get(path, {})
        pokes.pop(name, None)
        if not pokes and self._pokes.pop(path, None) is not None:
            with suppress(KeyError, *self._refusals):
                self._inotify.ignore(FilePath(path))

    def close(self) -> None:
        """Watch nothing any more."""
        self._inotify.loseConnection()
        self._pokes.clear()

    def _notice(self, path: str) -> Callable[[Any, Any, int], None]:
        def notice(_watched: Any, _changed: Any, _mask: int) -> None:
            for poke in tuple(self._pokes.get(path, {}).values()):
                poke()

        return notice
