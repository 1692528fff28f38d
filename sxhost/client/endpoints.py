"""Endpoints that lead to a host, made of its address."""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import IStreamClientEndpoint

from sxhost.address import HostAddress

__all__ = ["CONNECT_WITHIN", "make_client_endpoint"]

CONNECT_WITHIN = 5.0
"""Seconds in which a connection is made, or there is none."""


def make_client_endpoint(
    reactor: Any, address: HostAddress, ca: str | None = None
) -> IStreamClientEndpoint:
    """Return an endpoint that connects to a host, with TLS where its address is ``https:``.

    `ca` is a file of the authorities (PEM) that are believed in place of this machine's.

    :raises ValueError: that file has no certificates.
    """
    if address.socket_path:
        return UNIXClientEndpoint(reactor, address.socket_path, timeout=CONNECT_WITHIN)
    # Twisted's resolver would lose the zone of an address.
    kind = TCP6ClientEndpoint if "%" in address.name else HostnameEndpoint
    endpoint = kind(reactor, address.name, address.port, timeout=CONNECT_WITHIN)
    if not address.secure:
        return endpoint
    from twisted.internet.ssl import optionsForClientTLS

    from sxhost.auth.tls import load_trust_root  # which takes its time to import

    roots = None if ca is None else load_trust_root(ca)
    return wrapClientTLS(optionsForClientTLS(address.certified_name, trustRoot=roots), endpoint)
