"""The codex driver against what real app servers said (``tests/recordings``)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from twisted.internet.task import Clock

from sxhost.drivers.codex import make
from sxhost.drivers.codex.agent import CodexAgent
from sxhost.drivers.contracts import Driver
from sxhost.errors import AgentFailed
from sxhost.model.approval import Answer
from sxhost.model.turn import Launch, Text, TurnDraft
from tests.support.agents.recorded_codex import KILLED, Replay
from tests.support.fake_children import FakeReports

RUN = "RUN: echo hi > made.txt && cat made.txt"
UNTRUSTED: dict[str, Any] = {"approval_policy": "untrusted", "sandbox": "workspace-write"}
FULL: dict[str, Any] = {"approval_policy": "never", "sandbox": "danger-full-access"}
PATCH = (
    'CALL: exec_command {"cmd": "apply_patch <<\'EOF\'\\n*** Begin Patch\\n'
    '*** Add File: hello.txt\\n+hello\\n*** End Patch\\nEOF\\n"}'
)


class Stage:
    """A driver that talks with a recording."""

    def __init__(self, name: str, skip: tuple[str, ...] = ()) -> None:
        self.replay = Replay(f"codex-0.169.0/{name}", skip)
        self.driver: Driver = make(self.replay.spawn, Clock())

    def agent(self, reports: FakeReports, **launch: Any) -> CodexAgent:
        place = {"cwd": "/home/user/project", "command": ["codex", "app-server"]}
        said = Launch(agent="codex", **{**place, **launch})
        agent = self.driver.agent(said, reports)
        assert isinstance(agent, CodexAgent)
        return agent


class Scene(Stage):
    """One agent on it, started."""

    def __init__(self, name: str, skip: tuple[str, ...] = (), **launch: Any) -> None:
        super().__init__(name, skip)
        self.reports = FakeReports()
        self.it = self.agent(self.reports, **launch)
        self.begun = self.replay.do(self.it.start())

    def submit(self, text: str, **more: Any) -> Any:
        return self.replay.do(self.it.submit(TurnDraft(input=text, **more)))

    def answer(self, decision: str, **more: Any) -> None:
        question = self.reports.questions[-1]
        self.replay.do(self.it.answer(question, Answer(decision=decision, **more)))

    def shape(self) -> list[str]:
        """Return what was told, but what says nothing of the turn."""
        names = [told[1] if told[0] == "event" else told[0] for told in self.reports.told]
        return [name for name in names if name not in ("native", "message-delta", "warning")]

    def last(self, name: str) -> Any:
        """Return the last event of a name, without codex's words."""
        data = dict(self.reports.events(name)[-1][1])
        data.pop("native", None)
        return data

    @property
    def end(self) -> Any:
        return [told for told in self.reports.told if told[0] == "turn_ended"][-1][1:]


def test_hello() -> None:
    scene = Scene("hello")
    assert scene.begun.native_id == "01a1fa05-a32f-7273-827c-fbfd1a7a9168"
    assert (scene.begun.model, scene.begun.provider) == ("fake-model", "fake")
    assert scene.begun.native["thread"]["id"] == scene.begun.native_id
    turn = scene.submit("hello there")
    assert scene.shape() == ["spawned", "turn_began", "message", "usage", "turn_ended"]
    assert scene.last("message")["text"] == "echo: hello there"
    assert "".join(scene.reports.texts("message-delta")) == "echo: hello there"
    assert ("turn_began", turn) in scene.reports.told
    assert scene.end == ("completed", "")
    scene.submit("THINK: pondering the greeting\nSAY: two turns\nUSAGE 1200 34 1000")
    assert scene.reports.texts("thinking") == ["pondering the greeting"]
    assert scene.reports.texts("thinking-delta") == ["pondering the greeting"]
    assert scene.last("usage") == {
        "input_tokens": 11981,
        "cached_tokens": 1000,
        "cache_write_tokens": 0,
        "output_tokens": 37,
        "reasoning_tokens": 0,
        "total_tokens": 12018,
        "context_window": 258400,
    }
    assert scene.replay.over


def test_events_carry_the_words_of_codex() -> None:
    scene = Scene("hello")
    scene.submit("hello there")
    data = scene.reports.events("message-delta")[0][1]
    native = msgspec.json.decode(msgspec.json.encode(data))["native"]
    assert native["method"] == "item/agentMessage/delta"
    assert native["params"]["delta"] == "echo: "
    assert all("native" in data for _, data in scene.reports.events())


def test_the_users_own_words_come_back_as_native_only() -> None:
    scene = Scene("hello")
    scene.submit("hello there")
    natives = [msgspec.json.encode(data) for _, data in scene.reports.events("native")]
    assert sum(b"userMessage" in native for native in natives) == 2
    assert not scene.reports.events("user-message")


