"""What running Claudes say of themselves."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from sxhost.agent_files.status import read_statuses, status_of

GONE = 2**22 + 1
"""No process has a number that large."""


def say(place: Path, name: str, **fields: Any) -> None:
    said = {"pid": os.getpid(), "sessionId": "a", "status": "busy", **fields}
    (place / name).write_text(json.dumps(said))


def test_the_one_heard_of_last_comes_first(tmp_path: Path) -> None:
    say(tmp_path, "1.json", statusUpdatedAt=1)
    say(tmp_path, "2.json", statusUpdatedAt=2, status="waiting", waitingFor="permission prompt")
    found = read_statuses(str(tmp_path))
    assert [status.status for status in found] == ["waiting", "busy"]
    assert status_of("a", found) == found[0]
    assert status_of("b", found) is None


def test_a_claude_that_has_ended_says_nothing_also_before_its_parent_looks(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        say(tmp_path, "zombie.json", pid=child.pid)
        assert read_statuses(str(tmp_path)) == []


def test_what_is_no_status_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"pid": 1, "sess')
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "1.key").write_text("{}")
    (tmp_path / "link.json").symlink_to("half.json")
    say(tmp_path, "gone.json", pid=GONE)
    say(tmp_path, "all.json", pid=-1)
    say(tmp_path, "strange.json", status="dancing")
    assert read_statuses(str(tmp_path)) == []
    assert read_statuses(str(tmp_path / "nowhere")) == []
