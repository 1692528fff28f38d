"""Made-up agents that speak as ``codex app-server`` and as pi's rpc: they echo.

How they behave in a turn is given to them; see `tests.support.agents.rude_agents`.  This is
run by programs of
the library alone, which must start quickly.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

Object = dict[str, Any]


class Agent:
    """One that is spoken to in lines; `piece` is how many bytes it writes at once."""

    def __init__(self, behave: Callable[[Turn], None]) -> None:
        self.behave = behave
        self.piece = 1 << 30
        self.turns: dict[Any, Turn] = {}
        """Those that run, by their conversation."""

    def run(self) -> None:
        """Hear until the end of the input."""
        for line in sys.stdin.buffer:
            self.hear(json.loads(line))

    def hear(self, message: Object) -> None:
        raise NotImplementedError

    def send(self, message: Object) -> None:
        self.write(encoded(message) + b"\n")

    def write(self, data: bytes, fd: int = 1) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view[: self.piece]) :]

    def take(self, turn: Turn) -> None:
        """Do what a turn wants, in its own manner."""
        self.turns[turn.place] = turn
        self.behave(turn)

    def heard_answer(self) -> None:
        """Go on with the turns, which have waited for that."""
        for turn in list(self.turns.values()):
            turn.close()


def encoded(message: Object) -> bytes:
    return _encode(message).encode()


_encode = json.JSONEncoder(ensure_ascii=False).encode


class Turn:
    """A turn of an agent; `said` is what it has said so far."""

    def __init__(self, agent: Agent, call: Object, place: Any, text: str) -> None:
        self.agent = agent
        self.call = call
        self.place = place
        self.text = text
        self.said = ""

    def open(self) -> None:
        """Accept it and begin."""
        self.accept()
        self.begin()
        self.say("echo: ")

    def close(self) -> None:
        """Say the rest, and end."""
        self.say(self.text)
        self.end("completed")

    def say(self, text: str) -> None:
        self.said += text
        self.agent.send(self.delta(text))

    def end(self, status: str) -> None:
        self.agent.turns.pop(self.place, None)
        for message in self.ending(status):
            self.agent.send(message)

    def accept(self) -> None:
        raise NotImplementedError

    def begin(self) -> None:
        raise NotImplementedError

    def delta(self, text: str) -> Object:
        raise NotImplementedError

    def ending(self, status: str) -> Iterator[Object]:
        raise NotImplementedError

    def ask(self) -> None:
        """Ask what nobody knows; any answer is good."""
        raise NotImplementedError

    def answer(self, number: Any) -> None:
        """Answer a call."""
        raise NotImplementedError


# In the words of Codex.


class Codex(Agent):
    """Holds any number of threads."""

    threads = 0

    def hear(self, message: Object) -> None:
        if "method" not in message:
            self.heard_answer()
        elif "id" in message:
            answer = CODEX.get(message["method"])
            refusal = {"error": {"code": -32600, "message": "That is unknown."}}
            told = refusal if answer is None else {"result": answer(self, message)}
            if told != {"result": None}:
                self.send({"id": message["id"], **told})

    def start(self, message: Object) -> Object:
        self.threads += 1
        return self.resume({"params": {"threadId": f"thread-{os.getpid()}-{self.threads}"}})

    def resume(self, message: Object) -> Object:
        thread = {"id": message["params"]["threadId"], "status": {"type": "idle"}, "turns": []}
        return {"thread": thread, "model": "rude", "modelProvider": "nobody"}

    def turn(self, message: Object) -> None:
        params = message["params"]
        text = "".join(item.get("text", "") for item in params["input"])
        self.take(CodexTurn(self, message, params["threadId"], text))

    def interrupt(self, message: Object) -> None:
        self.send({"id": message["id"], "result": {}})
        if turn := self.turns.get(message["params"]["threadId"]):
            turn.end("interrupted")


class CodexTurn(Turn):
    """A turn of a thread."""

    count = 0

    def __init__(self, agent: Agent, call: Object, place: Any, text: str) -> None:
        super().__init__(agent, call, place, text)
        CodexTurn.count += 1
        self.id = f"turn-{self.count}"
        self.item: Object = {"type": "agentMessage", "id": f"item-{self.count}"}

    def notice(self, method: str, **params: Any) -> Object:
        return {"method": method, "params": {"threadId": self.place, **params}}

    def state(self, status: str) -> Object:
        return {"id": self.id, "status": status, "items": [], "error": None}

    def accept(self) -> None:
        self.answer(self.call["id"])

    def answer(self, number: Any) -> None:
        self.agent.send({"id": number, "result": {"turn": self.state("inProgress")}})

    def begin(self) -> None:
        self.agent.send(self.notice("turn/started", turn=self.state("inProgress")))
        item = {**self.item, "text": ""}
        self.agent.send(self.notice("item/started", turnId=self.id, item=item))

    def delta(self, text: str) -> Object:
        where = {"turnId": self.id, "itemId": self.item["id"]}
        return self.notice("item/agentMessage/delta", **where, delta=text)

    def ending(self, status: str) -> Iterator[Object]:
        if status == "completed":
            item = {**self.item, "text": self.said}
            yield self.notice("item/completed", turnId=self.id, item=item)
        yield self.notice("turn/completed", turn=self.state(status))

    def ask(self) -> None:
        self.agent.send({"id": 0, **self.notice("item/nobody/knowsThis", turnId=self.id)})


def nothing(agent: Codex, message: Object) -> Object:
    return {}


def introduction(agent: Codex, message: Object) -> Object:
    return {"userAgent": "rude/0", "codexHome": os.environ.get("CODEX_HOME", "")}


CODEX: dict[str, Callable[[Codex, Object], Object | None]] = {
    "initialize": introduction,
    "thread/start": Codex.start,
    "thread/resume": Codex.resume,
    "thread/unsubscribe": nothing,
    "thread/backgroundTerminals/clean": nothing,
    "turn/start": Codex.turn,
    "turn/interrupt": Codex.interrupt,
}


# In the words of pi.


class Pi(Agent):
    """Has one conversation."""

    def hear(self, message: Object) -> None:
        kind = message["type"]
        if kind == "extension_ui_response":
            self.heard_answer()
        elif kind == "prompt":
            self.take(PiTurn(self, message, "", message["message"]))
        elif kind == "get_state":
            self.respond(message, data=self.state())
        else:
            if kind == "abort" and self.turns:
                self.turns[""].end("interrupted")
            self.respond(message)

    def respond(self, message: Object, **more: Any) -> None:
        told = {"id": message.get("id"), "command": message["type"], "success": True}
        self.send({"type": "response", **told, **more})

    def state(self) -> Object:
        model = {"id": "rude", "provider": "nobody", "contextWindow": 1000}
        state = {"isStreaming": bool(self.turns), "isCompacting": False}
        counts = {"messageCount": 0, "pendingMessageCount": 0}
        session = {"sessionId": f"rude-{os.getpid()}", "sessionFile": None}
        return {"model": model, "thinkingLevel": "off", **state, **counts, **session}


class PiTurn(Turn):
    """A run, from ``agent_start`` to ``agent_settled``."""

    agent: Pi

    def accept(self) -> None:
        self.agent.respond(self.call)

    def answer(self, number: Any) -> None:
        self.agent.respond({"id": str(number), "type": "prompt"})

    def begin(self) -> None:
        self.agent.send({"type": "agent_start"})
        self.agent.send({"type": "turn_start"})
        self.agent.send({"type": "message_start", "message": self.message("")})

    def message(self, reason: str) -> Object:
        content = [{"type": "text", "text": self.said}]
        return {"role": "assistant", "content": content, "stopReason": reason}

    def delta(self, text: str) -> Object:
        event = {"type": "text_delta", "contentIndex": 0, "delta": text}
        return {"type": "message_update", "assistantMessageEvent": event}

    def ending(self, status: str) -> Iterator[Object]:
        reason = "stop" if status == "completed" else "aborted"
        yield {"type": "message_end", "message": self.message(reason)}
        yield {"type": "turn_end", "toolResults": []}
        yield {"type": "agent_end", "messages": []}
        yield {"type": "agent_settled"}

    def ask(self) -> None:
        question = {"id": "ask", "method": "nobody_knows_this"}
        self.agent.send({"type": "extension_ui_request", **question})
