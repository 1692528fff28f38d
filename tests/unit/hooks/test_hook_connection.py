"""Where a hook finds its host, and whether that is on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sxhost.config import host_url
from sxhost.hooks.connection import DEFAULT_URL, announced, is_local


def test_hook_finds_the_host_as_other_commands_do() -> None:
    assert host_url({}) == DEFAULT_URL


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000\n", "unix:/s", "nonsense", "", "\xff"])
@pytest.mark.parametrize(
    ("variable", "below"),
    [("HOME", ".local/state/sxhost"), ("XDG_STATE_HOME", "sxhost"), ("STATE_DIRECTORY", "")],
)
def test_host_writes_its_url_to_its_state_directory(
    tmp_path: Path, variable: str, below: str, url: str
) -> None:
    environ = {"HOME": "/nowhere", variable: str(tmp_path)}
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    (tmp_path / below / "url").write_text(url, "utf-8")
    assert host_url(environ) == (announced(environ) or DEFAULT_URL)
    assert (host_url(environ) == url.strip()) is url.startswith(("http", "unix"))
    assert host_url({**environ, "SXHOST_URL": "x"}) == "x"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:7432", True),
        ("http://localhost:7432", True),
        ("http://[::1]:7432", True),
        ("unix:/run/sxhost/socket", True),
        ("https://host.example:7432", False),
        ("http://192.0.2.7:7432", False),
    ],
)
def test_a_host_on_this_machine_reads_the_file_itself(url: str, local: bool) -> None:
    assert is_local(url) is local
