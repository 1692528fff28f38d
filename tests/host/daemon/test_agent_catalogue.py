"""Which agents can be started: looked for once for all who ask, and why they cannot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from sxhost.daemon.agent_catalogue import AgentCatalogue
from sxhost.drivers.registry import installed, program_of
from sxhost.model.turn import AgentInfo
from sxhost.testing import HostInMemory, is_done, result_of, started
from sxhost.waiting import run_inline


class Programs:
    """A directory of programs, which say their versions."""

    def __init__(self, place: Path) -> None:
        self.asked: list[str] = []
        self.cannot_run = False
        self.place = place
        self.clock = Clock()
        for name in ("codex", "broken"):
            program = place / name
            program.write_text("")
            program.chmod(0o755)

    def version(self, path: str, environ: Mapping[str, str]) -> str:
        self.asked.append(path)
        assert environ["PATH"] == str(self.place)
        if self.cannot_run:
            raise OSError(8, "Exec format error")
        return "1.2.3"

    def catalogue(self, *names: str) -> AgentCatalogue:
        environ = {"PATH": str(self.place)}
        return AgentCatalogue(names, environ, self.clock, run_inline, self.version)


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def test_an_agent_is_there_or_it_is_said_why_not(programs: Programs) -> None:
    found = result_of(programs.catalogue("codex", "claude", "acp", "echo", "mine")())
    place = str(programs.place)
    assert found == [
        AgentInfo(
            name="acp",
            installed=False,
            why="It has no program of its own: give its `command`.",
        ),
        AgentInfo(
            name="claude",
            installed=False,
            program="claude",
            why=f"There is no program 'claude' in {place}.",
        ),
        AgentInfo(name="codex", installed=True, program=f"{place}/codex", version="1.2.3"),
        AgentInfo(name="echo", installed=True),
        AgentInfo(name="mine", installed=True),
    ]


def test_a_program_that_cannot_be_run_is_said(programs: Programs) -> None:
    (programs.place / "broken").rename(programs.place / "pi")
    programs.cannot_run = True
    (found,) = result_of(programs.catalogue("pi")())
    assert (found.installed, found.why) == (False, "It cannot be run: Exec format error.")


def test_programs_are_asked_once_a_minute(programs: Programs) -> None:
    catalogue = programs.catalogue("codex")
    for seconds, asked in ((0, 1), (59, 1), (2, 2)):
        programs.clock.advance(seconds)
        result_of(catalogue())
        assert len(programs.asked) == asked


def test_all_who_ask_meanwhile_share_one_look(programs: Programs) -> None:
    waiting: list[Deferred[AgentInfo]] = []

    def later(work: object) -> Deferred[AgentInfo]:
        waiting.append(Deferred())
        return waiting[-1]

    catalogue = AgentCatalogue(["codex"], {}, programs.clock, later)  # type: ignore[arg-type]
    first, second = started(catalogue()), started(catalogue())
    first.addErrback(lambda failure: failure.trap(CancelledError))
    first.cancel()
    assert (len(waiting), is_done(second)) == (1, False)
    waiting[0].callback(AgentInfo(name="codex", installed=True))
    assert [one.name for one in result_of(second)] == ["codex"]


def test_every_driver_has_its_program() -> None:
    assert {name for name in installed() if program_of(name) == ""} == {"acp"}
    assert {name for name in installed() if program_of(name) is None} == {"echo"}


def test_a_host_without_drivers_has_no_agents(lab: HostInMemory) -> None:
    assert lab.request("GET", "/agents").json() == []
    assert result_of(lab.client.agents()) == []
