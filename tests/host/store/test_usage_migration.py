"""A database from before the ledger goes on, and what it knew is not counted as new."""

from __future__ import annotations

import shutil
from pathlib import Path

from msgspec import Raw

from sxhost.model.limits import Limits
from sxhost.store.contracts import Draft
from sxhost.store.journalled import JournalledStore
from sxhost.store.postgresql.tip import schema_scripts
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.testing import result_of
from tests.support.durable_stores import Open
from tests.support.postgresql import Cluster, journal_at
from tests.support.stores import HERE

WRITTEN = Path(__file__).parent / "databases" / "version-4.db"
"""By the code before this version: a hosted session that has used 1000 and 50 tokens, and a
script that has said something else of its usage."""


def opened(journal: SQLiteConnection) -> JournalledStore:
    store = JournalledStore(Limits(), float, journal, HERE)
    store.open()
    return store


def use(store: JournalledStore, session: str, data: bytes) -> list[tuple[int, ...]]:
    result_of(store.append_events(session, [Draft("usage", Raw(data), 9_000)], 9_000))
    return [entry.tokens.billed for entry in result_of(store.usage_entries(0, 10**18))]


def test_a_file_of_version_4_goes_on(tmp_path: Path) -> None:
    shutil.copy(WRITTEN, tmp_path / "sxhost.db")
    store = opened(SQLiteConnection(tmp_path / "sxhost.db"))
    more = b'{"input_tokens":1200,"cached_tokens":500,"output_tokens":60,"since_ms":5}'
    assert use(store, "codex", more) == [(100, 100, 0, 10)]
    assert use(store, "script", b'{"output_tokens":3}')[1:] == [(0, 0, 0, 3)]
    result_of(store.close())
    again = opened(SQLiteConnection(tmp_path / "sxhost.db"))
    assert use(again, "codex", more) == [(100, 100, 0, 10), (0, 0, 0, 3)]
    result_of(again.close())


def test_a_postgresql_schema_of_version_1_goes_on(
    postgresql: Cluster, worker_id: str, tmp_path: Path
) -> None:
    name = f"{worker_id}_version_1"
    postgresql.query(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")
    first, *_ = schema_scripts()
    postgresql.query(f"{first}; UPDATE schema_version SET version = 1", name)
    postgresql.query("INSERT INTO meta VALUES ('epoch', 'e', 0)", name)
    store = JournalledStore(
        Limits(), float, journal_at(postgresql.url(name), tmp_path / "mark"), HERE
    )
    store.open()
    assert store.epoch == "e", "it is the same log"
    assert use(store, "a", b'{"output_tokens":3}') == [(0, 0, 0, 3)]
    result_of(store.close())


def test_what_a_store_has_counted_it_has_after_a_restart(reopen: Open) -> None:
    assert use(reopen(), "a", b'{"output_tokens":3,"cost_usd":0.5}') == [(0, 0, 0, 3)]
    again = reopen()
    assert use(again, "a", b'{"output_tokens":5,"cost_usd":0.7}') == [(0, 0, 0, 5)]
    result_of(again.delete("a"))
    last = reopen(usage_days=1)
    assert [str(one.cost) for one in result_of(last.usage_entries(0, 10**18))] == ["0.7"]
    result_of(last.drop_usage(90_000_000_000))
    assert use(reopen(), "a", b'{"output_tokens":6}') == [(0, 0, 0, 6)], (
        "nobody knew it any more"
    )
