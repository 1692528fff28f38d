"""The dashboard's routes: the page, its files, and who gets the index of routes instead."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from sxhost.dashboard.assets import Assets
from sxhost.http.authentication import AccessPolicy
from sxhost.testing import HostInMemory
from tests.host.http.test_http_authentication import Gate, bearer

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
"""What a browser accepts that opens a page."""

FILE = f"/ui/{Assets.load().version}/main.js"


@pytest.fixture
def page(lab: HostInMemory) -> Any:
    return lab.request("GET", "/", accept=HTML)


def test_browser_gets_the_page(page: Any) -> None:
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert FILE.removeprefix("/").encode() in page.body
    assert page.header("cache-control") == "no-cache"


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_program_gets_the_index_of_routes(lab: HostInMemory, accept: str) -> None:
    answer = lab.request("GET", "/", accept=accept)
    assert answer.json()["name"] == "sxhost"


def test_page_may_do_no_more_than_it_needs(page: Any) -> None:
    policy = dict(
        part.split(" ", 1) for part in page.header("content-security-policy").split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == (
        "'script'",
        "sxhost-worker",  # makes one address, and no markup
    )
    assert policy["worker-src"] == "'self'"
    assert page.header("x-frame-options") == "DENY"
    assert page.header("referrer-policy") == "no-referrer"


def test_every_file_that_the_page_names_is_served_for_good(
    lab: HostInMemory, page: Any
) -> None:
    names = re.findall(r'(?:href|src)="([^"]+)"', page.body.decode())
    assert len(names) > 10
    for name in names:
        answer = lab.request("GET", f"/{name}")
        assert answer.status == 200, name
        assert "immutable" in str(answer.header("cache-control"))


def test_file_is_compressed_for_those_who_take_that(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    whole, small, refused = (
        gate.ask(FILE, *also).got
        for also in ((), ("Accept-Encoding: br, gzip",), ("Accept-Encoding: gzip;q=0",))
    )
    assert b"Content-Encoding: gzip" in small
    assert b"Content-Encoding" not in whole + refused
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in (whole, small)]
    assert gzip.decompress(bodies[1]) == bodies[0]


def test_worker_names_files_that_are_served_and_is_asked_for_anew(lab: HostInMemory) -> None:
    answer = lab.request("GET", "/worker.js")
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert answer.header("cache-control") == "no-cache"
    files = re.search(r'FILES = "([^"]+)"', answer.body.decode())
    assert files
    for name in files[1].split():
        assert lab.request("GET", FILE.replace("main.js", name)).status == 200, name
    assert "LICENSE" not in files[1]


def test_unchanged_page_is_not_sent_again(lab: HostInMemory, page: Any) -> None:
    again = lab.request("GET", "/", accept=HTML, if_none_match=str(page.header("etag")))
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        *("/ui/0000000000000000/main.js", f"{FILE}.map", FILE.replace("main", "..")),
        *(
            FILE.replace("main.js", name)
            for name in ("index.html", "vendor", "%2e%2e%2fmain.js")
        ),
        FILE.replace("main.js", "vendor/..%2fmain.js"),
    ],
)
def test_nothing_else_is_served(lab: HostInMemory, path: str) -> None:
    answer = lab.request("GET", path)
    assert answer.status in (400, 404)
    assert answer.json()["ok"] is False


def test_page_is_open_but_the_index_is_not(tmp_path: Path) -> None:
    gate = Gate(tmp_path, AccessPolicy(tokens="all"))
    html = f"Accept: {HTML}"
    assert gate.ask("/", html).status == gate.ask(FILE).status == 200
    assert gate.refused("/") == "unauthorized"
    assert gate.refused("/", bearer(gate.token("read"))) == ""
    assert gate.refused("/", bearer(gate.token("send"))) == "forbidden_scope"
