"""Agents' programs: run, spoken with in lines, and ended with all that they have started.

A child ends in order: its stdin is closed; SIGTERM to its group; SIGKILL to it and to all
that descends from it.  However it ends, what it has started and still lives is ended then
(`sxhost.process.termination`), and only then `ChildListener.gone` is told, after the last line.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import IO, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from sxhost.codec.lines import Lines, LineTooLong
from sxhost.logs import logger
from sxhost.model.limits import Limits
from sxhost.model.turn import Process
from sxhost.process.contracts import ChildListener, Command, Exit
from sxhost.process.environ import environment
from sxhost.process.marks import VARIABLE, Mark, carried
from sxhost.process.once import OneShotEvent
from sxhost.process.pipes import InputPipe, OutputPipe, watch
from sxhost.process.spawn import run
from sxhost.process.table import Family, Group, Processes
from sxhost.process.termination import terminate

__all__ = ["ProcessChild", "ProcessSpawn"]

log = logger(__name__)
telling = log.failureHandler("an agent's driver failed over what it was told")


class ProcessSpawn:
    """Runs programs: a `Spawn`.

    `host_id` is the same in all lives of a host and nobody else's; `environ` is what the
    host's user has (``os.environ``) and `keep` says what of it passes (see `environment`).
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
        self._looking = LoopingCall(self.look)
        self._looking.clock = reactor

    def __call__(self, command: Command, talk: ChildListener) -> ProcessChild:
        """Run a program.

        :raises AgentFailed: it cannot be run; the message says where it was looked for.
        :raises BadField: its directory is not there.
        """
        mark = Mark(self._host_id, token_hex(8))
        add = {"PWD": command.cwd, **command.env, VARIABLE: mark.value}
        with carried(mark):
            popen = run(command, environment(self._environ, add, self._keep))
        seen = self._processes.see(popen.pid)
        process = seen.process if seen else Process(popen.pid)
        kin = self._kin(process, mark)
        child = ProcessChild(self._reactor, self._limits, popen, talk, process=process, kin=kin)
        self._keep_in_sight(child)
        return child

    def _kin(self, process: Process, mark: Mark) -> Family | Group:
        if self._processes.known:
            return Family(self._processes, mark, process)
        return Group(process)

    def _keep_in_sight(self, child: ProcessChild) -> None:
        self.children.add(child)
        child.over.wait().addCallback(lambda _: self._lose_sight(child))
        if not self._looking.running:
            looking = self._looking.start(self._limits.agent_look, now=False)
            looking.addErrback(lambda failure: log.failure("looking at agents failed", failure))

    def _lose_sight(self, child: ProcessChild) -> None:
        self.children.discard(child)
        if not self.children and self._looking.running:
            self._looking.stop()

    def look(self) -> None:
        """See what children have started, so that it is known should one of them be killed."""
        table = self._processes.all()
        for child in self.children:
            child.kin.learn(table)

    async def close(self) -> None:
        """End all that still run, together."""
        endings = [Deferred.fromCoroutine(child.end()) for child in list(self.children)]
        for ending in endings:
            await ending


