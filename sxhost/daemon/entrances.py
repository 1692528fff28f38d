"""Under which URLs other machines reach a host: by its listeners, or through a proxy."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, urlsplit

from sxhost.localnet import is_loopback

__all__ = ["outside_urls"]

ELSEWHERE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}  # noqa: S104 - nobody listens there
"""What "all addresses" are called, and an address of nobody: the way there begins at ours."""


def outside_urls(listening: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return them, those with TLS first; none if only this machine reaches the host.

    :param listening: the URLs at which it listens.
    :param names: its further names, ``NAME`` or ``NAME:PORT``.  If it listens on this machine
        alone, they are those of a proxy in front of it, which is taken to have TLS.
    """
    listeners = [urlsplit(url) for url in listening if not url.startswith("unix:")]
    outside = [at for at in listeners if not is_loopback(at.hostname or "")]
    outside.sort(key=lambda at: at.scheme != "https")
    further = [name for name in names if not is_loopback(urlsplit(f"//{name}").hostname or "")]
    if not outside:
        return [f"https://{name}" for name in further]
    if not further:
        return [*_by_address(outside)]
    return [f"{at.scheme}://{_with_port(name, at)}" for at in outside for name in further]


def _with_port(name: str, at: SplitResult) -> str:
    return name if urlsplit(f"//{name}").port else f"{name}:{at.port}"


def _by_address(outside: Sequence[SplitResult]) -> Iterator[str]:
    """Yield the URLs of listeners by their addresses; "all addresses" is this machine's own."""
    for at in outside:
        address = at.hostname or ""
        address = _own_address(ELSEWHERE[address]) if address in ELSEWHERE else address
        if address:
            yield f"{at.scheme}://{f'[{address}]' if ':' in address else address}:{at.port}"


def _own_address(elsewhere: str) -> str:
    """Return the address from which this machine would speak to another; nothing is sent."""
    family = socket.AF_INET6 if ":" in elsewhere else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as way:
            way.connect((elsewhere, 9))
            return str(way.getsockname()[0])
    except OSError:
        return ""
