"""Loggers of sxhost's own, with a level that the command line sets."""

from __future__ import annotations

from typing import Final

from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)

__all__ = ["LEVELS", "enabled", "logger", "set_level"]

LEVELS: Final = tuple(level.name for level in LogLevel.iterconstants())

_level = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
_observer = FilteringLogObserver(globalLogPublisher, [_level])


def logger(namespace: str) -> Logger:
    """Return the logger of a module; what is below the level goes nowhere."""
    return Logger(namespace, observer=_observer)


def set_level(name: str) -> None:
    """Let through what is at least as important as `name` (one of `LEVELS`)."""
    _level.setLogLevelForNamespace("sxhost", LogLevel.levelWithName(name))


def enabled(name: str) -> bool:
    """Tell whether messages of this level get anywhere, before they are put together."""
    return bool(LogLevel.levelWithName(name) >= _level.logLevelForNamespace("sxhost"))
