"""What Claude Code prints, as events of the conversation.

Claude tells a block of a message three times: its pieces as they are made (``stream_event``),
the whole (``assistant``), and the whole again in its file.  An item is named by its message
and its place in it; a tool's call by its own id.  What a subagent does has ``parent``, the
call that started it.  Left out are the events of the stream that only frame the pieces, and
``system/init`` where it says again what it said before: Claude prints it for every message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Raw

from sxhost.codec.shorten import BoundedText
from sxhost.drivers.claude.messages import (
    Assistant,
    Block,
    ModelEvent,
    RateLimitEvent,
    StreamEvent,
    System,
    User,
)
from sxhost.drivers.contracts import Reports

__all__ = ["ClaudeTranslator"]

TITLED: Final = ("command", "file_path", "path", "pattern", "url", "query", "description")
"""What of a tool's input tells most, the best first."""

TITLE: Final = 200
"""Characters of a title."""

CUT: Final = frozenset({"interrupted", "cancelled"})
_EXIT = re.compile(r"Exit code (\d+)(?:\n|\Z)")


class _Speech:
    """What one of the voices, Claude or a subagent, is saying: at most one block at a time."""

    def __init__(self) -> None:
        self.message = ""
        self.index = -1
        self.open = ""
        self.pieces = BoundedText()

    @property
    def item(self) -> str:
        return f"{self.message}:{self.index}"


class ClaudeTranslator:
    """Reports events; remembers what is open, so that it can be closed."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._speeches: dict[str | None, _Speech] = {}
        self._tools: dict[str, tuple[str, str | None]] = {}
        self._said_of_itself: tuple[Any, ...] = ()
        self.model = ""
        """The model that Claude last named."""
        self.interrupting = False
        """Whether calls that did not run are cut rather than declined."""

    def report_native(self, line: bytes) -> None:
        """Tell what has no other name."""
        self._reports.event("native", {"native": Raw(line)})

    def cut_open_items(self, everything: bool) -> None:
        """Close what Claude has left open; what subagents do may outlive a turn."""
        for parent in [p for p in self._speeches if everything or p is None]:
            self._cut(parent, self._speeches.pop(parent))
        for item, (tool, parent) in list(self._tools.items()):
            if everything or parent is None:
                del self._tools[item]
                self._event("tool-done", parent, item=item, tool=tool, status="cut", output="")

    def _event(self, name: str, parent: str | None, **data: Any) -> None:
        if parent is not None:
            data["parent"] = parent
        self._reports.event(name, data)

    # What is said, in pieces.

    def stream_event_received(self, said: StreamEvent) -> None:
        """Hear a piece of the stream."""
        part = _PARTS.get(said.event.type)
        if part is not None:
            part(self, said.event, said.parent_tool_use_id)

    def _message_began(self, event: ModelEvent, parent: str | None) -> None:
        speech = self._speech(parent)
        self._cut(parent, speech)
        speech.message, speech.index = event.message.id, -1

    def _block_began(self, event: ModelEvent, parent: str | None) -> None:
        speech = self._speech(parent)
        self._cut(parent, speech)
        speech.index, speech.open = event.index, event.content_block.type

    def _grew(self, event: ModelEvent, parent: str | None) -> None:
        delta = event.delta
        name = _GROWS.get(delta.type)
        if name is None:
            return
        speech, text = self._speech(parent), delta.text or delta.thinking
        speech.pieces.add(text)
        data = {"item": speech.item, "text": text}
        if parent is not None:
            data["parent"] = parent
        self._reports.event(name, data)

    def _speech(self, parent: str | None) -> _Speech:
        speech = self._speeches.get(parent)
        if speech is None:
            speech = self._speeches[parent] = _Speech()
        return speech

    def _cut(self, parent: str | None, speech: _Speech) -> None:
        """End a block that will not be told whole: the model is asked again, or nothing."""
        text = str(speech.pieces)
        if text and speech.open in _WHOLE:
            self._event(_WHOLE[speech.open], parent, item=speech.item, text=text, cut=True)
        speech.open = ""
        speech.pieces = BoundedText()

    # What is said, whole.

    def assistant_received(self, said: Assistant, line: bytes) -> None:
        """Hear blocks that are whole."""
        content, parent = said.message.content, said.parent_tool_use_id
        if said.error is not None:
            self._warn(_text(content), line)
        elif isinstance(content, str):
            self.report_native(line)
        else:
            self._blocks(said, content, parent, line)

    def _blocks(
        self, said: Assistant, content: list[Block], parent: str | None, line: bytes
    ) -> None:
        speech = self._speech(parent)
        if speech.message != said.message.id:
            self._cut(parent, speech)
            speech.message, speech.index = said.message.id, -1
        for block in content:
            self._place(speech)
            tell = _BLOCKS.get(block.type)
            if tell is None:
                self.report_native(line)
            else:
                tell(self, block, speech.item, parent, said.aborted)

    @staticmethod
    def _place(speech: _Speech) -> None:
        """Find the place of a block: the one that is open, or the next."""
        if not speech.open:
            speech.index += 1
        speech.open = ""
        speech.pieces = BoundedText()

    def _message(self, block: Block, item: str, parent: str | None, cut: bool) -> None:
        more = {"cut": True} if cut else {}
        self._event("message", parent, item=item, text=block.text, **more)

    def _thinking(self, block: Block, item: str, parent: str | None, cut: bool) -> None:
        more = {"cut": True} if cut else {}
        self._event("thinking", parent, item=item, text=block.thinking, **more)

    def _tool_began(self, block: Block, item: str, parent: str | None, _cut: bool) -> None:
        name, item = block.name, block.id or item
        self._tools[item] = name, parent
        title = _title(block)
        self._event("tool-start", parent, item=item, tool=name, title=title, input=block.input)

    # What tools gave.

    def user_received(self, said: User, line: bytes) -> None:
        """Hear results of tools; other words put in the user's mouth stay Claude's own."""
        content = said.message.content
        results = [] if isinstance(content, str) else content
        results = [block for block in results if block.type == "tool_result"]
        whys = {meta.id: meta.non_execution_kind for meta in said.tool_result_meta}
        for block in results:
            why = whys.get(block.tool_use_id)
            self._tool_ended(block, said.parent_tool_use_id, why)
        if not results:
            self.report_native(line)

    def _tool_ended(self, block: Block, parent: str | None, why: str | None) -> None:
        item, text = block.tool_use_id, _text(block.content)
        tool, _ = self._tools.pop(item, ("", None))
        status = self._status(block, why)
        data: dict[str, Any] = {"tool": tool, "status": status, "output": text}
        code = _EXIT.match(text) if block.is_error and why is None else None
        if code is not None:
            data["exit_code"] = int(code[1])
        self._event("tool-done", parent, item=item, **data)

    def _status(self, block: Block, why: str | None) -> str:
        if why is not None:
            return "cut" if self.interrupting or why in CUT else "declined"
        return "failed" if block.is_error else "completed"

    # What Claude says of itself.

    def system_received(self, said: System, line: bytes) -> None:
        """Hear what is neither said nor done."""
        tell = _SYSTEM.get(said.subtype)
        if tell is None:
            self.report_native(line)
        else:
            tell(self, said, line)

    def _init(self, said: System, line: bytes) -> None:
        now = (said.session_id, said.model, said.permission_mode, said.cwd, said.tools)
        if now != self._said_of_itself:
            self._said_of_itself, self.model = now, said.model
            self.report_native(line)

    def _compacted(self, _said: System, line: bytes) -> None:
        self._reports.event("compact", {"native": Raw(line)})

    def _retried(self, said: System, line: bytes) -> None:
        why = " ".join(str(part) for part in (said.error_status, said.error) if part)
        text = f"The model failed ({why or 'unknown'}); it is asked again in"
        text += f" {said.retry_delay_ms / 1000:.1f} s, {said.attempt} of {said.max_retries}."
        self._warn(text, line)

    def _silent(self, said: System, line: bytes) -> None:
        """A status: that the model is asked is no news."""
        if said.status != "requesting":
            self.report_native(line)

    def rate_limit_received(self, said: RateLimitEvent, line: bytes) -> None:
        """Hear how near the vendor's limit is."""
        if said.info.status in {"", "allowed"}:
            self.report_native(line)
        else:
            self._warn(f"The limit {said.info.kind or 'of use'}: {said.info.status}.", line)

    def _warn(self, text: str, line: bytes) -> None:
        self._reports.event("warning", {"text": text, "native": Raw(line)})


