"""Imports run downward only: the rooms and floors of ``docs/architecture.md``, kept."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import sxhost

PACKAGE = Path(sxhost.__file__).parent


class Room(NamedTuple):
    """Its modules (a pattern each), the rooms that it may see, packages from elsewhere."""

    floor: str
    modules: tuple[str, ...]
    sees: frozenset[str]
    packages: frozenset[str]


def rooms_of(names: str) -> frozenset[str]:
    return frozenset(names.split())


LOW = "values logs codec"
ROOMS = {
    "values": Room(
        "0",
        (
            *("__init__.py", "access.py", "approval.py", "caller.py", "errors/*.py"),
            *(
                "grammar.py",
                "host.py",
                "limits.py",
                "model.py",
                "rights.py",
                "state.py",
                "turn.py",
            ),
        ),
        rooms_of(""),
        rooms_of("msgspec"),
    ),
    "logs": Room("0", ("logs.py",), rooms_of(""), rooms_of("twisted.logger")),
    "visible": Room("0", ("visible.py",), rooms_of(""), rooms_of("")),
    "project": Room("0", ("project.py",), rooms_of(""), rooms_of("")),
    "files": Room("0", ("files.py",), rooms_of(""), rooms_of("")),
    "peers": Room("0", ("peers.py",), rooms_of(""), rooms_of("twisted")),
    "tls": Room(
        "1",
        ("tls.py",),
        rooms_of("logs"),
        rooms_of("OpenSSL cryptography service_identity twisted zope"),
    ),
    "codec": Room("1", ("codec/*.py",), rooms_of("values"), rooms_of("msgspec re2")),
    "commands": Room("1", ("commands/*.py",), rooms_of("values"), rooms_of("msgspec")),
    "store": Room("2", ("store/*.py",), rooms_of(f"{LOW} files"), rooms_of("msgspec twisted")),
    "keyring": Room(
        "2",
        ("browsers.py", "keyring.py"),
        rooms_of("values files"),
        rooms_of("msgspec twisted"),
    ),
    "policy": Room("2", ("policy/*.py",), rooms_of("values codec"), rooms_of("msgspec")),
    "driver": Room(
        "2",
        ("driver/*.py", "driver/*/*.py"),
        rooms_of(LOW),
        rooms_of("automat msgspec twisted zope"),
    ),
    "host": Room(
        "3",
        (
            *("audit.py", "eviction.py", "hub.py", "index.py", "presence.py", "reading.py"),
            *("service.py", "slices.py", "subscription.py"),
            *("filing.py", "hooked.py", "hosted/*.py", "views.py"),
        ),
        rooms_of(f"{LOW} store driver policy project"),
        rooms_of("msgspec twisted zope"),
    ),
    "web": Room(
        "4",
        ("web/*.py", "web/*/*.py"),
        rooms_of(f"{LOW} store driver host keyring peers"),
        rooms_of("autobahn klein msgspec prometheus_client twisted werkzeug zope"),
    ),
    "mux": Room(
        "4",
        ("mux/*.py",),
        rooms_of(f"{LOW} store driver host commands"),
        rooms_of("msgspec twisted"),
    ),
    "stdio": Room(
        "4",
        ("stdio.py",),
        rooms_of(f"{LOW} store driver host"),
        rooms_of("msgspec twisted zope"),
    ),
    "client": Room(
        "beside",
        ("client/*.py",),
        rooms_of(f"{LOW} tls"),
        rooms_of("msgspec treq twisted zope"),
    ),
    "telemetry": Room(
        "beside",
        ("telemetry.py", "emit.py", "trust.py"),
        rooms_of(f"{LOW} files project visible"),
        rooms_of("msgspec treq twisted zope"),
    ),
    "credentials": Room(
        "beside",
        ("credentials.py",),
        rooms_of("values files keyring peers config"),
        rooms_of(""),
    ),
    "attach": Room(
        "agent",
        ("attach/*.py",),
        rooms_of(f"{LOW} project client credentials config"),
        rooms_of("msgspec treq twisted zope"),
    ),
    "hook": Room(
        "agent",
        ("hook.py", "hook_settings.py"),
        rooms_of(f"{LOW} files credentials config visible"),
        rooms_of("msgspec"),
    ),
    "config": Room("top", ("config.py",), rooms_of("values files"), rooms_of("msgspec")),
    "daemon": Room(
        "daemon",
        ("daemon/*.py",),
        rooms_of(f"{LOW} files tls store keyring host web mux config visible"),
        rooms_of("OpenSSL twisted zope"),
    ),
    "top": Room(
        "top",
        ("__main__.py", "cli/*.py", "forward.py", "hosting.py", "options.py", "tap.py"),
        rooms_of(
            f"{LOW} peers tls store driver host keyring web stdio client telemetry attach hook"
            " daemon config policy project credentials commands mux visible"
        ),
        rooms_of("OpenSSL autobahn click msgspec rich twisted zope"),
    ),
}

REACTOR_NAME = "twisted.internet.reactor"
REACTOR = {
    "tap.py": {"makeService"},
    "cli/main.py": None,
    "cli/terminal.py": None,
    "telemetry.py": {"send"},
}
"""Who may import the global reactor, and in which functions (None: anywhere)."""


class Import(NamedTuple):
    """One imported name, dotted, and the function that imports it ("" for the module)."""

    name: str
    function: str


def modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


def imports(module: str) -> Iterator[Import]:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    yield from _imports_in(tree, module, "")


def _imports_in(node: ast.AST, module: str, function: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _base(child, module)
            yield from (Import(f"{base}.{alias.name}", function) for alias in child.names)
        yield from _imports_in(child, module, _name(child) or function)


def _name(node: ast.AST) -> str:
    """Return a function's name; "" if it is none."""
    return node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""


