"""URLs for treq: those with IPv6 addresses stay what they are."""

from __future__ import annotations

import pytest
from twisted.python.url import URL

from sxhost.treq_url import treq_url


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]/",
        "http://[::1]:7432/a?b=%20c",
        "https://[2001:db8::1]:1/",
        "http://[::]:9/x",
    ],
)
def test_ipv6_address_is_not_encoded(url: str) -> None:
    given = treq_url(url)
    assert isinstance(given, URL)
    assert given.to_uri().to_text() == url


def test_path_is_encoded_beside_an_ipv6_address() -> None:
    given = treq_url("http://[::1]:1/ü ?ü")
    assert isinstance(given, URL)
    assert given.to_uri().to_text() == "http://[::1]:1/%C3%BC%20?%C3%BC"


@pytest.mark.parametrize("url", ["http://h/[::1]", "http://127.0.0.1:1/", "https://ü.example/"])
def test_other_url_is_left_to_treq(url: str) -> None:
    assert treq_url(url) == url
