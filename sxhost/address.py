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
        """What a request's ``Host`` says."""
        self.name: str = "localhost"
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
        self.name, self.port = self._name_and_port(url)

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
        return bare.lower(), int(port)

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme == "https"
