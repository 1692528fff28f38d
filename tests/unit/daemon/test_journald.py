"""Lines for systemd's journal, and the stream that leads there."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from twisted.logger import LogEvent, LogLevel
from twisted.python.failure import Failure

from sxhost.daemon.journald import is_journal, with_priority
from sxhost.daemon.logfile import FORMATS


def event(level: LogLevel | None, text: str = "hello") -> LogEvent:
    return {"log_format": "{text}", "log_time": 0.0, "log_level": level, "text": text}


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (LogLevel.debug, 7),
        (LogLevel.info, 6),
        (LogLevel.warn, 4),
        (LogLevel.error, 3),
        (LogLevel.critical, 2),
        (None, 6),
    ],
)
@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_line_begins_with_its_levels_priority(
    write: Callable[[LogEvent], str | None], level: LogLevel | None, priority: int
) -> None:
    line = with_priority(write)(event(level))
    assert line == f"<{priority}>{write(event(level))}"


def test_each_line_of_a_traceback_has_the_priority() -> None:
    failed = {**event(LogLevel.critical), "log_failure": Failure(ValueError("<7>no\n<7>none"))}
    text = with_priority(FORMATS["text"])(failed)
    assert text is not None
    lines = text.splitlines()
    assert len(lines) > 2
    assert all(line.startswith(("<2>1970", "<2>\t")) for line in lines)
    assert text.endswith("\n")


def test_message_cannot_choose_its_priority() -> None:
    line = with_priority(FORMATS["text"])(event(LogLevel.error, "<7>\n<7>quiet"))
    assert line is not None
    assert line.startswith("<3>")
    assert line.count("\n") == 1


def test_event_without_a_message_is_no_line() -> None:
    assert with_priority(FORMATS["text"])(event(LogLevel.info, "")) is None


def test_only_the_connected_stream_is_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as journal, (tmp_path / "file").open("w") as other:
        status = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(journal, environ)
        assert not is_journal(other, environ)
        assert not is_journal(StringIO(), environ)
        assert not is_journal(journal, {})
