"""Checks before the host goes into the background, while errors still reach a terminal."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from sxhost import files
from sxhost.auth.tls import BadPEM, ServerCertificate
from sxhost.config import USAGE_ERROR, Promise, Settings
from sxhost.daemon.listening import refuse_unusable
from sxhost.daemon.pidfile import AlreadyRunning, PidFile
from sxhost.logs import logger
from sxhost.store.contracts import StoreInUse, StoreUnusable
from sxhost.store.sqlite.file import lock_database
from sxhost.visible import exit_with_error

__all__ = ["load_certificate", "make_state_dir", "prepare", "why_in_use"]

log = logger(__name__)

BYPASS_WARNING = (
    "--dangerously-bypass-approvals-and-sandbox: what comes by POST /messages has Codex do"
    " anything on this machine, and nobody is asked"
)


def prepare(settings: Settings) -> None:
    """End the process with a sentence if pidfile, store or an endpoint cannot be used."""
    make_state_dir(settings.state_dir, settings.uid)
    if settings.pid_file is not None:
        _refuse_running_host(PidFile(settings.pid_file))
    _refuse_durability(settings)
    if settings.database is not None and settings.uid is None:
        _refuse_held_store(settings.database)
    for text in settings.listen:
        refuse_unusable(text)
    if settings.bypass:
        log.warn(BYPASS_WARNING)


def make_state_dir(place: Path, uid: int | None = None) -> None:
    """Make the state directory, for user `uid` if given, or end the process with a sentence.

    One that is there already must be that user's, with all that is in it, and nobody else's
    to change: what it says is believed, and what is written there goes nowhere else.
    """
    user = os.geteuid() if uid is None else uid
    try:
        path = Path(files.check_path(place, user))
        missing = [directory for directory in (path, *path.parents) if not directory.exists()]
        for directory in reversed(missing):
            directory.mkdir(mode=0o700, exist_ok=uid is None)
            if uid is not None:
                os.chown(directory, uid, -1, follow_symlinks=False)
        files.check_directory(place, user)
    except files.UnsafeFile as error:
        exit_with_error(USAGE_ERROR, f"sxhost: the state directory is not safe: {error}.")
    except OSError as error:
        exit_with_error(1, f"sxhost: cannot use the state directory: {error}.")


def _refuse_running_host(pidfile: PidFile) -> None:
    """End the process with a sentence if another host has this pidfile."""
    try:
        pidfile.check()
    except AlreadyRunning as error:
        exit_with_error(1, f"sxhost: {error}")


def _refuse_durability(settings: Settings) -> None:
    """End the process with a sentence if the kind of store can never promise enough."""
    if settings.engine:
        if find_spec("psycopg") is None:
            exit_with_error(1, "sxhost: PostgreSQL takes: pip install 'sxhost[postgresql]'.")
        return
    promises = get_args(Promise)
    offered = settings.durability if settings.database is not None else "none"
    if promises.index(offered) < promises.index(settings.require_durability):
        exit_with_error(
            USAGE_ERROR,
            f"sxhost: --require-durability {settings.require_durability}:"
            f" the store promises {offered}.",
        )


def _refuse_held_store(database: Path) -> None:
    """End the process with a sentence if another host has this store."""
    try:
        os.close(lock_database(database))
    except (StoreUnusable, OSError) as error:
        exit_with_error(1, f"sxhost: {error}")


def why_in_use(settings: Settings) -> str:
    """Return the sentence that another host runs on the store; empty if none does."""
    if settings.database is not None:
        try:
            os.close(lock_database(settings.database))
        except StoreInUse as error:
            return str(error)
        except (StoreUnusable, OSError):
            pass  # `prepare` says it
    return ""


def load_certificate(settings: Settings) -> ServerCertificate | None:
    """Load the certificate of the TLS options, if given, or end the process with a sentence."""
    if settings.tls is None:
        return None
    try:
        return ServerCertificate(*settings.tls)
    except BadPEM as error:
        exit_with_error(USAGE_ERROR, f"sxhost: --tls-cert and --tls-key do not work: {error}.")
