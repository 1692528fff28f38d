"""The driver of ``docs/drivers.md``: installed from a package of its own, it serves a host."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from sxhost.drivers.registry import Registry, installed
from sxhost.model.turn import Launch
from sxhost.testing import FakeDriver, HostInMemory, result_of
from tests.support.fake_children import FakeChild, FakeReports, FakeSpawn
from tests.support.places import TOP

PAGE = (TOP / "docs" / "drivers.md").read_text(encoding="utf-8")
MODULE = "sxhost_parrot"


def block(language: str) -> str:
    """Return the page's only block of code in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the page's package: its module, and the metadata that pip would write."""
    project = tomllib.loads(block("toml"))["project"]
    (tmp_path / f"{MODULE}.py").write_text(block("python"), encoding="utf-8")
    metadata = tmp_path / f"{MODULE}-{project['version']}.dist-info"
    metadata.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(head)
    entries = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in named.items())
        for group, named in project["entry-points"].items()
    )
    (metadata / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop(MODULE, None)


class Parrot:
    """The program, and a host that runs it."""

    def __init__(self) -> None:
        self.host = HostInMemory()
        self.spawn = FakeSpawn(self._hear)
        registry = Registry(installed(), self.spawn, self.host.clock)
        self.host.drivers.by_agent["parrot"] = cast("FakeDriver", registry("parrot"))

    def _hear(self, child: FakeChild, message: Any) -> None:
        """Answer calls of the host."""
        if "method" in message and "id" in message:
            result = {"session": "s1"} if message["method"] == "open" else {}
            child.say({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def say(self, method: str, number: int | None = None, /, **params: Any) -> None:
        """Print a notification, or a request if there is a `number`."""
        head = {} if number is None else {"id": number}
        self.spawn.child.say({"jsonrpc": "2.0", **head, "method": method, "params": params})
        self.settle()

    def post(self, path: str, **body: Any) -> Any:
        """Ask the host for something that works."""
        work = self.host.begin("POST", path, body)
        self.settle()
        answer = result_of(work)
        assert answer.status < 300, answer.json()
        return answer.json()

    def settle(self) -> None:
        """Let a moment pass, in which the host writes what it was told into the log."""
        for _ in range(20):
            self.host.clock.advance(0.01)
            self.host.treq.flush()

    def events(self, *names: str) -> list[Any]:
        """Return the data of the events of some names."""
        lines = self.host.request("GET", "/sessions/p/events?pieces=1").body.splitlines()
        events = [json.loads(line) for line in lines]
        return [event["data"] for event in events if event.get("event") in names]

    def said(self, method: str) -> list[Any]:
        """Return the messages of a method that the program was sent."""
        return [m for m in self.spawn.child.said if m.get("method") == method]


@pytest.fixture
def parrot(package: Path) -> Parrot:
    assert package.is_dir()
    parrot = Parrot()
    parrot.post("/sessions", agent="parrot", id="p", cwd="/")
    return parrot


def test_it_is_found_by_its_entry_point(package: Path) -> None:
    assert (package / f"{MODULE}.py").is_file()
    driver = Registry(installed(), FakeSpawn(), Clock())("parrot")
    agent = driver.agent(Launch(agent="parrot"), FakeReports())
    assert type(agent).__module__ == MODULE


def test_a_turn(parrot: Parrot) -> None:
    parrot.post("/sessions/p/turns", input="hello")
    parrot.say("piece", text="hello, ")
    parrot.say("piece", text="hello")
    parrot.say("surprise", x=1)
    surprises = parrot.events("native")  # they leave the log with the turn
    parrot.say("done", status="completed")
    assert parrot.said("say")[0]["params"] == {"text": "hello"}
    assert parrot.events("message") == [{"item": "text-1", "text": "hello, hello"}]
    assert surprises[0]["native"]["method"] == "surprise"
    assert parrot.events("complete")[0]["status"] == "completed"


@pytest.mark.parametrize(("decision", "allowed"), [("approve", True), ("deny", False)])
def test_a_question(parrot: Parrot, decision: str, allowed: bool) -> None:
    parrot.post("/sessions/p/turns", input="fetch it")
    parrot.say("may_i", 7, title="Fly away")
    (approval,) = parrot.host.request("GET", "/sessions/p/approvals").json()
    assert approval["title"] == "Fly away"
    parrot.post(f"/sessions/p/approvals/{approval['id']}", decision=decision)
    answer = {"jsonrpc": "2.0", "id": 7, "result": {"allowed": allowed}}
    assert parrot.spawn.child.said[-1] == answer


def test_an_interruption(parrot: Parrot) -> None:
    parrot.post("/sessions/p/turns", input="sing")
    parrot.say("piece", text="la ")
    parrot.say("may_i", 7, title="Fly away")
    parrot.post("/sessions/p/interrupt")
    assert len(parrot.said("stop")) == 1
    assert parrot.spawn.child.said[-1]["result"] == {"allowed": False}
    parrot.say("done", status="interrupted")
    assert parrot.events("message") == [{"item": "text-1", "text": "la ", "cut": True}]
    assert parrot.events("complete")[0]["status"] == "interrupted"
    assert parrot.host.request("GET", "/sessions/p/approvals").json() == []


def test_the_end_of_the_program(parrot: Parrot) -> None:
    parrot.post("/sessions/p/turns", input="sing")
    parrot.say("piece", text="la ")
    parrot.spawn.child.die()
    parrot.settle()
    assert parrot.events("message")[0]["cut"]
    assert len(parrot.events("error")) == len(parrot.events("ended")) == 1
