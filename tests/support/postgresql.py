"""A PostgreSQL cluster from Debian's package, on loopback, one for all workers of a test run.

It lies in memory, syncs as it would on a disk, and ends with the last process that uses it.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from sxhost.store.journal import Journal
from sxhost.store.sql.rows import checksum

__all__ = ["Cluster", "journal_at", "make_place", "shared_cluster"]

MEMORY = Path("/dev/shm")
SETTINGS = (
    "max_connections=300",
    "shared_buffers=64MB",
    "max_wal_size=512MB",
    "autovacuum=off",
    "log_min_messages=fatal",
)


def programs() -> Path:
    """Return where the newest server's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4])
    on_path = shutil.which("initdb")
    assert found or on_path, "PostgreSQL is needed: apt-get install postgresql"
    return (found[-1] if found else Path(on_path or "")).parent


def as_server() -> Mapping[str, Any]:
    """Return as which user the server runs, which refuses to be root."""
    if os.geteuid():
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


TABLES = (
    *(
        "meta",
        "session",
        "log",
        "key",
        "superseded",
        "message",
        "approval",
        "audit",
        "usage",
        "reading",
    ),
)
SHARED = ("change", "lease")
CLEAN = "; ".join(
    [
        *(f"DELETE FROM {table}" for table in (*TABLES, *SHARED)),
        "UPDATE tip SET version = 0, nonce = '', timeline = '', promise = ''",
        f"INSERT INTO meta VALUES ('epoch', 'e', {checksum(('epoch', 'e'))})",
    ]
)


class Cluster:
    """A cluster in a directory, which its server's user owns."""

    def __init__(self, place: Path) -> None:
        self.place = place

    @cached_property
    def port(self) -> int:
        """Where it listens."""
        return int((self.place / "port").read_text())

    def url(self, schema: str = "public", *ports: int) -> str:
        """Return the URL of a schema, at the cluster or at others that stand before it."""
        options = f"-csearch_path%3D{schema}"
        places = ",".join(f"127.0.0.1:{port}" for port in ports or (self.port,))
        return f"postgresql://sx@{places}/postgres?options={options}"

    def query(self, sql: str, schema: str = "public") -> Any:
        """Run statements; return the rows of the last one, if it has any."""
        import psycopg  # an extra, which only these tests need

        with psycopg.connect(self.url(schema), autocommit=True) as connection:
            rows = connection.execute(sql.encode())
            return rows.fetchall() if rows.description else None

    def schema(self, name: str) -> str:
        """Return the URL of a schema that has no session, made if it is not there."""
        self.query(f"CREATE SCHEMA IF NOT EXISTS {name}")
        if self.query(f"SELECT to_regclass('{name}.tip') IS NOT NULL")[0][0]:
            self.query(CLEAN, name)
        return self.url(name)

    def make(self) -> None:
        """Make and start it."""
        self._settle_down()
        self._run(
            "initdb", "-D", "data", "-A", "trust", "-U", "sx", "-N", "--no-locale", "-EUTF8"
        )
        self.start()

    def _settle_down(self) -> None:
        """Choose a port, and let the server have the directory."""
        free = socket.create_server(("127.0.0.1", 0))
        (self.place / "port").write_text(str(free.getsockname()[1]))
        free.close()
        if not os.geteuid():
            shutil.chown(self.place, "postgres", "postgres")

    def follow(self, primary: Cluster) -> None:
        """Make and start it as a replica of another, whose commits do not wait for it yet."""
        self._settle_down()
        source = f"host=127.0.0.1 port={primary.port} user=sx"
        self._run("pg_basebackup", "-d", source, "-D", "data", "-R", "-N", "-c", "fast")
        self.start()

    def promote(self) -> None:
        """Make a replica the one that can be written to; nothing waits for another then."""
        self._run("pg_ctl", "-D", "data", "-w", "promote")

    def start(self) -> None:
        """Start it."""
        given = [f"-c {setting}" for setting in SETTINGS]
        given += [f"-p {self.port}", "-h 127.0.0.1", f"-k {self.place}"]
        how = ("-D", "data", "-l", "log", "-w", "-o", " ".join(given))
        self._run("pg_ctl", *how, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; ``immediate`` is what a crash is."""
        self._run("pg_ctl", "-D", "data", "-m", mode, "-w", "stop")

    def remove(self) -> None:
        """Stop it, if it runs, and remove its directory."""
        if (self.place / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.place)

    @property
    def pid(self) -> int:
        """The process of the server that all others descend from."""
        return int((self.place / "data" / "postmaster.pid").read_text().split()[0])

    def _run(self, program: str, *given: str) -> None:
        done = subprocess.run(
            [programs() / program, *given],
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            close_fds=True,
            check=False,
            **as_server(),
        )
        assert not done.returncode, done.stderr.decode()


def make_place(prefix: str) -> Path:
    """Return a new directory in memory, for a cluster."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if MEMORY.is_dir() else None))


def shared_cluster(run: Path) -> tuple[Cluster, Callable[[], None]]:
    """Return the cluster of a test run whose directory is `run`, and what lets go of it.

    Whoever comes first makes it, or comes after all that were there have ended.  All hold a
    lock while they use it; a process that waits for that lock removes it.
    """
    use = (run / "postgresql.use").open("w")
    with (run / "postgresql.make").open("a+") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        fcntl.flock(use, fcntl.LOCK_SH)
        making.seek(0)
        known = Path(making.read() or "/nowhere")
        cluster = Cluster(known if known.exists() else make_place("sxhost-tests-"))
        if not known.exists():
            cluster.make()
            remove_unused(cluster, run / "postgresql.use")
            making.truncate(0)
            making.write(str(cluster.place))
            making.flush()
    return cluster, use.close


def remove_unused(cluster: Cluster, use: Path) -> None:
    """Have the cluster stopped and removed once nobody holds the lock, however they ended."""
    place = shlex.quote(str(cluster.place))
    stop = f"kill -QUIT $(head -1 data/postmaster.pid); rm -rf {place}"
    waits = f"flock -x {shlex.quote(str(use))} sh -c {shlex.quote(stop)}"
    subprocess.run(
        ["sh", "-c", f"{waits} >/dev/null 2>&1 &"],
        cwd=cluster.place,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )


def journal_at(url: str, mark: Path) -> Journal:
    """Return a journal in a database."""
    from sxhost.store.postgresql.journal import PostgreSQLJournal

    return PostgreSQLJournal(url, mark)


def node_at(url: str, mark: Path, seconds: Callable[[], float]) -> Any:
    """Return the journal of one of several nodes that write to a database.

    The engine's clock is the nodes' own, which stands until a test moves it; and a test that
    has to wait for the processor in its turn loses that for nothing.
    """
    from sxhost.store.postgresql.shared import SharedPostgreSQLJournal

    class Node(SharedPostgreSQLJournal):
        HOLD_MS = 60_000

        def _see_clock(self, connection: Any) -> None:
            self._ahead_ms = 1_000_000

    return Node(url, mark, seconds=seconds)
