"""A directory's project and git branch, and this machine's names, without running ``git``.

`sxhost-emit` and `sxhost hook` must be quick and import this, so it imports little.
"""

# ruff: noqa: PTH112, PTH118, PTH120

from __future__ import annotations

import os
from functools import lru_cache

__all__ = ["Machine", "git_branch", "machine", "project_name", "project_root"]

HEAD_SIZE = 4096
"""Bytes that are read of HEAD or of a ``gitdir:`` file; paths and branches are shorter."""

Machine = tuple[str, str, str]
"""A machine's host name, system (``linux``) and architecture (``x86_64``)."""


def machine() -> Machine:
    """Return this machine's names."""
    found = os.uname()
    return found.nodename, found.sysname.lower(), found.machine


def project_root(cwd: str) -> str:
    """Return the nearest directory with a `.git`, from `cwd` upward; `cwd` if there is none."""
    place = cwd.rstrip("/")
    while place and not os.access(f"{place}/.git", os.F_OK):
        place = place.rpartition("/")[0]
    return place or cwd


@lru_cache(4096)
def project_name(cwd: str) -> str:
    """Return the name of a directory's project; empty if the directory is not known.

    Each directory is looked at once: lists ask again and again.
    """
    try:
        root = project_root(cwd) if cwd.startswith("/") else cwd
    except ValueError:  # no file can have this name
        root = cwd
    return root.rstrip("/").rpartition("/")[2]


def git_branch(root: str) -> str:
    """Return the branch that is checked out in `root`.

    As with `git rev-parse --abbrev-ref HEAD` it is "HEAD" when detached.  It is "" where it
    cannot be read: without a repository, or with reftables, whose HEAD file is a stub.
    """
    try:
        head = _read(_git_directory(f"{root}/.git") + "/HEAD")
    except (OSError, ValueError):
        return ""
    if not head.startswith("ref:"):
        return "HEAD" if head else ""
    branch = head.removeprefix("ref:").strip().removeprefix("refs/heads/")
    return "" if branch == ".invalid" else branch


def _git_directory(dot_git: str) -> str:
    """Follow the `gitdir:` file that worktrees and submodules have in place of a directory."""
    if os.path.isdir(dot_git):
        return dot_git
    there = _read(dot_git).removeprefix("gitdir:").strip()
    return os.path.join(os.path.dirname(dot_git), there)


def _read(path: str) -> str:
    """Return the beginning of a file, without blocking on a pipe or a terminal."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        return os.read(file, HEAD_SIZE).decode("utf-8", "replace").strip()
    finally:
        os.close(file)
