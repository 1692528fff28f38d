"""A fake agent that says what a real one has said: it plays a recording.

`Player` is a `Spawn`, to be given to the driver of the recorded agent's language.  Its children
say what the agent said; before each thing that the recorded host said they wait until ours says
a thing of the same name.  What ours says beyond the recording is answered as the agent has
answered elsewhere in it (or in ``hello.jsonl`` beside it), or refused.  What ours
does not say
is passed over once it says something later, but for turns and answers: nothing follows without.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.drivers.contracts import DriverEntryPoint
from sxhost.drivers.echo.recording import (
    Message,
    RecordedProcess,
    Recording,
    answered_id_path,
    name_of,
    read,
    request_id_path,
    value_at,
    with_value,
)
from sxhost.errors import AgentFailed
from sxhost.model.turn import Process
from sxhost.process.contracts import ChildListener, Command, Exit

__all__ = ["Difference", "Player", "installed"]

OVER: Final = "This is not in the recording."
NEEDED: Final = frozenset({"turn/start", "session/prompt", "prompt", "user"})
"""What begins a turn.  Beyond the recording it is refused: nothing would follow the answer."""

_MISSING: Final = "(nothing)"


def installed(name: str) -> DriverEntryPoint:
    """Return the driver of a name.

    :raises AgentFailed: none is installed.
    """
    for entry in entry_points(group="sxhost.drivers", name=name):
        made: DriverEntryPoint = entry.load()
        return made
    raise AgentFailed(f"No driver {name!r} is installed that could play this.")


class Difference(Struct, frozen=True):
    """Where what was said differs from what was recorded.

    `name` is the message's; `place` leads into it (``params.cwd``), or is empty where the whole
    of it is missing on one side.
    """

    name: str
    place: str
    recorded: Any
    said: Any


class Player:
    """Plays a recording, an act for each child; further children play the last act.

    `pace` multiplies the recorded pauses: with 0 there are none.  With `strict`, `differences`
    are collected.
    """

    def __init__(
        self, path: Path, clock: IReactorTime, *, pace: float = 0.0, strict: bool = False
    ) -> None:
        """Read the recording.

        :raises BadRecording: it cannot be.
        """
        self.recording: Recording = read(path)
        self._path = path
        self.children: list[PlayedChild] = []
        self.differences: list[Difference] = []
        self.clock = clock
        self.pace = pace
        self._strict = strict

    def __call__(self, command: Command, talk: ChildListener) -> PlayedChild:
        """Begin the next act; the command is not run."""
        acts = self.recording.acts
        act = acts[min(len(self.children), len(acts) - 1)]
        child = PlayedChild(self, act, command, talk)
        self.children.append(child)
        return child

    def answer(self, name: str) -> Message | None:
        """Return what the agent has answered to a message of a name, here or at first."""
        known = self.recording.answer(name)
        first = self._path.with_name("hello.jsonl")
        return known if known or not first.is_file() else read(first).answer(name)

    def differ(self, name: str, recorded: Any, said: Any) -> None:
        """Note how two messages differ."""
        if self._strict:
            found = _differences(recorded, said)
            self.differences += [Difference(name, place, a, b) for place, a, b in found]


class PlayedChild:
    """A child that is none."""

    def __init__(
        self, player: Player, act: RecordedProcess, command: Command, talk: ChildListener
    ) -> None:
        self.process = Process(0)
        self.command = command
        self._player = player
        self._talk = talk
        self._lines = list(act.lines)
        self._end = act.end
        self._at = 0
        self._heard: list[Message] = []
        self._beside: list[Message] = []
        self._names: dict[Any, Any] = {}
        self._passed: set[Any] = set()
        self._ended = False
        self._timer: IDelayedCall | None = None
        self._later(0)

    # The child's side.

    def send(self, line: bytes) -> None:
        """Hear what the host says."""
        if self._ended:
            return
        message: Message = msgspec.json.decode(line, type=dict[str, Any])
        if self._is_awaited(name_of(message)):
            self._heard.append(message)
        else:
            self._beyond(message)
        self._later(0)

    def pause(self) -> None:
        """Play on: what is recorded is soon over."""

    def resume(self) -> None:
        """Play on."""

    async def end(self) -> None:
        """End, as asked."""
        self._gone(Exit(code=0, asked=True))

    @property
    def over(self) -> bool:
        """Whether all was played."""
        return self._at >= len(self._lines)

    def _gone(self, how: Exit) -> None:
        if not self._ended:
            self._ended = True
            if self._timer is not None:
                self._timer.cancel()
            self._talk.child_exited(how)

    # Playing.

    def _later(self, seconds: float) -> None:
        if self._timer is None and not self._ended:
            self._timer = self._player.clock.callLater(seconds, self._go)

    def _go(self) -> None:
        """Play up to the next thing that the agent says, or must hear."""
        self._timer = None
        if self._beside:
            self._talk.line(msgspec.json.encode(self._beside.pop(0)))
            self._later(0)
            return
        while not self.over and self._lines[self._at].dir == "out":
            if not self._hear(self._lines[self._at].msg):
                return
            self._at += 1
        if not self.over:
            self._at += 1
            self._say(self._lines[self._at - 1].msg)
            self._later(self._pause())
        elif self._end is not None:
            self._gone(self._end)

    def _pause(self) -> float:
        """Return how long the agent was silent before the line that is next."""
        if self.over or self._lines[self._at].dir == "out":
            return 0.0
        before, now = self._lines[self._at - 1], self._lines[self._at]
        return max(0.0, now.t - before.t) * self._player.pace

    def _hear(self, recorded: Message) -> bool:
        """Take what was said in the place of something; tell whether playing can go on."""
        name = name_of(recorded)
        for message in self._heard:
            if name_of(message) == name:
                self._heard.remove(message)
                self._names[value_at(recorded, request_id_path(recorded))] = value_at(
                    message, request_id_path(message)
                )
                self._player.differ(name, _unnamed(recorded), _unnamed(message))
                return True
        if self._heard:
            self._passed.add(value_at(recorded, request_id_path(recorded)))
            self._player.differ(name, recorded, _MISSING)
        return bool(self._heard)

    def _say(self, message: Message) -> None:
        place = answered_id_path(message)
        asked = value_at(message, place)
        if place and asked in self._passed and asked not in self._names:
            return
        if place and asked in self._names:
            message = with_value(message, place, self._names[asked])
        self._talk.line(msgspec.json.encode(message))

    def _is_awaited(self, name: str) -> bool:
        """Tell whether the recording has it next, or behind what can be passed over."""
        heard = [name_of(message) for message in self._heard]
        for line in self._lines[self._at :]:
            recorded = name_of(line.msg) if line.dir == "out" else ""
            if recorded in heard:
                heard.remove(recorded)
            elif recorded == name and name:
                return True
            elif recorded in NEEDED or recorded.startswith("answer "):
                return False
        return False

    def _beyond(self, message: Message) -> None:
        """Answer what the recording does not have here."""
        name = name_of(message)
        self._player.differ(name, _MISSING, message)
        place = request_id_path(message)
        if place:
            known = None if name in NEEDED else self._player.answer(name)
            answer = known or _refusal(message)
            named = with_value(answer, answered_id_path(answer), value_at(message, place))
            self._beside.append(named)
        elif name == "user":
            self._lines, self._at, self._end = [], 0, Exit(code=0, stderr=OVER)


_ERROR: Message = {"subtype": "error", "error": OVER}


def _refusal(message: Message) -> Message:
    """Say in the language of a message that it is not understood."""
    if message.get("type") == "control_request":
        known = name_of(message) == "control_request initialize"
        told = {"subtype": "success", "response": {}} if known else _ERROR
        return {"type": "control_response", "response": {"request_id": None, **told}}
    if "method" in message:
        head = {"jsonrpc": message["jsonrpc"]} if "jsonrpc" in message else {}
        return {**head, "id": None, "error": {"code": -32601, "message": OVER}}
    said = {"id": None, "type": "response", "command": message.get("type")}
    return {**said, "success": False, "error": OVER}


# Comparing.


def _unnamed(message: Message) -> Message:
    place = request_id_path(message)
    return with_value(message, place, None) if place else message


def _differences(recorded: Any, said: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values differ, and what stands there."""
    if isinstance(recorded, dict) and isinstance(said, dict):
        for name in {**recorded, **said}:
            below = f"{place}.{name}" if place else name
            pair = recorded.get(name, _MISSING), said.get(name, _MISSING)
            yield from _differences(*pair, below)
    elif recorded != said:
        yield place, recorded, said
