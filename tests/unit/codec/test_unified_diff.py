"""The changes of a question as one unified diff: of all kinds, bounded, and whole beside it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from sxhost.codec.json import encode
from sxhost.codec.unified_diff import changes_diff, with_diff
from sxhost.drivers.kit.changes import file_change
from sxhost.model.approval import Question


def question(**detail: Any) -> Question:
    return Question(key="k", kind="file-change", title="t", detail=detail, choices=["approve"])


def change(kind: Any, diff: str, path: str = "x.py") -> dict[str, Any]:
    return {"path": path, "kind": kind, "diff": diff}


CASES: list[tuple[Any, str]] = [
    (
        [change({"type": "add"}, "a\nb\n")],
        "--- /dev/null\n+++ b/x.py\n@@ -0,0 +1,2 @@\n+a\n+b",
    ),
    (
        [change({"type": "add"}, "a")],
        "--- /dev/null\n+++ b/x.py\n@@ -0,0 +1,1 @@\n+a\n\\ No newline at end of file",
    ),
    (
        [change({"type": "delete"}, "a\n")],
        "--- a/x.py\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a",
    ),
    (
        [change({"type": "update", "move_path": "y.py"}, "@@ -1 +1 @@\n-a\n+b\n")],
        "--- a/x.py\n+++ b/y.py\n@@ -1 +1 @@\n-a\n+b",
    ),
    (
        [file_change("x.py", "a\nb", "a\nc"), file_change("new", None, "n\n")],
        (
            "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
            "--- /dev/null\n+++ b/new\n@@ -0,0 +1,1 @@\n+n"
        ),
    ),
    (
        [change("update", "@@\n-a\n+b", "a\n+++ b/evil")],
        "--- a/a\\n+++ b/evil\n+++ b/a\\n+++ b/evil\n@@\n-a\n+b",
    ),
    ([change({"type": "add"}, "")], "--- /dev/null\n+++ b/x.py\n@@ -0,0 +1,0 @@"),
    ([7, {"path": "x"}, {"path": 1, "diff": "y"}, {"diff": "y"}], ""),
    ("changes", ""),
    (None, ""),
]


@pytest.mark.parametrize(("changes", "diff"), CASES)
def test_changes_are_one_diff(changes: Any, diff: str) -> None:
    assert changes_diff(changes, 10_000) == diff


def test_a_diff_can_be_applied(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("a\nb\nc\n")
    changes = [file_change("x.py", "a\nb\nc\n", "a\nB\nc\n"), file_change("new", None, "n\n")]
    text = changes_diff(changes, 10_000)
    done = subprocess.run(
        ["git", "apply", "-"],
        cwd=tmp_path,
        input=f"{text}\n",
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.py").read_text() == "a\nB\nc\n"
    assert (tmp_path / "new").read_text() == "n\n"


def test_a_long_diff_is_cut_at_a_line_and_says_so() -> None:
    text = "".join(f"line {number}\n" for number in range(10_000))
    diff = changes_diff([change({"type": "add"}, text)], 1000)
    *lines, last = diff.split("\n")
    assert len(diff) < 1100
    assert lines[-1].startswith("+line ")
    assert last.startswith("\\ ")
    assert last.endswith(" characters more are not shown")


def test_a_question_has_its_diff_beside_the_changes() -> None:
    changes = [change({"type": "add"}, "a\n")]
    shown = with_diff(question(changes=changes), 65_536)
    assert shown.detail["changes"] == changes
    assert str(shown.detail["diff"]).endswith("+a")
    assert with_diff(shown, 65_536) == shown
    assert "diff" not in with_diff(question(command="ls"), 65_536).detail


@pytest.mark.parametrize("size", [100, 20_000, 60_000, 64_900, 65_400])
@pytest.mark.parametrize("letter", ["x", '"', "\u00fc"])
def test_a_diff_never_makes_a_question_too_large(size: int, letter: str) -> None:
    text = (letter * 50 + "\n") * (size // len(encode(letter * 50)))
    given = question(changes=[change({"type": "add"}, text)])
    shown = with_diff(given, 65_536)
    assert shown.detail["changes"] == given.detail["changes"]
    assert len(encode(shown)) <= max(65_536, len(encode(given)))
    assert len(str(shown.detail.get("diff", ""))) <= 16_100
