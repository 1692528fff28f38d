"""What the documents say is what there is: routes, errors, limits, options, modules, links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import msgspec
import pytest

from sxhost.cli.main import sxhost
from sxhost.daemon.serving_options import SERVING_OPTIONS
from sxhost.errors import HostError
from sxhost.model.event import EventDraft
from sxhost.model.limits import Limits
from sxhost.tap import Options
from sxhost.testing import HostInMemory, result_of
from tests.house.test_floors import ROOMS, modules, room_of
from tests.support.places import TOP

DOCUMENTS = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
PAGES = [*DOCUMENTS, *(TOP / f"{name}.md" for name in ("CONTRIBUTING", "NEWS", "SECURITY"))]


def text_of(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


def found_test(name: str) -> Path:
    """Return where a test lies; documents name its file alone."""
    (found,) = (TOP / "tests").rglob(name)
    return found


def section(name: str, heading: str) -> str:
    """Return what stands under a heading, up to the next of the same kind."""
    level = heading.partition(" ")[0]
    after = text_of(name).split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^{level} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def packages() -> list[str]:
    """Return the packages that have a line of their own in the table of the rooms."""
    table = rows(
        section("docs/architecture.md", "## Rooms and floors").split("\nA name that")[0]
    )
    return [n.rstrip("/") for row in table for n in names_in(row[2]) if n.endswith("/")]


def rows(text: str) -> list[list[str]]:
    """Return the cells of a text's table rows, without headings and rules."""
    lines = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    ruled = [n for n, row in enumerate(cells) if set("".join(row)) <= set("-")]
    return [row for n, row in enumerate(cells) if n not in ruled and n + 1 not in ruled]


def names_in(text: str) -> set[str]:
    """Return what stands in backticks."""
    return set(re.findall(r"`([^`]+)`", text))


def test_a_table_is_read_without_its_heading() -> None:
    table = "| a | b |\n|---|---|\n| `x` | y \\| z |\n"
    assert rows(table) == [["`x`", "y \\| z"]]


# The API.


def documented(path: str) -> str:
    names = {
        "name": ":name",
        "session_id": ":id",
        "version": ":version",
        "message_id": ":mid",
        "approval_id": ":aid",
        "token_id": ":id",
        "request_id": ":id",
        "code": ":code",
    }
    return re.sub(r"<(\w+)>", lambda found: names[found[1]], path)


def test_every_route_stands_in_the_api_and_nothing_else(lab: HostInMemory) -> None:
    table = [(row[0], row[1].strip("`")) for row in rows(section("docs/api.md", "## Routes"))]
    assert sorted(table) == sorted((r.method, documented(r.path)) for r in lab.routes)


def test_every_parameter_of_a_query_stands_beside_its_route(lab: HostInMemory) -> None:
    told = {(row[0], row[1]): row[2] for row in rows(section("docs/api.md", "## Routes"))}
    for route in lab.routes:
        if route.query is not None:
            parameters = told[route.method, f"`{documented(route.path)}`"]
            for name in fields_of(route.query):
                assert f"?{name}=" in parameters, f"{route.path}: {name}"


def test_every_field_of_every_object_stands_in_the_api(lab: HostInMemory) -> None:
    text = text_of("docs/api.md")
    words = names_in(text) | set(re.findall(r'"(\w+)"', text))
    for route in lab.routes:
        for kind in (route.body, route.answer):
            missing = set(fields_of(kind)) - words
            assert not missing, f"{route.method} {route.path}"


def fields_of(kind: Any) -> Iterator[str]:
    """Yield the wire names of a struct's fields, or of the structs in a sequence."""
    element = get_args(kind)[0] if get_origin(kind) else kind
    if isinstance(element, type) and issubclass(element, msgspec.Struct):
        yield from (field.encode_name for field in msgspec.structs.fields(element))


def test_every_error_stands_in_the_api_and_nothing_else() -> None:
    errors = {(str(kind.status), f"`{kind.code}`") for kind in HostError.__subclasses__()}
    assert {(row[0], row[1]) for row in rows(section("docs/api.md", "## Errors"))} == errors


def test_every_limit_stands_in_the_api_with_its_default() -> None:
    table = rows(section("docs/api.md", "## Limits"))
    defaults = msgspec.structs.asdict(Limits())
    assert {row[0].strip("`"): float(row[1]) for row in table} == defaults


def test_documented_limit_options_set_their_limits() -> None:
    for field, _, _, option, _ in rows(section("docs/api.md", "## Limits")):
        name = field.strip("`")
        if option:
            settings = options_for(f"{option.strip('`')}=7")["settings"]
            assert getattr(settings.limits, name) == 7
        else:
            assert f"max-{name.replace('_', '-')}=" not in Options().longOpt


def options_for(*words: str) -> Options:
    options = Options()
    options.parseOptions(words)
    return options


def meanings() -> list[tuple[str, str]]:
    """Return each event of the first table of states with what it means."""
    table = rows(section("docs/api.md", "## States").split("A new session")[0])
    said = [(names_in(events), state.partition(";")[0]) for events, state in table]
    return [(event, state) for events, state in said for event in sorted(events)]


