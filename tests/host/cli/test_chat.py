"""``sxhost chat``: it goes on and ends, whatever comes first, a turn's end or its answer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from sxhost.cli.chat import Chat
from sxhost.cli.keyboard import TOGETHER
from sxhost.cli.terminal import HostLink
from sxhost.client.host import HostClient
from sxhost.errors import AgentFailed
from sxhost.model.event_types import MessageEvent
from sxhost.model.message import MessageDraft, Sent
from sxhost.model.session import Registration
from sxhost.model.turn import Launch, Submitted, TurnDraft, TurnStatus
from sxhost.testing import FakeAgent, NetworkInMemory, finished, is_done, result_of, started

T = TypeVar("T")


class LateAnswers:
    """A client of a host: what is sent arrives at once, its answer when the test lets it."""

    def __init__(self, net: NetworkInMemory) -> None:
        self.held: list[Deferred[None]] | None = None
        """Answers that have not come; None lets them come at once."""
        self._net = net

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net.client, name)

    async def submit(self, session_id: str, draft: TurnDraft) -> Submitted:
        return await self._answer(self._net.service.submit(session_id, draft))

    async def send(self, session_id: str, draft: MessageDraft) -> Sent:
        return await self._answer(self._net.service.send(session_id, draft))

    async def _answer(self, work: Coroutine[Any, Any, T]) -> T:
        answer = started(work)
        if self.held is not None:
            self.held.append(Deferred())
            await self.held[-1]
        return await answer


class Chatting:
    """Someone who talks with the session `a` over a pipe."""

    def __init__(self) -> None:
        self.net = NetworkInMemory()
        self.host = LateAnswers(self.net)
        self.link = HostLink("http://x", json=False)
        self.link.reactor = MemoryReactorClock()
        read, self._typed = os.pipe()
        self.stdin = os.fdopen(read)
        self.left: Deferred[int] = Deferred()

    def begin(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Talk; something may happen between the look at the session and the stream."""
        session = result_of(self.net.service.session("a"))
        meanwhile()
        chat = Chat(self.link, cast("HostClient", self.host), session)
        self.left = Deferred.fromCoroutine(chat.talk())
        self.settle()

    def settle(self) -> None:
        """Let everything happen that is due, but for answers that are held."""
        self.net.settle()
        self.link.reactor.advance(TOGETHER)
        self.net.settle()

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._typed, f"{line}\n".encode())
        self._read()

    def leave(self) -> None:
        """Leave, and let the agent go on."""
        self.type("/quit")
        assert result_of(self.left) == 0

    def end(self) -> None:
        """Type no more."""
        os.close(self._typed)
        self._read()

    def _read(self) -> None:
        for reader in self.link.reactor.getReaders():
            if reason := reader.doRead():
                self.link.reactor.removeReader(reader)
                reader.connectionLost(reason)
        self.settle()

    def hold_answers(self) -> None:
        """Let no answer come."""
        self.host.held = []

    def release_answers(self) -> None:
        """Let the answers come."""
        held, self.host.held = self.host.held or [], None
        for one in held:
            one.callback(None)
        self.settle()

    def end_turn(self, words: str, status: TurnStatus = "completed") -> None:
        """Have the agent say something and end its turn."""
        self.agent.reports.report_event(MessageEvent(text=words))
        self.agent.reports.turn_ended(status)
        self.settle()

    @property
    def agent(self) -> FakeAgent:
        return self.net.host.drivers.last

    @property
    def turns(self) -> list[str]:
        """The lines that the agent was given as turns."""
        return [words for what, words in self.agent.did if what == "submit"]


@pytest.fixture
def chatting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chatting]:
    """Return someone who talks over a pipe."""
    handler = signal.getsignal(signal.SIGINT)
    one = Chatting()
    monkeypatch.setattr(sys, "stdin", one.stdin)
    yield one
    signal.signal(signal.SIGINT, handler)
    one.stdin.close()


@pytest.fixture
def hosted(chatting: Chatting) -> Chatting:
    """Return someone who talks with an agent that the host runs."""
    result_of(chatting.net.service.start(Launch(agent="fake", cwd="/", id="a")))
    return chatting


def test_last_turn_is_over_before_its_answer_comes(
    hosted: Chatting, capsys: pytest.CaptureFixture[str]
) -> None:
    hosted.begin()
    hosted.hold_answers()
    hosted.type("one")
    hosted.end()
    hosted.end_turn("yes")
    assert not is_done(hosted.left)
    hosted.release_answers()
    assert result_of(hosted.left) == 0
    assert capsys.readouterr().out == "yes\n"


def test_lines_wait_for_the_answer_of_a_turn_that_is_over(hosted: Chatting) -> None:
    hosted.begin()
    hosted.hold_answers()
    hosted.type("one")
    hosted.type("two")
    hosted.end()
    hosted.end_turn("yes")
    hosted.release_answers()
    assert hosted.turns == ["one", "two"]
    assert not is_done(hosted.left)
    hosted.end_turn("no", "failed")
    assert result_of(hosted.left) == 1


def test_last_line_is_refused(hosted: Chatting, capsys: pytest.CaptureFixture[str]) -> None:
    hosted.begin()
    hosted.agent.refuse = AgentFailed("It is gone.")
    hosted.hold_answers()
    hosted.type("one")
    hosted.end()
    hosted.release_answers()
    assert result_of(hosted.left) == 1
    assert "Not sent: " in capsys.readouterr().err


def test_messages_are_sent_to_the_last(
    chatting: Chatting, capsys: pytest.CaptureFixture[str]
) -> None:
    result_of(chatting.net.service.register("a", Registration()))
    chatting.begin()
    chatting.hold_answers()
    chatting.type("one")
    chatting.type("two")
    chatting.end()
    assert not is_done(chatting.left)
    chatting.release_answers()
    assert result_of(chatting.left) == 0
    assert capsys.readouterr().err.count("(queued: ") == 2


def test_turn_that_ends_as_the_talk_begins_is_not_waited_for(hosted: Chatting) -> None:
    finished(hosted.net.service.submit("a", TurnDraft(input="somebody's")), hosted.net.clock)
    hosted.begin(meanwhile=lambda: hosted.end_turn("done"))
    hosted.type("one")
    assert hosted.turns == ["somebody's", "one"]
    hosted.leave()


def test_turn_that_runs_as_the_talk_begins_is_waited_for(hosted: Chatting) -> None:
    finished(hosted.net.service.submit("a", TurnDraft(input="somebody's")), hosted.net.clock)
    hosted.begin()
    hosted.type("one")
    assert hosted.turns == ["somebody's"]
    hosted.end_turn("done")
    assert hosted.turns == ["somebody's", "one"]
    hosted.leave()


def test_prompt_is_printed_once_though_the_answer_comes_last(
    hosted: Chatting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted.stdin, "isatty", lambda: True)
    hosted.begin()
    hosted.hold_answers()
    hosted.type("one")
    hosted.end_turn("yes")
    hosted.release_answers()
    assert capsys.readouterr().out == "> yes\n> "
    hosted.leave()
