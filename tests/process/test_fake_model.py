"""The fake model: what it is told in the words of each protocol, it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest

from tests.support.hosts import PATIENCE
from tests.support.model.fake_model import Server
from tests.support.model.plan import Ask, Tool, plan_for, users_words

RESPONSES, CHAT, MESSAGES = "/v1/responses", "/v1/chat/completions", "/v1/messages"
GEMINI = "/v1beta/models/m:streamGenerateContent"
PATHS = [RESPONSES, CHAT, MESSAGES, GEMINI]


class Model(Server):
    """Keeps what it notes in `noted` as well."""

    def __init__(self, log: Path) -> None:
        super().__init__(log=log)
        self.noted: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def note(self, **event: Any) -> None:
        super().note(**event)
        self.noted.put(event)

    def answer(self) -> dict[str, Any]:
        """Wait for the next note of an answer."""
        while (noted := self.noted.get(timeout=PATIENCE))["event"] != "answer":
            pass
        return noted

    @contextmanager
    def ask(self, path: str, body: Any) -> Iterator[HTTPResponse]:
        data = body if isinstance(body, bytes) else json.dumps(body)
        connection = HTTPConnection("127.0.0.1", self.server_port, timeout=PATIENCE)
        with closing(connection):
            connection.request("POST", path, data, {"Authorization": "Bearer secret"})
            with connection.getresponse() as answer:
                yield answer

    def events(self, path: str, body: Any) -> list[Any]:
        """Return the events of a streamed answer."""
        with self.ask(path, body) as answer:
            assert answer.status == 200, answer.read()
            lines = answer.read().decode().splitlines()
        datas = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [json.loads(data) for data in datas if data != "[DONE]"]


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with Model(tmp_path / "log") as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(path: str, prompt: str, *results: str) -> dict[str, Any]:
    """Return a request with a prompt, a shell tool, and what it has answered."""
    schema = {"properties": {"command": {"type": "string"}}, "required": ["command"]}
    function = {"name": "bash", "parameters": schema}
    parts = [{"functionResponse": {"response": {"output": text}}} for text in results]
    return {
        RESPONSES: {
            "tools": [{"type": "function", **function}],
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": prompt}]},
                *({"type": "function_call_output", "output": text} for text in results),
            ],
        },
        CHAT: {
            "tools": [{"function": function}],
            "messages": [
                {"role": "user", "content": prompt},
                *({"role": "tool", "content": text} for text in results),
            ],
        },
        MESSAGES: {
            "stream": True,
            "tools": [{"name": "bash", "input_schema": schema}],
            "messages": [
                {"role": "user", "content": prompt},
                *(
                    {"role": "user", "content": [{"type": "tool_result", "content": text}]}
                    for text in results
                ),
            ],
        },
        GEMINI: {
            "tools": [{"functionDeclarations": [function]}],
            "contents": [{"role": "user", "parts": [{"text": prompt}]}, {"parts": parts}],
        },
    }[path]


def text_in(path: str, event: Any) -> str:
    """Return the piece of the answer's text that an event carries."""
    if path == RESPONSES:
        return str(event["delta"]) if event["type"] == "response.output_text.delta" else ""
    if path == CHAT:
        return "".join(choice["delta"].get("content", "") for choice in event["choices"])
    if path == MESSAGES:
        return str(event.get("delta", {}).get("text", ""))
    (part,) = event["candidates"][0]["content"]["parts"]
    return str(part.get("text", "")) if not part.get("thought") else ""


def said(model: Model, path: str, prompt: str, *results: str) -> str:
    events = model.events(path, asked(path, prompt, *results))
    return "".join(text_in(path, event) for event in events)


@pytest.mark.parametrize("path", PATHS)
def test_fake_model_echoes_or_says_what_the_prompt_asks(model: Model, path: str) -> None:
    assert said(model, path, "hello, you") == "echo: hello, you"
    assert said(model, path, "SAY: one  two") == "one  two"
    assert said(model, path, "THINK: deep\nSLOW 2 0") == "chunk-1 chunk-2 "


@pytest.mark.parametrize("path", PATHS)
def test_fake_model_calls_the_shell_and_reports_the_result(model: Model, path: str) -> None:
    called = json.dumps(model.events(path, asked(path, "RUN: echo 1")))
    assert "bash" in called
    assert "echo 1" in called
    shown = said(model, path, "RUN: echo 1", "it was 1")
    assert shown.startswith("result: ")
    assert "it was 1" in shown


@pytest.mark.parametrize("path", PATHS)
def test_fake_model_counts_tokens_as_asked(model: Model, path: str) -> None:
    counted = json.dumps(model.events(path, asked(path, "USAGE 4711 4712 4713")))
    assert all(number in counted for number in ("4711", "4712", "4713"))


def test_fake_model_fails_as_often_as_asked(model: Model) -> None:
    with model.ask(RESPONSES, asked(RESPONSES, "FAIL 429 1")) as answer:
        assert answer.status == 429
        assert json.load(answer)["error"]["type"] == "rate_limit_error"
    assert said(model, RESPONSES, "FAIL 429 1") == "echo: FAIL 429 1"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (RESPONSES, b"{", 400),
        (RESPONSES, asked(RESPONSES, "CALL: bash {"), 400),
        ("/v1/other", {}, 404),
        ("/v1/messages/count_tokens", {}, 200),
        (MESSAGES, {"messages": [{"role": "user", "content": "not streamed"}]}, 200),
    ],
)
def test_fake_model_answers_other_requests(
    model: Model, path: str, body: Any, status: int
) -> None:
    with model.ask(path, body) as answer:
        assert (answer.status, answer.getheader("content-type")) == (status, "application/json")
        assert json.load(answer)


def test_cut_answer_is_recorded(model: Model) -> None:
    assert said(model, CHAT, "DROP SLOW 4 0") == "chunk-1 chunk-2 "
    noted = model.answer()
    assert (noted["chunks"], noted["complete"]) == (2, False)


def test_client_that_hangs_up_is_recorded(model: Model) -> None:
    with model.ask(CHAT, asked(CHAT, "SLOW 100000 1")) as answer:
        answer.readline()
    assert not model.answer()["complete"]


def test_request_log_has_no_api_keys(model: Model, tmp_path: Path) -> None:
    said(model, CHAT, "hello")
    assert model.answer()["complete"]
    request, answer = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert (request["event"], request["path"]) == ("request", CHAT)
    assert request["headers"]["Authorization"] == "***"
    assert (answer["event"], answer["status"], answer["chunks"]) == ("answer", 200, 2)


def test_agents_wrapping_of_a_prompt_is_removed() -> None:
    wrapped = "<environment_context>here</environment_context>\nhello <b>you</b>"
    assert (
        users_words(f"{wrapped}\n<system-reminder>do</system-reminder>") == "hello <b>you</b>"
    )
    assert users_words("<context a='b'>only</context>") == ""


def test_plan_steps_run_one_by_one() -> None:
    ask = Ask("m", 100, "RUN: one\nRUN: two\nSAY: done", tools={"bash": Tool("bash", {})})
    calls = []
    while call := plan_for(ask).call:
        calls.append(call.arguments["command"])
        ask.results.append("")
    assert calls == ["one", "two"]
    assert "".join(plan_for(ask).chunks) == "done"
