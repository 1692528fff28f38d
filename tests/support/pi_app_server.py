"""Commands, right and wrong in every field, and how pi-app-server 2.2.1 answers each.

The answers were gathered once (`ANSWERS`).  Where pi-app-server is built, with its ``dist``,
``python -m tests.support.pi_app_server DIST`` gathers them again, and tells what is different.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Object = dict[str, Any]
VALUES = [
    None,
    0,
    1,
    -1,
    1.5,
    10**15,
    True,
    False,
    "",
    " ",
    "a",
    "a b",
    "x:y",
    "\u00e4",
    "\n",
    [],
    ["a"],
    [1],
    {},
    {"a": 1},
]
IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
S = "S"
SERVER: dict[str, Object] = {
    "list_sessions": {},
    "create_session": {"sessionId": "a:b", "cwd": "/"},
    "delete_session": {"sessionId": S},
    "switch_session": {"sessionId": S},
    "get_metrics": {},
    "health_check": {},
    "get_startup_recovery": {},
    "get_command_history": {
        "sessionIdFilter": "x",
        "commandId": "x",
        "fromTimestamp": 1,
        "toTimestamp": 2,
        "limit": 5,
    },
    "list_stored_sessions": {},
    "load_session": {"sessionPath": "/nowhere.jsonl", "sessionId": "a"},
}
SESSION: dict[str, Object] = {
    "extension_ui_response": {
        "requestId": "r1",
        "response": {"method": "confirm", "confirmed": True},
    },
    "get_available_models": {},
    "get_commands": {},
    "get_skills": {},
    "get_tools": {},
    "list_session_files": {},
    "prompt": {"message": "hi", "images": [IMAGE], "streamingBehavior": "steer"},
    "steer": {"message": "hi", "images": [IMAGE]},
    "follow_up": {"message": "hi", "images": [IMAGE]},
    "abort": {},
    "get_state": {},
    "get_messages": {},
    "set_model": {"provider": "p", "modelId": "m"},
    "cycle_model": {"direction": "forward"},
    "set_thinking_level": {"level": "high"},
    "cycle_thinking_level": {},
    "compact": {"customInstructions": "x"},
    "abort_compaction": {},
    "set_auto_compaction": {"enabled": True},
    "set_auto_retry": {"enabled": True},
    "abort_retry": {},
    "bash": {"command": "ls", "excludeFromContext": True},
    "abort_bash": {},
    "get_session_stats": {},
    "set_session_name": {"name": "n"},
    "export_html": {"outputPath": "/o"},
    "new_session": {"parentSession": "x"},
    "switch_session_file": {"sessionPath": "/x.jsonl"},
    "fork": {"entryId": "e"},
    "get_fork_messages": {},
    "get_tree": {},
    "navigate_tree": {
        "targetId": "t",
        "options": {
            "summarize": True,
            "customInstructions": "x",
            "replaceInstructions": True,
            "label": "l",
        },
    },
    "get_last_assistant_text": {},
    "get_context_usage": {},
}
SHARED = {"id": "c1", "idempotencyKey": "k", "dependsOn": [], "ifSessionVersion": 3}
LONG = {
    "message": 200_001,
    "command": 20_001,
    "name": 257,
    "id": 257,
    "idempotencyKey": 257,
    "requestId": 257,
    "sessionPath": 4097,
    "sessionId": 257,
    "cwd": 4097,
    "sessionIdFilter": 257,
    "commandId": 257,
}
PATHS = ["/../x.jsonl", "~/x.jsonl", "x.jsonl", "/x\0.jsonl", "/x.txt", "/tmp/x.json"]
IDS = [
    ".",
    "..",
    ".a",
    "-a",
    "_a",
    "a/b",
    "../x",
    "a:b",
    "ghost ",
    "ghost\n",
    "a" * 256,
    "a" * 128,
]
MORE: dict[str, list[Any]] = {
    "level": ["none", "low", "medium", "xhigh", "max"],
    "direction": ["backward"],
    "streamingBehavior": ["followUp"],
    "sessionPath": PATHS,
    "cwd": ["relative", "~", "/no/such/place", "/etc/passwd", "/a/../b", "/x\0"],
    "limit": [500, 501, 0, 1.5],
    "requestId": ["a:b-c_d", "a.b"],
    "images": [[IMAGE, IMAGE], [{"type": "image"}], ["x"]],
    "response": [
        {"method": m} for m in ("select", "input", "editor", "interview", "cancelled", "x")
    ]
    + [
        {"method": "select", "value": 1},
        {"method": "editor", "value": None},
        {"method": "interview", "responses": []},
    ],
    "options": [
        {"summarize": 1},
        {"label": 1},
        {"customInstructions": None},
        {"replaceInstructions": "x"},
        {"summarize": None},
    ],
    "name": ["a\tb", "\u007f", "\U0001f600" * 128, "\U0001f600" * 129],
    "message": ["\U0001f600" * 100_001],
    "id": ["anon:1", "\U0001f600" * 129],
    "dependsOn": [["x"], ["x"] * 33, [""], [1], ["a", None]],
    "ifSessionVersion": [2, 0],
    "sessionId": IDS,
    "toTimestamp": [-1, 0],
    "fromTimestamp": [5],
}
RAW = [
    "",
    " ",
    "{",
    "nul",
    "null",
    "1",
    '"x"',
    "true",
    "[]",
    '[{"type":"list_sessions"}]',
    "{}",
    '{"type":"list_sessions",}',
    '{"type":"list_sessions","type":"health_check"}',
    '{"type":"list_sessions","a":NaN}',
    '{"type":"list_sessions","a":"\\ud800"}',
    '{"type":"prompt","sessionId":"S","message":"\\ud800"}',
    '{"type":"list_sessions"} x',
    "\ufeff{}",
    '{"id":"\\ud800","type":"list_sessions"}',
    '{"type":"prompt","id":"h","sessionId":"S","message":"\\ud83d"}',
]


def of_command(name: str, good: Object, shared: bool) -> Iterator[Object]:
    whole = {"type": name, **good}
    yield whole
    yield {**whole, "unknownField": 1}
    fields = {**good, **(SHARED if shared else {})}
    for field in fields:
        if field in good:
            yield {key: value for key, value in whole.items() if key != field}
        for value in [*VALUES, *MORE.get(field, [])]:
            yield {**whole, field: value}
        if field in LONG:
            yield {**whole, field: "a" * LONG[field]}
            yield {**whole, field: "a" * (LONG[field] - 1)}


def frames() -> Iterator[str]:
    for table, extra in ((SERVER, {}), (SESSION, {"sessionId": S})):
        for name, good in table.items():
            for command in of_command(
                name,
                {**extra, **good},
                name
                in (
                    "list_sessions",
                    "get_state",
                    "prompt",
                    "delete_session",
                    "create_session",
                    "bash",
                ),
            ):
                yield json.dumps(command)
    for value in [*VALUES, "nope", "unsubscribe", "constructor", "x" * 300]:
        yield json.dumps({"type": value, "id": "t"})
        yield json.dumps({"type": value, "sessionId": S})
    yield from RAW


ANSWERS = Path(__file__).parents[1] / "recordings" / "pi-app-server-2.2.1.json"
SCRIPT = Path(__file__).with_name("pi_app_server.mjs")


class Answer(NamedTuple):
    """What matters of a response: texts, the id if there is one, and what is announced."""

    command: Any
    success: bool
    error: str | None
    has_id: bool
    id: Any
    phases: str
    """What all clients are told of the command meanwhile."""


def answer_of(response: Object, told: Iterable[Object]) -> Answer:
    """Return what matters of a response, and of the frames for everybody (`told`)."""
    return Answer(
        response.get("command"),
        response["success"],
        response.get("error"),
        "id" in response,
        response.get("id"),
        " ".join(_phase(each) for each in told if each["type"].startswith("command_")),
    )


def _phase(told: Object) -> str:
    success = told.get("success", told.get("data", {}).get("success"))
    end = "" if success is None else "+" if success else "-"
    return f"{told['type'].removeprefix('command_')}{end}"


def cases() -> list[tuple[str, Answer]]:
    """Return each frame, and pi-app-server's answer to it."""
    kept = json.loads(ANSWERS.read_text(encoding="utf-8"))
    every = list(dict.fromkeys(frames()))
    answers = [Answer(*answer) for answer in kept["answers"]]
    assert len(every) == len(kept["of"]), "gather the answers anew"
    return [
        (frame, _with_id(frame, answers[number]))
        for frame, number in zip(every, kept["of"], strict=True)
    ]


