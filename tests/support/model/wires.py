"""The four protocols of a fake model: how each asks, and how each is answered as a stream."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from tests.support.model.plan import Ask, Object, Plan, Tool, text_of

__all__ = ["PROTOCOLS", "Event", "Protocol", "whole_message"]


class Event(NamedTuple):
    """An event of a stream; some protocols name them."""

    name: str | None
    data: Any
    is_text: bool = False
    """Whether it is a chunk of the answer's text."""

    def frame(self, number: int) -> bytes:
        """Return it as a server-sent event."""
        data = self.data
        if self.name:
            data = {"type": self.name, **data, "sequence_number": number}
        text = data if isinstance(data, str) else json.dumps(data)
        return (f"event: {self.name}\n" if self.name else "").encode() + (
            f"data: {text}\n\n".encode()
        )


class Protocol(NamedTuple):
    """Reads a request's body into an `Ask`, and writes a `Plan` as events."""

    read: Callable[[Object, Ask], None]
    write: Callable[[Ask, Plan], Iterator[Event]]


# OpenAI's Responses.


def read_responses(body: Object, ask: Ask) -> None:
    told = body.get("input") or []
    items: list[Any] = [{"role": "user", "content": told}] if isinstance(told, str) else told
    for source in (body, *(i for i in items if i.get("type") == "additional_tools")):
        for entry in source.get("tools") or []:
            _offer_responses(entry, ask)
    for item in items:
        if item.get("role") == "user":
            for part in _listed(item["content"]):
                ask.user(text_of(part))
        elif str(item.get("type", "")).endswith("_call_output"):
            ask.results.append(text_of(item.get("output")))


def _offer_responses(entry: Object, ask: Ask) -> None:
    """Offer a tool, or the tools of a namespace."""
    for tool in entry.get("tools") or [entry]:
        if "name" in tool:
            namespace = None if tool is entry else entry["name"]
            schema = tool.get("parameters") or {}
            ask.offer(Tool(tool["name"], schema, tool["type"], namespace))


