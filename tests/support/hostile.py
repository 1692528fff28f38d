"""A host whose every word is meant for the terminal of whoever asks; made from its types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final, Literal

from msgspec import Raw, inspect
from msgspec.json import encode

from sxhost.http.routes import Route
from sxhost.model.approval import Approval
from sxhost.model.event import Event, Gap
from sxhost.model.event_types import EVENT_TYPES
from sxhost.model.session import StateChange
from sxhost.testing import HostInMemory

HOSTILE = (
    "x\x1b]0;title\x07\x1b[8m\x9b8m\x90q\x9c\x9d0;t\x9c\x7f\x00\x08\r"
    "\u202e\u2066\u200e\u061c\u200b\u2028\u2029\ufeff\xad\U000e0041y\nFORGED"
)
NAMES = (
    *("message-delta", "message", "tool-start", "tool-done", "warning", "approval-requested"),
    *("approval-resolved", HOSTILE, "complete"),
)
Manner = Literal["all", "names", "refuse", "rich"]
"""Whether ids are hostile as well, or can be gone on with, or all is refused; or none is
hostile, and all there can be is told.
"""

AT_MS: Final = 1_790_000_000_123
"""A moment, which nobody wants to read like this."""
USAGE: Final = {"input_tokens": 13_300, "output_tokens": 410, "cost_usd": 0.0512}


def hostile(kind: Any, manner: Manner = "all", name: str = "") -> Any:
    """Return a value of a type, as JSON has it, each of whose texts is hostile."""
    made = kind if isinstance(kind, inspect.Type) else inspect.type_info(kind)
    if isinstance(made, inspect.UnionType):
        made = next(one for one in made.types if not isinstance(one, inspect.NoneType))
        return hostile(made, manner, name)
    if isinstance(made, inspect.StrType) and name.endswith("_usd"):
        return "0.0512"  # what is no number is no answer of a host
    if manner == "rich" and (value := _rich(made, name)) is not None:
        return value
    if isinstance(made, inspect.StrType):
        return "s" if manner == "names" and name in ("id", "session") else HOSTILE
    make = MAKES.get(type(made))
    assert make is not None, f"nobody has said how {made} is hostile"
    return make(made, manner)


def _struct(made: inspect.StructType, manner: Manner) -> Any:
    shown = {
        field.encode_name: hostile(field.type, manner, field.name) for field in made.fields
    }
    return {**shown, **({made.tag_field: made.tag} if made.tag_field else {})}


def _rich(made: inspect.Type, name: str) -> Any:
    """Return what a host would say of a field; None of a type that has parts."""
    match made:
        case inspect.DictType() if name == "detail":
            return {"command": "make test", "cwd": "/srv/api", "paths": ["a", "b"]}
        case inspect.DictType():
            return {"name": hostile(made.value_type, "rich", name)}
        case inspect.StrType():
            return "s" if name in ("id", "session") else f"some {name or 'word'}"
        case inspect.IntType():
            return AT_MS if name.endswith("_ms") else AT_MS // 1000 if name == "ts" else 1330
        case inspect.FloatType():
            return 0.0512
    return USAGE if name == "usage" else None


def _any(_made: object, manner: Manner) -> Any:
    if manner == "rich":
        return {"a": {"b": [1, None, True, 2.5, {"c": "d"}]}}
    return {HOSTILE: [HOSTILE]} if manner == "all" else HOSTILE


MAKES: dict[type, Callable[[Any, Manner], Any]] = {
    inspect.StructType: _struct,
    inspect.ListType: lambda made, manner: [hostile(made.item_type, manner)],
    inspect.TupleType: lambda made, manner: [hostile(one, manner) for one in made.item_types],
    inspect.DictType: lambda made, manner: {HOSTILE: hostile(made.value_type, manner)},
    inspect.LiteralType: lambda made, _manner: made.values[0],
    inspect.BoolType: lambda _made, _manner: True,
    inspect.IntType: lambda _made, _manner: 1,
    inspect.FloatType: lambda _made, _manner: 1,
    inspect.AnyType: _any,
    inspect.CustomType: _any,
    inspect.Metadata: lambda made, manner: hostile(made.type, manner),
    inspect.RawType: _any,
}


def names(manner: Manner) -> Sequence[str]:
    """Return the names of the events that there are."""
    return [*EVENT_TYPES, "of-my-own"] if manner == "rich" else NAMES


def event(name: str, seq: int, manner: Manner) -> Any:
    """Return an event that has whatever any reader looks for."""
    words = ("text", "title", "tool", "output", "reason", "status")
    if manner == "rich":
        kind = EVENT_TYPES.get(name)
        data = hostile(Raw if kind is None else kind, manner)
        return {**hostile(Event, manner), "event": name, "seq": seq, "id": seq, "data": data}
    decided = {"decision": HOSTILE, "by": HOSTILE, "at_ms": 1}
    data = {**hostile(Approval, manner), **dict.fromkeys(words, HOSTILE), "resolution": decided}
    return {**hostile(Event, manner), "event": name, "seq": seq, "id": seq, "data": data}


def stream(manner: Manner) -> Iterator[Any]:
    """Yield the frames of a stream."""
    yield {"frame": "hello", "cursor": "e:0", "epoch": "e", "heartbeat_s": 15}
    yield hostile(Gap, manner) | {"from": "e:0", "to": "e:1"}
    yield hostile(StateChange, manner)
    for seq, name in enumerate(names(manner), 2):
        yield event(name, seq, manner)
    yield {"frame": "end", "reason": HOSTILE, "reconnect": False}


class Server(ThreadingHTTPServer):
    """Answers every route of a host, by its type."""

    daemon_threads = True

    def __init__(self, manner: Manner) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.manner = manner
        self.asked: set[str] = set()
        routes: Sequence[Route] = HostInMemory().routes
        self.routes = [(one, re.compile(re.sub(r"<\w+>", "[^/]+", one.path))) for one in routes]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        path, _, query = self.path.partition("?")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        manner = self.server.manner
        if manner == "refuse":
            self.say(409, encode({"error": HOSTILE, "message": HOSTILE}))
            return
        if "follow=" in query or path == "/stream":
            lines = (encode(frame) + b"\n" for frame in stream(manner))
            self.say(200, b"".join(lines), "application/x-ndjson")
            return
        route = next(
            one
            for one, pattern in self.server.routes
            if one.method == self.command and pattern.fullmatch(path)
        )
        self.server.asked.add(f"{route.method} {route.path}")
        if route.path.endswith("/events") and route.method == "GET":
            events = [event(name, seq, manner) for seq, name in enumerate(names(manner), 1)]
            self.say(
                200, b"".join(encode(one) + b"\n" for one in events), "application/x-ndjson"
            )
        else:
            self.say(route.status, encode(hostile(route.answer, manner)))

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer

    def say(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def hostile_host(manner: Manner) -> Iterator[str]:
    """Yield the address of such a host."""
    with Server(manner) as server:
        # By itself it looks for its end twice a second, for which each test would wait.
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def settings(place: Any) -> None:
    """Write what commands read on this machine: a project's hooks, a policy, a token."""
    (place / ".claude").mkdir()
    (place / ".claude" / "settings.json").write_text(json.dumps({"hooks": HOSTILE}))
    (place / "policy.toml").write_text(
        f"[[rule]]\nname = {json.dumps(HOSTILE[:200])}\nreason = {json.dumps(HOSTILE)}\n"
        "command = 'ls'\ndecision = 'deny'\n"
    )
    (place / "scorpiox-env.txt").write_text(f"EMIT_SESSION_API_URL={HOSTILE}\n")
    (place / "wrong.toml").write_text(f"{json.dumps(HOSTILE)} = 1\n")
    (place / "sxhost").mkdir()
    (place / "sxhost" / "token").write_text(HOSTILE)
