"""What a hook sends: its JSON within the limit, and lines for a host that is elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sxhost.codec import json as codec
from sxhost.hooks.body import (
    BODY_MOST,
    CUT_FIELD,
    LINES_FIELD,
    LINES_MOST,
    LINES_READ,
    fitted,
    with_lines,
)


def sent(path: Path | str) -> Any:
    body = json.dumps({"session_id": "a", "transcript_path": str(path)}).encode()
    return json.loads(with_lines(body)).get(LINES_FIELD)


def test_whole_lines_are_sent_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":"\xff"}\n{"half')
    assert sent(path) == ['{"n":1}', '{"n":"\ufffd"}']


def test_the_end_of_a_long_file_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(b"line %07d\n" % n for n in range(LINES_READ // 8)))
    lines = sent(path)
    assert lines[-1] == f"line {LINES_READ // 8 - 1:07}"
    assert sum(map(len, lines)) <= LINES_MOST
    assert all(len(line) == 12 for line in lines)


def test_one_long_line_does_not_keep_the_others_away(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n" + b"x" * LINES_MOST + b"\ntwo\n")
    assert sent(path) == ["one", "two"]


def test_without_a_file_the_hook_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("secret\n")
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("nothing", "link"):
        assert sent(tmp_path / name) is None
    assert sent(tmp_path / "pipe") == []
    assert with_lines(b"{") == b"{"
    assert with_lines(b'{"transcript_path":7}') == b'{"transcript_path":7}'


def test_a_hook_within_the_limit_is_sent_as_it_is() -> None:
    assert fitted(b"{ }") == b"{ }"


def test_a_hook_over_the_limit_is_cut_and_says_how_long_it_was() -> None:
    body = json.dumps({"tool_response": "x" * BODY_MOST, "cwd": "/a"}).encode()
    cut = json.loads(fitted(body))
    assert (cut["cwd"], cut[codec.CUT_FIELD]) == ("/a", len(body))
    assert CUT_FIELD == codec.CUT_FIELD
    assert len(fitted(body)) <= BODY_MOST
