"""The commands of the command line, those of its groups included."""

from __future__ import annotations

from collections.abc import Iterator

import click

__all__ = ["leaf_commands"]


def leaf_commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command that is no group, with its words (``token create``)."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaf_commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command