def test_approve() -> None:
    scene = Scene("approve", **UNTRUSTED)
    scene.submit(RUN)
    question = scene.reports.questions[0]
    assert (question.kind, question.title) == ("command", f"/bin/bash -lc '{RUN[5:]}'")
    assert question.key == "call_1795196036737728664"
    assert question.choices[:4] == ["approve", "approve_session", "deny", "cancel"]
    assert question.choices[4:] == ["acceptWithExecpolicyAmendment"]
    assert question.detail["cwd"] == "/home/user/project"
    assert isinstance(question.native, dict)
    assert question.native["id"] == 0
    scene.answer("approve")
    expected = "spawned turn_began tool-start asked tool-done usage message usage turn_ended"
    assert scene.shape() == expected.split()
    start, done = scene.last("tool-start"), scene.last("tool-done")
    assert start["input"] == {"command": question.title, "cwd": "/home/user/project"}
    assert start["tool"] == done["tool"] == "commandExecution"
    assert (done["status"], done["output"], done["exit_code"]) == ("completed", "hi\n", 0)
    assert scene.end == ("completed", "")
    assert scene.replay.over


def test_approve_session() -> None:
    scene = Scene("approve_session", **UNTRUSTED)
    scene.submit(_first_input(scene))
    scene.answer("approve_session")
    assert len(scene.reports.questions) == 1, "it runs two commands"
    assert len(scene.reports.events("tool-done")) == 2
    assert scene.replay.over


def test_deny() -> None:
    scene = Scene("deny", **UNTRUSTED)
    scene.submit(RUN)
    scene.answer("deny", reason="not now")
    assert scene.last("tool-done")["status"] == "declined"
    assert scene.end == ("completed", "")
    assert scene.replay.over


def test_cancel() -> None:
    scene = Scene("cancel", **UNTRUSTED)
    scene.submit(RUN)
    scene.answer("cancel")
    assert scene.last("tool-done")["status"] == "declined"
    assert scene.end == ("interrupted", "")
    assert scene.replay.over


def test_steer() -> None:
    scene = Scene("steer", skip=("turn/interrupt",))
    scene.submit("SLOW 20")
    scene.replay.do(scene.it.steer([Text(text="SAY: steered answer")]))
    messages = [data for _, data in scene.reports.events("message")]
    so_far = "".join(scene.reports.texts("message-delta")).removesuffix("steered answer")
    assert messages[0]["cut"]
    assert messages[0]["text"] == so_far
    assert (messages[1]["text"], messages[1].get("cut")) == ("steered answer", None)
    assert scene.shape().count("turn_ended") == 1
    with pytest.raises(AgentFailed, match="No turn"):
        scene.replay.do(scene.it.steer([Text(text="too late")]))


def test_interrupt() -> None:
    scene = Scene("interrupt")
    scene.submit("SLOW 200")
    scene.replay.do(scene.it.interrupt())
    assert scene.last("message")["cut"]
    assert scene.last("message")["text"] == "".join(scene.reports.texts("message-delta"))
    assert scene.end == ("interrupted", "")
    assert scene.shape()[-2:] == ["message", "turn_ended"]
    scene.submit("still there?")
    assert scene.last("message")["text"] == "echo: still there?"
    assert scene.replay.over


def test_interrupt_command() -> None:
    scene = Scene("interrupt_command", **FULL)
    scene.submit("RUN: echo begin; sleep 60; echo end")
    scene.replay.do(scene.it.interrupt())
    assert scene.last("tool-done")["status"] == "cut"
    assert scene.end == ("interrupted", "")
    said = [message.get("method") for message in scene.replay.spawn.child.said]
    assert said[-2:] == ["turn/interrupt", "thread/backgroundTerminals/clean"]
    assert scene.replay.over


def test_the_end_of_a_cut_command_is_no_second_end() -> None:
    scene = Scene("experimental", skip=("thread/backgroundTerminals/list",), **FULL)
    scene.submit("RUN: echo begin; sleep 65; echo end")
    scene.replay.do(scene.it.interrupt())
    assert [data["status"] for _, data in scene.reports.events("tool-done")] == ["cut"]
    late = msgspec.json.encode(scene.reports.events("native")[-1][1])
    assert b"aggregatedOutput" in late


def test_background() -> None:
    scene = Scene("background", skip=("thread/backgroundTerminals/list",), **FULL)
    scene.submit(_first_input(scene))
    assert scene.end[0] == "completed"
    assert not scene.reports.events("tool-done")
    (running,) = scene.last("background")["tasks"]
    assert (running["kind"], "sleep 40" in running["title"]) == ("command", True)
    assert scene.replay.over


def test_compact() -> None:
    scene = Scene("compact")
    scene.submit("one")
    scene.replay.do(scene.it.compact())
    after = scene.shape()[scene.shape().index("turn_ended") + 1 :]
    assert [name for name in after if name != "usage"] == [
        "turn_began",
        "compact",
        "turn_ended",
    ]
    scene.submit("two")
    assert scene.replay.over


def test_fail() -> None:
    scene = Scene("fail")
    scene.submit("FAIL")
    assert scene.end == (
        "failed",
        "We’re currently experiencing high demand, which may cause temporary errors.",  # noqa: RUF001
    )
    assert any(
        text.startswith("Reconnecting... 1/1: ") for text in scene.reports.texts("warning")
    )
    scene.submit("FAIL 401")
    assert scene.end[0] == "failed"
    assert scene.end[1].startswith("unexpected status 401")
    scene.submit("FAIL 500 1")
    assert scene.end == ("completed", "")
    scene.submit("DROP this answer in the middle please")
    assert scene.end[0] == "failed"
    cut = [data for _, data in scene.reports.events("message") if data.get("cut")]
    assert [data["text"] for data in cut] == ["echo: DROP this answer "] * 2
    assert cut[0]["item"] != cut[1]["item"]
    assert scene.replay.over


