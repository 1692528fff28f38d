"""A fake child that plays a recording: it prints what a real agent has printed.

`Player` is a `Spawn`, to be given to the driver of the recorded agent.  A child prints the
agent's recorded lines; before each recorded message of the host it waits until the driver sends
a message of the same name.  A request that is not recorded there is answered as the agent has
answered one elsewhere in the recording (or in ``hello.jsonl`` beside it), or refused.  A
recorded message that the driver does not send is skipped once it sends a later one; but never a
turn's start or an answer, because what follows depends on them.
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
from sxhost.process.contracts import ChildExit, ChildListener, Command

__all__ = ["Difference", "Player", "installed"]

NOT_RECORDED: Final = "This is not in the recording."
TURN_STARTS: Final = frozenset({"turn/start", "session/prompt", "prompt", "user"})
"""Messages that begin a turn.  One that is not recorded is refused: no events would follow."""

_MISSING: Final = "(nothing)"


def installed(name: str) -> DriverEntryPoint:
    """Return the driver of a name.

    :raises AgentFailed: it is not installed.
    """
    for entry in entry_points(group="sxhost.drivers", name=name):
        made: DriverEntryPoint = entry.load()
        return made
    raise AgentFailed(f"No driver {name!r} is installed that could play this.")


class Difference(Struct, frozen=True):
    """A difference between a message that was sent and the recorded one.

    `name` is the message's; `place` is a path into it (``params.cwd``), or empty where the
    whole message is missing on one side.
    """

    name: str
    place: str
    recorded: Any
    sent: Any


class Player:
    """Plays a recording: each child is one recorded process, later children the last one.

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
        """Play the next recorded process; the command is not run."""
        processes = self.recording.processes
        process = processes[min(len(self.children), len(processes) - 1)]
        child = PlayedChild(self, process, command, talk)
        self.children.append(child)
        return child

    def answer(self, name: str) -> Message | None:
        """Return the agent's recorded answer to a request of a name, here or in its hello."""
        answer = self.recording.answer(name)
        hello = self._path.with_name("hello.jsonl")
        return answer if answer or not hello.is_file() else read(hello).answer(name)

    def differ(self, name: str, recorded: Any, sent: Any) -> None:
        """Collect the differences of two messages, if the player is strict."""
        if self._strict:
            found = _differences(recorded, sent)
            self.differences += [Difference(name, place, a, b) for place, a, b in found]


