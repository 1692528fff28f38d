"""The dashboard's files: what is vendored is what is served, what the page names is there."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from importlib.resources import files
from pathlib import PurePosixPath

import pytest

from sxhost.dashboard.assets import Assets

STATIC = files("sxhost.dashboard") / "static"
MODULES = sorted(entry.name for entry in STATIC.iterdir() if entry.name.endswith(".js"))

FIRST_LOAD = 60_000
"""Bytes, compressed, of all that a browser loads at first."""

FIRST_REQUESTS = 20
"""Files that it asks for until the board is there: six at a time, over HTTP/1.1."""

IMPORT = re.compile(r"""(?:\bfrom\s*|\bimport\s*|\bimport\()["'](\./[^"']+)["']""")


def imports(name: str) -> set[str]:
    """Return the files that a module imports, by their paths below ``static``."""
    place = PurePosixPath(name).parent
    return {
        str(place / found.removeprefix("./"))
        for found in IMPORT.findall((STATIC / name).read_text())
    }


def at_first(name: str) -> set[str]:
    """Return a module with all that it needs before it can run."""
    found: set[str] = set()
    todo = {name}
    while todo:
        module = todo.pop()
        found.add(module)
        static = re.sub(r"import\([^)]*\)", "", (STATIC / module).read_text())
        place = PurePosixPath(module).parent
        needed = {str(place / each.removeprefix("./")) for each in IMPORT.findall(static)}
        todo |= needed - found
    return found


def named_by_page(how: str) -> set[str]:
    """Return the files that the page has loaded in a way, by their paths below ``static``."""
    page = (STATIC / "index.html").read_text()
    return set(re.findall(rf'{how}"? (?:href|src)="ui/{{version}}/([^"]+)"', page))


def test_version_changes_with_any_file() -> None:
    page = b"<script src=ui/{version}/main.js>"
    one, same, other, renamed = (
        Assets({"index.html": page, "worker.js": b"", **more})
        for more in ({"a.js": b"1"}, {"a.js": b"1"}, {"a.js": b"2"}, {"b.js": b"1"})
    )
    assert one.version == same.version
    assert len({one.version, other.version, renamed.version}) == 3


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_files_that_are_served(name: str) -> None:
    assets = Assets.load()
    missing = {found for found in imports(name) if assets.find(found) is None}
    assert not missing


def test_page_preloads_what_its_script_needs_at_first() -> None:
    """So it waits for its files once, however long the chain of their imports is."""
    preloaded = named_by_page("modulepreload")
    assert preloaded == at_first("main.js") - {"main.js", "first.js"}
    assert named_by_page("async") == {"first.js"}


@pytest.mark.parametrize("screen", ["session.js", "inbox.js"])
def test_modules_of_a_screen_are_loaded_together(screen: str) -> None:
    table = re.search(r"const PARTS = {(.*?)};", (STATIC / "first.js").read_text(), re.DOTALL)
    assert table
    lists = [re.findall(r'"(\w+)"', line) for line in table[1].splitlines()]
    listed = {names[0]: {f"{name}.js" for name in names} for names in lists if names}
    assert listed[screen.removesuffix(".js")] == at_first(screen) - at_first("main.js")


def test_first_load_is_small() -> None:
    loaded = [*at_first("main.js"), "index.html", "app.css"]
    size = sum(len(gzip.compress((STATIC / name).read_bytes())) for name in loaded)
    assert size <= FIRST_LOAD
    assert len(loaded) <= FIRST_REQUESTS


def test_libraries_are_those_that_were_vendored() -> None:
    vendor = STATIC / "vendor"
    listed = json.loads((vendor / "vendor.json").read_text())
    found = {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in vendor.iterdir()
        if entry.name.endswith(".js")
    }
    assert found == {name: entry["sha256"] for name, entry in listed.items()}
    assert all(entry["licence"] in ("MIT", "Apache-2.0") for entry in listed.values())


@pytest.mark.parametrize("name", MODULES)
def test_module_makes_no_markup_of_texts(name: str) -> None:
    """Chromium refuses it by the content security policy; other browsers do not know that."""
    code = (STATIC / name).read_text()
    markup = re.compile(
        r"innerHTML|outerHTML|insertAdjacent|dangerously|document\.write|eval\("
    )
    assert not markup.search(code)


@pytest.mark.parametrize("name", [*MODULES, "index.html", "app.css"])
def test_file_names_no_other_host(name: str) -> None:
    assert not re.search(r"https?://(?!www\.w3\.org)", (STATIC / name).read_text())
