"""The store that the settings name: in memory, one SQLite file, or a shared database."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from sxhost.config import Settings
from sxhost.daemon.systemd import report_start
from sxhost.daemon.threads import store_threads
from sxhost.store.contracts import Store
from sxhost.store.journalled import JournalledStore
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite.connection import SQLiteConnection

__all__ = ["make_store"]


def make_store(
    settings: Settings, reactor: Any, superseded: Callable[[], object] = lambda: None
) -> Store:
    """Return the store of the settings; it is opened when the host starts.

    :param superseded: called when another host was active meanwhile.
    """
    if settings.engine:
        return _make_shared_store(settings, reactor, superseded)
    path = settings.database
    if path is None:
        return MemoryStore(settings.limits, reactor.seconds)
    report = partial(report_start, os.environ)
    journal = SQLiteConnection(path, settings.durability, report=report)
    threads = store_threads(reactor)
    return JournalledStore(
        settings.limits, reactor.seconds, journal, threads, native=settings.native
    )


def _make_shared_store(
    settings: Settings, reactor: Any, superseded: Callable[[], object]
) -> Store:
    # psycopg is installed only where it is wanted: `preflight` has looked.
    from sxhost.store.postgresql.bounds import bounded
    from sxhost.store.postgresql.journal import PostgreSQLJournal
    from sxhost.store.postgresql.shared import SharedPostgreSQLJournal

    place = settings.engine, settings.state_dir / f"postgresql-{settings.store_id}"
    given: dict[str, Any] = {
        "required": settings.required_durability,
        "superseded": lambda: reactor.callFromThread(superseded),
    }
    others = SharedPostgreSQLJournal(*place, **given) if settings.is_active_node else None
    journal = others or PostgreSQLJournal(*place, **given)
    threads = bounded(store_threads(reactor), reactor, journal)
    return JournalledStore(
        settings.limits,
        reactor.seconds,
        journal,
        threads,
        native=settings.native,
        others=others,
    )
