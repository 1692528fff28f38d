"""The JSON of Claude Code's and Codex's hooks: decoded into events, and their answers.

Both send one JSON object (``hook_event_name`` says what has happened) and read one; Codex has
fewer names and takes fewer answers.  Its ``notify`` program gets another object, with a
``type``.  Nothing is kept here; a field of an unexpected type counts as missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import Raw, to_builtins
from msgspec.structs import replace

from sxhost.agent_files.facts import tool_title
from sxhost.codec.json import CUT_FIELD, encode
from sxhost.codec.shorten import shorten_to_fit
from sxhost.drivers.claude.approvals import permission_result, question_of
from sxhost.drivers.claude.background import TASKS_MOST, claude_task
from sxhost.drivers.claude.messages import ControlRequest, ToolRequest
from sxhost.hooks.body import PROCESS_FIELD
from sxhost.hooks.deadline import default_wait
from sxhost.hooks.listener import WAKE_SUMMARY
from sxhost.model.approval import Answer, Approval, Question, TerminalAnswer, unseen
from sxhost.model.event import EventDraft
from sxhost.model.names import EVENT_NAME
from sxhost.model.pictures import split_pictures
from sxhost.model.session import Registration
from sxhost.model.turn import OSProcess

__all__ = ["AGENT_ENDED", "DENIED", "Hook"]

Event = tuple[str, dict[str, Any]]

PROVIDERS: Final = {"claude": "anthropic", "codex": "openai"}

ANY_MODE: Final = frozenset({"auto", "interrupt", "queue"})
AT_ONCE: Final = frozenset({"auto", "interrupt"})
TAKES: Final[Mapping[str, frozenset[str]]] = {
    "Stop": ANY_MODE,
    "UserPromptSubmit": AT_ONCE,
    "PostToolUse": AT_ONCE,
}
"""Where messages can be handed to the agent, and which by their mode: `queue` after a turn."""

TOOL_ENDS: Final = frozenset({"PostToolUse", "PostToolUseFailure", "PermissionDenied"})
TURN_ENDS: Final = frozenset({"Stop", "StopFailure", "UserPromptSubmit", "SessionEnd"})
AGENT_ENDED: Final = "its agent has ended"
DENIED: Final = TerminalAnswer(decision="deny", reason="denied at the terminal")
TASK_ENDS: Final = frozenset({"completed", "failed", "killed", "stopped"})
"""Statuses of a task in the background that no longer runs."""
MESSAGE_INTRODUCTION: Final = (
    "The user sent this message through sxhost while you were working:\n\n"
)
WAKING_INTRODUCTION: Final = (
    "The user, who is not at this terminal, has sent this prompt through sxhost:\n\n"
)
NOTIFICATION: Final = re.compile(
    r"\s*<task-notification>.*?<summary>(?P<summary>.*?)</summary>", re.DOTALL
)
"""Begins a prompt that Claude Code gives itself: a task in the background has ended, or a hook
has woken it.
"""
SHORT_TEXT: Final = 512

OURS: Final = frozenset({PROCESS_FIELD, CUT_FIELD})
"""Fields of ours beside the agent's."""

COMMON: Final = frozenset(
    {"session_id", "transcript_path", "cwd", "permission_mode", "hook_event_name"}
)


