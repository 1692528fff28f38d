"""What a transcript and the hooks of a session say, each thing once.

Both carry the same ids of turns and tools; a message is recognized by its turn and its text.
Whoever says a thing first is believed: hooks as a rule, which do not wait for the file.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sxhost.agent_files.facts import Fact
from sxhost.codec.json import encode
from sxhost.codec.shorten import shorten_to_fit
from sxhost.model.session import EventDraft

__all__ = ["INTERRUPTED", "Merged", "SessionMerger"]

REMEMBERED: Final = 2048
"""Things that are remembered as said, to recognize them when they are said again."""

INTERRUPTED: Final = {"status": "interrupted", "reason": "interrupted"}
"""The data of a `complete` event when the agent's user has cut the turn."""

TOOL_EVENTS: Final = frozenset({"tool-start", "tool-done"})
ENDS: Final = frozenset({"complete", "error", "ended"})


class Merged(Struct, kw_only=True):
    """What follows from facts: events to append, fields to change, whether the turn was cut."""

    drafts: list[EventDraft] = []
    model: str | None = None
    title: str | None = None
    is_cut: bool = False


class SessionMerger:
    """Merges what is said of one session; knows whether its turn runs."""

    def __init__(self) -> None:
        self.turn = ""
        """The agent's own id of the turn, running or last run."""
        self.is_running = False
        self._said: OrderedDict[Hashable, None] = OrderedDict()
        self._ahead: OrderedDict[Hashable, int] = OrderedDict()
        """How many of equal messages of a turn only hooks have said yet."""
        self._last_message: Hashable = None
        """The message that the transcript has said, as long as nothing came after it."""
        self._counts: Counter[Hashable] = Counter()
        """How often the transcript has said a message in this turn."""

    # Hooks.

    def merge_hook(self, turn: str, drafts: Iterable[EventDraft]) -> list[EventDraft]:
        """Return the events of a hook that are news, with their keys."""
        merged = (self._from_hook(turn or self.turn, draft) for draft in drafts)
        return [draft for draft in merged if draft is not None]

    def _from_hook(self, turn: str, draft: EventDraft) -> EventDraft | None:
        said = _said(draft)
        if said.parent:  # a subagent's: the transcript does not have it
            return draft
        if draft.event == "user-message" and said.by == "prompt":
            return self._work_from_hook(draft, turn, ("prompt", turn, said.text))
        if draft.event in TOOL_EVENTS and said.item:
            return self._work_from_hook(draft, turn, (draft.event, said.item))
        if draft.event == "message" and said.text:
            return self._message_from_hook(turn, said.text, draft)
        if draft.event in ENDS:
            known = draft.event == "complete" and ("complete", turn) in self._said
            is_news = self.is_running or not known
            self.turn, self.is_running = turn, False
            return draft if is_news else None
        return draft

    def _work_from_hook(
        self, draft: EventDraft, turn: str, what: Hashable
    ) -> EventDraft | None:
        if self._repeats(what):
            return None
        self._last_message = None
        self._begin(turn)
        return replace(draft, key=draft.key or _key(draft.event, turn, what))

    def _message_from_hook(self, turn: str, text: str, draft: EventDraft) -> EventDraft | None:
        if draft.key is not None and self._repeats(("key", draft.key)):
            return None  # Codex's hook and `notify` tell of it, both
        message = (turn, text)
        if message == self._last_message:
            return None
        self._ahead[message] = self._ahead.get(message, 0) + 1
        _bound(self._ahead)
        number = self._counts[message] + self._ahead[message] - 1
        return replace(draft, key=_key("message", turn, (text, number)))

    # The transcript.

    def merge_facts(self, facts: Sequence[Fact]) -> Merged:
        """Return what follows from facts that hooks have not said."""
        merged = Merged()
        for fact in facts:
            if fact.kind == "model":
                merged.model = fact.data["model"]
            elif fact.kind == "title":
                merged.title = fact.data["title"]
            else:
                merged.drafts += self._from_fact(fact, merged)
        return merged

    def _from_fact(self, fact: Fact, merged: Merged) -> Sequence[EventDraft]:
        turn = fact.turn or self.turn
        data = dict(shorten_to_fit(dict(fact.data)))
        if fact.kind == "message":
            return self._message_from_fact(turn, fact, data)
        if fact.kind in ("complete", "error", "interrupted"):
            return self._end(turn, fact, data, merged)
        prompt = ("prompt", turn, fact.data.get("text"))
        what: Hashable = prompt if fact.kind == "prompt" else (fact.kind, fact.id)
        if self._repeats(what):
            return ()
        if fact.kind == "prompt":
            self._last_message = None
            self._begin(turn)
            key = _key("user-message", turn, what)
            return (EventDraft.of("user-message", data, key=key),)
        if fact.kind in TOOL_EVENTS:
            self._last_message = None
        if not self.is_running:  # the file lags behind the hook that has told of the end
            data["late"] = True
        return (EventDraft.of(fact.kind, data, key=_key(fact.kind, turn, what)),)

    def _message_from_fact(
        self, turn: str, fact: Fact, data: dict[str, Any]
    ) -> Sequence[EventDraft]:
        if self._repeats(("message", fact.id)):
            return ()
        message = (turn, fact.data["text"])
        number = self._counts[message]
        self._counts[message] += 1
        self._last_message = message
        if ahead := self._ahead.pop(message, 0):
            if ahead > 1:
                self._ahead[message] = ahead - 1
            return ()
        key = _key("message", turn, (fact.data["text"], number))
        return (EventDraft.of("message", data, key=key),)

    def _end(
        self, turn: str, fact: Fact, data: dict[str, Any], merged: Merged
    ) -> Sequence[EventDraft]:
        """End the turn that runs, unless another one has begun meanwhile."""
        if self._repeats((fact.kind, fact.id)):
            return ()
        self._remember(("complete", turn))
        if not self.is_running or turn != self.turn:
            if fact.kind != "error":
                return ()
            key = _key("warning", turn, fact.id)  # Claude's hook has no more than `unknown`
            return (EventDraft.of("warning", {"text": data["reason"]}, key=key),)
        self.is_running = False
        if fact.kind == "interrupted":
            merged.is_cut = True
            data = dict(INTERRUPTED)
        event = "error" if fact.kind == "error" else "complete"
        return (EventDraft.of(event, data, key=_key(fact.kind, turn, fact.id)),)

    # What was said.

    def interrupt(self) -> list[EventDraft]:
        """End the running turn: its agent is at rest, and nothing else says so."""
        if not self.is_running:
            return []
        self.is_running = False
        return [EventDraft.of("complete", INTERRUPTED)]

    def _begin(self, turn: str) -> None:
        if turn != self.turn:
            self._counts.clear()
            self._last_message = None
        self.turn, self.is_running = turn, True

    def _repeats(self, what: Hashable) -> bool:
        """Return whether something was said before; from now on it was."""
        was_said = what in self._said
        self._remember(what)
        return was_said

    def _remember(self, what: Hashable) -> None:
        self._said[what] = None
        self._said.move_to_end(what)
        _bound(self._said)


class _Said(Struct, frozen=True):
    """The fields by which an event of a hook is recognized; of any type."""

    text: Any = None
    by: Any = None
    item: Any = None
    parent: Any = None


def _said(draft: EventDraft) -> _Said:
    try:
        return msgspec.json.decode(draft.data, type=_Said)
    except msgspec.DecodeError:
        return _Said()


def _key(event: str, turn: str, what: Any) -> str:
    """Return the key under which a thing is appended once, whoever says it.

    The log keeps keys, so it is once even if the host starts anew meanwhile.
    """
    return f"{event}:{turn[:80]}:{sha256(encode(what)).hexdigest()[:16]}"


def _bound(remembered: OrderedDict[Hashable, Any]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
