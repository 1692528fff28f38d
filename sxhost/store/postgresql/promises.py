"""What an engine promises: what a commit survives that it has confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from sxhost.store.postgresql.connection import EngineConnection

__all__ = ["LACKING", "PROMISES", "Promise", "promise_of", "timeline_of"]

Promise = Literal["none", "process", "power", "replicas"]

PROMISES: Final[Sequence[Promise]] = ("none", "process", "power", "replicas")
"""The least first."""

LACKING: Final[Mapping[Promise, str]] = {
    "process": "it runs with fsync = off, so a cut of power could damage all of it",
    "power": "its commits wait for no replica (synchronous_standby_names is not set, or"
    " synchronous_commit is less than on), so a failover may lose the last ones",
}
"""What each lacks, in words."""

WAITS_FOR_REPLICA: Final = frozenset({"on", "remote_apply"})

_SETTINGS = "SELECT " + ", ".join(
    f"current_setting('{name}')"
    for name in ("fsync", "synchronous_commit", "synchronous_standby_names")
)


def promise_of(connection: EngineConnection) -> Promise:
    """Return what a commit of this connection survives, by the engine's settings.

    The end of a ``process``, where the engine does not sync its files; a cut of ``power``; or
    also the loss of the engine's machine, since the commit waits for ``replicas``.  A
    connection that would not even wait for the disk is made to.
    """
    fsync, commit, standbys = connection.execute(_SETTINGS).fetchone()
    if commit == "off":
        connection.execute("SET synchronous_commit = on")
        commit = "on"
    if fsync == "off":
        return "process"
    return "replicas" if standbys.strip() and commit in WAITS_FOR_REPLICA else "power"


def timeline_of(connection: EngineConnection) -> str:
    """Return the timeline of the engine's log: a promoted or restored engine has another."""
    query = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
    return str(connection.execute(query).fetchone()[0])
