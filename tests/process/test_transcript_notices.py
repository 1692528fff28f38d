"""The system's notices of changed files: the real inotify on the real reactor."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from sxhost.agent_files.notices import INotifyNotices

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux has inotify")


def once(notices: INotifyNotices, path: Path) -> Deferred[None]:
    """Return a Deferred that the first change fires."""
    changed: Deferred[None] = Deferred()

    def poke() -> None:
        if not changed.called:
            changed.callback(None)

    notices.watch(str(path), "a", poke)
    return changed


async def test_a_change_of_a_file_and_in_a_directory_is_told(tmp_path: Path) -> None:
    notices = INotifyNotices(reactor)
    path = tmp_path / "a"
    path.touch()
    of_file, of_directory = once(notices, path), once(notices, tmp_path)
    with path.open("a") as file:
        file.write("one\n")
    await of_file
    await of_directory
    notices.unwatch(str(path), "a")
    notices.close()


async def test_what_is_not_there_is_not_watched(tmp_path: Path) -> None:
    notices = INotifyNotices(reactor)
    once(notices, tmp_path / "nothing")
    notices.unwatch(str(tmp_path / "nothing"), "a")
    notices.close()
