"""The live board before a host in memory: what its screen shows, what its keys do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sxhost.errors import Unauthorized
from sxhost.model.approval import Answer, ApprovalQuery, Inquiry, Option
from sxhost.model.auth import HostIdentity, Identity
from sxhost.model.event_types import (
    NULL,
    AgentEvent,
    MessageEvent,
    ToolDoneEvent,
    ToolStartEvent,
)
from sxhost.model.message import PullQuery
from sxhost.model.session import SessionQuery
from sxhost.model.turn import Launch, TurnDraft
from sxhost.testing import FakeDriver, FakeDrivers, HostInMemory, finished, question, result_of
from sxhost.visible import escape_hidden
from tests.support.boards import BoardInMemory, drive, matches_screen, shows_all_of
from tests.support.hostile import HOSTILE

READER = Identity(scopes=["read"], host=HostIdentity(name="h", version="1", epoch="e"))


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Lab:
    """A host with an agent that can be asked, and what it was told."""

    def __init__(self) -> None:
        self.host = HostInMemory(drivers=FakeDrivers(codex=FakeDriver()))

    def start(self, name: str, **fields: Any) -> None:
        launch = Launch(agent="codex", id=name, **fields)
        finished(self.host.service.start(launch), self.host.clock)

    def turn(self, name: str, text: str) -> None:
        finished(self.host.service.submit(name, TurnDraft(input=text)), self.host.clock)

    def ask(self, key: str = "q1", **fields: Any) -> None:
        self.host.drivers.last.reports.approval_requested(question(key, **fields))
        self.host.clock.advance(0)

    def report(self, event: AgentEvent) -> None:
        self.host.drivers.last.reports.report_event(event)
        self.host.clock.advance(0)

    @property
    def pending(self) -> list[tuple[str, str]]:
        found = result_of(self.host.service.approvals(ApprovalQuery()))
        return [(one.session, one.title) for one in found]

    @property
    def answered(self) -> list[Any]:
        return [did[1:] for did in self.host.drivers.last.did if did[0] == "answer"]


@pytest.fixture
def lab() -> Lab:
    return Lab()


def asking(lab: Lab, **fields: Any) -> None:
    """Have an agent ask, in a turn."""
    lab.start("deploy", title="deploy the site", cwd="/")
    lab.turn("deploy", "Deploy it, please.")
    given = {"title": "make deploy", "detail": {"command": "make deploy\nrm -rf build"}}
    lab.ask(**{**given, **fields})


def many(shown: BoardInMemory) -> None:
    """Fill the host with sessions of every kind."""
    for name, agent, title in (
        ("a1b2", "claude", "fix the login"),
        ("c3d4", "codex", "write the docs"),
        ("e5f6", "pi", ""),
    ):
        shown.register(
            name, agent=agent, title=title, cwd=f"/home/me/{name}", git_branch="main"
        )
    shown.fire("a1b2", "user-message", text="The login test fails. Why?")
    shown.fire("a1b2", "thinking", text="It may be the clock.")
    shown.fire("a1b2", "tool-start", item="t", tool="Bash", title="pytest -q", input=None)
    shown.fire("a1b2", "tool-done", item="t", tool="Bash", status="failed", output="1 failed")
    shown.fire("a1b2", "message", text="The **token** is compared too early:\n\n- one\n- two")
    shown.fire("c3d4", "message", text="Wrote it.")
    shown.fire("c3d4", "complete")
    shown.fire("e5f6", "error", reason="out of tokens")


# Screens.


@pytest.mark.parametrize("size", [(80, 24), (120, 30), (250, 80), (60, 20), (20, 12)])
def test_screen_of_every_size_is_as_it_was_looked_at(lab: Lab, size: tuple[int, int]) -> None:
    asking(lab)

    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        assert matches_screen(board.screen, f"asks-{size[0]}x{size[1]}")
        await board.press("j", "j", "enter")
        assert matches_screen(board.screen, f"reads-{size[0]}x{size[1]}")

    drive(act, lab.host, size)


def test_screens_of_the_keys_and_of_no_session(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        assert matches_screen(board.screen, "nothing-80x24")
        await board.press("question_mark")
        assert matches_screen(board.screen, "help-80x24")
        await board.press("escape")
        assert matches_screen(board.screen, "nothing-80x24")

    drive(act, lab.host, (80, 24))


def test_picture_of_the_documents_is_of_this_board(lab: Lab) -> None:
    lab.start("deploy", title="deploy the site", cwd="/")
    lab.turn("deploy", "The tests are green. Deploy it to staging, please.")

    async def act(board: BoardInMemory) -> None:
        many(board)
        for name, title, call in (
            ("g7", "upgrade Twisted", "pytest -q tests/host"),
            ("h8", "German translation", "sed -i s/ss/ß/ messages.po"),
        ):
            board.register(name, agent="claude", title=title, cwd="/home/me/site")
            board.fire(name, "turn-started", turn=1, native_id=None)
            board.fire(name, "tool-start", item="t", tool="Bash", title=call, input=None)
        lab.report(ToolStartEvent(item="t", tool="Bash", title="make -n deploy", input=NULL))
        lab.report(
            ToolDoneEvent(
                item="t", tool="Bash", status="completed", output="rsync …", exit_code=0
            )
        )
        lab.report(
            MessageEvent(
                item="m", text="It copies **3 files**:\n\n- index.html\n- app.js\n- app.css"
            )
        )
        await board.settle(1)
        detail = {"command": "make deploy STAGE=staging", "cwd": "/home/me/site"}
        lab.ask(title="make deploy STAGE=staging", detail=detail)
        await board.settle(130)
        assert shows_all_of("top", board)

    drive(act, lab.host, (120, 30))


def test_another_size_keeps_what_is_read(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.press("j")
        before = board.list_name
        for size in ((40, 10), (200, 60), (80, 24)):
            await board.pilot.resize_terminal(*size)
            await board.settle()
            assert board.list_name == before

    drive(act, lab.host)


def test_nobodys_words_drive_the_terminal(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        name = "".join(char for char in HOSTILE if char >= " ")
        board.register("a1b2", title=name, agent=name, git_branch=name, cwd=f"/{name}")
        for event in ("message", "user-message", "thinking", "warning", "their-own"):
            board.fire("a1b2", event, text=HOSTILE)
        board.fire("a1b2", "tool-start", item="h", tool=HOSTILE, title=HOSTILE, input=HOSTILE)
        await board.settle(2)
        for keys in (["t"], ["n"], ["escape"], ["slash"], ["escape", "s"]):
            await board.press(*keys)
            shown = board.screen
            assert escape_hidden(shown, "\n") == shown
        assert r"\x1b]0;title" in board.screen

    asking(lab, title=HOSTILE, detail={"command": HOSTILE, "reason": HOSTILE})
    drive(act, lab.host, (200, 50))


# The list.


def test_chosen_session_stays_chosen_wherever_it_moves(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.press("G")
        last = board.board.list.chosen
        board.fire(str(last), "turn-started", turn=1, native_id=None)
        await board.settle(2)
        assert board.board.list.chosen == last
        assert board.board.conversation.session == last

    drive(act, lab.host)


def test_until_somebody_moves_what_asks_comes_to_the_front(lab: Lab) -> None:
    lab.start("deploy", title="deploy the site")
    lab.turn("deploy", "go")

    async def act(board: BoardInMemory) -> None:
        board.fire("z", "turn-started", turn=1, native_id=None)
        await board.settle(2)
        assert board.board.list.chosen == "z"
        lab.ask(title="make deploy")
        await board.settle(2)
        assert board.board.list.chosen == "deploy"
        assert "deploy the site asks" in board.screen

    drive(act, lab.host)


def test_who_reads_another_session_is_told_who_asks(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.press("G")
        lab.ask(title="make deploy", detail={})
        await board.settle(2)
        assert "!  go asks: make deploy" in board.screen
        await board.press("a")
        assert lab.pending == [("deploy", "make deploy")]
        await board.press("exclamation_mark")
        assert board.board.list.chosen == "deploy"

    lab.start("deploy")
    lab.turn("deploy", "go")
    drive(act, lab.host)


def test_filter_lists_while_it_is_written(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.press("slash", "d", "o", "c")
        assert [row.id for row in board.board.list._rows] == ["c3d4"]
        await board.press("enter", "escape")
        assert len(board.board.list._rows) == 3

    drive(act, lab.host)


def test_forgotten_session_leaves_the_list(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        finished(board.net.service.forget("c3d4"), board.net.clock)
        await board.settle(2)
        assert "write the docs" not in board.screen

    drive(act, lab.host)


def test_what_was_looked_at_is_new_no_more_on_any_screen(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        board.board._tick()
        await board.settle(1)
        assert "●  write the docs" in board.screen
        await board.press("G")
        board.board._tick()
        await board.settle(2)
        assert "○  write the docs" in board.screen
        (seen,) = (one for one in result_of(lab.host.service.sessions(SessionQuery()))
                   if one.id == "c3d4")  # fmt: skip
        assert seen.seen_seq == seen.event_count

    drive(act, lab.host)


def test_reader_notes_nothing_as_seen(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.press("G")
        board.board._tick()
        await board.settle(2)
        assert "●  write the docs" in board.screen

    drive(act, lab.host, identity=READER)


def test_click_chooses_and_double_click_opens(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.pilot.click("#list", offset=(5, 3))
        await board.settle()
        assert board.board.list.chosen == board.board.list._rows[2].id
        await board.pilot.click("#list", offset=(5, 3), times=2)
        await board.settle()
        assert board.board.focused is board.board.conversation

    drive(act, lab.host)


# Answers.


@pytest.mark.parametrize(
    ("keys", "decision"),
    [("a", "approve"), ("A", "approve_session"), ("x", "cancel"), ("d enter", "deny")],
)
def test_a_key_answers(lab: Lab, keys: str, decision: str) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        await board.press(*keys.split())
        assert lab.answered == [("q1", decision)]
        assert not board.board.card.has_class("shown")

    asking(lab)
    drive(act, lab.host)


def test_denial_has_words(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        await board.press("d")
        await board.type("- not on a Friday")
        (done,) = result_of(lab.host.service.approvals(ApprovalQuery(all=True)))
        assert done.resolution is not None
        assert (done.resolution.decision, done.resolution.reason) == (
            "deny",
            "- not on a Friday",
        )

    asking(lab)
    drive(act, lab.host)


def test_escape_answers_nothing(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        await board.press("d", "n", "o", "escape", "escape", "escape")
        assert lab.pending == [("deploy", "make deploy")]
        await board.press("d")
        assert "deny, because: no" in board.screen

    asking(lab)
    drive(act, lab.host)


def test_what_has_only_just_come_is_not_answered_by_mistake(lab: Lab) -> None:
    lab.start("deploy")
    lab.turn("deploy", "go")

    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        lab.ask()
        while not board.board.card.has_class("shown"):
            await board.settle(0.05)
        await board.pilot.press("a")
        assert "only just come" in board.screen
        assert lab.pending
        await board.settle(2)
        await board.press("a")
        assert lab.answered == [("q1", "approve")]

    drive(act, lab.host)


def test_what_is_not_seen_whole_is_not_approved(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        await board.press("a")
        assert "There is more of it" in board.screen
        assert lab.pending
        await board.press(*"JJJJJJJJ")
        await board.press("a")
        assert lab.answered == [("q1", "approve")]

    asking(lab, detail={"command": "\n".join(f"echo {n}" for n in range(8))})
    drive(act, lab.host, (80, 16))


def test_questions_are_answered_one_after_another(lab: Lab) -> None:
    inquiries = [
        Inquiry(id="db", text="Which database?", options=[Option("pg"), Option("sqlite")]),
        Inquiry(id="why", text="Why?"),
    ]

    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        assert "2 sqlite" in board.screen
        await board.press("a")
        await board.type("2")
        await board.type("it is small")
        (done,) = result_of(lab.host.service.approvals(ApprovalQuery(all=True)))
        assert done.resolution is not None
        assert done.resolution.answers == {"db": "sqlite", "why": "it is small"}

    asking(lab, kind="question", title="Two things", inquiries=inquiries, detail={})
    drive(act, lab.host)


def test_one_question_is_answered_by_its_number(lab: Lab) -> None:
    inquiry = Inquiry(id="db", text="Which?", options=[Option("pg"), Option("my")], other=False)

    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        await board.press("9")
        assert "It takes one of: pg, my" in board.screen
        await board.press("1")
        (done,) = result_of(lab.host.service.approvals(ApprovalQuery(all=True)))
        assert done.resolution is not None
        assert done.resolution.answers == {"db": "pg"}

    asking(lab, kind="question", title="Which?", inquiries=[inquiry], detail={})
    drive(act, lab.host)


def test_who_was_faster_is_said(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        answer = Answer(decision="deny")
        finished(lab.host.service.answer("deploy", 1, answer), lab.host.clock)
        await board.pilot.press("a")
        await board.settle(2)
        assert "Closed already: denied by you, 00:00:0" in board.screen
        assert not board.board.card.has_class("shown")

    asking(lab)
    drive(act, lab.host)


def test_question_that_has_moved_to_its_terminal_is_shown_as_such(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        board.register("a1b2", agent="claude")
        asked = question("q1", at_terminal=True)
        hook = Deferred.fromCoroutine(lab.host.service.ask("a1b2", asked, 5))
        await board.settle(2)
        assert "a approve" in board.screen
        await board.settle(5)
        assert hook.called
        assert "It can only be answered at its agent's own terminal." in board.screen

    drive(act, lab.host)


# Words.


def waiting(board: BoardInMemory, session: str) -> list[str]:
    found = result_of(board.net.service.pull(session, PullQuery(peek=True)))
    return [message.content for message in found]


def test_message_is_sent_and_the_line_is_empty_again(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.press("G", "s")
        await board.type("- fix this")
        chosen = str(board.board.list.chosen)
        assert waiting(board, chosen) == ["- fix this"]
        assert "Message 1: " in board.screen
        await board.press("s")
        assert board.board.composer._line.value == ""

    drive(act, lab.host)


def test_what_could_not_be_sent_is_kept(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.press("G", "s")
        board.net.down = True
        board.net.cut()
        await board.type("hello")
        chosen = str(board.board.list.chosen)
        assert waiting(board, chosen) == []
        board.net.down = False
        await board.settle(40)
        await board.press("s")
        assert board.board.composer._line.value == "hello"

    drive(act, lab.host)


def test_interrupt_takes_two_keys(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        await board.press("i")
        assert "i once more stops the turn of deploy" in board.screen
        assert ("interrupt",) not in lab.host.drivers.last.did
        await board.press("i")
        assert ("interrupt",) in lab.host.drivers.last.did

    lab.start("deploy")
    lab.turn("deploy", "go")
    drive(act, lab.host)


def test_new_agent_is_started_and_read(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        await board.press("n")
        await board.type("codex")
        await board.press("enter")
        await board.type("go on")
        await board.settle(2)
        (made,) = result_of(lab.host.service.sessions(SessionQuery()))
        assert board.board.list.chosen == made.id
        assert lab.host.drivers.last.did[-1][:2] == ("submit", "go on") or "go on" in str(
            lab.host.drivers.last.did
        )

    drive(act, lab.host)


def test_agent_that_does_not_start_is_said(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.press("n")
        await board.type("nonsense")
        await board.press("enter", "enter")
        await board.settle()
        assert "There is none." in board.screen

    drive(act, lab.host)


def test_reader_is_told_what_a_key_takes(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        await board.settle(2)
        for key, scope in (("a", "approve"), ("s", "send"), ("i", "send"), ("n", "admin")):
            await board.press(key)
            assert f"This token may read; that takes {scope}." in board.screen
        assert lab.pending

    asking(lab)
    drive(act, lab.host, identity=READER)


def test_token_of_one_session_sees_that_alone(lab: Lab) -> None:
    host = HostIdentity(name="h", version="1", epoch="e")
    identity = Identity(scopes=["read", "approve"], session="deploy", host=host)

    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        assert [row.id for row in board.board.list._rows] == ["deploy"]
        await board.press("n")
        assert "This token is for the session deploy alone." in board.screen
        await board.press("a")
        assert lab.answered == [("q1", "approve")]

    asking(lab)
    drive(act, lab.host, identity=identity)


def test_refused_list_of_what_is_asked_is_said_and_not_asked_for_again(lab: Lab) -> None:
    asks = []

    async def act(board: BoardInMemory) -> None:
        async def refuse(work: Any) -> Any:
            asks.append(work)
            raise Unauthorized("Your token has expired.")

        board.board.feed._host.ask = refuse  # type: ignore[method-assign]
        board.board.feed.is_stale = True
        for _ in range(5):
            await board.settle()
        assert len(asks) == 1
        assert "Your token has expired." in board.screen

    drive(act, lab.host)


# The conversation.


def test_answer_flows_while_it_is_written(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        board.register("s")
        await board.settle(2)
        for word in ("The ", "answer ", "is ", "42."):
            board.fire("s", "message-delta", item="m", text=word)
            await board.settle()
        assert "The answer is 42." in board.screen
        board.fire("s", "message", item="m", text="The answer is **42**.")
        await board.settle()
        assert board.screen.count("The answer is 42.") >= 1
        assert "**" not in board.screen.partition("│")[2]

    drive(act, lab.host)


def talk(board: BoardInMemory, messages: int) -> None:
    for n in range(messages):
        board.fire("s", "message", text=f"line {n}")


def test_who_has_gone_up_stays_there(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        talk(board, 60)
        await board.settle(2)
        assert "line 59" in board.screen
        await board.press("tab", *"kkkkkkkkkk")
        seen = board.board.conversation.scroll_offset.y
        talk(board, 9)
        await board.settle(1)
        assert board.board.conversation.scroll_offset.y == seen
        assert "▼ 9 new" in board.screen
        await board.press("f")
        assert "▼" not in board.screen
        talk(board, 1)
        await board.settle()
        assert "line 0" in board.screen

    drive(act, lab.host)


def test_older_parts_are_read_where_somebody_goes_up(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        talk(board, 700)
        await board.settle(2)
        view = board.board.conversation
        assert len(view.items) == 200
        await board.press("tab")
        for _ in range(5):
            await board.press("g")
        assert len(view.items) > 200
        texts = [item.text for item in view.items]
        assert texts == [f"line {n}" for n in range(700 - len(texts), 700)]

    drive(act, lab.host)


def test_details_are_shown_on_demand(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        await board.press("slash")
        await board.type("login")
        assert "│   │ 1 failed" not in board.screen
        await board.press("t")
        assert "│   │ 1 failed" in board.screen

    drive(act, lab.host)


# The link.


def test_lost_link_is_said_and_found_again_without_a_loss(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        talk(board, 3)
        await board.settle(2)
        board.net.down = True
        board.net.cut()
        await board.settle(1)
        assert "link lost" in board.screen
        await board.press("s")
        assert "There is no link to the host now." in board.screen
        board.fire("s", "message", text="meanwhile")
        board.net.down = False
        await board.settle(40)
        assert "The host is there again" in board.screen
        assert "link lost" not in board.screen
        assert board.screen.count("meanwhile") >= 1
        texts = [item.text for item in board.board.conversation.items]
        assert texts == ["line 0", "line 1", "line 2", "meanwhile"]

    drive(act, lab.host)


def test_session_that_is_forgotten_while_it_is_read_is_said(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        talk(board, 3)
        await board.settle(2)
        finished(board.net.service.forget("s"), board.net.clock)
        await board.settle(1)
        assert "s: the session is forgotten" in board.screen.casefold()

    drive(act, lab.host)


def test_terminal_that_somebody_else_had_is_painted_anew(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        before = board.screen
        board.board._repaint()
        await board.settle()
        assert board.screen.splitlines()[1:] == before.splitlines()[1:]

    drive(act, lab.host)


def test_conversation_that_could_not_be_read_is_read_later(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        many(board)
        await board.settle(2)
        board.net.down = True
        board.net.cut()
        await board.press("G", "k")
        await board.settle(1)
        board.net.down = False
        await board.settle(40)
        assert len(board.board.conversation.items) > 0

    drive(act, lab.host)


# The end.


def test_host_that_refuses_reading_ends_the_board(lab: Lab) -> None:
    async def act(board: BoardInMemory) -> None:
        board.board.feed.on_end("This token has expired.")
        await board.pilot.pause()
        assert board.board.return_code == 1

    drive(act, lab.host)