class ProcessChild:
    """A running program: a `Child`."""

    def __init__(
        self,
        reactor: Any,
        limits: Limits,
        popen: subprocess.Popen[bytes],
        talk: ChildListener,
        *,
        process: Process,
        kin: Family | Group,
    ) -> None:
        self.process = process
        self.over = OneShotEvent()
        """When nothing is left of it, and its talk knows."""
        self._reactor, self._limits, self._popen = reactor, limits, popen
        self.kin, self._talk = kin, talk
        self._lines = Lines(limits.agent_line)
        self._said = bytearray()
        self._ended = OneShotEvent()
        self._asked, self._ending, self._why = False, False, ""
        self._stdin = InputPipe(reactor, cast("IO[bytes]", popen.stdin))
        stdout = cast("IO[bytes]", popen.stdout)
        self._stdout = OutputPipe(reactor, stdout, self._printed, self._silenced)
        self._stderr = OutputPipe(reactor, cast("IO[bytes]", popen.stderr), self._complained)
        watch(reactor, popen, self._has_ended)

    # Talking.

    def send(self, line: bytes) -> None:
        """Write a line, without its newline; after its end, do nothing.

        It is ended if more than the limit already wait for it: one line may be longer.
        """
        waiting = self._stdin.unsent
        self._stdin.write(line + b"\n")
        if waiting > self._limits.agent_stdin:
            self._fail(f"it does not read; {waiting} bytes wait for it")

    def pause(self) -> None:
        """Read no more of what it prints; what was read already may still be told."""
        if not self._ending:
            self._stdout.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self._stdout.resumeProducing()

    def _printed(self, data: bytes) -> None:
        try:
            for line in self._lines.receive_data(data):
                self._tell(self._talk.line, line)
        except LineTooLong as error:
            self._stdout.close()
            self._fail(f"it printed nonsense: {error}")

    def _silenced(self) -> None:
        """Nothing more can be heard of it: it goes now, or it is ended."""
        _go(self._end_if_it_stays())

    async def _end_if_it_stays(self) -> None:
        if not await self._ended.within(self._limits.agent_eof, self._reactor):
            self._fail("it closed its output, and lived on")

    def _complained(self, data: bytes) -> None:
        self._said += data
        del self._said[: -self._limits.agent_stderr]

    def _tell(self, listener: Callable[[Any], None], what: Any) -> None:
        with telling:
            listener(what)

    # Ending.

    async def end(self) -> None:
        """End it and everything that it has started; `ChildListener.gone` comes before it
        returns.
        """
        self._asked = self._asked or not self._ended.happened
        self._begin_end()
        await self.over.wait()

    def _fail(self, why: str) -> None:
        """End it for what it did."""
        if not self._asked:
            self._why = self._why or why
        self._begin_end()

    def _begin_end(self) -> None:
        if not self._ending and not self._ended.happened:
            self._ending = True
            self._stdout.resumeProducing()
            _go(self._end_in_order())

    async def _end_in_order(self) -> None:
        limits = self._limits
        self.kin.look()
        self._stdin.loseConnection()
        if await self._ended.within(limits.agent_eof, self._reactor):
            return
        self.kin.look()
        self._signal_group(signal.SIGTERM)
        if await self._ended.within(limits.agent_term, self._reactor):
            return
        self._kill()
        if not await self._ended.within(limits.agent_kill, self._reactor):
            self._why = f"process {self.process.pid} could not be ended"
            self._has_ended()

    def _kill(self) -> None:
        for one in self.kin.look():
            with suppress(OSError):  # whoever is left is met once more, and then told of
                self.kin.send(one.process, signal.SIGKILL)
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        """Signal its group: it was not waited for yet, so the number is still its own."""
        if self._popen.returncode is None:
            with suppress(OSError):
                os.killpg(self._popen.pid, number)

    def _has_ended(self) -> None:
        if self._ended.happened:  # it was given up, and has ended after all
            self._popen.poll()
        else:
            self._ended.happen()
            _go(self._wind_up())

    async def _wind_up(self) -> None:
        """End what it leaves behind, and tell; whatever happens, it is told."""
        limits = self._limits
        if isinstance(self.kin, Group):
            self._popen.poll()  # a zombie would still count as somebody
        try:
            await terminate(self.kin, self._reactor, limits.agent_term, limits.agent_kill)
        finally:
            self._finish()

    def _finish(self) -> None:
        """Read what is left of its words, and tell."""
        self._popen.poll()
        self._stdin.close()
        self._stdout.drain()
        self._stderr.drain()
        if tail := self._lines.flush():
            self._tell(self._talk.line, tail)
        self._tell(self._talk.child_exited, self._exit())
        self.over.happen()

    def _exit(self) -> Exit:
        code = self._popen.returncode
        killed = code is not None and code < 0
        return Exit(
            code=None if killed else code,
            signal=_name(-code) if code is not None and killed else None,
            stderr=self._said.decode(errors="replace"),
            asked=self._asked,
            why=self._why,
        )


def _name(number: int) -> str:
    """Return a signal's name; those of real time have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _go(work: Coroutine[Any, Any, None]) -> None:
    """Let work go on by itself; its failure is a defect of ours."""
    working = Deferred.fromCoroutine(work)
    working.addErrback(lambda failure: log.failure("ending an agent failed", failure))
