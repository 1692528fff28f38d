"""``sxhost backup``, ``restore``, ``store copy``: a host's log, copied."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.output import put, put_json
from sxhost.config import state_dir

if TYPE_CHECKING:
    from sxhost.daemon.store_copies import BackedUp

__all__ = ["commands"]

SHOWN = {
    "session": "sessions",
    "log": "rows of the log",
    "message": "messages",
    "approval": "questions",
    "audit": "entries of the audit",
    "usage": "entries of usage",
}
"""What people are told of a copy, by table."""


@click.group()
def store() -> None:
    """Move a host's log to another place."""


@store.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def copy(source: str, target: str, *, as_json: bool) -> None:
    """Copy all that a store has into a new one.

    FROM and TO are sqlite:PATH or postgresql://HOST/DATABASE; no host may use either. The
    copy is whole or not made: every row is checked as it is read, and read again in its new
    place. FROM stays as it is. Readers that come back to the copy are told of a gap.
    """
    from sxhost.daemon.store_copies import copy_store

    copied = copy_store(source, target, lambda text: put(f"{text} ...", err=True))
    if as_json:
        put_json(
            {table: {"rows": of.rows, "checksum": of.checksum} for table, of in copied.items()}
        )
        return
    counts = ", ".join(f"{copied[table].rows:,} {name}" for table, name in SHOWN.items())
    put(f"Copied, and verified: {counts}.")


def _storing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which store it is."""
    place = click.option(
        "--state-dir", "place", metavar="DIR", help="The host's state directory."
    )
    which = click.option(
        "--store", metavar="STORE", help="sqlite:PATH.  [sxhost.db in the state directory]"
    )
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
    return place(which(as_json(command)))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@_storing
def backup(file: Path, store: str | None, place: str | None, *, as_json: bool) -> None:
    """Copy the host's log into FILE, while it runs.

    The copy is verified, and then replaces an earlier one. Tokens are not in it.
    """
    from sxhost.daemon.store_copies import back_up

    done = back_up(_named(store, place), file)
    _report(f"Backed up to {file}, and verified", done, as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@_storing
def restore(file: Path, store: str | None, place: str | None, *, as_json: bool) -> None:
    """Put a back-up in the place of the host's log.

    No host may run with it. What was there stays beside it, with before-restore at its end.
    Readers that come back are told of a gap.
    """
    from sxhost.daemon.store_copies import restore as put_back

    done = put_back(file, _named(store, place))
    _report(f"Restored from {file}", done, as_json=as_json)


def _named(store: str | None, place: str | None) -> str:
    """Return which store it is; a host's own, unless it is named."""
    return store or f"sqlite:{Path(place or state_dir(os.environ), 'sxhost.db')}"


def _report(what: str, done: BackedUp, *, as_json: bool) -> None:
    if as_json:
        put_json(done._asdict())
        return
    plural = "" if done.sessions == 1 else "s"
    size = f"{done.size / 1e6:,.1f} MB"
    put(f"{what}: {done.sessions:,} session{plural}, events up to {done.last_event:,}, {size}.")


commands = (store, backup, restore)
