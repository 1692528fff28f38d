"""What a transcript and the hooks of a session say, each thing once.

Both carry the same ids of turns and tools; a message is recognized by its turn and its text,
around which hooks leave blanks out.
Whoever says a thing first is believed: hooks as a rule, which do not wait for the file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sxhost.agent_files.facts import Fact
from sxhost.codec.json import encode
from sxhost.codec.shorten import shorten_to_fit
from sxhost.model.event import EventDraft

__all__ = ["INTERRUPTED", "Merged", "SessionMerger"]

REMEMBERED: Final = 512
"""Things that are remembered as said, to recognize them when they are said again."""

INTERRUPTED: Final = {"status": "interrupted", "reason": "interrupted"}
"""The data of a `complete` event when the agent's user has cut the turn."""

TOOL_EVENTS: Final = frozenset({"tool-start", "tool-done"})
TEXTS: Final = {"prompt": "user-message", "message": "message"}
"""The events of facts that are recognized by their text."""

ENDS: Final = frozenset({"complete", "error", "ended"})


class Merged(Struct, kw_only=True):
    """What follows from facts: events to append, fields to change, how the turn has ended."""

    drafts: list[EventDraft] = []
    model: str | None = None
    title: str | None = None
    is_over: bool = False
    is_cut: bool = False


class Tally(Struct):
    """How often hooks and the file have said the same."""

    by_hooks: int = 0
    by_file: int = 0

    @property
    def number(self) -> int:
        """The number, from 0, of what was said last by whoever is ahead."""
        return max(self.by_hooks, self.by_file) - 1


