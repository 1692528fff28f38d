"""Child processes of the host: an agent's program, its pipes, and its end in order.

A child ends in order: its stdin is closed; SIGTERM to its group; SIGKILL to it and to all
its descendants.  However it ends, descendants that still live are ended then
(`sxhost.process.termination`), and only then `ChildListener.child_exited` is called, after the
last line.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import IO, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from sxhost.codec.lines import LineTooLong, LongLine, LongLineSplitter
from sxhost.logs import logger
from sxhost.model.limits import Limits
from sxhost.model.turn import Process
from sxhost.os_process import signal_name
from sxhost.process.contracts import ChildExit, ChildListener, Command, LongLineListener
from sxhost.process.environ import agent_environment
from sxhost.process.marks import MARK_VARIABLE, ProcessMark, limits_marked
from sxhost.process.once import OneShotEvent
from sxhost.process.pipes import InputPipe, OutputPipe, watch
from sxhost.process.spawn import start_program
from sxhost.process.table import Family, Group, Processes
from sxhost.process.termination import terminate
from sxhost.waiting import background

__all__ = ["ProcessChild", "ProcessSpawner"]

log = logger(__name__)
ENDING = "ending an agent"
"""The name of such work in the log, should it fail."""

listener_errors = log.failureHandler("an agent's driver failed over what its program printed")


class ProcessSpawner:
    """Starts agents' programs and watches what they start: implements `Spawn`.

    `host_id` is the same whenever this host runs, and no other host's; `environ` is the
    environment of the host's user (``os.environ``), of which `keep` says what passes on
    (see `environment`).
    """

    def __init__(
        self,
        reactor: Any,
        limits: Limits,
        host_id: str,
        *,
        environ: Mapping[str, str],
        keep: Sequence[str] = (),
        processes: Processes | None = None,
    ) -> None:
        self.children: set[ProcessChild] = set()
        self._reactor, self._limits = reactor, limits
        self._host_id = host_id
        self._environ, self._keep = dict(environ), tuple(keep)
        self._processes = processes or Processes()
        self._watch_loop = LoopingCall(self.look)
        self._watch_loop.clock = reactor

    def __call__(self, command: Command, listener: ChildListener) -> ProcessChild:
        """Run a program.

        :raises AgentFailed: it cannot be run; the message says where it was looked for.
        :raises BadField: its directory is not there.
        """
        mark = ProcessMark(self._host_id, token_hex(8))
        add = {"PWD": command.cwd, **command.env, MARK_VARIABLE: mark.value}
        with limits_marked(mark):
            popen = start_program(command, agent_environment(self._environ, add, self._keep))
        seen = self._processes.see(popen.pid)
        process = seen.process if seen else Process(popen.pid)
        family = self._family_of(process, mark)
        child = ProcessChild(
            self._reactor, self._limits, popen, listener, process=process, family=family
        )
        self._track(child)
        return child

    def _family_of(self, process: Process, mark: ProcessMark) -> Family | Group:
        if self._processes.known:
            return Family(self._processes, mark, process)
        return Group(process)

    def _track(self, child: ProcessChild) -> None:
        self.children.add(child)
        child.family_ended.wait().addCallback(lambda _: self._untrack(child))
        if not self._watch_loop.running:
            looking = self._watch_loop.start(self._limits.agent_look, now=False)
            background(looking, log, "looking at agents")

    def _untrack(self, child: ProcessChild) -> None:
        self.children.discard(child)
        if not self.children and self._watch_loop.running:
            self._watch_loop.stop()

    def look(self) -> None:
        """Note the children's descendants, so that they are known should a child be killed."""
        table = self._processes.all()
        for child in self.children:
            child.family.learn(table)

    async def close(self) -> None:
        """End all children that still run, at the same time."""
        endings = [Deferred.fromCoroutine(child.end_family()) for child in list(self.children)]
        for ending in endings:
            await ending