def _title(block: Block) -> str:
    given = block.input if isinstance(block.input, dict) else {}
    words = (given[name] for name in TITLED if isinstance(given.get(name), str))
    what = next(words, "")
    return f"{block.name}: {what}"[:TITLE] if what else block.name


def _text(content: Any) -> str:
    """Return the words of a content, which is a text, or blocks of which some have one."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(filter(None, map(_words, blocks)))


def _words(block: Any) -> str:
    text = block.text if isinstance(block, Block) else None
    if isinstance(block, dict):
        text = block.get("text")
    return text if isinstance(text, str) else ""


_PARTS: Final[Mapping[str, Callable[[ClaudeTranslator, ModelEvent, str | None], None]]] = {
    "message_start": ClaudeTranslator._message_began,
    "content_block_start": ClaudeTranslator._block_began,
    "content_block_delta": ClaudeTranslator._grew,
}
_GROWS: Final = {"text_delta": "message-delta", "thinking_delta": "thinking-delta"}
_WHOLE: Final = {"text": "message", "thinking": "thinking"}
_BLOCKS: Final[
    Mapping[str, Callable[[ClaudeTranslator, Block, str, str | None, bool], None]]
] = {
    "text": ClaudeTranslator._message,
    "thinking": ClaudeTranslator._thinking,
    "tool_use": ClaudeTranslator._tool_began,
    "server_tool_use": ClaudeTranslator._tool_began,
}
_SYSTEM: Final[Mapping[str, Callable[[ClaudeTranslator, System, bytes], None]]] = {
    "init": ClaudeTranslator._init,
    "status": ClaudeTranslator._silent,
    "compact_boundary": ClaudeTranslator._compacted,
    "api_retry": ClaudeTranslator._retried,
}
