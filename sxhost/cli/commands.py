"""Which module has which command: it is imported when its command is asked for, not before.

Quick commands must be quick, and most of their time goes into imports.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import Final

import click

__all__ = ["MODULES", "LazyCommands", "importing"]

MODULES: Final[Mapping[str, str]] = {
    "admin": "audit open status stop token",
    "agents": "new turn chat steer interrupt end run",
    "approvals": "approvals approve deny answer",
    "attach": "attach",
    "barrier": "wait",
    "cost": "cost",
    "doctor": "doctor",
    "events": "events tail fire",
    "handover": "take give adopt",
    "hooks": "hook",
    "log": "log transcript",
    "messages": "send pull",
    "notify": "notify",
    "policy": "policy",
    "search": "search",
    "serve": "serve stdio",
    "service": "service",
    "sessions": "sessions discover show register rm prune",
    "store": "store backup restore",
    "top": "top",
    "trust": "trust",
}
"""The commands that each module has, as its `commands`."""


@contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage meanwhile: imports only make objects, and it costs a fifth of them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name: those of `MODULES`, and those that are added."""

    def __init__(self) -> None:
        self._modules = {name: of for of, names in MODULES.items() for name in names.split()}
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            with importing():
                module = import_module(f"sxhost.cli.{self._modules[name]}")
            self._loaded.update({command.name: command for command in module.commands})
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._modules, **self._loaded})

    def __len__(self) -> int:
        return len({**self._modules, **self._loaded})
