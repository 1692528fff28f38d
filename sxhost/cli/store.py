"""``sxhost store``: the store while no host has it open."""

from __future__ import annotations

import click

from sxhost.cli.output import put, put_json

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


commands = (store,)
