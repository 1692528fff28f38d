"""``sxhost status``, ``stop``, ``token``, ``open``, ``audit``: the host, and who may use it."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from sxhost.cli.formats import age
from sxhost.cli.moments import SECONDS
from sxhost.cli.output import at_terminal, fail, put, put_pieces, terminal_width
from sxhost.cli.table import Column, TableRow, table_lines
from sxhost.cli.terminal import HostLink, linked, status_line
from sxhost.model.names import Scope

if TYPE_CHECKING:
    from sxhost.model.auth import AuditEntry, Token

__all__ = ["commands"]

SCOPES = get_args(Scope)

TOKEN_COLUMNS = (
    Column("ID"),
    Column("MAY", 8),
    Column("SESSION", 8, rank=2),
    Column("MADE", rank=3),
    Column("ENDS"),
    Column("NAME", 6, rank=1),
)
AUDIT_COLUMNS = (
    Column("N", right=True),
    Column("AGE", rank=1, right=True),
    Column("WHAT", 8),
    Column("SESSION", 8, rank=2),
    Column("DETAIL", 8, rank=4),
    Column("BY", 8, rank=3),
)
"""What fits into a terminal; where nothing does, columns of the highest rank go first."""


def seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Parse a duration with its unit (30m, 12h, 7d) and return it in seconds.

    :raises click.BadParameter: it is not written like that.
    """
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no duration such as 30m, 12h or 7d.")
    return float(int(found[1]) * SECONDS[found[2]])


def scopes_of(scope: str) -> list[Any]:
    """Return the scopes that are named, with commas between; end the process if any is none."""
    scopes: list[Any] = [word.strip() for word in scope.split(",")]
    if not set(scopes) <= set(SCOPES):
        fail(2, f"--scope takes {', '.join(SCOPES)}, not {scope!r}.")
    return scopes


@click.group()
def token() -> None:
    """Create, list and revoke access tokens."""


@token.command()
@click.option("--state-dir", help="The host's state directory.")
def show(state_dir: str | None) -> None:
    """Print the host's own token, which allows everything."""
    from sxhost import config
    from sxhost.auth.client_tokens import BadToken, read_token_file
    from sxhost.auth.tokens import token_file

    place = Path(state_dir) if state_dir else config.state_dir(os.environ)
    try:
        put(read_token_file(token_file(place)))
    except BadToken as error:
        fail(1, f"{error} A host makes one when it starts; --state-dir says where.")


@token.command()
@linked
def rotate(link: HostLink) -> None:
    """Replace the host's own token. The old one stops working at once."""
    done = link.run_with_client(lambda host: host.rotate_token())
    link.show(done, "The host has a new token; `sxhost token show` prints it")


@token.command()
@click.option(
    "--scope",
    default="read",
    metavar="A,B",
    help="What it allows, of: read, send, approve, admin.",
    show_default=True,
)
@click.option("--session", metavar="ID", help="Only for this session.")
@click.option(
    "--expires", callback=seconds, metavar="7d", help="When it expires: 30m, 12h, 7d.  [never]"
)
@click.option("--name", default="", help="A name of yours for the list.")
@linked
def create(
    link: HostLink, *, scope: str, session: str | None, expires: float | None, name: str
) -> None:
    """Create a token and print it. It cannot be printed again."""
    from sxhost.model.auth import TokenDraft

    draft = TokenDraft(scopes=scopes_of(scope), session=session, name=name, expires_s=expires)
    made = link.run_with_client(lambda host: host.create_token(draft))
    link.show(made, made.secret)


@token.command("list")
@linked
def list_tokens(link: HostLink) -> None:
    """List tokens and logged-in browsers."""
    found = link.run_with_client(lambda host: host.tokens())
    if link.json or not at_terminal():
        link.show(found, *map(token_line, found))
        return
    now = time.time()
    rows = [TableRow(_token_cells(entry, now)) for entry in found]
    put_pieces(*table_lines(TOKEN_COLUMNS, rows, terminal_width()))


@token.command()
@click.argument("token_id", metavar="ID")
@linked
def revoke(link: HostLink, token_id: str) -> None:
    """Revoke a token. What is open with it is closed."""
    link.show(
        link.run_with_client(lambda host: host.revoke_token(token_id)), f"{token_id} revoked"
    )


def _token_cells(entry: Token, now: float) -> tuple[str, ...]:
    """Return what a table for people has of a token."""
    ends = "never"
    if entry.expires_ms is not None:
        left = entry.expires_ms / 1000 - now
        ends = f"in {age(left)}" if left > 0 else "expired"
    made = f"{age(now - entry.created_ms / 1000)} ago" if entry.created_ms else ""
    return entry.id, ", ".join(entry.scopes), entry.session or "", made, ends, entry.name


def token_line(entry: Token) -> str:
    """Return the line of a token: id, scopes, session, expiry, name."""
    until = "for ever"
    if entry.expires_ms is not None:
        until = time.strftime("until %Y-%m-%d %H:%M", time.localtime(entry.expires_ms / 1000))
    scopes, session = ",".join(entry.scopes), entry.session or "-"
    return f"{entry.id:<8}  {scopes:<12}  {session}  {until}  {entry.name}".rstrip()


