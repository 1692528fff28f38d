"""What a transaction makes of one session, before it is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sxhost.model.approval import Approval
from sxhost.model.event import Event
from sxhost.model.message import Message
from sxhost.model.pieces import Superseded, stream_of, superseded_by
from sxhost.model.session import Session
from sxhost.store.approvals import ApprovalBook
from sxhost.store.message_queue import MessageQueue
from sxhost.store.state import SessionRecord

__all__ = ["SessionDraft"]

STREAMS = 4096
"""Streams of a session's pieces that are remembered until something has them whole."""


class SessionDraft:
    """What a transaction makes of one session: `record` as it was, None for a new one.

    Whatever it does not change it shares with the record: most change little.
    """

    __slots__ = (
        *("archived", "changed_approvals", "changed_messages", "copied_approvals"),
        *("copied_messages", "deleted", "is_new", "leases", "new_events", "new_keys"),
        *("replaces", "session", "superseded", "_approvals", "_copied_streams", "_messages"),
        *("_record", "_streams"),
    )

    def __init__(
        self,
        session: Session,
        record: SessionRecord | None,
        messages: MessageQueue,
        approvals: ApprovalBook,
    ) -> None:
        self.session = session
        self.is_new = record is None
        self.replaces = False
        """Whether an older session of this id is deleted by the same transaction."""
        self.deleted = self.archived = False
        self.new_events: list[Event] = []
        self.new_keys: dict[str, Event] = {}
        self.superseded: list[Superseded] = []
        """Pieces that the new events have whole."""
        self.changed_messages: dict[int, Message] = {}
        self.changed_approvals: dict[int, Approval] = {}
        self.leases: dict[int, float] = {}
        """When leases end that other nodes are to know of, by the monotonic clock; 0: now."""
        self.copied_messages = self.copied_approvals = self.is_new
        """Whether the transaction has copies of them, and is free to change these."""
        self._record = record
        self._messages = messages
        self._approvals = approvals
        self._streams = record.streams if record is not None else {}
        """The streams of pieces that nothing has whole yet."""
        self._copied_streams = self.is_new

    @property
    def session_changed(self) -> bool:
        """Whether the session itself is another than before."""
        return self._record is None or self.session is not self._record.session

    @property
    def forgotten_messages(self) -> list[int]:
        """Messages that the transaction forgets for want of room."""
        return self._messages.forgotten if self.copied_messages else []

    @property
    def forgotten_approvals(self) -> list[int]:
        """Approvals that the transaction forgets for want of room."""
        return self._approvals.forgotten if self.copied_approvals else []

    @property
    def writes(self) -> bool:
        """Whether a journal has something to write: a lease of this host alone is not kept."""
        changes = (
            *(self.session_changed, self.deleted, self.archived, self.replaces),
            *(self.new_events, self.new_keys, self.changed_messages, self.changed_approvals),
            *(self.forgotten_messages, self.forgotten_approvals, self.leases),
        )
        return any(changes)

    @property
    def has_queued(self) -> bool:
        """Whether there are new messages to be taken, or some that were given back."""
        return any(message.state == "queued" for message in self.changed_messages.values())

    @property
    def messages(self) -> MessageQueue:
        """The messages as the transaction sees them; a copy, once asked for."""
        if not self.copied_messages:
            self._messages, self.copied_messages = self._messages.copy(), True
        return self._messages

    @property
    def approvals(self) -> ApprovalBook:
        """The approvals as the transaction sees them; a copy, once asked for."""
        if not self.copied_approvals:
            self._approvals, self.copied_approvals = self._approvals.copy(), True
        return self._approvals

    def find_key(self, key: str, older: Mapping[str, Event]) -> Event | None:
        """Return the event that was appended under a key, by this transaction or before."""
        in_memory = self._record.ring.find_key(key) if self._record else None
        return self.new_keys.get(key) or in_memory or older.get(key)

    def add_events(self, events: Sequence[Event]) -> None:
        """Add new events; note which streams of pieces they begin and end."""
        self.new_events += events
        for event in events:
            stream = stream_of(event)
            if stream is not None:
                self._begin_stream(stream)
            elif self._streams:
                self._end_streams(event)

    def _begin_stream(self, stream: str) -> None:
        streams = self._own_streams()
        streams[stream] = None
        if len(streams) > STREAMS:
            del streams[next(iter(streams))]

    def _end_streams(self, event: Event) -> None:
        for whole in superseded_by(event, self._streams):
            del self._own_streams()[whole]
            self.superseded.append(Superseded(event.session, whole, event.seq))

    def _own_streams(self) -> dict[str, None]:
        """Return the streams as the transaction sees them, to be changed."""
        if not self._copied_streams:
            self._streams, self._copied_streams = dict(self._streams), True
        return self._streams

    def apply_to(self, record: SessionRecord) -> None:
        """Make the record what the draft is."""
        record.session = self.session
        record.streams = self._streams
        if self.copied_messages:
            record.messages = self._messages
            record.messages.forgotten.clear()
        if self.copied_approvals:
            record.approvals = self._approvals
            record.approvals.forgotten.clear()
