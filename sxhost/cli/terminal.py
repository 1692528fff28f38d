"""What commands share: the connection to a host, and lines about sessions and events.

Quick commands must be quick: what only some of them need is imported where it is needed.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from sxhost.cli.commands import importing
from sxhost.cli.formats import clock, one_line
from sxhost.cli.output import Flow, StatusLine, fail, put, put_json
from sxhost.cli.progress import Progress
from sxhost.config import host_url

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.errors import HostUnreachable
    from sxhost.model.event import Event
    from sxhost.model.session import Summary
    from sxhost.model.status import Status

__all__ = [
    "HOST_SAID_NO",
    "INTERRUPTED",
    "USAGE",
    "HostLink",
    "event_line",
    "linked",
    "row",
    "session_lines",
    "status_line",
    "text_or_stdin",
]

T = TypeVar("T")
Work = Callable[["HostClient"], Awaitable[T]]

HOST_SAID_NO, USAGE, NO_HOST = 1, 2, 3
"""Exit statuses, beside 0 for done; 2 is click's too."""

TLS_MODULES = ("OpenSSL", "ssl")

INTERRUPTED = 130
"""The exit status of a shell's command that SIGINT has ended: 128 + 2."""


class HostLink:
    """A command's connection to its host, and how it prints: `json` for machines.

    `token_file` and `ca` are what the options of these names say; `interrupted` tells whether
    the end has begun, by the user or because all is done; `progress` says what is waited for.
    """

    reactor: Any
    progress: Progress

    def __init__(
        self, url: str, json: bool, token_file: str | None = None, ca: str | None = None
    ) -> None:
        self.url = url
        self.json = json
        self.interrupted = False
        self._token_file = token_file
        self._ca = ca or os.environ.get("SXHOST_CA") or None

    def connect(self, reactor: Any) -> HostClient:
        """Return a client of the host; of our own one if it asks, with its own token.

        :raises ValueError: the address, the token or the authorities cannot be used.
        """
        from sxhost.auth.client_tokens import given_token, own_host_token
        from sxhost.client.host import connect
        from sxhost.localnet import is_local_url

        token = given_token(self._token_file, os.environ)
        if token and self.url.startswith("http:") and not is_local_url(self.url):
            put("The token crosses the network in clear; use https:.", err=True)
        find = partial(own_host_token, self.url, os.environ)
        return connect(reactor, self.url, token or find, self._ca, self.progress.watch)

    def run_with_client(self, work: Work[T]) -> T:
        """Run `work` with a client; end the process if the host says no or is not there."""
        _leave_out_tls(self.url)
        with importing():
            from twisted.internet.defer import Deferred
            from twisted.internet.task import react

            import sxhost.client.host  # noqa: F401 - the rest of what takes its time
        results: list[T] = []
        errors: list[OSError] = []

        async def run(reactor: Any) -> None:
            self.reactor, self.progress = reactor, Progress(reactor, StatusLine.shown)
            reactor.addSystemEventTrigger("before", "shutdown", self._shutting_down)
            running: Deferred[None] = Deferred()
            reactor.callWhenRunning(running.callback, None)
            await running  # by then Ctrl-C is the reactor's, and no exception in the midst
            try:
                with self._refusals():
                    results.append(await work(self.connect(reactor)))
            except OSError as error:  # what is printed cannot be written
                errors.append(error)

        try:
            react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
        except SystemExit as done:
            if done.code:
                raise
        if errors:
            raise errors[0]
        if not results:
            self._leave_interrupted()
        return results[0]

    def _leave_interrupted(self) -> NoReturn:
        """End the process after an interrupt; say what goes on that it has begun."""
        StatusLine.shown.clear()
        if self.progress.left:
            put(self.progress.left, err=True)
        sys.exit(INTERRUPTED)

    def _shutting_down(self) -> None:
        self.interrupted = True

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """End the process with a sentence if asking fails, but for the user's interrupt."""
        from sxhost.errors import HostError, HostUnreachable, Unauthorized

        try:
            yield
        except HostError as error:
            hint = f" {self._token_hint()}" if isinstance(error, Unauthorized) else ""
            fail(HOST_SAID_NO, error.message + hint)
        except ValueError as error:
            fail(USAGE, f"This cannot be asked: {str(error).rstrip('.')}.")
        except HostUnreachable as error:
            if not self.interrupted:
                fail(NO_HOST, _no_host_sentence(error))
        except OSError:
            raise
        except Exception:  # a defect of ours, with words of others in it
            if self.interrupted:
                raise
            put(Flow(traceback.format_exc()), err=True)
            sys.exit(HOST_SAID_NO)

    def _token_hint(self) -> str:
        """Return which token this command has shown to a host that wants another."""
        from sxhost.auth.client_tokens import own_host_token, token_source

        if place := token_source(self._token_file, os.environ):
            return f"This command has shown {self.url} the token in {place}."
        if own_host_token(self.url, os.environ):
            return f"This command has shown {self.url} the token of your own host."
        return (
            f"This command has none for {self.url}: name its file with --token-file FILE or"
            " SXHOST_TOKEN_FILE, or give it in SXHOST_TOKEN."
        )

    def show(self, value: Any, *lines: str) -> None:
        """Print a value as lines, or for machines as JSON: an object, or a line for each."""
        if not self.json:
            put(*lines)
        elif isinstance(value, list):
            put_json(*value)
        else:
            put_json(value)


