"""Addresses of hosts: what each part is, what is none, and that quick commands stay quick."""

from __future__ import annotations

import sys
from subprocess import run

import pytest

from sxhost.address import HostAddress


@pytest.mark.parametrize(
    ("url", "name", "port", "authority", "prefix"),
    [
        ("http://127.0.0.1:7432", "127.0.0.1", 7432, "127.0.0.1:7432", ""),
        ("http://127.0.0.1:7432/", "127.0.0.1", 7432, "127.0.0.1:7432", ""),
        ("http://localhost", "localhost", 80, "localhost", ""),
        ("https://Ada.example", "ada.example", 443, "Ada.example", ""),
        ("HTTPS://h:1/a/b/", "h", 1, "h:1", "/a/b"),
        ("http://[::1]:80", "::1", 80, "[::1]:80", ""),
        ("https://[2001:db8::1]", "2001:db8::1", 443, "[2001:db8::1]", ""),
        ("http://[fe80::1%25eth0]:1/x", "fe80::1%eth0", 1, "[fe80::1]:1", "/x"),
        ("http://[FE80::1%Eth0]", "fe80::1%Eth0", 80, "[fe80::1]", ""),
        ("http://[::1%25lo]:1", "::1", 1, "[::1]:1", ""),
        ("http://[::]:7432", "::1", 7432, "[::1]:7432", ""),
        ("http://[0:0:0:0:0:0:0:0]:1", "::1", 1, "[::1]:1", ""),
        ("http://0.0.0.0:7432", "127.0.0.1", 7432, "127.0.0.1:7432", ""),
        ("http://[::FFFF:1.2.3.4]:1", "::ffff:1.2.3.4", 1, "[::FFFF:1.2.3.4]:1", ""),
    ],
)
def test_a_tcp_address_has_parts(
    url: str, name: str, port: int, authority: str, prefix: str
) -> None:
    address = HostAddress(url)
    parts = (address.name, address.port, address.authority, address.prefix)
    assert parts == (name, port, authority, prefix)
    assert address.secure is url.lower().startswith("https:")
    assert address.socket_path == ""


@pytest.mark.parametrize(
    ("given", "url", "certified"),
    [
        ("http://[fe80::1%25eth0]:1/", "http://[fe80::1]:1", "fe80::1"),
        ("HTTPS://[::]:1/x/", "https://[::1]:1/x", "::1"),
        ("https://h", "https://h", "h"),
        ("unix:///run/s", "unix:/run/s", "localhost"),
    ],
)
def test_address_is_written_for_every_client(given: str, url: str, certified: str) -> None:
    address = HostAddress(given)
    assert (address.url, address.certified_name) == (url, certified)


@pytest.mark.parametrize("url", ["unix:/run/s", "unix:///run/s", "unix:run/s"])
def test_a_socket_has_a_path(url: str) -> None:
    address = HostAddress(url)
    assert (address.socket_path, address.secure) == ("/run/s", False)
    assert (address.authority, address.prefix) == ("localhost", "")


NO_ADDRESSES = [
    *("", "7432", "127.0.0.1:7432", "ftp://h", "http:", "http:h", "http:/h", "http://"),
    *("http://:80", "http://h:x", "http://h:", "http://h:0", "http://h:65536", "http://h:-1"),
    *("http://h:٣", "http://[::1", "http://::1", "http://::1:80", "http://[]:80"),
    *("http://h:" + "9" * 5000, "http://h?x", "http://h#x", "http://a b", "http://h\\x"),
]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_malformed_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|Port|port"):
        HostAddress(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1@evil:80", "http://127.0.0.1:80@evil"])
def test_user_info_is_not_taken_for_the_host_name(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|Port"):
        HostAddress(url)


def test_address_module_imports_nothing() -> None:
    program = """if True:
        import __future__, sys, sxhost
        before = set(sys.modules)
        import sxhost.address
        sys.exit(set(sys.modules) - before != {"sxhost.address"})
    """
    run([sys.executable, "-c", program], check=True)
