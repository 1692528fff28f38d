"""Is it this machine?  One table of spellings, asked in every form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.localnet import (
    LOOPBACK_NAMES,
    is_local_endpoint,
    is_local_url,
    is_loopback,
    loopback_addresses,
    parse_address,
)

LOCAL = ("localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::1%lo")
REMOTE = (
    *("192.0.2.1", "2001:db8::1", "10.0.0.1", "0.0.0.0", "::", "fe80::1%eth0"),
    *("localhost.example", "127.0.0.1.example", "127.example", "127.1", "127.0.0.1%x", ""),
    *("::ffff:192.0.2.1", "example", "loopback", "LOCALHOST."),
)


def in_url(name: str) -> str:
    return f"[{name}]" if ":" in name else name


@pytest.mark.parametrize("name", LOCAL)
def test_this_machine_by_name_url_and_endpoint(name: str) -> None:
    assert is_loopback(name)
    assert is_local_url(f"http://{in_url(name)}:7432/x")
    assert is_local_url(f"https://{in_url(name)}")
    interface = name.replace(":", r"\:")
    assert is_local_endpoint(f"tcp:7432:interface={interface}")


@pytest.mark.parametrize("name", REMOTE)
def test_other_machines_by_name_url_and_endpoint(name: str) -> None:
    assert not is_loopback(name)
    assert loopback_addresses(name) == ()
    # As a host writes it, "all addresses" leads a client to this machine.
    assert is_local_url(f"http://{in_url(name)}:7432") == (name in ("0.0.0.0", "::"))
    interface = name.replace(":", r"\:")
    assert not is_local_endpoint(f"tcp:7432:interface={interface}")


def test_the_usual_names_are_loopback() -> None:
    assert all(map(is_loopback, LOOPBACK_NAMES))
    assert loopback_addresses("localhost") == ("127.0.0.1", "::1")
    assert loopback_addresses("::ffff:127.0.0.1") == ("127.0.0.1",)


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1", "ftp://127.0.0.1", "http:///x", "http://:1", "http://127.0.0.1:0",
     "http://127.0.0.1:x", "http://[::1"],
)  # fmt: skip
def test_what_is_no_url_of_a_host_is_not_local(url: str) -> None:
    assert not is_local_url(url)


@pytest.mark.parametrize("endpoint", ["tcp:7432", "tcp:7432:interface=", "ssl:1:interface=::1",
                                      "systemd:domain=INET:index=0", "127.0.0.1"])  # fmt: skip
def test_endpoints_that_may_be_open_to_others(endpoint: str) -> None:
    assert not is_local_endpoint(endpoint)


def test_a_unix_socket_is_local() -> None:
    assert is_local_url("unix:/run/sxhost")
    assert is_local_endpoint("unix:/run/sxhost:mode=600")


@given(st.ip_addresses(v=4))
def test_an_address_is_read_the_same_however_the_kernel_shows_it(address: object) -> None:
    assert parse_address(f"::ffff:{address}") == parse_address(str(address)) == address


@given(st.ip_addresses(v=6))
def test_an_address_has_no_zone(address: object) -> None:
    assert parse_address(f"{address}%eth0") == parse_address(str(address))


@given(st.text())
def test_anything_else_is_not_this_machine(text: str) -> None:
    assert is_loopback(text) in (True, False)
    assert is_local_url(text) in (True, False)
    assert is_local_endpoint(text) in (True, False)
