"""Where stored conversations work, as the files of codex, pi and Claude say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from sxhost.drivers import claude, codex, pi
from sxhost.drivers.contracts import DriverEntryPoint, StoredDirectories
from sxhost.drivers.kit.stored_directory import directory_in
from sxhost.model.turn import Launch

NUMBER = "0198c0de-0000-7000-8000-000000000001"
HEADER = {"type": "session", "version": 3, "id": NUMBER, "cwd": "/work"}
META = {"type": "session_meta", "payload": {"id": NUMBER, "cwd": "/work"}}
TURN = {"type": "user", "sessionId": NUMBER, "cwd": "/work"}


def written(file: Path, *lines: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


@pytest.mark.parametrize(
    ("make", "variable", "place", "lines"),
    [
        (pi.make, "PI_CODING_AGENT_DIR", f"sessions/--work--/x_{NUMBER}.jsonl", [HEADER]),
        (codex.make, "CODEX_HOME", f"sessions/2026/01/02/rollout-x-{NUMBER}.jsonl", [META]),
        (claude.make, "CLAUDE_CONFIG_DIR", f"projects/-work/{NUMBER}.jsonl", [[], {}, TURN]),
    ],
)
def test_driver_knows_where_a_conversation_works(
    make: DriverEntryPoint, variable: str, place: str, lines: list[Any], tmp_path: Path
) -> None:
    file = written(tmp_path / place, *lines)
    driver = make(cast("Any", None), Clock())
    assert isinstance(driver, StoredDirectories)
    env = {variable: str(tmp_path)}

    def find(resume: str) -> str | None:
        return driver.directory_of(Launch(agent="x", resume=resume, env=env))

    assert find(NUMBER) == "/work"
    assert find("another") is None
    assert find("../x") is None
    if make is pi.make:
        assert find(str(file)) == "/work"


@pytest.mark.parametrize("line", [[], {"cwd": 1}, {"cwd": "work"}, "x", {"payload": None}])
def test_file_that_names_no_directory(line: Any, tmp_path: Path) -> None:
    assert directory_in([written(tmp_path / "a.jsonl", line), tmp_path]) is None