class ProcessChild:
    """A running program: implements `Child`."""

    def __init__(
        self,
        reactor: Any,
        limits: Limits,
        popen: subprocess.Popen[bytes],
        listener: ChildListener,
        *,
        process: Process,
        family: Family | Group,
    ) -> None:
        self.process = process
        self.family_ended = OneShotEvent()
        """Happens once it and its descendants have ended and its listener was told."""
        self._reactor, self._limits, self._popen = reactor, limits, popen
        self.family, self._listener = family, listener
        self._lines = LongLineSplitter(limits.agent_line, limits.agent_long_line)
        self._stderr_tail = bytearray()
        self._ended = OneShotEvent()
        self._end_requested, self._ending, self._why = False, False, ""
        self._stdin = InputPipe(reactor, cast("IO[bytes]", popen.stdin))
        stdout = cast("IO[bytes]", popen.stdout)
        self._stdout = OutputPipe(reactor, stdout, self._output_received, self._output_closed)
        self._stderr = OutputPipe(
            reactor, cast("IO[bytes]", popen.stderr), self._errors_received
        )
        watch(reactor, popen, self._process_ended)

    # Input and output.

    def send(self, line: bytes) -> None:
        """Write a line (given without its newline) to stdin; after its end, do nothing.

        A program that leaves more than `agent_stdin` bytes unread is ended.  What this line
        adds does not count: a single line may be longer than the limit.
        """
        waiting = self._stdin.unsent
        self._stdin.write(line + b"\n")
        if waiting > self._limits.agent_stdin:
            self._fail(f"it does not read; {waiting} bytes wait for it")

    def pause(self) -> None:
        """Stop reading its stdout; lines that were read already may still be delivered."""
        if not self._ending:
            self._stdout.pauseProducing()

    def resume(self) -> None:
        """Read its stdout again."""
        self._stdout.resumeProducing()

    def _output_received(self, data: bytes) -> None:
        try:
            for line in self._lines.receive_data(data):
                self._line_received(line)
        except LineTooLong as error:
            self._stdout.close()
            self._fail(f"it printed nonsense: {error}")

    def _line_received(self, line: bytes | LongLine) -> None:
        """Pass a line on.

        :raises LineTooLong: nobody can read what is left of it.
        """
        if isinstance(line, bytes):
            self._call_listener(self._listener.line_received, line)
            return
        is_read = False
        with listener_errors:
            if isinstance(self._listener, LongLineListener):
                is_read = self._listener.long_line_received(line)
        if not is_read:
            raise LineTooLong(self._limits.agent_line)

    def _output_closed(self) -> None:
        """It has closed stdout: it exits soon, or it is ended."""
        background(self._end_unless_it_exits(), log, ENDING)

    async def _end_unless_it_exits(self) -> None:
        if not await self._ended.wait_within(self._limits.agent_eof, self._reactor):
            self._fail("it closed its output, and lived on")

    def _errors_received(self, data: bytes) -> None:
        self._stderr_tail += data
        del self._stderr_tail[: -self._limits.agent_stderr]

    def _call_listener(self, method: Callable[[Any], None], argument: Any) -> None:
        with listener_errors:
            method(argument)

    # Ending.

    async def end_family(self) -> None:
        """End it and all its descendants; return after `ChildListener.child_exited`."""
        self._end_requested = self._end_requested or not self._ended.happened
        self._begin_end()
        await self.family_ended.wait()

    def _fail(self, why: str) -> None:
        """End it for a reason of its own making."""
        if not self._end_requested:
            self._why = self._why or why
        self._begin_end()

    def _begin_end(self) -> None:
        if not self._ending and not self._ended.happened:
            self._ending = True
            self._stdout.resumeProducing()
            background(self._end_in_order(), log, ENDING)

    async def _end_in_order(self) -> None:
        limits = self._limits
        self.family.look()
        self._stdin.loseConnection()
        if await self._ended.wait_within(limits.agent_eof, self._reactor):
            return
        self.family.look()
        self._signal_group(signal.SIGTERM)
        if await self._ended.wait_within(limits.agent_term, self._reactor):
            return
        self._kill()
        if not await self._ended.wait_within(limits.agent_kill, self._reactor):
            self._why = f"process {self.process.pid} could not be ended"
            self._process_ended()

    def _kill(self) -> None:
        for descendant in self.family.look():
            with suppress(OSError):  # `_end_descendants` tries once more, and logs
                self.family.send(descendant.process, signal.SIGKILL)
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        """Signal its process group: until it is waited for, the number is its own."""
        if self._popen.returncode is None:
            with suppress(OSError):
                os.killpg(self._popen.pid, number)

    def _process_ended(self) -> None:
        if self._ended.happened:  # it was given up as unkillable, and ends after all
            self._popen.poll()
        else:
            self._ended.happen()
            background(self._end_descendants(), log, ENDING)

    async def _end_descendants(self) -> None:
        """End descendants that outlive it; report the exit even if that fails."""
        limits = self._limits
        if isinstance(self.family, Group):
            self._popen.poll()  # a zombie would still count as somebody
        try:
            await terminate(self.family, self._reactor, limits.agent_term, limits.agent_kill)
        finally:
            self._finish()

    def _finish(self) -> None:
        """Deliver what is left in its pipes, then its exit."""
        self._popen.poll()
        self._stdin.close()
        self._stdout.drain()
        self._stderr.drain()
        if self._lines.has_begun:
            self._output_received(b"\n")
        self._call_listener(self._listener.child_exited, self._exit())
        self.family_ended.happen()

    def _exit(self) -> ChildExit:
        code = self._popen.returncode
        killed = code is not None and code < 0
        return ChildExit(
            code=None if killed else code,
            signal=signal_name(-code) if code is not None and killed else None,
            stderr=self._stderr_tail.decode(errors="replace"),
            asked=self._end_requested,
            why=self._why,
        )
