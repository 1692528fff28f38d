"""The way to a host, made of its address: an endpoint, and an agent over it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from sxhost.address import HostAddress
from sxhost.localnet import is_local_url

__all__ = ["CONNECT_WITHIN", "make_client_agent", "make_client_endpoint"]

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


def make_client_agent(reactor: Any, address: HostAddress, ca: str | None = None) -> IAgent:
    """Return an agent that sends every request to a host, over a connection of its own.

    For `ca` and errors see `make_client_endpoint`.
    """
    endpoint = _OneEndpoint(make_client_endpoint(reactor, address, ca))
    pool = HTTPConnectionPool(reactor, persistent=False)
    agent: IAgent = Agent.usingEndpointFactory(reactor, endpoint, pool)
    is_local = address.socket_path or is_local_url(address.url)
    return _Uncompressed(agent) if is_local else agent


@implementer(IAgent)
class _Uncompressed:
    """Asks for answers as they are: on one machine, compressing only costs time."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        plain = Headers() if headers is None else headers.copy()
        plain.removeHeader(b"accept-encoding")  # treq adds it to each request
        return self._agent.request(method, uri, plain, bodyProducer)


@implementer(IAgentEndpointFactory)
class _OneEndpoint:
    """Sends every request to one endpoint, wherever its URI would lead."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: ARG002
        return self._endpoint
