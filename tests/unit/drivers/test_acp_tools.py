"""Tool calls over ACP: one start and one end each, whatever an agent tells."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from sxhost.drivers.acp.messages import ToolCall, ToolCallContent
from sxhost.drivers.acp.tools import OUTPUT_KEPT, ToolCallTracker
from sxhost.drivers.kit.open_items import OpenItems
from tests.support.fake_children import FakeReports

NATIVE = Raw(b"{}")


class Bench:
    def __init__(self) -> None:
        self.reports = FakeReports()
        self.tools = ToolCallTracker(OpenItems(self.reports))

    def begin(self, name: str = "c1", **fields: Any) -> None:
        self.tools.call_started(ToolCall(name, **fields), NATIVE)

    def update(self, name: str = "c1", **fields: Any) -> None:
        self.tools.call_updated(ToolCall(name, **fields), NATIVE)

    @property
    def told(self) -> list[str]:
        return [name for name, _ in self.reports.events()]

    def done(self) -> dict[str, Any]:
        (event,) = self.reports.events("tool-done")
        return dict(event[1])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def shown(*texts: str) -> list[ToolCallContent]:
    return [ToolCallContent("content", {"type": "text", "text": text}) for text in texts]


def test_an_input_that_is_still_being_written(bench: Bench) -> None:
    bench.begin(title="bash", kind="execute", raw_input={"cwd": "/w"}, content=shown("what"))
    assert not bench.told
    given = {"command": "ls", "cwd": "/w"}
    bench.update(title="ls", raw_input=given, content=shown("what it is"))
    assert bench.reports.events() == [
        (
            "tool-start",
            {"item": "c1", "tool": "execute", "title": "ls", "input": given, "native": {}},
        )
    ]


def test_a_call_that_is_told_of_at_its_end(bench: Bench) -> None:
    bench.begin(status="completed", content=shown("all", "of it"))
    assert bench.told == ["tool-start", "tool-done"]
    assert bench.done()["output"] == "all\nof it"


def test_a_call_of_which_only_updates_tell(bench: Bench) -> None:
    bench.update(status="in_progress", content=shown("one"))
    bench.update(content=shown("one two"))
    bench.update(content=shown("three"))
    bench.update(status="completed")
    assert bench.reports.texts("tool-output") == ["one", " two", "three"]
    assert bench.done()["output"] == "one twothree"


def test_what_it_shows_at_first_is_no_output(bench: Bench) -> None:
    bench.begin(status="in_progress", content=shown("[in /w]"))
    bench.update(status="completed", content=[])
    assert bench.told == ["tool-start", "tool-done"]
    assert bench.done()["output"] == ""


@pytest.mark.parametrize(
    ("raw_output", "output", "code"),
    [
        ("plain", "plain", None),
        ({"output": "o", "metadata": {"exit": 3}}, "o", 3),
        ({"stdout": "s", "exitCode": 0}, "s", 0),
        ({"error": "e", "exit_code": "x"}, "e", None),
        ({"output": 5, "metadata": []}, "content", None),
        (7, "content", None),
    ],
)
def test_raw_outputs(bench: Bench, raw_output: Any, output: str, code: int | None) -> None:
    bench.begin()
    bench.update(status="failed", raw_output=raw_output, content=shown("content"))
    done = bench.done()
    assert (done["status"], done["output"], done["exit_code"]) == ("failed", output, code)


def test_terminals_of_the_agent_s_own(bench: Bench) -> None:
    bench.begin(content=[ToolCallContent("terminal")])
    bench.update(meta={"terminal_output": {"data": "a\n"}})
    bench.update(meta={"terminal_output_delta": {"data": "b\n"}})
    bench.update(meta={"terminal_output": 1})
    bench.update(status="completed", meta={"terminal_exit": {"exit_code": 2}})
    assert bench.reports.texts("tool-output") == ["a\n", "b\n"]
    assert (bench.done()["output"], bench.done()["exit_code"]) == ("a\nb\n", 2)


def test_the_end_of_a_long_output_is_kept(bench: Bench) -> None:
    bench.begin()
    for letter in "ab":
        bench.update(meta={"terminal_output": {"data": letter * OUTPUT_KEPT}})
    bench.update(status="completed")
    assert bench.done()["output"] == "b" * OUTPUT_KEPT


def test_diffs_are_told_of_what_was_done(bench: Bench) -> None:
    change = ToolCallContent("diff", path="/w/x", old_text="a\nb", new_text="a\nc")
    large = ToolCallContent("diff", path="/w/y", new_text="z" * 300_000)
    same = ToolCallContent("diff", path="/w/z", old_text="a", new_text="a")
    bench.begin(kind="edit", content=[change, large, same])
    bench.update(status="completed", content=[])
    ((_, data),) = bench.reports.events("diff")
    assert (data["item"], data["path"]) == ("c1", "/w/x")
    assert data["diff"] == "--- /w/x\n+++ /w/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"


def test_a_change_that_failed_has_no_diff(bench: Bench) -> None:
    bench.begin(content=[ToolCallContent("diff", path="/w/x", new_text="a")])
    bench.update(status="failed")
    assert bench.told == ["tool-start", "tool-done"]


def test_leave_is_asked_for_what_nobody_told_of(bench: Bench) -> None:
    tool = bench.tools.permission_requested(
        ToolCall("c1", title="rm x", kind="execute"), NATIVE
    )
    assert (tool.title, tool.kind, bench.told) == ("rm x", "execute", ["tool-start"])
    bench.tools.call_declined("c1")
    bench.tools.call_declined("c1")
    bench.update(status="failed")
    assert bench.told == ["tool-start", "tool-done", "native"]
    assert bench.done()["status"] == "declined"


def test_an_id_that_begins_again_is_another_call(bench: Bench) -> None:
    for _ in range(2):
        bench.begin(title="once", status="in_progress")
        bench.begin(title="once", status="in_progress")
        bench.update(status="completed")
    assert bench.told == ["tool-start", "tool-done"] * 2


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "failed"}, "cut"),
        ({"status": "completed"}, "cut"),
        ({"status": "completed", "raw_output": {"exitCode": 0}}, "completed"),
        ({"status": "failed", "raw_output": {"exitCode": 130}}, "cut"),
    ],
)
def test_what_ends_while_it_is_cut(bench: Bench, fields: Any, status: str) -> None:
    bench.begin()
    bench.tools.cutting = True
    bench.update(**fields)
    assert bench.done()["status"] == status
    bench.tools.cut_open_items()
    assert not bench.tools.cutting


def test_what_is_open_at_the_end_is_cut(bench: Bench) -> None:
    bench.begin("c1", raw_input={})
    bench.begin("c2")
    bench.tools.cut_open_items()
    bench.tools.cut_open_items()
    told = [(name, data["item"]) for name, data in bench.reports.events()]
    assert told == [
        ("tool-start", "c2"),
        ("tool-start", "c1"),
        ("tool-done", "c2"),
        ("tool-done", "c1"),
    ]
    assert {data["status"] for _, data in bench.reports.events("tool-done")} == {"cut"}
    bench.update("c1", status="completed")
    assert bench.told[-1] == "native"


def test_places_of_any_shape(bench: Bench) -> None:
    tool = bench.tools.permission_requested(ToolCall("c1", locations="here"), NATIVE)
    assert tool.paths == []


def test_pictures_of_an_output_are_told(bench: Bench) -> None:
    image = {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"}
    content = [*shown("words"), ToolCallContent("content", image)]
    bench.begin(status="completed", content=content)
    done = bench.done()
    assert done["output"] == "words"
    assert done["images"] == [{"mime_type": "image/png", "data": "iVBORw0KGgo="}]
