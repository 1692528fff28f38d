"""What a fake model is to answer: the user's last message says it, in directives.

Without a directive the answer is ``echo: <prompt>``.  Directives stand anywhere in the message;
the first four take the rest of their line:

======================== =================================================================
RUN: <command>           call the agent's own shell tool; what the result brings back is
                         answered by ``result: <output>``; several are called one by one
CALL: <tool> <json>      call any tool that is offered, with an object (or a string, for a
                         tool that takes text)
SAY: <text>              answer with exactly this
THINK: <text>            stream this as reasoning first
SLOW <n> [<ms>]          answer n chunks, one each 50 (or <ms>) milliseconds
FAIL [<code> [<times>]]  answer with an HTTP error (500); at most so many times for a message
DROP [<times>]           stream half of the answer, then cut the connection
USAGE <in> <out> [<cached>]  report these counts of tokens
======================== =================================================================
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["Ask", "Call", "Plan", "Tool", "Usage", "plan_for", "text_of", "users_words"]

Object = dict[str, Any]

SHELL_TOOLS = (
    *("shell_command", "exec_command", "shell", "bash", "Bash", "run_shell_command", "exec"),
)
"""Names under which agents offer their shell, best first."""

COMMAND_KEYS = ("command", "cmd", "script", "input", "code")
BLANK: Object = {"boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}
LONGEST_PROMPT, LONGEST_RESULT = 2000, 4000

DIRECTIVE = re.compile(
    r"\b(?P<word>RUN|CALL|SAY|THINK):[ \t]*(?P<rest>.+)"
    r"|\b(?P<some>SLOW|USAGE)(?P<numbers>(?:[ \t]+\d+)+)"
    r"|\b(?P<any>FAIL|DROP)\b(?P<perhaps>(?:[ \t]+\d+)*)"
)
WRAPPED = re.compile(r"\s*<([A-Za-z][\w-]*)(?: [^>]*)?>.*?</\1>\s*", re.DOTALL)
"""Agents put context before the user's words: ``<environment_context>…</…>``, …"""
REMINDER = re.compile(r"\s*<(system[-_]reminder)>(?:(?!<\1>).)*</\1>\s*$", re.DOTALL)


class Tool(NamedTuple):
    """A tool that a request offers; the `kind` ``custom`` takes text, all others an object."""

    name: str
    schema: Object
    kind: str = "function"
    namespace: str | None = None


class Call(NamedTuple):
    """A call of a tool."""

    tool: Tool
    arguments: Any


class Usage(NamedTuple):
    """Counts of tokens; those that were read from a cache are among the input."""

    input: int = 0
    output: int = 0
    cached: int = 0


NO_USAGE = Usage()


@dataclass
class Ask:
    """What a request says, whatever its protocol."""

    model: str
    size: int
    """Bytes of the request."""
    prompt: str = ""
    """The last thing that the user said."""
    results: list[str] = field(default_factory=list)
    """What tools have answered since."""
    tools: dict[str, Tool] = field(default_factory=dict)

    def offer(self, tool: Tool) -> None:
        self.tools[tool.name] = tool

    def user(self, text: str) -> None:
        if words := users_words(text):
            self.prompt, self.results = words, []


@dataclass
class Plan:
    """What to answer: reasoning, then chunks of text, then at most one call of a tool."""

    status: int = 200
    think: str = ""
    chunks: list[str] = field(default_factory=list)
    pause: float = 0.0
    """Seconds after each chunk."""
    call: Call | None = None
    drop: bool = False
    usage: Usage = NO_USAGE


def users_words(text: str) -> str:
    """Return a prompt without the tagged blocks that agents put around it."""
    before = None
    while text != before:
        before, wrapped = text, WRAPPED.match(text)
        text = REMINDER.sub("", text[wrapped.end() :] if wrapped else text)
    return text.strip()


