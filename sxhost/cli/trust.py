"""``sxhost trust``: which projects may say where telemetry goes."""

from __future__ import annotations

import os

import click

from sxhost.cli.output import Flow, fail, put

__all__ = ["trust"]


@click.command()
@click.argument("directory", default=".")
@click.option("--list", "listing", is_flag=True, help="Print what is trusted.")
@click.option("--revoke", is_flag=True, help="Trust the project no more.")
def trust(directory: str, *, listing: bool, revoke: bool) -> None:
    """Let the scorpiox-env.txt of a project count, as it is now, for `sxhost emit`.

    It is printed: look at it.  Once it changes, it counts no more.
    """
    from sxhost import trust as trusted

    if listing:
        for path in trusted.trusted_files(os.environ):
            put(f"{path}{'' if _counts(path) else '  (has changed)'}")
        return
    path = _settings_file(directory)
    if revoke:
        if not trusted.revoke(os.environ, path):
            fail(1, f"{path} was not trusted.")
        put(f"{path} counts no more.")
        return
    content = trusted.content_of(path)
    if not content:
        fail(1, f"There is nothing to trust in {path}.")
    put(Flow(content.decode("utf-8", "replace").rstrip("\n")))
    try:
        trusted.trust(os.environ, path, content)
    except OSError as error:
        fail(1, f"This cannot be remembered: {error}.")
    put(f"{path} counts from now on, until it changes.", err=True)


def _settings_file(directory: str) -> str:
    """Return where the project of a directory has its settings, as `sxhost emit` finds it."""
    from sxhost.project import project_root
    from sxhost.trust import SETTINGS_FILE

    return f"{project_root(os.path.realpath(directory)).rstrip('/')}/{SETTINGS_FILE}"


def _counts(path: str) -> bool:
    from sxhost.trust import content_of, is_trusted

    return is_trusted(os.environ, path, content_of(path))
