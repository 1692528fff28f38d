"""A hook's way to the host: where that is, the token, and one request over one connection.

The agent waits, so nothing is imported that is not used.
"""

from __future__ import annotations

from sxhost.address import HostAddress
from sxhost.files import read_private
from sxhost.hooks.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket

__all__ = ["HookError", "HostAway", "host_url", "is_local", "post"]

DEFAULT_URL = "http://127.0.0.1:7432"

ADDRESSES = 2.5
"""The addresses of a name share the time: a dead one leaves some for the next."""

KEEPALIVE_S = 60
"""Seconds of silence after which a connection over a network is looked after."""

ADDRESS_MOST = 4096
OK, UNAUTHORIZED = 200, 401
AWAY = (502, 503, 504)
"""What a host that stops answers, and a proxy whose host is gone."""


class HookError(Exception):
    """The host did not get the hook; the message is the reason."""


class HostAway(HookError):
    """The host stops, or something between says that it is not there."""


def post(
    path: str, body: bytes, patience: float, environ: Mapping[str, str], deadline: Deadline
) -> bytes:
    """Post a hook and return the answer, for which there are `patience` seconds more."""
    url = host_url(environ)
    host = HostConnection(url, environ.get("SXHOST_CA", ""), deadline)
    token = given_token(environ)
    status, answer = host.request(path, body, patience, token)
    if status == UNAUTHORIZED and not token:
        from sxhost.auth.client_tokens import own_host_token

        deadline.extend(-patience)
        status, answer = host.request(path, body, patience, own_host_token(url, environ) or "")
    if status != OK:
        failure = HostAway if status in AWAY else HookError
        raise failure(f"the host answered {status}: {answer[:200].decode('utf-8', 'replace')}")
    return answer


def host_url(environ: Mapping[str, str]) -> str:
    """Return where the host is."""
    return environ.get("SXHOST_URL") or announced(environ) or DEFAULT_URL


def is_local(url: str) -> bool:
    """Return whether a host is on this machine, and reads the agent's own file itself."""
    address = HostAddress(url)
    local = ("localhost", "::1")
    return bool(address.socket_path) or address.name in local or address.name[:4] == "127."


def announced(environ: Mapping[str, str]) -> str:
    """Return where our own host says that it listens, as `sxhost.config.host_url` finds it."""
    home = f"{environ.get('HOME', '')}/.local/state"
    place = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    place = place or f"{environ.get('XDG_STATE_HOME') or home}/sxhost"
    try:
        url = read_private(f"{place}/url", ADDRESS_MOST).decode().strip()
    except (OSError, ValueError):
        return ""
    return url if url.startswith(("http:", "https:", "unix:")) else ""


def given_token(environ: Mapping[str, str]) -> str:
    """Return the token that the environment names; empty if it names none."""
    if not (environ.get("SXHOST_TOKEN") or environ.get("SXHOST_TOKEN_FILE")):
        return ""
    from sxhost.auth.client_tokens import given_token as token_given

    return token_given(None, environ) or ""


class HostConnection:
    """One request to the host at an address; `ca` has the authorities to believe.

    Nothing here has a time limit of its own but the addresses of a name: all have `deadline`.
    """

    def __init__(self, url: str, ca: str, deadline: Deadline) -> None:
        self.address = HostAddress(url)
        self.ca = ca
        self.deadline = deadline

    def request(self, path: str, body: bytes, patience: float, token: str) -> tuple[int, bytes]:
        """Return the status and the body of the answer, for which there is `patience` more."""
        with self.connection() as link:
            link.sendall(self.head(path, len(body), token).encode("ascii") + body)
            self.deadline.extend(patience)
            answer = b""
            while part := link.recv(1 << 16):
                answer += part
        if not answer:
            raise HostAway("the host went away")
        lines, _, content = answer.partition(b"\r\n\r\n")
        if not lines.startswith(b"HTTP/1."):
            raise HookError("what answers there is not a host")
        return int(lines.split(b" ", 2)[1]), content

    def head(self, path: str, size: int, token: str) -> str:
        """Return the request up to its body of `size` bytes."""
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        return (
            f"POST {self.address.prefix}{path} HTTP/1.1\r\n"
            f"Host: {self.address.authority}\r\n"
            f"Content-Type: application/json\r\n{authorization}"
            f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
        )

    def connection(self) -> socket:
        """Return a connection to the host, over which TLS is spoken already where it is."""
        import socket

        address = self.address
        if address.socket_path:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.connect(address.socket_path)
            return link
        each = self.deadline.seconds / ADDRESSES
        link = socket.create_connection((address.name, address.port), each)
        link.settimeout(None)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        return self.secured(link, address.certified_name) if address.secure else link

    def secured(self, link: socket, name: str) -> socket:
        """Speak TLS on a connection, with a host whose certificate is good."""
        import ssl

        context = ssl.create_default_context(cafile=self.ca or None)
        return context.wrap_socket(link, server_hostname=name)