class PlayedChild:
    """A child that runs no program: it plays one recorded process."""

    def __init__(
        self,
        player: Player,
        process: RecordedProcess,
        command: Command,
        listener: ChildListener,
    ) -> None:
        self.process = Process(0)
        self.command = command
        self._player = player
        self._listener = listener
        self._lines = list(process.lines)
        self._end = process.end
        self._position = 0
        self._received: list[Message] = []
        self._extra_answers: list[Message] = []
        self._ids: dict[Any, Any] = {}
        self._skipped_ids: set[Any] = set()
        self._ended = False
        self._timer: IDelayedCall | None = None
        self._schedule(0)

    # Methods of a child.

    def send(self, line: bytes) -> None:
        """Receive a message of the host."""
        if self._ended:
            return
        message: Message = msgspec.json.decode(line, type=dict[str, Any])
        if self._is_awaited(name_of(message)):
            self._received.append(message)
        else:
            self._answer_unrecorded(message)
        self._schedule(0)

    def pause(self) -> None:
        """Ignore: a recording is short."""

    def resume(self) -> None:
        """Ignore: it was not paused."""

    async def end_family(self) -> None:
        """End as a process does that was asked to."""
        self._exit(ChildExit(code=0, asked=True))

    @property
    def over(self) -> bool:
        """Whether all lines were played."""
        return self._position >= len(self._lines)

    def _exit(self, how: ChildExit) -> None:
        if not self._ended:
            self._ended = True
            if self._timer is not None:
                self._timer.cancel()
            self._listener.child_exited(how)

    # Playing.

    def _schedule(self, seconds: float) -> None:
        if self._timer is None and not self._ended:
            self._timer = self._player.clock.callLater(seconds, self._play)

    def _play(self) -> None:
        """Play one line of the agent, or wait for the host's message that comes before it."""
        self._timer = None
        if self._extra_answers:
            self._listener.line_received(msgspec.json.encode(self._extra_answers.pop(0)))
            self._schedule(0)
            return
        while not self.over and self._lines[self._position].dir == "out":
            if not self._match_request(self._lines[self._position].msg):
                return
            self._position += 1
        if not self.over:
            self._position += 1
            self._print(self._lines[self._position - 1].msg)
            self._schedule(self._pause())
        elif self._end is not None:
            self._exit(self._end)

    def _pause(self) -> float:
        """Return the recorded pause before the next line, in seconds, times the pace."""
        if self.over or self._lines[self._position].dir == "out":
            return 0.0
        before, now = self._lines[self._position - 1], self._lines[self._position]
        return max(0.0, now.t - before.t) * self._player.pace

    def _match_request(self, recorded: Message) -> bool:
        """Match a recorded message of the host with a received one; return False to wait.

        Where only others were received, the recorded one is skipped.
        """
        name = name_of(recorded)
        for message in self._received:
            if name_of(message) == name:
                self._received.remove(message)
                self._ids[value_at(recorded, request_id_path(recorded))] = value_at(
                    message, request_id_path(message)
                )
                self._player.differ(name, _without_id(recorded), _without_id(message))
                return True
        if self._received:
            self._skipped_ids.add(value_at(recorded, request_id_path(recorded)))
            self._player.differ(name, recorded, _MISSING)
        return bool(self._received)

    def _print(self, message: Message) -> None:
        place = answered_id_path(message)
        request_id = value_at(message, place)
        if place and request_id in self._skipped_ids and request_id not in self._ids:
            return
        if place and request_id in self._ids:
            message = with_value(message, place, self._ids[request_id])
        self._listener.line_received(msgspec.json.encode(message))

    def _is_awaited(self, name: str) -> bool:
        """Return whether the recording has such a message next, or after ones to skip."""
        received = [name_of(message) for message in self._received]
        for line in self._lines[self._position :]:
            recorded = name_of(line.msg) if line.dir == "out" else ""
            if recorded in received:
                received.remove(recorded)
            elif recorded == name and name:
                return True
            elif recorded in TURN_STARTS or recorded.startswith("answer "):
                return False
        return False

    def _answer_unrecorded(self, message: Message) -> None:
        """Answer a request that is not recorded here; end at a message that begins a turn of
        Claude, which has no answer to refuse it with.
        """
        name = name_of(message)
        self._player.differ(name, _MISSING, message)
        place = request_id_path(message)
        if place:
            recorded_answer = None if name in TURN_STARTS else self._player.answer(name)
            answer = recorded_answer or _refusal(message)
            with_id = with_value(answer, answered_id_path(answer), value_at(message, place))
            self._extra_answers.append(with_id)
        elif name == "user":
            self._lines, self._position, self._end = (
                [],
                0,
                ChildExit(code=0, stderr=NOT_RECORDED),
            )


_ERROR: Message = {"subtype": "error", "error": NOT_RECORDED}


def _refusal(message: Message) -> Message:
    """Return a refusal of a request in its own protocol."""
    if message.get("type") == "control_request":
        starts = name_of(message) == "control_request initialize"
        result = {"subtype": "success", "response": {}} if starts else _ERROR
        return {"type": "control_response", "response": {"request_id": None, **result}}
    if "method" in message:
        head = {"jsonrpc": message["jsonrpc"]} if "jsonrpc" in message else {}
        return {**head, "id": None, "error": {"code": -32601, "message": NOT_RECORDED}}
    head = {"id": None, "type": "response", "command": message.get("type")}
    return {**head, "success": False, "error": NOT_RECORDED}


# Comparing.


def _without_id(message: Message) -> Message:
    place = request_id_path(message)
    return with_value(message, place, None) if place else message


def _differences(recorded: Any, sent: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the paths at which two values differ, and both values there."""
    if isinstance(recorded, dict) and isinstance(sent, dict):
        for name in {**recorded, **sent}:
            below = f"{place}.{name}" if place else name
            pair = recorded.get(name, _MISSING), sent.get(name, _MISSING)
            yield from _differences(*pair, below)
    elif recorded != sent:
        yield place, recorded, sent