def test_filechange() -> None:
    scene = Scene("filechange", **UNTRUSTED)
    scene.submit(PATCH)
    question = scene.reports.questions[0]
    path = "/home/user/project/hello.txt"
    assert (question.kind, question.title) == ("file-change", path)
    assert question.detail["paths"] == [path]
    changes = question.detail["changes"]
    assert isinstance(changes, list)
    assert changes[0]["diff"] == "hello\n"
    scene.answer("deny")
    assert scene.last("tool-done")["status"] == "declined"
    scene.submit(PATCH)
    scene.answer("approve")
    done = scene.last("tool-done")
    assert (done["tool"], done["status"]) == ("fileChange", "completed")
    assert scene.last("tool-start")["title"] == path
    assert scene.last("diff")["diff"].startswith("diff --git")
    assert scene.replay.over


def test_questions() -> None:
    lists = ("thread/backgroundTerminals/list", "collaborationMode/list")
    stage = Stage("experimental", skip=lists)
    first, reports = FakeReports(), FakeReports()
    one = stage.agent(first, **FULL)
    stage.replay.do(one.start())
    stage.replay.do(one.submit(TurnDraft(input="RUN: echo begin; sleep 65; echo end")))
    stage.replay.do(one.interrupt())
    two = stage.agent(reports)
    stage.replay.do(two.start())
    mode = stage.replay.next("turn/start")
    stage.replay.do(
        two.submit(TurnDraft(input=mode.pop("input")[0]["text"], native=_rest(mode)))
    )
    question = reports.questions[0]
    assert (question.kind, question.choices) == ("question", ["approve", "deny"])
    inquiry = question.inquiries[0]
    assert (inquiry.id, inquiry.text, inquiry.other) == ("color", "Which color?", True)
    assert [option.label for option in inquiry.options] == ["Red", "Blue"]
    stage.replay.do(two.answer(question, Answer(decision="approve", answers={"color": "Blue"})))
    assert "Blue" in reports.texts("message")[-1]
    assert not first.questions
    assert not reports.events("tool-start")


def test_resume() -> None:
    stage = Stage("resume", skip=("thread/list", "thread/read"))
    before, after = FakeReports(), FakeReports()
    one = stage.agent(before)
    native = stage.replay.do(one.start()).native_id
    stage.replay.do(one.submit(TurnDraft(input="remember the word plum")))
    stage.replay.do(one.submit(TurnDraft(input="SLOW 100")))
    cut = before.events("message")[-1][1]
    assert (cut["text"], cut["cut"]) == ("chunk-1 chunk-2 chunk-3 chunk-4 ", True)
    assert before.told[-1] == ("gone", KILLED)
    with pytest.raises(AgentFailed, match="not running"):
        stage.replay.do(one.submit(TurnDraft(input="anyone?")))
    two = stage.agent(after, resume=native, cwd=None)
    assert stage.replay.do(two.start()).native_id == native
    assert len(stage.replay.spawn.children) == 2
    assert stage.replay.spawn.child.said[-1]["params"]["excludeTurns"] is True
    stage.replay.do(two.submit(TurnDraft(input="and now?")))
    assert after.texts("message") == ["echo: and now?"]
    assert stage.replay.over


def test_threads() -> None:
    skip = "thread/name/set thread/fork thread/loaded/list thread/turns/list model/list"
    stage = Stage("threads", skip=tuple(skip.split()))
    first, second = FakeReports(), FakeReports()
    one, two = stage.agent(first), stage.agent(second)
    stage.replay.do(one.start())
    stage.replay.do(two.start())
    assert len(stage.replay.spawn.children) == 1
    stage.replay.do(one.submit(TurnDraft(input="SLOW 10")))
    stage.replay.do(two.submit(TurnDraft(input="SLOW 10")))
    for reports in (first, second):
        assert [told[1] for told in reports.told if told[0] == "turn_ended"] == ["completed"]
        assert len(reports.texts("message")) == 1
        assert reports.texts("message")[0] == "".join(reports.texts("message-delta"))


def test_known_models() -> None:
    stage = Stage("known_models")
    reports = FakeReports()
    one = stage.agent(reports, model="gpt-5.5", **UNTRUSTED)
    stage.replay.do(one.start())
    said = stage.replay.next("turn/start")["input"][0]["text"]
    stage.replay.do(one.submit(TurnDraft(input=said)))
    assert reports.questions[0].kind == "file-change"
    stage.replay.do(one.answer(reports.questions[0], Answer(decision="approve")))
    assert reports.events("tool-done")[0][1]["status"] == "completed"


def _first_input(scene: Scene) -> str:
    return str(scene.replay.next("turn/start")["input"][0]["text"])


def _rest(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != "threadId"}
