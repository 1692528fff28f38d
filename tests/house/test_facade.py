"""The host is one façade: who has its verbs, and who may see no more than these."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pytest

from sxhost.client.host import HostClient
from sxhost.model import host as model_host
from sxhost.model.host import Host, RemoteHost
from sxhost.service import SessionService
from tests.house.test_floors import PACKAGE, ROOMS, modules, room_of, seen_by

# Who has the verbs.


def verbs_of(protocol: type) -> list[str]:
    """Return the names of the verbs that a Protocol has itself, and of those it extends."""
    inherited = [name for base in protocol.__mro__[1:] for name in vars(base)]
    names = [*vars(protocol), *inherited]
    return sorted({n for n in names if not n.startswith("_") and hasattr(Host, n)})


def signature_of(verb: Callable[..., Any]) -> tuple[Any, ...]:
    """Return a verb's parameters (name, kind, default), the types of all, and if it waits."""
    parameters = [
        (p.name, p.kind, p.default) for p in inspect.signature(verb).parameters.values()
    ]
    types = get_type_hints(verb, localns=vars(model_host))  # the client imports some late
    return parameters, types, inspect.iscoroutinefunction(verb)


@pytest.mark.parametrize("verb", verbs_of(RemoteHost))
def test_the_client_has_the_verbs_of_a_remote_host(verb: str) -> None:
    assert signature_of(getattr(HostClient, verb)) == signature_of(getattr(RemoteHost, verb))


@pytest.mark.parametrize("verb", verbs_of(Host))
def test_the_service_has_the_verbs_of_a_host(verb: str) -> None:
    ours, theirs = getattr(SessionService, verb), getattr(Host, verb)
    if isinstance(theirs, property):
        ours, theirs = ours.fget, theirs.fget
    assert signature_of(ours) == signature_of(theirs)


# Who sees nothing else.

FACES_MAY_SEE = {
    "auth": "tokens and logins are the native face's own resources",
    "codec": "JSON, and the encodings of frames",
    "errors": "what a verb refuses, in each protocol's words",
    "hooks": "a face for hooks is routes to their handler",
    "http": "routes, requests and connections",
    "logs": "what a face cannot tell its client",
    "model": "the verbs and their values",
    "notify": "a face for notifications is routes to them",
    "ratelimit": "limits that are a protocol's own",
    "telemetry": "a face for telemetry is a route to its ingest",
    "transcripts": "the fold of events, which each protocol renders",
    "waiting": "work in the background",
}
"""The rooms that a face may see beside itself, and for what."""

PARTS = {"agents", "audit", "process", "service", "store", "streams"}
"""The rooms of which a host is made: only the service knows them."""

USERS = [m for m in modules() if m.startswith(("faces/", "hooks/", "telemetry/", "http/"))]
"""The modules that stand before the host."""


@pytest.mark.parametrize("module", USERS)
def test_no_part_of_the_host_is_seen_but_its_verbs(module: str) -> None:
    seen = {room_of(each) for each in seen_by(module)} - {room_of(module)}
    parts = seen - FACES_MAY_SEE.keys() if module.startswith("faces/") else seen & PARTS
    assert not parts


def test_the_list_of_what_faces_may_see_has_nothing_to_spare() -> None:
    faces = {name for name in ROOMS if name.startswith("faces/")}
    assert set().union(*(ROOMS[name].sees for name in faces)) == FACES_MAY_SEE.keys()


HOST_NAMES = {"host", "_host", "service", "_service"}
"""What the users of a host call it."""


def reached_through_hosts(module: str) -> Iterator[str]:
    """Return what a module reaches in a host that is no verb, or behind a verb."""
    verbs, values = set(verbs_of(Host)), {"limits", "cursor"}
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(host) | ast.Attribute(attr=host), attr=verb),
                attr=behind,
            ) if host in HOST_NAMES and verb not in values:
                yield f"{host}.{verb}.{behind}"
            case ast.Attribute(value=ast.Name(host) | ast.Attribute(attr=host), attr=verb) if (
                host in HOST_NAMES and verb not in verbs
            ):
                yield f"{host}.{verb}"


def knows_a_host(module: str) -> bool:
    return bool(seen_by(module) & {"model/host.py", "service.py"})


@pytest.mark.parametrize("module", [m for m in USERS if knows_a_host(m)])
def test_nobody_reaches_through_the_host(module: str) -> None:
    assert not list(reached_through_hosts(module))


def test_reaching_through_the_host_would_be_noticed() -> None:
    assert {"service._core", "service._core.notifier"} & set(
        reached_through_hosts("testing/host.py")
    )
