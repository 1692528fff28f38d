"""What a key means for what is asked."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Self

import pytest
from msgspec.structs import replace
from twisted.internet.defer import DeferredQueue
from twisted.internet.testing import MemoryReactorClock

from sxhost.cli.approval_desk import UNSEEN, ApprovalDesk, answer_for, key_prompt
from sxhost.model.approval import Answer, Approval, ApprovalQuery, Inquiry, Option, Resolution
from sxhost.model.event import Event, raw_json
from sxhost.testing import started
from tests.unit.cli.test_standing import approval

ALL = approval(choices=["approve", "approve_session", "deny", "cancel", "later"])
FEW = approval(choices=["approve", "deny"])
COLOUR = approval(
    inquiries=[Inquiry(id="c", text="?", options=[Option("Red"), Option("Blue")])]
)
WORDS = approval(inquiries=[Inquiry(id="c", text="?")])


def test_only_what_is_possible_has_a_key() -> None:
    assert key_prompt(ALL) == (
        "    [y]es  [a]lways  [n]o, [b]ecause  [c]ancel  [1] later  [s]kip  [q]uit > "
    )
    assert key_prompt(FEW) == "    [y]es  [n]o, [b]ecause  [s]kip  [q]uit > "
    assert key_prompt(COLOUR) == "    [1-9] choose  [t]ype  [n]o  [s]kip  [q]uit > "
    assert key_prompt(WORDS) == "    [t]ype  [n]o  [s]kip  [q]uit > "


@pytest.mark.parametrize(
    ("asked", "key", "decision"),
    [
        (ALL, "y", "approve"),
        (ALL, "a", "approve_session"),
        (ALL, "n", "deny"),
        (ALL, "c", "cancel"),
        (ALL, "1", "later"),
        (COLOUR, "n", "deny"),
    ],
)
def test_a_key_is_an_answer(asked: Approval, key: str, decision: str) -> None:
    assert answer_for(asked, key) == Answer(decision=decision)


@pytest.mark.parametrize(
    ("asked", "key"),
    [(FEW, "a"), (FEW, "1"), (ALL, "2"), (ALL, "Y"), (ALL, "\n"), (ALL, " "), (COLOUR, "y"),
     (COLOUR, "3"), (WORDS, "1"), (FEW, "²")],
)  # fmt: skip
def test_other_keys_are_none(asked: Approval, key: str) -> None:
    assert answer_for(asked, key) is None


def test_a_number_is_a_choice() -> None:
    assert answer_for(COLOUR, "2") == Answer(decision="approve", answers={"c": "Blue"})


# The desk.


class Host:
    """A host with one question: its stream tells of a decision before the answer is there."""

    def __init__(self, asked: Approval) -> None:
        self._asked = asked
        self._events: DeferredQueue[Event] = DeferredQueue()

    def subscribe(self, **_options: Any) -> Host:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            yield await self._events.get()

    async def session(self, session_id: str) -> Any:
        return None

    async def approvals(self, query: ApprovalQuery) -> list[Approval]:
        return [self._asked] if self._asked.state == "pending" else []

    async def session_approvals(self, session: str, query: ApprovalQuery) -> list[Approval]:
        return [self._asked]

    async def answer(self, session: str, number: int, answer: Answer) -> Approval:
        how = Resolution(decision=answer.decision, by="user", at_ms=0)
        self._asked = replace(self._asked, state="answered", resolution=how)
        data = raw_json(self._asked)
        self._events.put(Event("approval-resolved", data, 0, 1, 1, 0, session))
        return self._asked


def test_a_decision_that_the_stream_tells_before_the_answer_is_there_is_printed_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keyboard, terminal = pty.openpty()
    with os.fdopen(terminal) as stdin, os.fdopen(keyboard, "wb", buffering=0):
        monkeypatch.setattr(sys, "stdin", stdin)
        reactor = MemoryReactorClock()

        async def chosen(_host: object, _value: object) -> bool:
            return True

        link: Any = SimpleNamespace(reactor=reactor, interrupted=False)
        host: Any = Host(FEW)
        desk = ApprovalDesk(link, host, chosen)
        running = started(desk.run())
        reactor.advance(UNSEEN)
        os.write(keyboard, b"y")
        (keys,) = reactor.getReaders()
        keys.doRead()
        running.addErrback(lambda _: None).cancel()
    printed = capsys.readouterr().out
    assert printed.count(f"{FEW.session} {FEW.id}: ") == 1
