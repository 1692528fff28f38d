"""Session files: which may be read, what they say, the tree in them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sxhost.drivers.contracts import NativeAnswer, Reports
from sxhost.errors import AgentFailed
from sxhost.faces.pi.multiplexer import Multiplexer
from sxhost.faces.pi.responses import CommandFailed
from sxhost.faces.pi.session_files import SessionFiles, name_sessions
from sxhost.faces.pi.session_info import AGENT_TIMEOUT_S
from sxhost.faces.pi.session_tree import MAX_NODES, nodes_of
from sxhost.model.event import raw_json
from sxhost.model.session import Session
from sxhost.model.turn import Launch
from sxhost.testing import FakeAgent, FakeDriver, FakeDrivers, HostInMemory
from tests.support.multiplexer_in_memory import Peer

HEADER = {"type": "session", "version": 3, "id": "u-1", "cwd": "/work"}
OUTSIDE = (
    "sessionPath must be under an allowed session directory for this server"
    " (e.g. ~/.pi/agent/sessions/ or this project's .pi/sessions/)"
)
NO_FILE = "sessionPath must point to an existing session file"


@pytest.fixture
def files(tmp_path: Path) -> SessionFiles:
    (tmp_path / "project" / "deep").mkdir(parents=True)
    return SessionFiles({"HOME": str(tmp_path)}, str(tmp_path / "project" / "deep"))


def write(path: Path, *lines: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(path)


def refused(files: SessionFiles, path: str) -> str:
    with pytest.raises(CommandFailed) as caught:
        files.check(path)
    return str(caught.value)


def test_pi_session_file_is_described(files: SessionFiles, tmp_path: Path) -> None:
    path = write(tmp_path / ".pi" / "agent" / "sessions" / "--work--" / "a.jsonl", HEADER)
    header = files.check(path)
    assert (header.agent, header.resume, header.cwd, header.id) == ("pi", path, "/work", "u-1")
    (listed,) = files.all()
    assert listed["sessionPath"] == listed["sessionFile"] == path
    assert (listed["fileExists"], listed["cwd"]) == (True, "/work")


def test_codex_thread_is_described(files: SessionFiles, tmp_path: Path) -> None:
    meta = {"type": "session_meta", "payload": {"id": "t-1", "cwd": "/work"}}
    path = write(tmp_path / ".codex" / "sessions" / "2026" / "rollout-1.jsonl", meta)
    header = files.check(path)
    assert (header.agent, header.resume) == ("codex", "t-1")
    assert files.all()[0]["agent"] == "codex"


def test_session_files_of_a_project(files: SessionFiles, tmp_path: Path) -> None:
    path = write(tmp_path / "project" / ".pi" / "sessions" / "a.jsonl", HEADER)
    assert files.check(path).id == "u-1"


def test_forbidden_files_are_refused(files: SessionFiles, tmp_path: Path) -> None:
    root = tmp_path / ".pi" / "agent" / "sessions"
    assert refused(files, "sessions/a.jsonl") == "sessionPath must be an absolute path"
    assert refused(files, write(tmp_path / "a.jsonl", HEADER)) == OUTSIDE
    named = "sessionPath must point to a .jsonl or .json session file"
    assert refused(files, write(root / "a.txt", HEADER)) == named
    assert refused(files, str(root / "nothing.jsonl")) == NO_FILE
    assert refused(files, write(root / "b.jsonl", {"type": "message"})) == NO_FILE
    assert refused(files, write(root / "c.jsonl")) == NO_FILE
    (root / "d.jsonl").mkdir()
    assert refused(files, str(root / "d.jsonl")) == NO_FILE


def test_links_are_followed(files: SessionFiles, tmp_path: Path) -> None:
    root = tmp_path / ".pi" / "agent" / "sessions"
    root.mkdir(parents=True)
    secret = write(tmp_path / "secret.jsonl", HEADER)
    (root / "link.jsonl").symlink_to(secret)
    assert refused(files, str(root / "link.jsonl")) == OUTSIDE


def test_newest_session_files_come_first(files: SessionFiles, tmp_path: Path) -> None:
    root = tmp_path / ".pi" / "agent" / "sessions"
    for number in (2, 3, 1):
        path = write(root / f"{number}.jsonl", {**HEADER, "id": f"u-{number}"})
        os.utime(path, (number, number))
    assert [one["sessionId"] for one in files.all()] == ["u-3", "u-2", "u-1"]
    beside = files.beside(str(root / "1.jsonl"))
    assert [one["name"] for one in beside] == ["1.jsonl", "2.jsonl", "3.jsonl"]
    assert beside[0]["modifiedAt"] == "1970-01-01T00:00:01.000Z"
    assert files.beside(None) == files.beside("/nowhere/x.jsonl") == []


def test_vanished_files_are_left_out(files: SessionFiles, tmp_path: Path) -> None:
    root = tmp_path / ".pi" / "agent" / "sessions"
    write(root / "a.jsonl", HEADER)
    os.mkfifo(root / "b.jsonl")
    (root / "c.jsonl").symlink_to(root / "nothing.jsonl")
    assert [one["sessionFile"] for one in files.all()] == [str(root / "a.jsonl")]


def test_search_is_bounded_and_begins_with_the_last_days(
    files: SessionFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sxhost.faces.pi.session_files.MAX_EXAMINED", 2)
    for day in ("01", "03", "02"):
        path = tmp_path / ".codex" / "sessions" / "2026" / day / "rollout-1.jsonl"
        write(path, {"type": "session_meta", "payload": {"id": day, "cwd": "/"}})
    assert {one["sessionId"] for one in files.all()} == {"03", "02"}


def test_files_are_read_in_threads() -> None:
    lab, disk = HostInMemory(), Deferred[None]()

    async def apart(work: Callable[[], Any], /) -> Any:
        await disk
        return work()

    lab.mux = Multiplexer(lab.service, lab.clock, apart)
    peer = Peer(lab)
    peer.say("list_stored_sessions")
    assert peer.ask("health_check")["success"]
    peer.say("load_session", sessionPath="/nowhere.jsonl")
    assert len(peer.answers) == 1
    disk.callback(None)
    assert len(peer.answers) == 3


# The tree.


def entry(number: str, parent: str | None, /, **fields: Any) -> dict[str, Any]:
    return {"id": number, "parentId": parent, "type": "message", **fields}


def test_tree_of_a_session_file(files: SessionFiles, tmp_path: Path) -> None:
    words = [{"type": "text", "text": "line\n\n  two"}]
    path = write(
        tmp_path / "x.jsonl",
        HEADER,
        entry("1", None, message={"role": "user", "content": "first"}, timestamp="t"),
        entry("2", "1", message={"role": "assistant", "content": words}),
        entry("3", "1", message={"role": "user", "content": "x" * 500}),
        entry("4", "3", type="label", targetId="1", label="start"),
    )
    found = nodes_of(files.entries(path))
    assert found["currentLeafId"] == "4"
    assert [(n["entryId"], n["parentId"]) for n in found["nodes"]] == [
        ("1", None), ("2", "1"), ("3", "1"), ("4", "3"),
    ]  # fmt: skip
    first, second, third, label = found["nodes"]
    assert (first["label"], first["role"], first["text"]) == ("start", "user", "first")
    assert second["text"] == "line two"
    assert third["text"] == "x" * 400 + "…"
    assert (label["entryType"], label["role"], label["text"]) == ("label", None, "start → 1")
    assert nodes_of(files.entries(None)) == {"currentLeafId": None, "nodes": []}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "model_change", "provider": "p", "modelId": "m"}, "p/m"),
        ({"type": "thinking_level_change", "thinkingLevel": "low"}, "low"),
        ({"type": "compaction", "tokensBefore": 12}, "12 tokens"),
        ({"type": "branch_summary", "summary": "so"}, "so"),
        ({"type": "custom", "customType": "mine"}, "mine"),
        ({"type": "custom", "data": {"a": 1}}, '{"a":1}'),
        ({"type": "session_info", "name": "n"}, "n"),
        ({"type": "new"}, "[new]"),
        ({"message": {"role": "bashExecution", "command": "ls"}}, "ls"),
        ({"message": {"role": "user", "content": []}}, "[user]"),
        ({"message": 3}, "[message]"),
    ],
    ids=str,
)
def test_entries_of_a_session_file_are_described(fields: dict[str, Any], text: str) -> None:
    (node,) = nodes_of([{"entry": entry("1", None, **fields), "children": []}])["nodes"]
    assert node["text"] == text


def test_tree_is_bounded() -> None:
    deep: dict[str, Any] = {"entry": entry("0", None), "children": []}
    here = deep
    for number in range(2000):
        here["children"] = [{"entry": entry(str(number), "0"), "children": []}]
        here = here["children"][0]
    assert len(nodes_of([deep])["nodes"]) == 1001
    wide = [{"entry": entry(str(n), None), "children": None} for n in range(MAX_NODES + 5)]
    assert len(nodes_of(wide)["nodes"]) == MAX_NODES
    assert nodes_of([None, 3, {"children": []}])["nodes"] == []


# What codex's threads are called.


class Codex(FakeAgent):
    """A codex that answers `threads`, or fails with them."""

    threads: Any = None

    async def native_command(self, name: str, params: Mapping[str, Any]) -> NativeAnswer:
        assert (name, *params) == ("thread/list", "limit")
        if isinstance(self.threads, Exception):
            raise self.threads
        if isinstance(self.threads, Deferred):
            await self.threads
        return NativeAnswer(result=raw_json(self.threads))


class CodexDriver(FakeDriver):
    def agent(self, launch: Launch, reports: Reports) -> FakeAgent:
        return Codex(launch, reports, self)


NAMED = {"data": [{"id": "t-1", "name": "the plan"}, {"id": "t-2", "name": None}]}


@pytest.mark.parametrize(
    ("threads", "name"),
    [(NAMED, "the plan"), ({}, None), (AgentFailed("gone"), None), (Deferred(), None)],
    ids=["named", "nothing", "gone", "silent"],
)
def test_thread_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threads: Any, name: str | None
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    monkeypatch.setenv("PI_CODING_AGENT_DIR", str(tmp_path))
    meta = {"type": "session_meta", "payload": {"id": "t-1", "cwd": "/work"}}
    write(tmp_path / "sessions" / "rollout-1.jsonl", meta)
    lab = HostInMemory(drivers=FakeDrivers(codex=CodexDriver()))
    peer = Peer(lab)
    assert "sessionName" not in peer.ask("list_stored_sessions")["data"]["sessions"][0]
    peer.ask("create_session", "s", agent="codex")
    lab.drivers.last.threads = threads  # type: ignore[attr-defined]
    peer.forget()
    peer.say("list_stored_sessions")
    lab.clock.advance(AGENT_TIMEOUT_S)
    listed = {one["sessionId"]: one for one in peer.answers[0]["data"]["sessions"]}
    assert listed["t-1"].get("sessionName") == name


def test_hosted_sessions_are_listed_by_the_names_of_their_clients(tmp_path: Path) -> None:
    path, other = str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")
    stored: list[dict[str, object]] = [
        {"sessionId": "n-1", "sessionPath": path},
        {"sessionId": "t-1", "sessionPath": "/t"},
    ]
    made: Any = {"start_ms": 0, "last_seen_ms": 0, "kind": "hosted", "state": "idle"}
    hosted = [
        Session(id="mine", native_id=path, title="the plan", **made),
        Session(id="thread", native_id="t-1", **made),
        Session(id="new", native_id=other, cwd="/work", **made),
        Session(id="gone", **made),
    ]
    listed = {str(one["sessionId"]): one for one in name_sessions(stored, hosted)}
    assert set(listed) == {"mine", "thread", "new"}
    assert listed["mine"]["sessionName"] == "the plan"
    assert (listed["new"]["fileExists"], listed["new"]["sessionPath"]) == (False, other)
