"""The journal in a PostgreSQL database that all nodes write to.

A commit is made if the log still ends where the node believes; else the node is told what it
has missed.  All nodes hold a lock together, which keeps out hosts that would be the only one.
"""

from __future__ import annotations

import secrets
from typing import Any

import psycopg

from sxhost.store.contracts import StandingBy, StoreUnusable
from sxhost.store.journal import Dropped, EngineAway, Numbers, Restored, WriteBatch
from sxhost.store.news import Behind, News
from sxhost.store.postgresql.commit import is_addition
from sxhost.store.postgresql.connection import EngineConnection, errors_for_clients
from sxhost.store.postgresql.journal import PostgreSQLJournal
from sxhost.store.postgresql.tip import lock, lock_together, schema_is_present, unlock_alone
from sxhost.store.sql import reading, shared
from sxhost.store.sql.contracts import DamagedRow
from sxhost.store.sql.shared import LogMoved, Tip

__all__ = ["SharedPostgreSQLJournal"]

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class SharedPostgreSQLJournal(PostgreSQLJournal):
    """A PostgreSQL database that other nodes write to as well; a `SharedJournal`."""

    HOLD_MS = 500
    """Milliseconds for which a node that says nothing may hold the others up."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.life = secrets.token_hex(8)
        """The name of this node's life."""
        self._last = Numbers()
        self._ahead_ms = 0
        """What the engine's clock is ahead of this node's monotonic one."""
        self._holds = False
        """Whether a transaction is open in which nobody else can commit."""

    # Opening.

    def _locked(self) -> EngineConnection:
        """Return the connection, once this node is one of those that write."""
        if self._writer is None or not self._writer.is_open:
            self._writer = self._connect()
        if lock(self._writer):
            return self._writer
        if not lock_together(self._writer):
            raise StandingBy("Another host has the database for itself; this one stands by.")
        if not schema_is_present(self._writer):
            raise StoreUnusable("other nodes run an older sxhost. Stop them first.")
        return self._writer

    def _connect(self) -> EngineConnection:
        connection = super()._connect()
        connection.execute(f"SET idle_in_transaction_session_timeout = '{self.HOLD_MS}ms'")
        self._see_clock(connection)
        return connection

    def _see_clock(self, connection: EngineConnection) -> None:
        now = int(connection.execute(_NOW).fetchone()[0])
        self._ahead_ms = now - int(self._seconds() * 1000)

    def _begin(self, connection: EngineConnection) -> Restored:
        """Join: that is a commit, so what is read is what it ends with."""
        restored = super()._begin(connection)
        lock_together(connection)
        unlock_alone(connection)
        return restored

    def _restore(self, connection: EngineConnection, new: Tip) -> Restored:
        restored = reading.restore(connection)
        restored.leases = shared.leases(connection, self._ahead_ms)
        self._last = restored.numbers
        epoch = [("epoch", restored.epoch)] if self.renewed else []
        batch = WriteBatch(rows={"meta": list(epoch)} if epoch else {})
        self._tell(connection, new, batch, Dropped())
        return restored

    # Writing.

    def write(self, batch: WriteBatch) -> Dropped:
        """Commit a batch, if the log still ends where this node believes.

        :raises Behind: another node was first.
        """
        if batch.leases:
            batch.rows["lease"] = shared.lease_rows(batch, self._ahead_ms, self.life)
        if self._holds or not is_addition(batch):
            try:
                with errors_for_clients():
                    return self._write_in_steps(batch)
            except EngineAway:
                if self._doubt is not None:
                    raise  # else it has slept through its turn
        return super().write(batch)

    def _begin_transaction(self) -> EngineConnection:
        holds, self._holds = self._holds, False
        if holds and self._writer is not None and self._writer.is_open:
            return self._writer
        return super()._begin_transaction()

    def _statement(self, new: Tip, batch: WriteBatch) -> tuple[str, list[Any]]:
        batch.rows["change"] = [self._change(new, batch, Dropped())]
        return super()._statement(new, batch)

    def _change(self, new: Tip, batch: WriteBatch, dropped: Dropped) -> tuple[Any, ...]:
        batch.rows.pop("change", None)
        at = self._seconds() + self._ahead_ms / 1000
        return shared.change_row(new, batch, dropped, self._last.after(batch), at)

    def _tell(
        self, connection: EngineConnection, new: Tip, batch: WriteBatch, dropped: Dropped
    ) -> None:
        shared.add_change(connection, self._change(new, batch, dropped))

    def _acknowledge(self, new: Tip, batch: WriteBatch) -> None:
        super()._acknowledge(new, batch)
        self._last = self._last.after(batch)

    def _refusal(self, connection: EngineConnection) -> Exception:
        news = self._news(connection)
        return self._lost() if news is None else Behind(news)

    def _find_tip(self, connection: EngineConnection) -> None:
        """Join the others again, if the log has all that this node knows of."""
        doubt = self._doubt and self._doubt[0]
        if not lock_together(connection) or not shared.has_change(connection, self._tip):
            raise self._lost()
        if doubt and shared.has_change(connection, doubt):
            self._tip = doubt
        self._note_engine(connection)

    def beat(self) -> None:
        """Tell the engine that this node lives, or find it again; look at its clock."""
        with errors_for_clients():
            self._see_clock(self._reached(_NOW))

    # Following.

    def look(self) -> News | None:
        """Return what others have committed, if they have."""
        with errors_for_clients():
            if self._holds:
                self._holds = False
                self._active().execute("ROLLBACK")
            connection = self._active()
            try:
                return self._news(connection)
            except psycopg.OperationalError:
                if connection.is_open or connection.is_cut:
                    raise
            return self._news(self._active())

    def hold(self) -> News | None:
        """Let nobody else commit until the next `write` or `look`; and look."""
        with errors_for_clients():
            connection = self._reached("BEGIN; SELECT FROM tip FOR UPDATE")
            try:
                news = self._news(connection)
            except psycopg.Error:
                self._drop_writer()  # it has slept through its turn
                return self._news(self._active())
            except BaseException:
                self._drop_writer()
                raise
            self._holds = True
            return news

    def _news(self, connection: EngineConnection) -> News | None:
        try:
            found = shared.read_news(connection, self._tip, self._last.event, self._ahead_ms)
        except (LogMoved, DamagedRow):
            raise self._lost() from None
        if found is None:
            return None
        self._tip, news = found
        if any(name == "epoch" for each in news.changes for name, _ in each.table("meta")):
            raise self._lost()
        self._last = self._last._replace(event=news.changes[-1].last_event)
        return news
