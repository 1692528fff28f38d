"""Under which URLs other machines reach a host."""

from __future__ import annotations

import pytest

from sxhost.daemon.entrances import outside_urls

LOCAL = ["unix:/run/sxhost.sock", "http://127.0.0.1:7432", "http://[::1]:7432"]
TLS = "https://0.0.0.0:7433"

CASES = [
    (LOCAL, [], []),
    (LOCAL, ["localhost:8000", "127.0.0.1"], []),
    (LOCAL, ["x.example.org", "y:8443"], ["https://x.example.org", "https://y:8443"]),
    ([*LOCAL, TLS], ["x.example.org"], ["https://x.example.org:7433"]),
    ([*LOCAL, TLS], ["x.example.org:443"], ["https://x.example.org:443"]),
    (["http://10.1.2.3:7432"], [], ["http://10.1.2.3:7432"]),
    (
        ["http://10.1.2.3:1", "https://10.1.2.3:2"],
        [],
        ["https://10.1.2.3:2", "http://10.1.2.3:1"],
    ),
    (["https://[fd00::1]:2"], [], ["https://[fd00::1]:2"]),
    (["https://10.1.2.3:2"], ["[fd00::1]:5"], ["https://[fd00::1]:5"]),
]


@pytest.mark.parametrize(("listening", "names", "urls"), CASES)
def test_urls_for_others_are_by_name_where_there_is_one(
    listening: list[str], names: list[str], urls: list[str]
) -> None:
    assert outside_urls(listening, names) == urls


@pytest.mark.parametrize("anywhere", ["0.0.0.0", "[::]"])
def test_all_addresses_are_one_that_others_can_use(anywhere: str) -> None:
    for url in outside_urls([f"https://{anywhere}:7432"], []):  # none without a network
        assert url.startswith("https://")
        assert anywhere not in url