def _with_id(frame: str, answer: Answer) -> Answer:
    """Return an answer with the id of its command, which is kept only once for many."""
    return answer._replace(id=json.loads(frame)["id"]) if answer.id == ECHOED else answer


ECHOED = "echoed"
"""Stands for the command's own id."""


def gather(place: str) -> list[Answer]:
    """Ask pi-app-server itself, built in a directory."""
    every = list(dict.fromkeys(frames()))
    asked = subprocess.run(
        ["node", str(SCRIPT), place],
        input=json.dumps(every),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(asked.stdout)
    return [answer_of(answer["response"], answer["phases"]) for answer in answers]


def store(answers: list[Answer]) -> None:
    """Keep answers, alike ones once."""
    numbers: dict[str, int] = {}
    of = []
    for frame, answer in zip(dict.fromkeys(frames()), answers, strict=True):
        echoed = answer.has_id and json.loads(frame).get("id") == answer.id
        kept = answer._replace(id=ECHOED) if echoed else answer
        of.append(numbers.setdefault(json.dumps(kept), len(numbers)))
    kept_answers = [json.loads(text) for text in numbers]
    ANSWERS.write_text(json.dumps({"answers": kept_answers, "of": of}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    fresh = gather(sys.argv[1])
    if ANSWERS.exists():
        for (frame, known), answer in zip(cases(), fresh, strict=True):
            if known != answer:
                sys.stdout.write(f"{frame[:200]}\n  was {known}\n  is  {answer}\n")
    store(fresh)
