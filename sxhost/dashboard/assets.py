"""The files of the dashboard, in memory, and the headers under which a browser runs them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from twisted.web.http import CACHED
from twisted.web.server import Request

from sxhost.http.compression import FixedBody

__all__ = ["Asset", "Assets"]

PAGE: Final = "index.html"
WORKER: Final = "worker.js"

VERSION: Final = b"{version}"
"""What stands for the version in the page: the addresses of all other files begin with it."""

FILES: Final = b"{files}"
"""What stands in the worker for the names of the files that it keeps."""

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}

POLICY: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types sxhost-worker",
)
"""The content security policy: only this host's own files run, nothing is sent elsewhere, and
no script can make markup of a text, such as what an agent says.  The one policy of types that
it allows is taken by ``offline.js``, and makes nothing but the address of the worker."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "; ".join(POLICY),
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Sxhost-Worker": "?1",
    "Vary": "Accept, Accept-Encoding",
}
"""Headers of the page and its files, beside those of every answer.  By one of them a browser's
worker knows that what answers has a worker, too; else it goes."""

FOREVER: Final = "public, max-age=31536000, immutable"
"""How long a browser keeps what has its version in its address."""


class Asset:
    """One file, as it is sent: `http.routes.SelfWritingResponse`."""

    def __init__(self, name: str, content: bytes, caching: str) -> None:
        self._body = FixedBody(content)
        self._media_type = MEDIA_TYPES[PurePosixPath(name).suffix]
        self._caching = caching
        self._tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'.encode()

    async def serve(self, request: Request) -> None:
        """Write the file, or that the browser's copy of it is still good."""
        for header, value in {**HEADERS, "Cache-Control": self._caching}.items():
            request.setHeader(header, value)
        request.setHeader("Content-Type", self._media_type)
        if request.setETag(self._tag) is CACHED:
            return
        body = self._body.encode(request)
        request.setHeader("Content-Length", str(len(body)))
        request.write(body)


class Assets:
    """All files of the dashboard.

    :param contents: the files by their paths below ``static``.
    """

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.version = _version(contents)
        others = {name: each for name, each in contents.items() if name not in (PAGE, WORKER)}
        kept = " ".join(name for name in sorted(others) if not name.endswith(".txt"))
        self.page = self._filled_in(PAGE, contents, kept)
        self.worker = self._filled_in(WORKER, contents, kept)
        self._files = {name: Asset(name, each, FOREVER) for name, each in others.items()}

    def _filled_in(self, name: str, contents: Mapping[str, bytes], kept: str) -> Asset:
        """Return a file whose address is the same in each version."""
        content = contents[name].replace(VERSION, self.version.encode())
        return Asset(name, content.replace(FILES, kept.encode()), "no-cache")

    @classmethod
    def load(cls) -> Assets:
        """Read the files of this installation."""
        return cls(dict(_walk(files("sxhost.dashboard") / "static")))

    def find(self, name: str) -> Asset | None:
        """Return a file by its path; None if there is none."""
        return self._files.get(name)


def _version(contents: Mapping[str, bytes]) -> str:
    """Return a name for these contents: no other ones have it."""
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(f"{name} {len(contents[name])}\n".encode() + contents[name])
    return digest.hexdigest()[:16]


def _walk(place: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in place.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif PurePosixPath(entry.name).suffix in MEDIA_TYPES:
            yield prefix + entry.name, entry.read_bytes()
