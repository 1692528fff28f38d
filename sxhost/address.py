"""Addresses of hosts, taken apart: ``http://NAME:PORT``, ``https://NAME:PORT``, ``unix:/path``.

Agents' hooks are in haste and come through here, so nothing is imported.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["HostAddress"]

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
LAST_PORT: Final = 65_535

ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nobody listens there
"""Where "all addresses", at which a host may say that it listens, lead a client."""

LINK_LOCAL: Final = ("fe8", "fe9", "fea", "feb")
"""How addresses begin that mean something together with a zone only (RFC 4291)."""


class HostAddress:
    """Where a host listens: at a TCP port, with TLS or without, or at a socket's file.

    :raises ValueError: the text is no such address; the message says so.
    """

    __slots__ = ("authority", "name", "port", "prefix", "scheme", "socket_path")

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition(":")
        self.scheme: str = scheme.lower()
        self.socket_path: str = ""
        """The socket's file; empty: the host is at `name` and `port`."""
        self.authority: str = "localhost"
        """What a request's ``Host`` says: never the zone of an address (RFC 6874)."""
        self.name: str = "localhost"
        """Where to connect: a name, or an address, with its zone (``fe80::1%eth0``)."""
        self.port: int = 0
        self.prefix: str = ""
        """What a proxy in front wants before each path, without a slash at its end."""
        if self.scheme == "unix":
            self.socket_path = "/" + rest.lstrip("/")
            return
        if self.scheme not in DEFAULT_PORTS or not rest.startswith("//"):
            raise ValueError(f"{url!r} is not an http:, https: or unix: address")
        self.authority, slash, prefix = rest[2:].partition("/")
        self.prefix = (slash + prefix).rstrip("/")
        bare, self.port = self._name_and_port(url)
        name, zone, interface = bare.lower(), "", ""
        if ":" in name:
            name, zone, interface = bare.replace("%25", "%", 1).partition("%")
            name = name.lower() if name.strip(":0") else "::"
        known = ANYWHERE.get(name, name)
        if zone or name in ANYWHERE:
            self.authority = self.authority.replace(bare, known, 1)
        self.name = known + zone + interface if known.startswith(LINK_LOCAL) else known

    def _name_and_port(self, url: str) -> tuple[str, int]:
        name, colon, port = self.authority.rpartition(":")
        if not colon or "]" in port:  # the colon is one of an IPv6 address
            name, port = self.authority, str(DEFAULT_PORTS[self.scheme])
        bracketed = name.startswith("[") and name.endswith("]")
        bare = name[1:-1] if bracketed else name
        # A name before an "@" is a user's: whoever took it for the host's would show a token
        # of this machine to another one.
        if not bare or set(bare) & set("[]@?#\\ ") or (":" in bare and not bracketed):
            raise ValueError(f"{url!r} is not an http:, https: or unix: address")
        if not (port.isascii() and port.isdigit()):
            raise ValueError(f"Port could not be cast to integer value as {port!r}")
        if len(port) > 5 or not 0 < int(port) <= LAST_PORT:  # noqa: PLR2004
            raise ValueError(f"{url!r} has no port from 1 to {LAST_PORT}")
        return bare, int(port)

    @property
    def url(self) -> str:
        """The address as every client takes it, without a slash at its end."""
        if self.socket_path:
            return f"unix:{self.socket_path}"
        return f"{self.scheme}://{self.authority}{self.prefix}"

    @property
    def certified_name(self) -> str:
        """The name that its certificate must have: addresses have no zone there."""
        return self.name.partition("%")[0]

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme == "https"
