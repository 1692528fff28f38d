"""A made-up agent that does in a turn what its text says, in the words of Codex or of pi.

======================= ===============================================================
``say COUNT RATE``      that many deltas, as many a second; rate 0: as fast as it can
``pieces COUNT SIZE``   that many deltas of so many characters, as fast as it can
``questions COUNT``     it asks so often, and does not wait (in the words of Codex alone)
``ask``                 it asks for a decision, and says when it heard of it
``flood``               deltas without end; interrupted, it says when it heard of that
======================= ===============================================================

A moment is written ``heard SECONDS``, of the clock that all processes share.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from tests.support.agents.polite_agents import (
    Agent,
    Codex,
    CodexTurn,
    Object,
    Pi,
    Turn,
    encoded,
)

Dialect = Literal["codex", "pi"]

WORD = "Chunk "
CODEX_MORE = {"emittedAtMs": 1795194539316}
PI_USAGE = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 0}
PI_MORE = {"usage": {**PI_USAGE, "cost": {**PI_USAGE, "total": 0}}}
"""What is in a line of the real agents beside what `tests.support.agents.polite_agents`
says.
"""


def command(dialect: Dialect) -> list[str]:
    """Return the words that run it; it passes over further arguments."""
    path = f"import sys; sys.path.append({str(Path(__file__).parents[1])!r})"
    program = f"{path}; import benchmarks.fake_agent as it; it.main()"
    program = f"{path}; import benchmarks.fake_agent as it; it.main()"
    return [sys.executable, "-I", "-S", "-c", program, dialect]


def launch(dialect: Dialect, session: str) -> Object:
    """Return the body of a ``POST /sessions`` that starts it."""
    return {"agent": dialect, "id": session, "cwd": "/", "command": command(dialect)}


# What it does in a turn.


def behave(turn: Turn) -> None:
    """Do what the turn's text says; an unknown word is echoed."""
    if isinstance(turn, CodexTurn):
        turn.id = f"{turn.id:-<36}"
        turn.item["id"] = f"{turn.item['id']:-<22}"
    turn.open()
    word, *given = turn.text.split()
    ACTS.get(word, echo)(turn, *given)


def echo(turn: Turn, *_: str) -> None:
    turn.close()


def say(turn: Turn, count: str, rate: str) -> None:
    """Say so many deltas, and end."""
    line, left = line_of(turn), int(count)
    due = pace(float(rate)) if float(rate) else repeat(64)
    while left:
        now = min(left, next(due))
        turn.agent.write(line * now)
        left -= now
    turn.said += WORD * int(count)
    turn.end("completed")


def pace(rate: float) -> Iterator[int]:
    """Yield now and then how many are due since the last time."""
    start, done = time.perf_counter(), 0
    while True:
        time.sleep(1 / rate)
        due = int((time.perf_counter() - start) * rate)
        yield due - done
        done = due


def pieces(turn: Turn, count: str, size: str) -> None:
    """Say so many deltas of a size, and end; the whole would be too long for a line."""
    line = line_of(turn, "x" * int(size))
    for _ in range(int(count)):
        turn.agent.write(line)
    turn.said = "done"
    turn.end("completed")


def questions(turn: Turn, count: str) -> None:
    """Ask and ask, whatever it is told meanwhile."""
    assert isinstance(turn, CodexTurn)
    turn.agent.turns.clear()
    for number in range(int(count)):
        about = {"turnId": turn.id, "itemId": f"call-{number}", "command": "true", "cwd": "/"}
        asked = turn.notice("item/commandExecution/requestApproval", **about)
        turn.agent.send({"id": number, **asked})


def ask(turn: Turn) -> None:
    """Ask whether it may run a command."""
    if isinstance(turn, CodexTurn):
        about = {"turnId": turn.id, "itemId": "call", "command": "true", "cwd": "/"}
        asked = turn.notice("item/commandExecution/requestApproval", **about)
        turn.agent.send({"id": 0, **asked})
    else:
        asked = {"id": "ask", "method": "confirm", "title": "true", "message": "Run it?"}
        turn.agent.send({"type": "extension_ui_request", **asked})


def flood(turn: Turn) -> None:
    """Talk on and on, and listen nevertheless."""
    assert isinstance(turn.agent, Punctual)
    turn.agent.talk(line_of(turn))


def line_of(turn: Turn, text: str = WORD) -> bytes:
    """Return the line of a delta."""
    more = CODEX_MORE if isinstance(turn, CodexTurn) else PI_MORE
    return encoded({**turn.delta(text), **more}) + b"\n"


ACTS: dict[str, Any] = {
    "say": say,
    "pieces": pieces,
    "questions": questions,
    "ask": ask,
    "flood": flood,
}


# How it hears.


class Punctual(Agent):
    """One that says when it heard what it is told in the middle of a turn."""

    talking: Thread | None = None

    def talk(self, line: bytes) -> None:
        """Say a line again and again until something is told."""

        def run() -> None:
            while self.talking is not None:
                self.write(line)

        self.talking = Thread(target=run, daemon=True)
        self.talking.start()

    def hear(self, message: Object) -> None:
        """Say so, and do what is told."""
        moment = time.perf_counter()
        talking, self.talking = self.talking, None
        if talking is not None:
            talking.join()
        for turn in self.turns.values():
            turn.say(f"heard {moment}")
        super().hear(message)


class PunctualCodex(Punctual, Codex):
    """Such a Codex."""


class PunctualPi(Punctual, Pi):
    """Such a pi."""


def main() -> None:
    agents = {"codex": PunctualCodex, "pi": PunctualPi}
    agents[sys.argv[1]](behave).run()