@pytest.mark.parametrize("before", ["idle", "ended", "thinking"])
@pytest.mark.parametrize(("event", "meaning"), meanings())
def test_documented_events_equal_the_code(
    lab: HostInMemory, before: str, event: str, meaning: str
) -> None:
    lab.request("POST", "/sessions/a/events", {"event": before})
    expected = state_of(lab, "a") if meaning == "stays as it was" else meaning
    appending = lab.service._core.append("a", [EventDraft(event=event)])
    result_of(appending)  # some are the host's own
    assert state_of(lab, "a") == expected


def state_of(lab: HostInMemory, session_id: str) -> str:
    state: str = lab.request("GET", f"/sessions/{session_id}").json()["detail_state"]
    return state


# The command line.


def test_documented_options_are_the_serving_options() -> None:
    table = rows(section("docs/operations.md", "## Options"))
    for option, (names, default, environment, meaning) in zip(
        SERVING_OPTIONS, table, strict=True
    ):
        short = f", `-{option.short}`" if option.short else ""
        assert names == f"`--{option.name}`{short}"
        assert default == f"`{option.default}`" if option.default else "`" not in default
        assert environment == ", ".join(f"`{name}`" for name in option.environment)
        again = "; repeatable" if option.repeatable else ""
        assert plain(meaning).lower().startswith(option.help.lower()), option.name
        assert again in meaning, option.name


def plain(text: str) -> str:
    """Return a text without its links and backticks."""
    return re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", text).replace("`", "")


def test_every_option_of_the_foreground_host_is_documented() -> None:
    told = text_of("docs/operations.md") + section("docs/quickstart.md", "## Commands")
    for option in long_options(sxhost) - {"--version"}:
        assert f"`{option}" in told, option


def test_every_command_stands_in_the_quickstart_with_its_options() -> None:
    table = {row[0].split()[1].strip("`"): row[0] for row in rows_of_commands()}
    assert table.keys() == sxhost.commands.keys()
    common = section("docs/quickstart.md", "## Commands").split("\n- ", 1)[1]
    for name, command in sxhost.commands.items():
        for option in long_options(command) - (
            long_options(sxhost) if name == "serve" else set()
        ):
            assert option in table[name] or f"`{option}" in common, f"{name} {option}"


def rows_of_commands() -> list[list[str]]:
    table = rows(section("docs/quickstart.md", "## Commands"))
    return [row for row in table if row[0].startswith("`sxhost ")]


def long_options(command: click.Command) -> set[str]:
    options = [param for param in command.params if isinstance(param, click.Option)]
    found = {name for option in options for name in option.opts if name.startswith("--")}
    if isinstance(command, click.Group) and command is not sxhost:
        found |= {name for below in command.commands.values() for name in long_options(below)}
    return found


# The rest.


@pytest.mark.parametrize("document", PAGES, ids=lambda path: path.name)
def test_every_relative_link_resolves(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        place, _, anchor = link.partition("#")
        if ":" not in place:
            target = document.parent / place if place else document
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def anchors(document: Path) -> set[str]:
    """Return the names that a document's headings can be linked by."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", ["docs/security.md", "docs/reliability.md"])
def test_every_named_test_exists(document: str) -> None:
    named = re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", text_of(document))
    assert len(named) > 15
    for module, test in named:
        written = found_test(module).read_text(encoding="utf-8")
        assert f"def {test}(" in written or not test, f"{module}::{test}"


def test_every_module_is_listed_in_its_room() -> None:
    table = rows(
        section("docs/architecture.md", "## Rooms and floors").split("\nA name that")[0]
    )
    told = {name: (row[0], row[1]) for row in table for name in modules_in(row[2])}
    assert told == {m: (ROOMS[room_of(m)].floor, room_of(m)) for m in modules()}


def modules_in(cell: str) -> Iterator[str]:
    """Yield the modules that a cell names, or those of the packages that it names."""
    for name in names_in(cell):
        found = [m for m in modules() if m.rpartition("/")[0] == name.rstrip("/")]
        yield from found if name.endswith("/") else [name]


@pytest.mark.parametrize("package", packages())
def test_package_docstrings_list_their_modules(package: str) -> None:
    words = ast.get_docstring(ast.parse(text_of(f"sxhost/{package}/__init__.py"))) or ""
    *_, table, _ = re.split(r"^=+ =+$", words, flags=re.MULTILINE)
    told = re.findall(r"^(\w+) +\S", table, re.MULTILINE)
    found = [m for m in modules() if m.rpartition("/")[0] == package]
    assert sorted(told) == sorted(Path(m).stem for m in found if "__init__" not in m)


def test_every_dependency_has_its_reason() -> None:
    config = ConfigParser()
    config.read(TOP / "setup.cfg", encoding="utf-8")
    told = section("docs/architecture.md", "## Dependencies")
    extras = config["options.extras_require"]["test"]
    for requirement in (config["options"]["install_requires"] + extras).split():
        name = re.split(r"[<>=]", requirement)[0]
        assert name.startswith("types-") or name in told, name


def test_every_document_is_listed_in_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+)\)", section("README.md", "## More")))
    assert linked == {f"docs/{path.name}" for path in DOCUMENTS[1:]}
