"""The system's notices of changed files: inotify, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.internet.inotify import (
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_MODIFY,
    IN_MOVED_TO,
    INotify,
)
from twisted.python.filepath import FilePath

__all__ = ["INotifyNotices"]

MASK: Final = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE


class INotifyNotices:
    """Notices of one inotify on `reactor`, opened when the first path is watched.

    A directory is watched once, for all who care.  Whatever cannot be watched (too many are, or
    the file is not there yet) is looked at now and then instead.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._inotify: INotify | None = None
        self._pokes: dict[str, dict[str, Callable[[], None]]] = {}

    def watch(self, path: str, name: str, poke: Callable[[], None]) -> None:
        """Have `poke` called whenever a file, or what is in a directory, changes.

        `name` is who cares; a second time for the same name replaces the first.
        """
        if self._inotify is None:
            self._inotify = INotify(self._reactor)
            self._inotify.startReading()
        if path not in self._pokes:
            with suppress(OSError):
                self._inotify.watch(FilePath(path), MASK, callbacks=[self._notice(path)])
                self._pokes[path] = {}
        if path in self._pokes:
            self._pokes[path][name] = poke

    def unwatch(self, path: str, name: str) -> None:
        """End that."""
        pokes = self._pokes.get(path, {})
        pokes.pop(name, None)
        if not pokes and self._pokes.pop(path, None) is not None and self._inotify is not None:
            with suppress(KeyError, OSError):
                self._inotify.ignore(FilePath(path))

    def close(self) -> None:
        """Watch nothing any more."""
        if self._inotify is not None:
            self._inotify.loseConnection()
            self._inotify = None
        self._pokes.clear()

    def _notice(self, path: str) -> Callable[[Any, Any, int], None]:
        def notice(_watched: Any, _changed: Any, _mask: int) -> None:
            for poke in tuple(self._pokes.get(path, {}).values()):
                poke()

        return notice