class Hook:
    """One call of a hook: `agent` is ``claude`` or ``codex``, `payload` what it was given."""

    def __init__(self, agent: str, payload: Mapping[str, Any]) -> None:
        self.agent = agent
        self.payload = {n: value for n, value in payload.items() if n not in OURS}
        size = payload.get(CUT_FIELD)
        self.cut = size if isinstance(size, int) else 0
        """The bytes that it had, if texts of it were cut on its way; else 0."""
        self.process = _process(payload.get(PROCESS_FIELD))
        """The agent's process, as ``sxhost hook`` has found it above its own."""
        self.is_notice = agent == "codex" and not self.text("hook_event_name")
        """Whether it was told by Codex's ``notify``, and not by a hook."""
        self.session_id = self.text("thread-id" if self.is_notice else "session_id")
        self.name = self.text("type" if self.is_notice else "hook_event_name")
        self.key = self.text("tool_use_id") or uuid4().hex
        self.turn = self.text("prompt_id") or self.text("turn_id") or self.text("turn-id")
        """The agent's own id of its turn; empty if it gives none."""

    def text(self, name: str) -> str:
        """Return the text of a field; empty if it is missing or no text."""
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""

    @property
    def registration(self) -> Registration:
        """The fields of the session that the hook reports."""
        return Registration(
            agent=self.agent,
            provider=PROVIDERS.get(self.agent),
            model=self.text("model")[:SHORT_TEXT] or None,
            cwd=self.text("cwd")[:4096] or None,
            inbox=None if self.is_notice else "hooks",
            os_process=self.process,
        )

    @property
    def may_change_registration(self) -> bool:
        """Whether the hook may change the fields of its session."""
        return self.name in ("SessionStart", "UserPromptSubmit")

    @property
    def deliverable_modes(self) -> frozenset[str]:
        """The modes of the messages that can be handed over in the answer."""
        if self.text("agent_id"):
            return frozenset()
        return ANY_MODE if self.was_woken else TAKES.get(self.name, frozenset())

    @property
    def was_woken(self) -> bool:
        """Whether a turn begins for a message that waits (`sxhost.hooks.listener`)."""
        return self.name == "UserPromptSubmit" and notified_of(self) == WAKE_SUMMARY

    def events(self, *, goes_on: bool = False) -> list[EventDraft]:
        """Return the events of the hook; without `complete` if the agent `goes_on`."""
        happened = EVENTS.get(self.name, _other)(self)
        parent = self.text("agent_id")
        of_subagent = {"parent": parent} if parent else {}
        return [
            EventDraft.of(
                name,
                shorten_to_fit({**data, **of_subagent}),
                key=self._key(name, data),
            )
            for name, data in happened
            if not (goes_on and name == "complete")
        ]

    def _key(self, name: str, data: Mapping[str, Any]) -> str | None:
        """Return the idempotency key of an event that Codex's hooks and ``notify`` both report.

        A turn that goes on with a message of ours has more answers than one.
        """
        turn = self.turn if self.agent == "codex" else ""
        if not turn or name not in ("message", "complete"):
            return None
        return f"{name}:{turn[:128]}:{sha256(encode(data)).hexdigest()[:16]}"

    # Messages.

    def answer_with_messages(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the hook's answer that hands the user's messages to the agent."""
        joined = "\n\n".join(texts)
        if self.name == "Stop":
            return {"decision": "block", "reason": joined}
        introduction = WAKING_INTRODUCTION if self.was_woken else MESSAGE_INTRODUCTION
        return self._specific(additionalContext=introduction + joined)

    # Approvals.

    @property
    def may_ask(self) -> bool:
        """Whether the agent asks for a decision by this hook."""
        return self.name == "PermissionRequest"

    @property
    def can_ask(self) -> bool:
        """Whether an answer can be a decision."""
        return self.name in ("PermissionRequest", "PreToolUse")

    @property
    def default_wait(self) -> float:
        """The seconds that its agent waits for a decision, if nobody says otherwise."""
        is_subagent = bool(self.text("agent_id"))
        return default_wait(self.agent, self.name, is_subagent=is_subagent)

    def question_key(self, call: str) -> str:
        """Return the key of the hook's question; `call` names the call of the hook."""
        return f"{self._tool_mark}:{call or self.key}"

    @property
    def _tool_mark(self) -> str:
        """What tells a tool's use from others: its name and its command, or else its input.

        Codex has a reason beside the command when it asks, and none when it has run.
        """
        command = self._input.get("command")
        used = [self.text("tool_name"), command or self.payload.get("tool_input")]
        return sha256(msgspec.json.encode(used, order="sorted")).hexdigest()[:16]

    def end_of(self, asked: Approval) -> str | TerminalAnswer | None:
        """Return how what its agent has asked has ended, if this hook shows that it has."""
        asker = asked.detail.get("agent") or ""
        subagent = self.text("agent_id")
        if self.name == "SessionEnd":
            return None if subagent else AGENT_ENDED
        if self._ends_turn and not subagent:
            return TerminalAnswer() if not asker or self._nothing_runs else None
        if subagent != asker:
            return None
        if self.name == "SubagentStop":
            return TerminalAnswer()
        if self.name in TOOL_ENDS and asked.key.startswith(f"{self._tool_mark}:"):
            is_denial = self.name == "PermissionDenied"
            return DENIED if is_denial else TerminalAnswer(decision="approve")
        return None

    @property
    def _ends_turn(self) -> bool:
        """Whether it is told at the end of a turn, or when none runs."""
        return self.name in TURN_ENDS or self.text("notification_type") == "idle_prompt"

    @property
    def _nothing_runs(self) -> bool:
        """Whether it says that nothing runs in the background; some hooks do not tell."""
        return "background_tasks" in self.payload and not self.background

    @property
    def background(self) -> list[dict[str, str]]:
        """What runs in the background, as Claude's ``Stop`` tells."""
        tasks = [
            claude_task(*(_text(task, name) for name in ("id", "type", "description")))
            for task in _objects(self.payload.get("background_tasks"))
            if _text(task, "status") not in TASK_ENDS
        ]
        return [to_builtins(task) for task in tasks[:TASKS_MOST]]

    def question(self, patience: float, call: str = "") -> Question:
        """Return the approval question of the hook; it expires after `patience` seconds.

        :param call: names this call of the hook; asked again under the same name, it is the
            same question.
        """
        asked = question_of(
            self._permission_request(), Raw(encode(shorten_to_fit(dict(self.payload))))
        )
        choices = asked.choices if self.agent == "claude" else ["approve", "deny"]
        if self.name == "PreToolUse":
            choices = [choice for choice in choices if choice != "approve_session"]
        detail = {**asked.detail, "cwd": self.text("cwd")}
        question = replace(
            asked,
            key=self.question_key(call),
            choices=choices,
            detail=detail,
            expires_s=patience,
            at_terminal=self.may_ask,
        )
        return unseen(question, self.cut) if self.cut else question

    def decision(self, answer: Answer) -> dict[str, Any]:
        """Return a decision as the hook's answer."""
        response = permission_result(self._permission_request(), answer)
        if self.name == "PreToolUse":
            return self._tool_use_decision(response)
        if response.get("updatedInput") == self._input or self.agent != "claude":
            response.pop("updatedInput", None)
        if self.agent != "claude":
            response.pop("interrupt", None)
        return self._specific(decision=response)

    def _tool_use_decision(self, response: Mapping[str, Any]) -> dict[str, Any]:
        allowed = response["behavior"] == "allow"
        if self.agent != "claude" and allowed:
            return {}  # Codex knows no word for it
        why = response.get("message") or "approved through sxhost"
        fields: dict[str, Any] = {
            "permissionDecision": response["behavior"],
            "permissionDecisionReason": why,
        }
        if allowed and response.get("updatedInput") != self._input:
            fields["updatedInput"] = response["updatedInput"]
        stop = {"continue": False, "stopReason": why} if response.get("interrupt") else {}
        return {**stop, **self._specific(**fields)}

    def _permission_request(self) -> ControlRequest:
        rules = self.payload.get("permission_suggestions")
        return ControlRequest(
            self.key,
            ToolRequest(
                subtype="can_use_tool",
                tool_name=self.text("tool_name"),
                title=self.title(),
                input=self._input,
                permission_suggestions=_objects(rules) or None,
                tool_use_id=self.key,
                agent_id=self.text("agent_id") or None,
            ),
        )

    @property
    def _input(self) -> dict[str, Any]:
        given = self.payload.get("tool_input")
        return dict(given) if isinstance(given, dict) else {}

    def _specific(self, **fields: Any) -> dict[str, Any]:
        return {"hookSpecificOutput": {"hookEventName": self.name, **fields}}

    def tool(self, **more: Any) -> dict[str, Any]:
        """Return the data of a tool event, with the fields in `more`."""
        return {"item": self.key, "tool": self.text("tool_name"), **more}

    def title(self) -> str:
        """Return the title of a tool's use in one line, in the format of scorpiox-host."""
        return tool_title(self.text("tool_name"), self._input)


# What has happened.


def _began(hook: Hook) -> list[Event]:
    return [("started", {"agent": hook.agent, "reason": hook.text("source")})]


def _prompted(hook: Hook) -> list[Event]:
    if hook.was_woken:
        return []  # the message that it was woken for is told
    summary = notified_of(hook)
    if summary:
        return [("user-message", {"text": summary, "by": "task"})]
    return [("user-message", {"text": hook.text("prompt"), "by": "prompt"})]


def notified_of(hook: Hook) -> str:
    """Return of what Claude Code has notified itself by a prompt; "" if that is its user's."""
    found = NOTIFICATION.match(hook.text("prompt")) if hook.agent == "claude" else None
    return found["summary"].strip() if found else ""


def _uses(hook: Hook) -> list[Event]:
    title = hook.title()
    return [("tool-start", hook.tool(title=title, input=hook.payload.get("tool_input")))]


def _used(hook: Hook) -> list[Event]:
    output, images = split_pictures(hook.payload.get("tool_response"))
    pictures = {"images": images} if images else {}
    return [("tool-done", hook.tool(status="completed", output=_output(output), **pictures))]


def _failed(hook: Hook) -> list[Event]:
    return [
        ("tool-done", hook.tool(status="failed", output=_output(hook.payload.get("error"))))
    ]


def _noticed(hook: Hook) -> list[Event]:
    kind = hook.text("notification_type")
    fields = {"text": hook.text("message"), "type": kind}
    return [("idle" if kind == "idle_prompt" else "notification", fields)]


def _stopped(hook: Hook) -> list[Event]:
    text = hook.text("last_assistant_message") or hook.text("last-assistant-message")
    message: list[Event] = [("message", {"text": text})] if text else []
    running = hook.background
    return [*message, ("complete", {"background": running} if running else {})]


def _broke(hook: Hook) -> list[Event]:
    return [("error", {"reason": _output(hook.payload.get("error"))})]


def _ended(hook: Hook) -> list[Event]:
    return [("ended", {"agent": hook.agent, "reason": hook.text("reason")})]


def _asks(_hook: Hook) -> list[Event]:
    return []


def _other(hook: Hook) -> list[Event]:
    """Return any other hook as an event with its name and its fields."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", hook.name).lower()
    data = {field: value for field, value in hook.payload.items() if field not in COMMON}
    if not re.match(EVENT_NAME, name):
        name, data = "hook", {**data, "hook_event_name": hook.name}
    return [(OTHER.get(name, name), data)]


EVENTS: Final[Mapping[str, Callable[[Hook], list[Event]]]] = {
    "SessionStart": _began,
    "UserPromptSubmit": _prompted,
    "PreToolUse": _uses,
    "PostToolUse": _used,
    "PostToolUseFailure": _failed,
    "PermissionRequest": _asks,
    "Notification": _noticed,
    "Stop": _stopped,
    "StopFailure": _broke,
    "SessionEnd": _ended,
    "agent-turn-complete": _stopped,
}
OTHER: Final = {"pre-compact": "compact", "subagent-stop": "subagent-done"}


# Texts.


def _output(value: Any) -> Any:
    """Return a tool's output as a text, where it has one."""
    if isinstance(value, dict) and isinstance(value.get("stdout"), str):
        parts = (value["stdout"], value.get("stderr"))
        return "\n".join(part for part in parts if isinstance(part, str) and part)
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _process(value: Any) -> OSProcess | None:
    with suppress(msgspec.ValidationError):
        return msgspec.convert(value, OSProcess)
    return None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
