"""What Claude runs in the background: told as it changes, and over when its turn is told."""

from __future__ import annotations

from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.drivers.claude.background import TURN_FOLLOWS_S, BackgroundTasks, claude_task
from sxhost.drivers.claude.messages import Task
from sxhost.model.session import BackgroundTask
from tests.support.fake_children import FakeReports

LINE = Raw(b"{}")
SERVER = Task(task_id="b1", task_type="local_bash", description="npm run dev\n&")


class Scene:
    def __init__(self) -> None:
        self.clock = Clock()
        self.reports = FakeReports()
        self.tasks = BackgroundTasks(self.reports, self.clock)

    def changed(self, *tasks: Task, turn_runs: bool) -> None:
        self.tasks.tasks_changed(list(tasks), LINE, turn_runs=turn_runs)

    @property
    def told(self) -> list[list[str]]:
        events = self.reports.events("background")
        return [[task["id"] for task in data["tasks"]] for _, data in events]


def test_change_in_a_turn_is_reported_at_once() -> None:
    scene = Scene()
    scene.changed(SERVER, turn_runs=True)
    scene.changed(turn_runs=True)
    assert scene.told == [["b1"], []]
    assert not scene.tasks.running


def test_last_end_waits_for_the_turn_that_tells_of_it() -> None:
    scene = Scene()
    scene.changed(SERVER, turn_runs=True)
    scene.changed(turn_runs=False)
    assert scene.told == [["b1"]]
    scene.tasks.report_end()
    assert scene.told == [["b1"], []]
    assert not scene.clock.getDelayedCalls()


def test_last_end_is_reported_where_no_turn_follows() -> None:
    scene = Scene()
    scene.changed(SERVER, turn_runs=True)
    scene.changed(turn_runs=False)
    scene.clock.advance(TURN_FOLLOWS_S)
    assert scene.told == [["b1"], []]


def test_task_that_begins_meanwhile_is_told_instead() -> None:
    scene = Scene()
    scene.changed(SERVER, turn_runs=True)
    scene.changed(turn_runs=False)
    scene.changed(Task(task_id="b2"), turn_runs=False)
    assert scene.told == [["b1"], ["b2"]]
    assert not scene.clock.getDelayedCalls()


def test_nothing_waits_once_the_process_has_ended() -> None:
    scene = Scene()
    scene.changed(SERVER, turn_runs=True)
    scene.changed(turn_runs=False)
    scene.tasks.process_exited()
    assert not scene.clock.getDelayedCalls()


def test_task_is_told_in_our_words_and_in_a_line() -> None:
    server = BackgroundTask(id="b1", kind="command", title="npm run dev")
    assert claude_task("b1", "local_bash", SERVER.description) == server
    assert claude_task("a", "subagent", "x" * 900) == BackgroundTask(
        id="a", kind="subagent", title="x" * 200
    )
    assert claude_task("m", "monitor_mcp", "").kind == "monitor_mcp"
