"""Imports run downward only: the rooms and floors of ``docs/architecture.md``, kept."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
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


ROOMS = {
    "address": Room("0", ("address.py",), rooms_of(""), rooms_of("")),
    "errors": Room("0", ("errors/*.py",), rooms_of(""), rooms_of("")),
    "files": Room("0", ("files.py",), rooms_of(""), rooms_of("")),
    "os_process": Room("0", ("os_process.py",), rooms_of(""), rooms_of("")),
    "localnet": Room("1", ("localnet.py",), rooms_of("address"), rooms_of("")),
    "logs": Room("0", ("logs.py",), rooms_of(""), rooms_of("twisted.logger")),
    "project": Room("0", ("project.py",), rooms_of(""), rooms_of("")),
    "ratelimit": Room("0", ("ratelimit.py",), rooms_of(""), rooms_of("")),
    "rule_file": Room("0", ("rule_file.py",), rooms_of(""), rooms_of("msgspec")),
    "slices": Room("0", ("slices.py",), rooms_of(""), rooms_of("twisted")),
    "treq_url": Room("0", ("treq_url.py",), rooms_of(""), rooms_of("twisted")),
    "visible": Room("0", ("visible.py",), rooms_of(""), rooms_of("")),
    "waiting": Room("0", ("waiting.py",), rooms_of(""), rooms_of("twisted")),
    "model": Room("1", ("__init__.py", "model/*.py"), rooms_of("errors"), rooms_of("msgspec")),
    "surroundings": Room("1", ("surroundings.py",), rooms_of("visible"), rooms_of("")),
    "trust": Room("1", ("trust.py",), rooms_of("files"), rooms_of("")),
    "codec": Room("2", ("codec/*.py",), rooms_of("errors model visible"), rooms_of("msgspec")),
    "config": Room("2", ("config.py",), rooms_of("files model"), rooms_of("msgspec")),
    "prices": Room("2", ("prices.py",), rooms_of("model"), rooms_of("msgspec")),
    "policy": Room("2", ("policy/*.py",), rooms_of("model rule_file"), rooms_of("msgspec re2")),
    "auth": Room(
        "3",
        ("auth/*.py",),
        rooms_of("address config errors files localnet logs model"),
        rooms_of("OpenSSL cryptography msgspec service_identity twisted zope"),
    ),
    "process": Room(
        "3",
        ("process/*.py",),
        rooms_of("codec errors logs model os_process waiting"),
        rooms_of("msgspec twisted"),
    ),
    "store": Room(
        "3",
        ("store/*.py", "store/*/*.py"),
        rooms_of("codec errors files logs model waiting"),
        rooms_of("msgspec psycopg twisted"),
    ),
    "transcripts": Room(
        "3", ("transcripts/*.py",), rooms_of("codec model waiting"), rooms_of("msgspec")
    ),
    "agent_files": Room(
        "4",
        ("agent_files/*.py",),
        rooms_of("codec files logs model os_process process visible waiting"),
        rooms_of("msgspec twisted"),
    ),
    "audit": Room(
        "4",
        ("audit.py",),
        rooms_of("errors logs model store waiting"),
        rooms_of("msgspec twisted"),
    ),
    "client": Room(
        "4",
        ("client/*.py",),
        rooms_of("address auth codec errors localnet model treq_url waiting"),
        rooms_of("msgspec treq twisted websockets zope"),
    ),
    "drivers": Room(
        "4",
        ("drivers/*.py", "drivers/*/*.py"),
        rooms_of("codec errors logs model process waiting"),
        rooms_of("msgspec twisted"),
    ),
    "streams": Room(
        "4",
        ("streams/*.py",),
        rooms_of("codec errors logs model slices store waiting"),
        rooms_of("msgspec twisted zope"),
    ),
    "agents": Room(
        "5",
        ("agents/*.py",),
        rooms_of(
            "codec drivers errors logs model os_process policy process store streams "
            "visible waiting"
        ),
        rooms_of("automat msgspec twisted"),
    ),
    "attach": Room(
        "5",
        ("attach/*.py",),
        rooms_of("auth client codec config errors logs model os_process project waiting"),
        rooms_of("msgspec twisted"),
    ),
    "service": Room(
        "6",
        (
            "event_drafts.py",
            "eviction.py",
            "history.py",
            "registration.py",
            "service.py",
            "service_agents.py",
            "service_core.py",
            "service_messages.py",
            "service_policy.py",
            "service_events.py",
            "service_viewers.py",
            "usage_report.py",
        ),
        rooms_of(
            "agents audit codec errors logs model prices project slices store "
            "streams transcripts waiting"
        ),
        rooms_of("msgspec twisted"),
    ),
    "hooks": Room(
        "5",
        ("hooks/*.py",),
        rooms_of(
            "address agent_files auth codec drivers errors files logs model "
            "os_process project visible waiting"
        ),
        rooms_of("msgspec twisted"),
    ),
    "notify": Room(
        "3",
        ("notify/*.py",),
        rooms_of("errors files logs model rule_file treq_url waiting"),
        rooms_of("msgspec treq twisted"),
    ),
    "dashboard": Room(
        "5", ("dashboard/*.py",), rooms_of("errors http"), rooms_of("msgspec twisted")
    ),
    "http": Room(
        "4",
        ("http/*.py",),
        rooms_of("auth codec errors localnet logs model ratelimit slices visible waiting"),
        rooms_of("httptools klein msgspec prometheus_client twisted websockets werkzeug zope"),
    ),
    "telemetry": Room(
        "3",
        ("telemetry/*.py",),
        rooms_of(
            "codec config errors localnet logs model project surroundings treq_url "
            "trust visible waiting"
        ),
        rooms_of("msgspec treq twisted"),
    ),
    "faces/codex_sse": Room(
        "5",
        ("faces/codex_sse/*.py",),
        rooms_of("codec errors http logs model transcripts"),
        rooms_of("msgspec twisted"),
    ),
    "faces/codexd": Room(
        "5",
        ("faces/codexd/*.py",),
        rooms_of("codec errors http model"),
        rooms_of("msgspec twisted"),
    ),
    "faces/native": Room(
        "6",
        ("faces/__init__.py", "faces/native/*.py"),
        rooms_of("auth codec errors hooks http logs model notify telemetry waiting"),
        rooms_of("msgspec twisted zope"),
    ),
    "faces/pi": Room(
        "5",
        ("faces/pi/*.py",),
        rooms_of("codec errors http logs model ratelimit transcripts waiting"),
        rooms_of("msgspec twisted zope"),
    ),
    "daemon": Room(
        "7",
        ("daemon/*.py",),
        rooms_of(
            "address agents auth config drivers errors faces/pi files http localnet "
            "logs model policy prices process service store visible waiting"
        ),
        rooms_of("OpenSSL twisted"),
    ),
    "top": Room(
        "8",
        ("tap.py",),
        rooms_of(
            "agent_files agents auth config daemon dashboard faces/codex_sse "
            "faces/codexd faces/native faces/pi hooks http logs notify service "
            "store "
            "telemetry visible waiting"
        ),
        rooms_of("msgspec twisted"),
    ),
    "cli": Room(
        "9",
        ("__main__.py", "cli/*.py", "cli/board/*.py"),
        rooms_of(
            "address attach auth client codec config daemon drivers errors faces/pi files "
            "hooks localnet logs model notify os_process policy project slices surroundings "
            "telemetry top transcripts trust visible waiting"
        ),
        rooms_of("click markdown_it msgspec rich segno textual twisted zope"),
    ),
    "testing": Room(
        "9",
        ("testing/*.py",),
        rooms_of(
            "agent_files agents auth client drivers errors faces/native faces/pi "
            "hooks http model notify process service store streams top waiting"
        ),
        rooms_of("msgspec treq twisted zope"),
    ),
}

REACTOR_NAME = "twisted.internet.reactor"
REACTOR = {
    "tap.py": {"makeService"},
    "cli/main.py": None,
    "cli/terminal.py": None,
    "telemetry/command.py": {"send"},
}
"""Who may import the global reactor, and in which functions (None: anywhere)."""


class Import(NamedTuple):
    """One imported name, dotted, and the function that imports it ("" for the module)."""

    name: str
    function: str


@cache
def modules() -> tuple[str, ...]:
    return tuple(sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")))


@cache
def imports(module: str) -> tuple[Import, ...]:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    return tuple(_imports_in(tree, module, ""))


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


@cache
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


@cache
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


def test_import_walk_sees_imports_of_every_kind() -> None:
    assert "store/memory.py" in seen_by("daemon/stores.py")
    assert "codec/json.py" in seen_by("cli/output.py"), "inside a function"
    assert "client/host.py" in seen_by("cli/terminal.py"), "for the type checker"
    assert Import("twisted.internet.reactor", "makeService") in set(imports("tap.py"))


@pytest.mark.parametrize("module", modules())
def test_imports_run_downward(module: str) -> None:
    room = room_of(module)
    rooms = {room_of(seen) for seen in seen_by(module)}
    assert rooms <= {room} | ROOMS[room].sees


@pytest.mark.parametrize("module", modules())
def test_third_party_packages_are_imported_only_in_their_rooms(module: str) -> None:
    allowed = ROOMS[room_of(module)].packages
    strangers = {n for n in foreign(module) if not _within(n, allowed)}
    assert not strangers


def _within(name: str, packages: frozenset[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def test_rooms_import_only_lower_floors() -> None:
    for name, room in ROOMS.items():
        floors = [int(ROOMS[seen].floor) for seen in room.sees]
        assert all(floor < int(room.floor) for floor in floors), name


@pytest.mark.parametrize("name", ROOMS)
def test_room_has_no_unused_permission(name: str) -> None:
    inside = [module for module in modules() if room_of(module) == name]
    assert inside, "a room without modules"
    used = {room_of(seen) for module in inside for seen in seen_by(module)} - {name}
    assert used == ROOMS[name].sees
    met = {package for module in inside for package in foreign(module)}
    assert all(any(_within(n, frozenset([p])) for n in met) for p in ROOMS[name].packages)


def test_no_import_cycles() -> None:
    graph = {module: seen_by(module) for module in modules()}
    TopologicalSorter(graph).prepare()


def test_klein_is_imported_in_http_only() -> None:
    users = {m for m in modules() if _within_any(m, frozenset({"klein", "werkzeug"}))}
    assert users == {"http/router.py"}


def _within_any(module: str, packages: frozenset[str]) -> bool:
    return any(_within(name, packages) for name in foreign(module))


@pytest.mark.parametrize("module", modules())
def test_global_reactor_is_imported_at_the_top_only(module: str) -> None:
    places = {function for name, function in imports(module) if name == REACTOR_NAME}
    allowed = REACTOR.get(module, set())
    assert allowed is None or places <= allowed
