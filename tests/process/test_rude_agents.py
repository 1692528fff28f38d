"""The rude agents: each is rude in its way, and in that way only."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.agents.rude_agents import (
    FLOOD,
    LONG,
    MANNERS,
    NOISE,
    ORPHANS,
    RUBBISH,
    SEPARATORS,
    WIDE,
    command,
)
from tests.support.hosts import PATIENCE
from tests.support.leftovers import end_leftovers, processes_of

DIALECTS = ["codex", "pi"]
both = pytest.mark.parametrize("dialect", DIALECTS)


class Heard(NamedTuple):
    """What an agent has printed, and how it ended."""

    raw: bytes
    stderr: bytes
    code: int

    @property
    def messages(self) -> list[Any]:
        return [json.loads(line) for line in self.raw.split(b"\n") if line]

    def said(self) -> str:
        """Return what it has said in pieces."""
        codex = [m["params"]["delta"] for m in self.messages if "/delta" in m.get("method", "")]
        events = [
            m["assistantMessageEvent"] for m in self.messages if kind(m) == "message_update"
        ]
        return "".join([*codex, *(event["delta"] for event in events)])

    def ends(self) -> int:
        """Return how many ends of turns it has told."""
        return sum(kind(m) in ("turn/completed", "agent_settled") for m in self.messages)


def kind(message: Any) -> str:
    return str(message.get("method") or message.get("type") or "")


def prompts(dialect: str, *texts: str) -> bytes:
    """Return what starts turns, after all that must come before."""
    if dialect == "pi":
        messages: list[Any] = [{"id": t, "type": "prompt", "message": t} for t in texts]
    else:
        calls: list[tuple[str, Any]] = [("initialize", {}), ("thread/start", {})]
        turns = [{"threadId": "t", "input": [{"type": "text", "text": text}]} for text in texts]
        calls += [("turn/start", turn) for turn in turns]
        messages = [
            {"id": n, "method": method, "params": params}
            for n, (method, params) in enumerate(calls)
        ]
    return lines(*messages)


def lines(*messages: Any) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def hear(dialect: str, manner: str, reported: bytes) -> Heard:
    """Run an agent until it ends with its input."""
    words = [*command(dialect, manner), "--mode", "rpc"]
    done = subprocess.run(
        words, input=reported, capture_output=True, timeout=PATIENCE, check=False, cwd="/"
    )
    return Heard(done.stdout, done.stderr, done.returncode)


def turn(dialect: str, manner: str, *more: Any) -> Heard:
    return hear(dialect, manner, prompts(dialect, "hello") + lines(*more))


@both
@pytest.mark.parametrize("manner", ["", "pieces", "twice", "stranger", "noise"])
def test_rude_agent_echoes(dialect: str, manner: str) -> None:
    received = turn(dialect, manner)
    assert received.said() == "echo: hello"
    assert received.code == 0
    assert received.ends() == (2 if manner == "twice" else 1)
    assert len(received.stderr) == (NOISE // 121 * 121 if manner == "noise" else 0)


@both
@pytest.mark.parametrize(
    ("manner", "code"), [("half", 0), ("unended", 0), ("dies", -9), ("fails", 3)]
)
def test_rude_agent_ends_midway(dialect: str, manner: str, code: int) -> None:
    received = turn(dialect, manner)
    assert received.code == code
    assert b"echo: " in received.raw
    assert received.raw.endswith(b"\n") == (manner in ("dies", "fails"))


@both
@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ("long", "echo: hello"),
        ("flood", f"echo: {FLOOD * 'x'}hello"),
        ("wide", f"echo: {FLOOD // 10 * WIDE * 'x'}hello"),
        ("separators", f"echo: {SEPARATORS}hello"),
    ],
)
def test_rude_agent_floods_or_prints_oddities(dialect: str, manner: str, message: str) -> None:
    received = turn(dialect, manner)
    assert _short(received.said()) == _short(message)
    assert received.ends() == 1
    assert max(map(len, received.raw.split(b"\n"))) > (LONG if manner == "long" else 0)


@both
def test_rude_agent_prints_rubbish(dialect: str) -> None:
    printed = turn(dialect, "rubbish").raw.split(b"\n")
    assert set(RUBBISH) <= set(printed)
    meant = b"\n".join(line for line in printed if line not in RUBBISH)
    assert Heard(meant, b"", 0).said() == "echo: hello"
    assert Heard(meant, b"", 0).ends() == 1


@both
def test_rude_agent_never_answers(dialect: str) -> None:
    assert b"echo" not in turn(dialect, "mute").raw
    assert turn(dialect, "silent").raw == b""
    assert turn(dialect, "exits") == (b"", b"it does not start\n", 3)


@both
def test_rude_agent_greets(dialect: str) -> None:
    assert turn(dialect, "greets").raw.startswith(b"Welcome!\n")


@both
def test_rude_agent_asks_and_waits(dialect: str) -> None:
    assert turn(dialect, "asks").ends() == 0
    answer: Any = {"codex": {"id": 0, "error": {"code": 1, "message": "what?"}}}
    answer["pi"] = {"type": "extension_ui_response", "id": "ask", "cancelled": True}
    assert turn(dialect, "asks", answer[dialect]).said() == "echo: hello"


@both
def test_rude_agents_endless_turn_can_be_interrupted(dialect: str) -> None:
    assert turn(dialect, "endless").ends() == 0
    call = {"id": "9", "method": "turn/interrupt", "params": {"threadId": "t"}}
    received = turn(dialect, "endless", call if dialect == "codex" else {"type": "abort"})
    assert received.ends() == 1
    assert b"interrupted" in received.raw or b"aborted" in received.raw


@both
def test_rude_agent_is_rude_in_one_turn_only(dialect: str) -> None:
    received = hear(dialect, "", prompts(dialect, "one", "RUDE: mute", "two"))
    assert received.said() == "echo: oneecho: two"


@both
@pytest.mark.parametrize("manner", ["shuts", "deaf", "stubborn"])
def test_rude_agent_stays_when_its_input_closes(dialect: str, manner: str) -> None:
    with subprocess.Popen(
        command(dialect, manner), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(prompts(dialect, "hello"))
            process.stdin.close()
            while b"echo" not in process.stdout.readline():
                pass
            if manner == "shuts":
                assert process.stdout.read() == b""
            assert process.poll() is None
        finally:
            process.kill()


@both
def test_rude_agent_leaves_orphans(dialect: str, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    with subprocess.Popen(
        command(dialect, "orphans"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(prompts(dialect, "hello"))
            process.stdin.close()
            assert process.wait(PATIENCE) == 0
            left = processes_of(tmp_path)
        finally:
            end_leftovers(tmp_path)
        raw = process.stdout.read()  # they held it open
    assert len(left) == ORPHANS
    assert Heard(raw, b"", 0).said() == "echo: hello"


def test_every_rudeness_is_documented_and_tested() -> None:
    written = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in MANNERS if name != "polite" and f'"{name}"' not in written]


def _short(text: str) -> str:
    return text.replace("x" * LONG, "")
