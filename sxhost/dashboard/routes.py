"""The routes of the dashboard: ``/`` for whoever accepts HTML, and the files that it loads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from msgspec import Meta

from sxhost.dashboard.assets import Asset, Assets
from sxhost.errors import UnknownRoute
from sxhost.http.routes import Route

__all__ = ["routes"]

HTML: Final = "text/html"
ANY: Final = "*/*"

Version = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{16}$"})]
FileName = Annotated[
    str, Meta(extra_json_schema={"pattern": r"^[a-z-]{1,32}\.[a-zA-Z.]{2,16}$"})
]


def routes(assets: Assets) -> Sequence[Route]:
    """Return the routes of the page and its files, which hold no secret: they are open."""

    async def page() -> Asset:
        return assets.page

    async def worker() -> Asset:
        return assets.worker

    async def file(version: Version, name: FileName) -> Asset:
        return _find(version, name)

    async def library(version: Version, name: FileName) -> Asset:
        return _find(version, f"vendor/{name}")

    def _find(version: str, name: str) -> Asset:
        asset = assets.find(name) if version == assets.version else None
        if asset is None:
            raise UnknownRoute(f"/ui/{version}/{name}")
        return asset

    route = partial(Route, "GET", scope="open", answers=str, tag="dashboard")
    return (
        # The index of routes is at `/`, too: its readers are identified.
        route("/", page, "Show the dashboard.", produces=HTML, asks=True),
        route("/worker.js", worker, "Load the page's service worker.", produces=ANY),
        route("/ui/<version>/<name>", file, "Load a file.", produces=ANY),
        route("/ui/<version>/vendor/<name>", library, "Load a library.", produces=ANY),
    )
