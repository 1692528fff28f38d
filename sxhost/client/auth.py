"""Requests of a client that has a token, or that finds one when it is asked for one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.python.url import URL
from twisted.web.client import ResponseFailed
from twisted.web.iweb import IAgent

__all__ = ["Bearer", "Token"]

Token = str | Callable[[], str | None] | None
"""A token for every request, or a function that finds one once the host answers 401."""

UNAUTHORIZED: Final = 401


class Bearer(HTTPClient):
    """A treq client that shows a token with every request."""

    def __init__(self, agent: IAgent, token: Token) -> None:
        super().__init__(agent)
        self._token = token if isinstance(token, str) else None
        self._find = None if isinstance(token, str) else token

    def request(  # type: ignore[override]
        self, method: str, url: str | URL, **options: Any
    ) -> Deferred[Any]:
        """Send a request; a second time, with a token, if the host wants one and we find it."""
        return Deferred.fromCoroutine(self._request(method, url, options))

    async def _request(self, method: str, url: str | URL, options: dict[str, Any]) -> Any:
        response = await self._send(method, url, options)
        if response.code == UNAUTHORIZED and self._find is not None:
            self._token, self._find = self._find(), None
            if self._token is not None:
                await response.content()
                response = await self._send(method, url, options)
        return response

    async def _send(self, method: str, url: str | URL, options: dict[str, Any]) -> Any:
        if self._token is not None:
            authorization = {"Authorization": f"Bearer {self._token}"}
            options = {
                **options,
                "headers": {**(options.get("headers") or {}), **authorization},
            }
        try:
            return await super().request(method, url, **options)
        except ResponseFailed as error:
            _explain(error)
            raise


def _explain(error: ResponseFailed) -> None:
    """Replace TLS errors in `error` by sentences about the host's certificate."""
    if sys.modules.get("OpenSSL") is not None:  # else TLS was not spoken
        from sxhost.auth.tls import explain_tls_failure  # which takes its time to import

        error.reasons[:] = map(explain_tls_failure, error.reasons)
