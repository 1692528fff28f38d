"""A model that does as it is told, for real agents without a network.

It answers, on 127.0.0.1 and as a stream, what agents ask of their vendors::

    POST …/responses                        OpenAI's Responses
    POST …/chat/completions                 OpenAI's Chat Completions
    POST …/messages                         Anthropic's Messages (and …/messages/count_tokens)
    POST …/models/M:streamGenerateContent   Gemini

What it answers is in the user's words: see `tests.support.model.plan`.  As a program::

    python -m tests.support.model.fake_model [--port 0] [--log FILE] [--until-eof]

It prints ``PORT <n>`` and serves.  The log has a JSON line for each request and each answer:
{"t", "event": "request", "path", "headers" (keys masked), "body"} and
{"t", "event": "answer", "path", "status", "chunks", "complete" (false: it was cut)}.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from tests.support.model.plan import Ask, Object, Plan, plan_for
from tests.support.model.wires import PROTOCOLS, Event, Protocol, whole_message

__all__ = ["Server", "main"]

ERRORS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
SECRET = re.compile("key|auth|cookie|token", re.IGNORECASE)
COUNTING = re.compile(r"[/:]count_?tokens$", re.IGNORECASE)


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1; `server_port` is where."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0, log: Path | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._lock = Lock()
        self._attempts: Counter[str] = Counter()
        self._log = log and log.open("a", encoding="utf-8", buffering=1)

    def note(self, **event: Any) -> None:
        """Append to the log."""
        line = json.dumps({"t": round(time.time(), 3), **event}) + "\n"
        with self._lock:
            if self._log:
                self._log.write(line)

    def attempt(self, prompt: str) -> int:
        """Return how often these words have been said by now."""
        with self._lock:
            self._attempts[prompt] += 1
            return self._attempts[prompt]

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            if self._log:
                self._log.close()
            self._log = None


class Handler(BaseHTTPRequestHandler):
    """Answers one request after another."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing: there is a log."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw or b"{}")
            self._note_request(body)
            self._answer(body, len(raw))
        except ValueError as error:
            self._send_error(400, str(error))

    def _note_request(self, body: Object) -> None:
        headers = {k: "***" if SECRET.search(k) else v for k, v in self.headers.items()}
        self.server.note(event="request", path=self.path, headers=headers, body=body)

    def _answer(self, body: Object, size: int) -> None:
        path = self.path.partition("?")[0]
        if COUNTING.search(path):
            self._send_json(200, {"input_tokens": size // 4, "totalTokens": size // 4})
            return
        protocol = next((p for end, p in PROTOCOLS.items() if path.endswith(end)), None)
        if protocol is None:
            self._send_error(404, "not served here")
            return
        ask = Ask(body.get("model") or path.rpartition("/")[2].partition(":")[0], size)
        protocol.read(body, ask)
        plan = plan_for(ask, self.server.attempt(ask.prompt))
        self._carry_out(plan, protocol, protocol.write(ask, plan), body)

    def _carry_out(
        self, plan: Plan, protocol: Protocol, events: Iterator[Event], body: Object
    ) -> None:
        if plan.status != 200:
            self._send_error(plan.status, "told to fail")
        elif protocol is PROTOCOLS["/messages"] and not body.get("stream"):
            self._send_json(200, whole_message(events))
        else:
            self._send_stream(events, plan)

    def _send_error(self, status: int, message: str) -> None:
        kind = ERRORS.get(status, "server_error")
        error = {"type": kind, "code": status, "message": message}
        self._send_json(status, {"type": "error", "error": error})

    def _send_json(self, status: int, body: Object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self._note_answer(status, 0, complete=True)

    def _send_stream(self, events: Iterator[Event], plan: Plan) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        stream = Stream(plan)
        try:
            stream.send(events, self.wfile.write)
        except OSError:
            stream.complete = False  # the agent has hung up
        self._note_answer(200, stream.sent, complete=stream.complete)

    def _note_answer(self, status: int, chunks: int, *, complete: bool) -> None:
        self.server.note(
            event="answer", path=self.path, status=status, chunks=chunks, complete=complete
        )


class Stream:
    """An answer under way: how many chunks are `sent`, whether it is `complete`."""

    def __init__(self, plan: Plan) -> None:
        self.sent = 0
        self.complete = False
        self._plan = plan

    def send(self, events: Iterator[Event], write: Any) -> None:
        """Write the events at the pace of the plan; half of them if it is to be cut."""
        for number, event in enumerate(events):
            write(event.frame(number))
            if event.is_text:
                self.sent += 1
                if self._plan.drop and self.sent * 2 >= len(self._plan.chunks):
                    return
                time.sleep(self._plan.pause)
        self.complete = True


def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(description="A scriptable model server for tests.")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--log", type=Path, help="append requests and answers, as JSON lines")
    parser.add_argument("--until-eof", action="store_true", help="end with the standard input")
    given = parser.parse_args()
    with Server(given.port, given.log) as server:
        if given.until_eof:
            Thread(target=_end_with_input, args=(server,), daemon=True).start()
        sys.stdout.write(f"PORT {server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


def _end_with_input(server: Server) -> None:
    sys.stdin.buffer.read()
    server.shutdown()


if __name__ == "__main__":
    main()
