"""What a durable store asks of the journal that keeps its commits, and what is exchanged.

A journal blocks, so a store calls it in threads: all that changes something in one, all that
reads in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from sxhost.errors import StoreUnavailable
from sxhost.model.auth import AuditEntry
from sxhost.model.event import Event
from sxhost.model.pieces import Superseded
from sxhost.model.search import EventSearch
from sxhost.model.usage import UsageEntry
from sxhost.store.contracts import FoundEvents
from sxhost.store.recent_events import Floor
from sxhost.store.state import StoredSession
from sxhost.store.usage_ledger import StoredReading

__all__ = [
    "CommitUnknown",
    "Drop",
    "DropOlder",
    "DropSuperseded",
    "DropSurplus",
    "Dropped",
    "EngineAway",
    "EventCounts",
    "Journal",
    "Lease",
    "Numbers",
    "ReadLimit",
    "Restored",
    "Row",
    "SearchableLog",
    "WriteBatch",
]

Row = tuple[Any, ...]
"""The columns of one row."""


class Lease(NamedTuple):
    """Until when a message is leased, by this host's monotonic clock."""

    message: int
    session: str
    until: float


class EventCounts(NamedTuple):
    """How many events of a session's log are facts, and how many pieces."""

    facts: int
    pieces: int


class DropSurplus(NamedTuple):
    """Have a session's log keep so many events, the newest."""

    session: str
    most: EventCounts


class DropOlder(NamedTuple):
    """Drop events up to the id `last` that are older than `age_ms` at `now_ms`."""

    now_ms: int
    age_ms: int
    last: int


class DropSuperseded(NamedTuple):
    """Drop pieces that the log has whole."""

    pieces: Sequence[Superseded]


Drop = DropSurplus | DropOlder | DropSuperseded
"""What retention drops from the log: a commit does a step's worth of it."""


class Dropped(Struct):
    """What a commit has dropped."""

    floors: dict[str, Floor] = {}
    """The floors that moved."""
    superseded: Sequence[Superseded] = ()
    """Superseded pieces of which nothing is left."""
    counts: EventCounts | None = None
    """How many events the log of a `DropSurplus` had before."""


class WriteBatch(Struct):
    """What one commit writes: rows by table, and the numbers or names of what is deleted."""

    rows: dict[str, list[Row]] = {}
    deleted_sessions: list[str] = []
    deleted_messages: list[int] = []
    deleted_approvals: list[int] = []
    revived_sessions: list[StoredSession] = []
    """Sessions that are archived no longer."""
    leases: list[Lease] = []
    """Leases that other nodes are to know of."""
    deleted_usage: list[tuple[str, int]] = []
    deleted_readings: list[str] = []
    deleted_entries: int = 0
    """Entries of the audit up to this one are deleted."""
    drop: Drop | None = None


class Numbers(NamedTuple):
    """The last number that was given out of each kind; but for events named as its table."""

    event: int = 0
    message: int = 0
    approval: int = 0
    audit: int = 0

    def after(self, batch: WriteBatch) -> Numbers:
        """Return them as they are once a batch is written."""
        events = [row[0] + row[3] - 1 for row in batch.rows.get("log", [])]
        others = [[row[0] for row in batch.rows.get(table, [])] for table in self._fields[1:]]
        pairs = zip(self, [events, *others], strict=True)
        return Numbers(*(max([last, *more]) for last, more in pairs))


class ReadLimit(NamedTuple):
    """When to stop reading: at so many events, or at so many bytes of rows."""

    events: int
    size: int


class Restored(Struct):
    """What a journal holds when it is opened, but for the events."""

    epoch: str
    numbers: Numbers
    sessions: list[StoredSession]
    archived: list[str]
    """Archived sessions: only their floors are told besides."""
    floors: dict[str, Floor]
    superseded: list[Superseded]
    """Pieces that are to leave."""
    audit: list[AuditEntry]
    leases: list[Lease] = []
    """Leases of other nodes."""
    usage: list[UsageEntry] = []
    """The ledger, in the order of its entries."""
    readings: list[StoredReading] = []


class EngineAway(StoreUnavailable):
    """The engine cannot be reached: nothing that waits can be written now."""


class CommitUnknown(EngineAway):
    """Whether a batch was committed is not known: the answer was lost."""


class SearchableLog(Protocol):
    """The log of a journal as it is searched, by an index where there is one.

    Its verbs are called in a thread of their own; errors as for `Journal`.
    """

    def index_newer(self, until: int) -> bool:
        """Index a step's worth of what is newer than the index, up to an id.

        Returns whether there is more.
        """

    def index_older(self) -> bool:
        """Index a step's worth of what is older; return whether there is more."""

    def search(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search some of the indexed facts that are older than the id `before`."""

    def stop_searching(self) -> None:
        """Let go of the index; called where it searches."""


class Journal(SearchableLog, Protocol):
    """Keeps commits, and reads what memory no longer has.

    All but `open` and `close` raise `StoreUnavailable` where it cannot be written or read,
    and `StorageFull` where there is no room; then nothing of the call is kept.
    """

    name: str
    """The kind of store that it makes: ``sqlite``."""
    missing: str
    """What it lacked when it was opened of what was acknowledged: a sentence, or nothing."""
    renewed: bool | None
    """Whether a new epoch began when it was opened; None while it is not open."""

    @property
    def durability(self) -> str:
        """What a commit survives: the end of a ``process``, of ``power``, or of a machine.

        In the last case there are ``replicas``.
        """

    @property
    def lacking(self) -> str:
        """What it does not promise that one could want of its kind: a sentence, or nothing."""

    def open(self) -> Restored:
        """Open it, or make it; check it; return what it holds.

        :raises StoreUnusable: it cannot be used, and was left as it is.
        :raises StandingBy: another host has it, for which this one stands by.
        """

    def write(self, batch: WriteBatch) -> Dropped:
        """Commit a batch; what this has returned from is kept.

        :raises CommitUnknown: it may be kept all the same; `settle` tells, before any other.
        """

    def settle(self) -> Dropped | None:
        """Find out what became of a commit whose answer was lost; None: nothing of it is kept.

        What it has dropped may be told with what others did.
        """

    def beat(self) -> None:
        """Show that this host lives, where others stand by for it; once in a second."""

    def read(
        self, session_id: str | None, seq: int, position: int, limit: ReadLimit
    ) -> tuple[list[Event], bool]:
        """Return events after `seq` and after the id `position`, and whether these are all."""

    def seq_before(self, session_id: str, count: int) -> int:
        """Return the number after which a session's last `count` facts come; 0 for all."""

    def lookup(self, session_id: str, keys: Sequence[str]) -> dict[str, Event]:
        """Return the retained events that were appended under idempotency keys."""

    def read_session(self, session_id: str) -> StoredSession | None:
        """Return what there is of a session, but for its events."""

    def empty_archives(self) -> list[str]:
        """Return archived sessions of whose logs nothing is left."""

    def stop_reading(self) -> None:
        """Let go of what reads; called where it reads."""

    def close(self) -> None:
        """Let go of all."""