def _no_host_sentence(error: HostUnreachable) -> str:
    from sxhost.errors import HostTimedOut

    if isinstance(error, HostTimedOut):
        return f"The host does not answer ({error}). It may be starting, or busy."
    return f"No host answers ({error}). Start one with: sxhost --daemon"


def linked(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a connection, and a `HostLink` as its first argument."""

    @click.option(
        "--url", metavar="URL", help="The host: http:, https: or unix:/path.  [this user's]"
    )
    @click.option("--token-file", metavar="FILE", help="The file of the token for it.")
    @click.option(
        "--ca", metavar="FILE", help="The file of the authorities to trust, for https:."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
    @wraps(command)
    def linked_command(
        *, url: str | None, token_file: str | None, ca: str | None, as_json: bool, **given: Any
    ) -> None:
        command(HostLink(url or host_url(os.environ), as_json, token_file, ca), **given)

    return linked_command


def status_line(status: Status) -> str:
    """Return the line about a host's status in the format of scorpiox-host."""
    return (
        f"Host running on :{status.port} — {status.sessions} sessions, {status.active} active"
    )


def session_lines(sessions: list[Summary]) -> list[str]:
    """Return sessions in columns, in the format of scorpiox-host."""
    ids = max((len(s.id) for s in sessions), default=0)
    events = max((len(s.last_event) for s in sessions), default=0)
    return [
        f"{s.id:<{ids}}  {s.state:<7}  {s.last_event:<{max(events, 11)}}"
        f"  {'/'.join(filter(None, (s.provider, s.model))) or '-'}  events:{s.event_count}"
        for s in sessions
    ]


def event_line(event: Event, *, raw: bool = False, flat: bool = False) -> str:
    """Write an event in a line: number, time of day, name, what it says (`raw`: its data).

    A `flat` one has blanks for line breaks; in others these will be escaped.
    """
    from sxhost.cli.event_text import event_text

    text = bytes(event.data).decode() if raw else event_text(event)
    text = one_line(text) if flat else text
    return row(event.seq, event.ts, event.event, text)


def row(number: int | str, ts: int, name: str, text: str) -> str:
    """Return a line in the columns of an event; `ts` is in Unix seconds."""
    return f"{number:>6}  {clock(ts)}  {name:<12}  {text}".rstrip()


def _leave_out_tls(url: str) -> None:
    """Spare a plain-text command the 150 ms that it takes to import OpenSSL and `ssl`.

    Twisted, treq and asyncio do without where these are not installed; this says so.
    """
    for name in TLS_MODULES if not url.startswith("https:") else ():
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def text_or_stdin(text: str) -> str:
    """Return a text that was given, or for ``-`` what stands on standard input."""
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        fail(2, "Standard input is not UTF-8.")
