"""Loggers of sxhost, with their own level (``--log-level``) beside twistd's."""

from __future__ import annotations

from typing import Final

from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)

__all__ = ["LEVELS", "is_enabled", "logger", "set_level"]

LEVELS: Final = tuple(level.name for level in LogLevel.iterconstants())

_level = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
_enabled: Final = set(LEVELS[LEVELS.index("info") :])
"""The names of the levels that are logged."""
_observer = FilteringLogObserver(globalLogPublisher, [_level])


def logger(namespace: str) -> Logger:
    """Return the logger of a module; messages below the level are dropped."""
    return Logger(namespace, observer=_observer)


def set_level(name: str) -> None:
    """Set the level, one of `LEVELS`."""
    level = LogLevel.levelWithName(name)
    _level.setLogLevelForNamespace("sxhost", level)
    _enabled.clear()
    _enabled.update(one.name for one in LogLevel.iterconstants() if one >= level)


def is_enabled(name: str) -> bool:
    """Tell whether messages of a level are logged, before they are put together."""
    return name in _enabled
