"""Where a host listens: endpoints as the command line writes them, and what goes wrong.

The first address that leads to this machine stands in a file for the user's commands.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from OpenSSL.crypto import Error as BadCertificate
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.python.failure import Failure

from sxhost import files
from sxhost.address import HostAddress
from sxhost.auth.tls import ServerCertificate, TLSServerEndpoint, is_tls_port
from sxhost.config import USAGE_ERROR, address_file
from sxhost.localnet import is_local_url
from sxhost.logs import logger
from sxhost.process.table import Processes
from sxhost.visible import exit_with_error

__all__ = ["AddressFile", "CannotListen", "Listeners", "refuse_unusable", "remove_stale_lock"]

log = logger(__name__)

_NO_TLS_OF_OURS = re.compile("unix:|ssl:|systemd:.*domain=UNIX")
"""Endpoints that --tls-cert leaves as they are: none of another machine, or of TLS already."""

_TCP = re.compile(r"tcp:(\d+)(?::interface=((?:\\.|[^\\:])*))?\Z")

_UNIX = re.compile(r"unix:(?:address=)?((?:\\.|[^\\:])+)")


class CannotListen(Exception):
    """There is a place where nothing can listen; the message is a sentence."""


class Listeners:
    """The ports at which a host listens, at the endpoints that `texts` describe."""

    def __init__(
        self, reactor: Any, texts: Sequence[str], certificate: ServerCertificate | None
    ) -> None:
        self.ports: list[IListeningPort] = []
        self._endpoints = [(text, _make_endpoint(reactor, text, certificate)) for text in texts]

    def open(self, factory: IProtocolFactory) -> None:
        """Listen everywhere, and let `factory` serve whoever connects.

        :raises CannotListen: nothing can listen at one of the endpoints.
        """
        for text, endpoint in self._endpoints:
            refused: list[Failure] = []
            remove_stale_lock(text)
            endpoint.listen(factory).addCallbacks(self.ports.append, refused.append)
            if refused:
                why = refused[0].value
                raise CannotListen(
                    _cannot_listen_sentence(text, getattr(why, "socketError", why))
                )

    @property
    def urls(self) -> list[str]:
        """The addresses of the ports."""
        return [_url_of(port) for port in self.ports]

    @property
    def port_numbers(self) -> list[int]:
        """The TCP ports; 0 for a socket that is a file."""
        return [getattr(port.getHost(), "port", 0) for port in self.ports]

    def close(self) -> Deferred[Any]:
        """Accept no more connections; fires when the ports are closed."""
        return DeferredList([maybeDeferred(port.stopListening) for port in self.ports])


class AddressFile:
    """The file below `place` in which this user's commands and agents find the host."""

    def __init__(self, place: Path) -> None:
        self._path = address_file(place)
        self._is_ours = False

    def write(self, urls: Sequence[str]) -> None:
        """Write the first of `urls` that is local and needs no certificate."""
        local = [url for url in urls if is_local_url(url) and not url.startswith("https:")]
        if not local:
            return  # the file may be that of a host that runs beside this one
        with suppress(OSError):  # then they look where hosts usually are
            self._is_ours = True
            line = f"{HostAddress(local[0]).url}\n"
            files.replace_private(self._path, line.encode(), synced=False)

    def remove(self) -> None:
        """Remove the file if it was written here."""
        if self._is_ours:
            with suppress(OSError):
                self._path.unlink()


def refuse_unusable(text: str) -> None:
    """End the process with a sentence if nothing can listen at an endpoint."""
    tcp = _TCP.match(text)
    if tcp:
        _try_to_listen(int(tcp[1]), (tcp[2] or "").replace("\\", ""))


def _try_to_listen(port: int, interface: str) -> None:
    """End the process with a sentence if nothing can listen there."""
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(_socket_address(interface, port))
            probe.listen()
        except OSError as error:
            exit_with_error(
                1,
                f"sxhost: {_cannot_listen_sentence(f'{_bracketed(interface)}:{port}', error)}",
            )


def _socket_address(interface: str, port: int) -> Any:
    """Return where to bind; an address with a zone has to be looked up for its number."""
    if "%" not in interface:
        return interface, port
    return socket.getaddrinfo(interface, port, type=socket.SOCK_STREAM)[0][4]


def _make_endpoint(reactor: Any, text: str, certificate: ServerCertificate | None) -> Any:
    """Return the endpoint that `text` describes, or end the process with a sentence."""
    try:
        endpoint = serverFromString(reactor, text)
        return (
            endpoint
            if certificate is None or _NO_TLS_OF_OURS.match(text)
            else TLSServerEndpoint(endpoint, certificate)
        )
    except (ValueError, TypeError, LookupError, OSError, BadCertificate) as error:
        exit_with_error(USAGE_ERROR, f"sxhost: --listen {text!r} does not work: {error}.")


def remove_stale_lock(text: str) -> None:
    """Remove the lock of a ``unix:`` endpoint whose owner has ended.

    Twisted writes the owner's number into it, and takes whatever has that number now for the
    owner: another program, or in a container this host itself.  The owner is older than its
    lock, and answers on its socket.
    """
    unix = _UNIX.match(text)
    if unix is None:
        return
    path = re.sub(r"\\(.)", r"\1", unix[1])
    lock = Path(f"{path}.lock")
    try:
        owner, made = int(lock.readlink().name), lock.lstat().st_mtime
        began = Processes().began(owner)
        if owner == os.getpid() or (made < began and not _anybody_answers(path)):
            log.warn("Removing {lock}: its process is gone", lock=str(lock))
            lock.unlink()
    except (OSError, ValueError):
        return  # there is none, or Twisted says what is wrong with it


def _anybody_answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _cannot_listen_sentence(place: str, error: object) -> str:
    """Return the sentence for an endpoint that cannot listen: the reason, and what to do."""
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    choose = "choose another with --port, --host or --listen"
    return f"cannot listen on {place}: {reason}; {choose}."


def _url_of(port: IListeningPort) -> str:
    """Return the address of a port that listens."""
    address: Any = port.getHost()
    if not hasattr(address, "port"):
        return f"unix:{address.name.decode()}"
    scheme = "https" if is_tls_port(port) else "http"
    return f"{scheme}://{_bracketed(address.host)}:{address.port}"


def _bracketed(host: str) -> str:
    """Return a name or an address as it stands in a URL; a zone's percent sign is encoded."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host
