"""URLs as treq takes them, also where the host is an IPv6 address."""

from __future__ import annotations

from twisted.python.url import URL

__all__ = ["treq_url"]


class LiteralURL(URL):
    """A URL whose host is an IPv6 address.

    hyperlink would encode that as an international name, and refuse its colons (hyperlink#188).
    """

    def to_uri(self) -> URL:
        """Return it with everything encoded but the host, which needs no encoding."""
        named = self.replace(host="localhost")
        return URL.to_uri(named).replace(host=self.host)


def treq_url(url: str) -> str | URL:
    """Return what treq is to be given for `url`."""
    return LiteralURL.from_text(url) if "://[" in url else url