def _base(node: ast.ImportFrom, module: str) -> str:
    """Return the dotted name that a ``from … import`` starts from."""
    package = ("sxhost", *Path(module).parent.parts)
    above = package[: len(package) - node.level + 1] if node.level else ()
    return ".".join([*above, *filter(None, [node.module])])


def ours(name: str) -> str | None:
    """Return the module of ours that an imported dotted name leads to."""
    package, *parts = name.split(".")
    if package != "sxhost":
        return None
    while parts:
        place = "/".join(parts)
        for path in (f"{place}.py", f"{place}/__init__.py"):
            if (PACKAGE / path).exists():
                return path
        parts.pop()
    return "__init__.py"


def room_of(module: str) -> str:
    found = [name for name, room in ROOMS.items() if _lives_in(module, room)]
    assert len(found) == 1, f"{module} belongs into one room, not into {found}"
    return found[0]


def _lives_in(module: str, room: Room) -> bool:
    return any(
        Path(module).match(pattern) and module.count("/") == pattern.count("/")
        for pattern in room.modules
    )


def seen_by(module: str) -> set[str]:
    """Return the modules of ours that a module imports, wherever in it."""
    return {found for name, _ in imports(module) if (found := ours(name))} - {module}


def foreign(module: str) -> set[str]:
    """Return what a module imports from elsewhere than the standard library."""
    names = {name for name, _ in imports(module) if ours(name) is None}
    return {n for n in names if n.partition(".")[0] not in sys.stdlib_module_names}


def test_the_walk_sees_imports_of_every_kind() -> None:
    assert "store/memory.py" in seen_by("tap.py")
    assert "codec/json.py" in seen_by("cli/output.py"), "inside a function"
    assert "client/host.py" in seen_by("cli/terminal.py"), "for the type checker"
    assert Import("twisted.internet.reactor", "makeService") in set(imports("tap.py"))


@pytest.mark.parametrize("module", modules())
def test_imports_run_downward(module: str) -> None:
    room = room_of(module)
    rooms = {room_of(seen) for seen in seen_by(module)}
    assert rooms <= {room} | ROOMS[room].sees


@pytest.mark.parametrize("module", modules())
def test_packages_stay_in_their_rooms(module: str) -> None:
    allowed = ROOMS[room_of(module)].packages
    strangers = {n for n in foreign(module) if not _within(n, allowed)}
    assert not strangers


def _within(name: str, packages: frozenset[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def test_the_rooms_see_only_lower_floors() -> None:
    order = ["0", "1", "2", "3", "4", "beside", "agent", "daemon", "top"]
    for name, room in ROOMS.items():
        floors = [order.index(ROOMS[seen].floor) for seen in room.sees - {"config"}]
        assert all(floor < order.index(room.floor) for floor in floors), name


def test_there_are_no_circles() -> None:
    graph = {module: seen_by(module) for module in modules()}
    TopologicalSorter(graph).prepare()


def test_klein_is_met_in_web_only() -> None:
    users = {m for m in modules() if _within_any(m, frozenset({"klein", "werkzeug"}))}
    assert users == {"web/routes.py"}


def _within_any(module: str, packages: frozenset[str]) -> bool:
    return any(_within(name, packages) for name in foreign(module))


@pytest.mark.parametrize("module", modules())
def test_the_global_reactor_is_met_at_the_top_only(module: str) -> None:
    places = {function for name, function in imports(module) if name == REACTOR_NAME}
    allowed = REACTOR.get(module, set())
    assert allowed is None or places <= allowed
