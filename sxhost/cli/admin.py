"""``sxhost status``, ``stop``, ``token``, ``open``, ``audit``: the host, and who may use it."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.output import fail, put
from sxhost.cli.terminal import HostLink, linked, status_line

if TYPE_CHECKING:
    from sxhost.model.auth import AuditEntry, Token

__all__ = ["audit", "open_dashboard", "status", "stop", "token"]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SCOPES = ("read", "send", "approve", "admin")


def seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Return how many seconds are meant by a number and its unit: 30m, 12h, 7d.

    :raises click.BadParameter: none are.
    """
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no duration such as 30m, 12h or 7d.")
    return float(int(found[1]) * SECONDS[found[2]])


@click.group()
def token() -> None:
    """Make, list and revoke tokens: what lets others in."""


@token.command()
@click.option("--state-dir", help="The state directory of the host.")
def show(state_dir: str | None) -> None:
    """Print the host's own token, which may do everything."""
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
    """Replace the host's own token; the old one is worth nothing any more."""
    done = link.run_with_client(lambda host: host.rotate_token())
    link.show(done, "The host has a new token; `sxhost token show` prints it")


@token.command()
@click.option("--scope", default="read", metavar="A,B", help="Of read, send, approve, admin.")
@click.option("--session", metavar="ID", help="For this session alone.")
@click.option("--expires", callback=seconds, metavar="7d", help="How long it is good.")
@click.option("--name", default="", help="What it is for.")
@linked
def create(
    link: HostLink, *, scope: str, session: str | None, expires: float | None, name: str
) -> None:
    """Make a token, and print it this once."""
    from sxhost.model.auth import TokenDraft

    scopes: list[Any] = [word.strip() for word in scope.split(",")]
    if not set(scopes) <= set(SCOPES):
        fail(2, f"--scope takes {', '.join(SCOPES)}, not {scope!r}.")
    draft = TokenDraft(scopes=scopes, session=session, name=name, expires_s=expires)
    made = link.run_with_client(lambda host: host.create_token(draft))
    link.show(made, made.secret)


@token.command("list")
@linked
def list_tokens(link: HostLink) -> None:
    """List tokens, and the browsers that are logged in."""
    found = link.run_with_client(lambda host: host.tokens())
    link.show(found, *map(token_line, found))


@token.command()
@click.argument("token_id", metavar="ID")
@linked
def revoke(link: HostLink, token_id: str) -> None:
    """Let nobody in with this token any more."""
    link.show(
        link.run_with_client(lambda host: host.revoke_token(token_id)), f"{token_id} revoked"
    )


def token_line(entry: Token) -> str:
    """Write a token in a line: id, what it allows, for what, until when, its name."""
    until = "for ever"
    if entry.expires_ms is not None:
        until = time.strftime("until %Y-%m-%d %H:%M", time.localtime(entry.expires_ms / 1000))
    scopes, session = ",".join(entry.scopes), entry.session or "-"
    return f"{entry.id:<8}  {scopes:<12}  {session}  {until}  {entry.name}".rstrip()


@click.command()
@click.option("--after", type=click.IntRange(0), help="Only what comes after this entry.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@linked
def audit(link: HostLink, after: int | None, limit: int) -> None:
    """Tell who did what: the newest entries, or those after one."""
    from sxhost.model.auth import AuditQuery

    query = AuditQuery(after=after, limit=limit)
    found = link.run_with_client(lambda host: host.audit(query))
    link.show(found, *map(audit_line, found))


def audit_line(entry: AuditEntry) -> str:
    """Write an entry of the audit in a line: number, when, what, to which session, by whom."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at_ms / 1000))
    words = " ".join(filter(None, (entry.what, entry.session, entry.detail)))
    return f"{entry.id:>6}  {at}  {words}  by {actor_of(entry)}"


def actor_of(entry: AuditEntry) -> str:
    """Return who did something: a token or a user, and from which address."""
    user = "somebody" if entry.uid is None else f"user {entry.uid}"
    return f"{f'token {entry.token}' if entry.token else user} at {entry.peer}"


@click.command("open")
@click.option("--print", "only_print", is_flag=True, help="Do not start a browser.")
@linked
def open_dashboard(link: HostLink, only_print: bool) -> None:
    """Let a browser in, once, by a link that is good for a minute."""
    from msgspec.structs import replace

    if link.url.startswith("unix:"):
        fail(2, "A browser needs an http: or https: address; name one with --url.")
    login = link.run_with_client(lambda host: host.invite())
    address = link.url.rstrip("/") + login.path
    link.show(replace(login, path=address), address)
    if not (only_print or link.json) and _has_display():
        _browse(address)


def _browse(address: str) -> None:
    """Open the user's browser, which is no matter of ours if it does not."""
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
    """Say how the host is."""
    found = link.run_with_client(lambda host: host.status())
    link.show(found, status_line(found))


@click.command()
@linked
def stop(link: HostLink) -> None:
    """Stop the host in order."""
    link.show(link.run_with_client(lambda host: host.stop()), "Host stopping")