def _listed(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


class ResponsesStream:
    """An answer in the words of Responses; `output` are the items that are done."""

    def __init__(self, ask: Ask, plan: Plan) -> None:
        self._plan = plan
        self._id = time.time_ns()
        self._head = {
            "id": f"resp_{self._id}",
            "object": "response",
            "created_at": self._id // 10**9,
            "model": ask.model,
        }
        self.output: list[Object] = []

    def events(self) -> Iterator[Event]:
        yield self._state("response.created", status="in_progress", output=[])
        if self._plan.think:
            yield from self._reasoning(self._plan.think)
        if self._plan.chunks:
            yield from self._message(self._plan.chunks)
        if self._plan.call:
            item = self._call_item()
            yield from (self._added(item), self._done(item))
        usage = self._usage()
        yield self._state(
            "response.completed", status="completed", output=self.output, usage=usage
        )

    def _state(self, name: str, **more: Any) -> Event:
        return Event(name, {"response": {**self._head, **more}})

    def _added(self, item: Object) -> Event:
        data = {"output_index": len(self.output), "item": item}
        return Event("response.output_item.added", data)

    def _done(self, item: Object) -> Event:
        self.output.append(item)
        data = {"output_index": len(self.output) - 1, "item": item}
        return Event("response.output_item.done", data)

    def _reasoning(self, text: str) -> Iterator[Event]:
        item: Object = {"type": "reasoning", "id": f"rs_{self._id}", "summary": []}
        part = {"type": "summary_text", "text": text}
        where = {"item_id": item["id"], "output_index": 0, "summary_index": 0}
        begun = {**where, "part": {**part, "text": ""}}
        yield self._added(item)
        yield Event("response.reasoning_summary_part.added", begun)
        yield Event("response.reasoning_summary_text.delta", {**where, "delta": text})
        yield self._done({**item, "summary": [part]})

    def _message(self, chunks: list[str]) -> Iterator[Event]:
        item: Object = {"type": "message", "id": f"msg_{self._id}", "role": "assistant"}
        part = {"type": "output_text", "text": "".join(chunks), "annotations": []}
        where = {"item_id": item["id"], "output_index": len(self.output), "content_index": 0}
        begun = {**where, "part": {**part, "text": ""}}
        yield self._added({**item, "status": "in_progress", "content": []})
        yield Event("response.content_part.added", begun)
        for chunk in chunks:
            yield Event("response.output_text.delta", {**where, "delta": chunk}, is_text=True)
        yield self._done({**item, "status": "completed", "content": [part]})

    def _call_item(self) -> Object:
        assert self._plan.call
        tool, arguments = self._plan.call
        item: Object = {"id": f"fc_{self._id}", "call_id": f"call_{self._id}"}
        item |= {"name": tool.name, "status": "completed"}
        if tool.namespace:
            item["namespace"] = tool.namespace
        if tool.kind == "custom":
            return item | {"type": "custom_tool_call", "input": arguments}
        return item | {"type": "function_call", "arguments": json.dumps(arguments)}

    def _usage(self) -> Object:
        usage = self._plan.usage
        return {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input + usage.output,
        }


def write_responses(ask: Ask, plan: Plan) -> Iterator[Event]:
    return ResponsesStream(ask, plan).events()


# OpenAI's Chat Completions.


def read_chat(body: Object, ask: Ask) -> None:
    for tool in body.get("tools") or []:
        function = tool["function"]
        ask.offer(Tool(function["name"], function.get("parameters") or {}))
    for message in body.get("messages") or []:
        if message.get("role") == "user":
            ask.user(text_of(message.get("content")))
        elif message.get("role") == "tool":
            ask.results.append(text_of(message.get("content")))


def write_chat(ask: Ask, plan: Plan) -> Iterator[Event]:
    number = time.time_ns()
    head: Object = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk"}
    head |= {"created": number // 10**9, "model": ask.model}

    def chunk(delta: Object, *, finish: str | None = None, is_text: bool = False) -> Event:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return Event(None, {**head, "choices": [choice]}, is_text)

    yield chunk({"role": "assistant", "content": ""})
    if plan.think:
        yield chunk({"reasoning_content": plan.think})
    for text in plan.chunks:
        yield chunk({"content": text}, is_text=True)
    if plan.call:
        function = {"name": plan.call.tool.name, "arguments": json.dumps(plan.call.arguments)}
        call = {"index": 0, "id": f"call_{number}", "type": "function", "function": function}
        yield chunk({"tool_calls": [call]})
    yield chunk({}, finish="tool_calls" if plan.call else "stop")
    yield Event(None, {**head, "choices": [], "usage": _chat_usage(plan)})
    yield Event(None, "[DONE]")


def _chat_usage(plan: Plan) -> Object:
    return {
        "prompt_tokens": plan.usage.input,
        "completion_tokens": plan.usage.output,
        "total_tokens": plan.usage.input + plan.usage.output,
        "prompt_tokens_details": {"cached_tokens": plan.usage.cached},
    }


# Anthropic's Messages.


def read_messages(body: Object, ask: Ask) -> None:
    for tool in body.get("tools") or []:
        ask.offer(Tool(tool.get("name", ""), tool.get("input_schema") or {}))
    for message in body.get("messages") or []:
        if message.get("role") == "user":
            for part in _listed(message["content"]):
                _read_part(part, ask)


def _read_part(part: Any, ask: Ask) -> None:
    if isinstance(part, dict) and part.get("type") == "tool_result":
        ask.results.append(text_of(part.get("content")))
    else:
        ask.user(text_of(part))


def write_messages(ask: Ask, plan: Plan) -> Iterator[Event]:
    usage = {
        "input_tokens": plan.usage.input,
        "cache_read_input_tokens": plan.usage.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message: Object = {"id": f"msg_{time.time_ns()}", "type": "message", "role": "assistant"}
    message |= {"model": ask.model, "content": [], "usage": usage}
    message |= {"stop_reason": None, "stop_sequence": None}
    yield Event("message_start", {"message": message})
    for index, (block, deltas) in enumerate(_blocks(plan)):
        yield Event("content_block_start", {"index": index, "content_block": block})
        for delta in deltas:
            data = {"index": index, "delta": delta}
            yield Event("content_block_delta", data, delta["type"] == "text_delta")
        yield Event("content_block_stop", {"index": index})
    reason = "tool_use" if plan.call else "end_turn"
    stop = {"stop_reason": reason, "stop_sequence": None}
    counted = {**usage, "output_tokens": plan.usage.output}
    yield Event("message_delta", {"delta": stop, "usage": counted})
    yield Event("message_stop", {})


def _blocks(plan: Plan) -> Iterator[tuple[Object, list[Object]]]:
    """Yield each block of an answer's content as it begins, and what is added to it."""
    if plan.think:
        thought = {"type": "thinking_delta", "thinking": plan.think}
        signature = {"type": "signature_delta", "signature": "c2ln"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [thought, signature]
    if plan.chunks:
        texts: list[Object] = [{"type": "text_delta", "text": text} for text in plan.chunks]
        yield {"type": "text", "text": ""}, texts
    if plan.call:
        block = {"type": "tool_use", "id": f"toolu_{time.time_ns()}", "input": {}}
        arguments = json.dumps(plan.call.arguments)
        delta = {"type": "input_json_delta", "partial_json": arguments}
        yield {**block, "name": plan.call.tool.name}, [delta]


def whole_message(events: Iterable[Event]) -> Object:
    """Return a Messages answer in one piece: claude asks so when it tries a model."""
    datas = [event.data for event in events]
    text = "".join(
        event["delta"].get("text", "")
        for event in datas
        if "index" in event and "delta" in event
    )
    return {
        **datas[0]["message"],
        **datas[-2]["delta"],
        "content": [{"type": "text", "text": text}],
    }


# Google's Gemini.


def read_gemini(body: Object, ask: Ask) -> None:
    for group in body.get("tools") or []:
        for function in group.get("functionDeclarations") or []:
            schema = function.get("parametersJsonSchema") or function.get("parameters") or {}
            ask.offer(Tool(function["name"], schema))
    for message in body.get("contents") or []:
        if message.get("role") != "model":
            for part in message.get("parts") or []:
                _read_gemini_part(part, ask)


def _read_gemini_part(part: Object, ask: Ask) -> None:
    if "functionResponse" in part:
        ask.results.append(json.dumps(part["functionResponse"].get("response")))
    elif "text" in part:
        ask.user(part["text"])


def write_gemini(ask: Ask, plan: Plan) -> Iterator[Event]:
    def answer(part: Object, **more: Any) -> Object:
        candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, **more}
        return {"candidates": [candidate], "modelVersion": ask.model}

    if plan.think:
        yield Event(None, answer({"text": plan.think, "thought": True}))
    for text in plan.chunks:
        yield Event(None, answer({"text": text}), is_text=True)
    if plan.call:
        call = {"name": plan.call.tool.name, "args": plan.call.arguments}
        yield Event(None, answer({"functionCall": call}))
    usage = {
        "promptTokenCount": plan.usage.input,
        "candidatesTokenCount": plan.usage.output,
        "cachedContentTokenCount": plan.usage.cached,
        "totalTokenCount": plan.usage.input + plan.usage.output,
    }
    yield Event(None, {**answer({"text": ""}, finishReason="STOP"), "usageMetadata": usage})


PROTOCOLS = {
    "/responses": Protocol(read_responses, write_responses),
    "/chat/completions": Protocol(read_chat, write_chat),
    "/messages": Protocol(read_messages, write_messages),
    ":streamGenerateContent": Protocol(read_gemini, write_gemini),
}
"""By the end of the path."""