def text_of(content: Any) -> str:
    """Return the text of a string, of a part of content, or of a list of either."""
    if isinstance(content, list):
        return "".join(text_of(part) for part in content)
    if isinstance(content, dict):
        return text_of(content["text"] if "text" in content else content.get("content"))
    return content if isinstance(content, str) else ""


class Directives:
    """The directives of a prompt: `steps` in order, the last of each other kind."""

    def __init__(self, prompt: str) -> None:
        self.steps: list[tuple[str, str]] = []
        self.texts: dict[str, str] = {}
        self.numbers: dict[str, list[int]] = {}
        for found in DIRECTIVE.finditer(prompt):
            self._take(found)

    def _take(self, found: re.Match[str]) -> None:
        if found["word"] in ("RUN", "CALL"):
            self.steps.append((found["word"], found["rest"].strip()))
        elif found["word"]:
            self.texts[found["word"]] = found["rest"]
        else:
            name, numbers = found["some"] or found["any"], found["numbers"] or found["perhaps"]
            self.numbers[name] = [int(number) for number in numbers.split()]

    def holds(self, name: str, times_at: int, attempt: int) -> bool:
        """Tell whether FAIL or DROP is told for this attempt."""
        told = self.numbers.get(name)
        return told is not None and (len(told) <= times_at or attempt <= told[times_at])


def plan_for(ask: Ask, attempt: int = 1) -> Plan:
    """Decide the answer to the so-manieth request with these words.

    :raises ValueError: a directive cannot be read.
    """
    told = Directives(ask.prompt)
    plan = Plan(think=told.texts.get("THINK", ""), call=_call(told, ask))
    if told.holds("FAIL", 1, attempt):
        plan.status = (told.numbers["FAIL"] or [500])[0]
    plan.drop = told.holds("DROP", 0, attempt)
    if plan.call is None:
        _speak(plan, told, ask)
    usage = told.numbers.get("USAGE", [])
    guess = [ask.size // 4, len(plan.chunks) or 20, 0]
    plan.usage = Usage(*[*usage, *guess[len(usage) :]][:3])
    return plan


def _speak(plan: Plan, told: Directives, ask: Ask) -> None:
    if slow := told.numbers.get("SLOW"):
        plan.chunks = [f"chunk-{number + 1} " for number in range(slow[0])]
        plan.pause = (slow[1] if len(slow) > 1 else 50) / 1000
        return
    echo = f"echo: {ask.prompt[:LONGEST_PROMPT]}"
    answer = f"result: {ask.results[-1][:LONGEST_RESULT]}" if ask.results else echo
    plan.chunks = re.findall(r"\S*\s*", told.texts.get("SAY", answer))[:-1]


def _call(told: Directives, ask: Ask) -> Call | None:
    """Return the next step; None if all are done, or if there is no such tool."""
    if len(ask.results) >= len(told.steps):
        return None
    word, rest = told.steps[len(ask.results)]
    if word == "RUN":
        shell = next((ask.tools[name] for name in SHELL_TOOLS if name in ask.tools), None)
        return shell and Call(shell, _shell_arguments(shell, rest))
    name, _, raw = rest.partition(" ")
    return Call(ask.tools[name], json.loads(raw or "{}")) if name in ask.tools else None


def _shell_arguments(tool: Tool, command: str) -> Any:
    if tool.kind == "custom":  # it takes a program in JavaScript
        return (
            f"const r = await tools.exec_command({{cmd: {json.dumps(command)}}});\n"
            "text(r.output ?? r);\n"
        )
    properties = tool.schema.get("properties") or {"command": {}}
    key = next((key for key in COMMAND_KEYS if key in properties), next(iter(properties)))
    in_words = properties[key].get("type") == "array"
    arguments = {key: ["bash", "-c", command] if in_words else command}
    for name in tool.schema.get("required") or []:
        arguments.setdefault(name, _filler(properties.get(name, {})))
    return arguments


def _filler(schema: Object) -> Any:
    """Return a value for an argument that must be there."""
    choices = schema.get("enum")
    return choices[0] if choices else BLANK.get(schema.get("type", ""), "run it")