@click.command()
@click.option("--after", type=click.IntRange(0), help="Only entries after this number.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="Print at most so many.",
)
@linked
def audit(link: HostLink, after: int | None, limit: int) -> None:
    """Print the audit log: who did what.

    Without --after, the newest entries.
    """
    from sxhost.model.auth import AuditQuery

    query = AuditQuery(after=after, limit=limit)
    found = link.run_with_client(lambda host: host.audit(query))
    if link.json or not at_terminal():
        link.show(found, *map(audit_line, found))
        return
    now = time.time()
    rows = [TableRow(_audit_cells(entry, now)) for entry in found]
    put_pieces(*table_lines(AUDIT_COLUMNS, rows, terminal_width()))


def _audit_cells(entry: AuditEntry, now: float) -> tuple[str, ...]:
    """Return what a table for people has of an audit entry."""
    what = (entry.what, entry.session or "", entry.detail)
    return str(entry.id), age(now - entry.at_ms / 1000), *what, actor_of(entry)


def audit_line(entry: AuditEntry) -> str:
    """Return the line of an audit entry: number, time, action, session, detail, actor."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at_ms / 1000))
    words = " ".join(filter(None, (entry.what, entry.session, entry.detail)))
    return f"{entry.id:>6}  {at}  {words}  by {actor_of(entry)}"


def actor_of(entry: AuditEntry) -> str:
    """Return who acted: a token or a user, and the address it came from."""
    user = "somebody" if entry.uid is None else f"user {entry.uid}"
    return f"{f'token {entry.token}' if entry.token else user} at {entry.peer}"


@click.command("open")
@click.option("--print", "only_print", is_flag=True, help="Only print the link.")
@click.option("--qr", is_flag=True, help="Show the link as a QR code, for a phone.")
@click.option(
    "--scope",
    default="admin",
    metavar="A,B",
    help="What its browser may do, of: read, send, approve, admin.",
    show_default=True,
)
@click.option("--session", metavar="ID", help="Only in this session.")
@click.option(
    "--expires", callback=seconds, metavar="8h", help="When it is logged out: 30m, 8h.  [7d]"
)
@linked
def open_dashboard(
    link: HostLink,
    *,
    only_print: bool,
    qr: bool,
    scope: str,
    session: str | None,
    expires: float | None,
) -> None:
    """Log a browser in, by a one-time link.

    The link is valid for a minute.  On this machine your own browser may do everything; what
    --scope and --session leave out holds for all others.
    """
    from msgspec.structs import replace

    from sxhost.address import HostAddress
    from sxhost.model.auth import LoginQuery

    allowed = LoginQuery(scopes=",".join(scopes_of(scope)), session=session, life_s=expires)

    if link.url.startswith("unix:") and not qr:
        fail(2, "A browser needs an http: or https: address; name one with --url.")
    login = link.run_with_client(lambda host: host.invite(allowed))
    at = _outside_url(link.url, login.urls) if qr else HostAddress(link.url).url
    address = at + login.path
    if qr and not link.json:
        _show_code(address)
    else:
        link.show(replace(login, path=address), address)
    if not (only_print or link.json or qr) and _has_display():
        _browse(address)


def _outside_url(asked: str, urls: Sequence[str]) -> str:
    """Return where a phone reaches the host; end with a sentence if it does nowhere."""
    from sxhost.address import HostAddress
    from sxhost.localnet import is_local_url

    if not is_local_url(asked):
        return HostAddress(asked).url
    if not urls:
        fail(
            1,
            "This host listens on this machine alone, so no phone reaches it. Start it with"
            " --host 0.0.0.0 --tls-cert FILE --tls-key FILE --allow-host NAME, or have a proxy"
            " with TLS in front of it, whose name --allow-host NAME tells the host.",
        )
    return urls[0]


def _show_code(address: str) -> None:
    """Print a link for a phone; without its code where a terminal has no room for one."""
    from sxhost.cli.qr import put_qr_code

    if not put_qr_code(address):
        put("This terminal is too small for a QR code, or has no characters for one.", err=True)
    put(address, "It logs one browser in, once, within a minute.")
    if address.startswith("http:"):
        put("It crosses the network in clear: whoever listens there can use it.", err=True)


def _browse(address: str) -> None:
    """Open a page in the user's browser; the command succeeds even if none opens."""
    import webbrowser

    try:
        webbrowser.open(address)
    except webbrowser.Error as error:
        put(f"No browser opens ({error}).", err=True)


def _has_display() -> bool:
    """Tell whether a browser would have a window."""
    if sys.platform == "darwin":
        return True
    return any(map(os.environ.get, ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")))


@click.command()
@linked
def status(link: HostLink) -> None:
    """Print the host's status."""
    found = link.run_with_client(lambda host: host.status())
    link.show(found, status_line(found))


@click.command()
@linked
def stop(link: HostLink) -> None:
    """Stop the host."""
    link.show(link.run_with_client(lambda host: host.stop()), "Host stopping")


commands = (audit, open_dashboard, status, stop, token)
