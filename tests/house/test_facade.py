"""The host is one façade: who has its verbs, and who may see no more than these."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

from sxhost.client.host import HostClient
from sxhost.model.host import Host, RemoteHost
from sxhost.service import SessionService


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
    return parameters, get_type_hints(verb), inspect.iscoroutinefunction(verb)


@pytest.mark.parametrize("verb", verbs_of(RemoteHost))
def test_the_client_has_the_verbs_of_a_remote_host(verb: str) -> None:
    assert signature_of(getattr(HostClient, verb)) == signature_of(getattr(RemoteHost, verb))


@pytest.mark.parametrize("verb", verbs_of(Host))
def test_the_service_has_the_verbs_of_a_host(verb: str) -> None:
    ours, theirs = getattr(SessionService, verb), getattr(Host, verb)
    if isinstance(theirs, property):
        ours, theirs = ours.fget, theirs.fget
    assert signature_of(ours) == signature_of(theirs)
