"""One connection to PostgreSQL, as the SQL of `sxhost.store.sql` wants it.

Text may have NUL characters there, which PostgreSQL's has not: they are written as others.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from threading import Lock
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import Diagnostic, DiskFull
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import TextLoader

from sxhost.errors import StorageFull, StoreUnavailable
from sxhost.store.journal import EngineAway
from sxhost.store.sql.contracts import DamagedRow

__all__ = ["EngineConnection", "errors_for_clients", "first_line"]

DEFAULTS: Final[Mapping[str, str]] = {
    "application_name": "sxhost",
    "connect_timeout": "2",
    "target_session_attrs": "read-write",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "4000",
}
"""What a connection is opened with where the URL does not say it otherwise."""

ESCAPE: Final = "\ue000"
"""Begins what is written of a character that text must not have; it is one itself."""
ESCAPED: Final = re.compile(f"[\0{ESCAPE}]")
WRITTEN: Final = re.compile(f"{ESCAPE}(.)")

NOT_REPLICATED: Final = "01000"
"""The warning that a commit has not waited for its replica, since somebody cancelled that."""


class UnescapingLoader(TextLoader):
    """Reads text as it was before it was escaped."""

    def load(self, data: Any) -> str:
        """Return the text."""
        text = str(super().load(data))
        if ESCAPE not in text:
            return text
        return WRITTEN.sub(lambda found: "\0" if found[1] == "0" else found[1], text)


class UnescapingBinaryLoader(UnescapingLoader):
    """The same where the engine was asked for binary values."""

    format = Format.BINARY


class EngineConnection:
    """A connection that another thread may cut; it commits each statement by itself.

    :param url: a libpq URL; passwords come by libpq's own means.
    """

    def __init__(self, url: str) -> None:
        given = conninfo_to_dict(url)
        defaults = {name: value for name, value in DEFAULTS.items() if name not in given}
        self.not_replicated = False
        """Whether the engine has warned that a commit is not where it was to be."""
        self.is_cut = False
        """Whether it was ended because the engine took too long."""
        self._connection = psycopg.connect(make_conninfo(url, **defaults), autocommit=True)
        self._descriptor = self._connection.fileno()
        self._closing = Lock()
        self._connection.adapters.register_dumper(int, Int8BinaryDumper)
        self._connection.adapters.register_loader("text", UnescapingLoader)
        self._connection.adapters.register_loader("text", UnescapingBinaryLoader)
        self._connection.add_notice_handler(self._notice)

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known."""
        return not (self.is_cut or self._connection.closed or self._connection.broken)

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        """Run a statement; return its rows."""
        if not parameters:
            return self._connection.execute(_marked(sql), prepare=False, binary=_is_read(sql))
        escaped = [_escape(one) for one in parameters]
        return self._connection.execute(_marked(sql), escaped, binary=_is_read(sql))

    def cut(self) -> None:
        """End it at once, from whatever thread: who waits for an answer gets an error."""
        with self._closing, suppress(OSError):
            self.is_cut = True
            if self._descriptor >= 0:
                wire = socket.socket(fileno=self._descriptor)
                try:
                    wire.shutdown(socket.SHUT_RDWR)
                finally:
                    wire.detach()

    def close(self) -> None:
        """Close it."""
        with self._closing, suppress(psycopg.Error):
            self._descriptor = -1
            self._connection.close()

    def _notice(self, diagnostic: Diagnostic) -> None:
        if diagnostic.sqlstate == NOT_REPLICATED:
            self.not_replicated = True


@lru_cache(256)
def _marked(sql: str) -> Any:
    """Return a statement with its parameters marked as psycopg wants it."""
    return sql.replace("?", "%s").encode()


def _is_read(sql: str) -> bool:
    return sql.startswith("SELECT")


def _escape(value: Any) -> Any:
    """Return a parameter, or an array of them, with its texts as they are written."""
    if isinstance(value, list):
        return [_escape(one) for one in value] if str in map(type, value) else value
    if not isinstance(value, str):
        return value
    return ESCAPED.sub(lambda found: ESCAPE + ("0" if found[0] == "\0" else found[0]), value)


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    line = str(error).strip().partition("\n")[0].removesuffix(".")
    return line or type(error).__name__


@contextmanager
def errors_for_clients() -> Iterator[None]:
    """Turn errors of PostgreSQL into those that clients know."""
    try:
        yield
    except DiskFull as error:
        raise StorageFull from error
    except psycopg.OperationalError as error:
        raise EngineAway(first_line(error)) from error
    except (psycopg.Error, DamagedRow) as error:
        raise StoreUnavailable(first_line(error)) from error