class SessionMerger:
    """Merges what is said of one session; knows whether its turn runs."""

    def __init__(self) -> None:
        self.turn = ""
        """The agent's own id of the turn, running or last run."""
        self.is_running = False
        self._known: OrderedDict[Hashable, None] = OrderedDict()
        """What was said that has an id."""
        self._tallies: OrderedDict[Hashable, Tally] = OrderedDict()
        """Prompts and messages by turn and text; each of them may be said several times."""
        self._has_turns = True
        """Whether hooks name turns: those of old versions of Claude Code do not."""

    # Hooks.

    def merge_hook(self, turn: str, drafts: Iterable[EventDraft]) -> list[EventDraft]:
        """Return the events of a hook that are news, with their keys."""
        merged = (self._from_hook(turn, draft) for draft in drafts)
        return [draft for draft in merged if draft is not None]

    def _from_hook(self, turn: str, draft: EventDraft) -> EventDraft | None:
        fields = _fields_of(draft)
        if fields.parent:  # a subagent's: the transcript does not have it
            return draft
        if draft.event == "user-message" and fields.by in ("prompt", "task"):
            self._has_turns = bool(turn)
            return self._text_from_hook(turn, fields.text, draft)
        turn = turn or self.turn
        if draft.event in TOOL_EVENTS and fields.item:
            return self._tool_from_hook(turn, fields.item, draft)
        if draft.event == "message" and fields.text:
            return self._text_from_hook(turn, fields.text, draft)
        if draft.event in ENDS:
            known = draft.event == "complete" and ("complete", turn) in self._known
            is_news = self.is_running or not known
            self.turn, self.is_running = turn, False
            return draft if is_news else None
        return draft

    def _tool_from_hook(self, turn: str, item: str, draft: EventDraft) -> EventDraft | None:
        if self._repeats((draft.event, item)):
            return None
        self._begin(turn)
        return replace(draft, key=_key(draft.event, item))

    def _text_from_hook(self, turn: str, text: str, draft: EventDraft) -> EventDraft | None:
        """Return a prompt or a message that the file has not said yet."""
        text = text.strip()
        if draft.key is not None and self._repeats(draft.key):
            return None  # Codex's hook and `notify` tell of it, both
        tally = self._tally(draft.event, turn, text)
        tally.by_hooks += 1
        if tally.by_hooks <= tally.by_file:
            return None
        if draft.event == "user-message":
            self._begin(turn)
        return replace(draft, key=self._text_key(draft.event, turn, text, tally))

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
        if self._repeats((fact.kind, fact.id)):
            return ()
        if fact.kind in TEXTS:
            return self._text_from_fact(turn, fact, data)
        if fact.kind in ("complete", "error", "interrupted"):
            return self._end(turn, fact, data, merged)
        if not self.is_running:  # the file lags behind the hook that has told of the end
            data["late"] = True
        return (EventDraft.of(fact.kind, data, key=_key(fact.kind, fact.id)),)

    def _text_from_fact(
        self, turn: str, fact: Fact, data: dict[str, Any]
    ) -> Sequence[EventDraft]:
        """Return a prompt or a message that hooks have not said yet."""
        event, text = TEXTS[fact.kind], fact.data["text"].strip()
        tally = self._tally(event, turn, text)
        tally.by_file += 1
        is_news = tally.by_file > tally.by_hooks
        if fact.kind == "prompt" and is_news:
            self._begin(turn)
        elif fact.kind == "prompt" and not self._has_turns:
            self.turn = turn
        key = self._text_key(event, turn, text, tally)
        return (EventDraft.of(event, data, key=key),) if is_news else ()

    def _end(
        self, turn: str, fact: Fact, data: dict[str, Any], merged: Merged
    ) -> Sequence[EventDraft]:
        """End the turn that runs, unless another one has begun meanwhile."""
        self._remember(("complete", turn))
        if not self.is_running or turn != self.turn:
            if fact.kind != "error":
                return ()
            key = _key("warning", fact.id)  # Claude's hook has no more than `unknown`
            return (EventDraft.of("warning", {"text": data["reason"]}, key=key),)
        self.is_running, merged.is_over = False, True
        if fact.kind == "interrupted":
            merged.is_cut = True
            data = dict(INTERRUPTED)
        event = "error" if fact.kind == "error" else "complete"
        return (EventDraft.of(event, data, key=_key(event, fact.id)),)

    # What was said.

    def interrupt(self) -> list[EventDraft]:
        """End the running turn: its agent is at rest, and nothing else says so."""
        if not self.is_running:
            return []
        self.is_running = False
        self._remember(("complete", self.turn))
        return [EventDraft.of("complete", INTERRUPTED)]

    def note_work(self, turn: str) -> None:
        """Take note that a turn runs, though nobody has said that it began."""
        if not self.is_running and ("complete", turn) not in self._known:
            self._begin(turn)

    def _begin(self, turn: str) -> None:
        self.turn, self.is_running = turn, True

    def _tally(self, event: str, turn: str, text: str) -> Tally:
        what = (event, turn if self._has_turns else "", text)
        tally = self._tallies.setdefault(what, Tally())
        self._tallies.move_to_end(what)
        _bound(self._tallies)
        return tally

    def _text_key(self, event: str, turn: str, text: str, tally: Tally) -> str | None:
        return _key(event, (turn, text, tally.number)) if self._has_turns and turn else None

    def _repeats(self, what: Hashable) -> bool:
        """Return whether something was said before; from now on it was."""
        is_known = what in self._known
        self._remember(what)
        return is_known

    def _remember(self, what: Hashable) -> None:
        self._known[what] = None
        self._known.move_to_end(what)
        _bound(self._known)


class _Fields(Struct, frozen=True):
    """The fields by which an event of a hook is recognized; of any type."""

    text: Any = None
    by: Any = None
    item: Any = None
    parent: Any = None


def _fields_of(draft: EventDraft) -> _Fields:
    try:
        return msgspec.json.decode(draft.data, type=_Fields)
    except msgspec.DecodeError:
        return _Fields()


def _key(event: str, what: Any) -> str:
    """Return the key under which a thing is appended once, whoever says it.

    The log keeps keys, so it is once even if the host starts anew meanwhile.
    """
    return f"{event}:{sha256(encode(what)).hexdigest()[:32]}"


def _bound(remembered: OrderedDict[Hashable, Any]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
