"""``sxhost trust``: which projects may say where telemetry goes."""

from __future__ import annotations

import os

import click

from sxhost.cli.output import Flow, fail, put, put_json

__all__ = ["commands"]


@click.command()
@click.argument("directory", default=".")
@click.option("--list", "listing", is_flag=True, help="List the trusted files.")
@click.option("--revoke", is_flag=True, help="Stop trusting the project.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def trust(directory: str, *, listing: bool, revoke: bool, as_json: bool) -> None:
    """Trust a project's telemetry settings.

    Lets the scorpiox-env.txt of the project count for `sxhost emit`, as it is now. It is
    printed: look at it. Once it changes, it counts no more.
    """
    from sxhost import trust as trusted

    if listing:
        for path in trusted.trusted_files(os.environ):
            _show(
                path, _counts(path), "" if _counts(path) else "  (has changed)", as_json=as_json
            )
        return
    path = _settings_file(directory)
    if revoke:
        if not trusted.revoke(os.environ, path):
            fail(1, f"{path} was not trusted.")
        _show(path, False, " counts no more.", as_json=as_json)
        return
    content = trusted.content_of(path)
    if not content:
        fail(1, f"There is nothing to trust in {path}.")
    if not as_json:
        put(Flow(content.decode("utf-8", "replace").rstrip("\n")))
    try:
        trusted.trust(os.environ, path, content)
    except OSError as error:
        fail(1, f"This cannot be remembered: {error}.")
    _show(path, True, " counts from now on, until it changes.", as_json=as_json)


def _show(path: str, counts: bool, consequence: str, *, as_json: bool) -> None:
    """Print of a file whether it counts now: in words behind its path, or for machines."""
    if as_json:
        put_json({"path": path, "counts": counts})
    else:
        put(f"{path}{consequence}")


def _settings_file(directory: str) -> str:
    """Return where the project of a directory has its settings, as `sxhost emit` finds it."""
    from sxhost.project import project_root
    from sxhost.trust import SETTINGS_FILE

    return f"{project_root(os.path.realpath(directory)).rstrip('/')}/{SETTINGS_FILE}"


def _counts(path: str) -> bool:
    from sxhost.trust import content_of, is_trusted

    return is_trusted(os.environ, path, content_of(path))


commands = (trust,)
