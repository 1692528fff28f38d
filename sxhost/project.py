"""What is known of a directory and of this machine without starting anything: no ``git``.

`sxhost-emit` and `sxhost hook` are in haste, so nothing is imported but `os`.
"""

# ruff: noqa: PTH112, PTH118, PTH120

from __future__ import annotations

import os

__all__ = ["Machine", "git_branch", "machine", "project_root"]

HEAD_SIZE = 4096
"""Bytes that are read of a HEAD or a pointer to one; a path and a branch are shorter."""

Machine = tuple[str, str, str]
"""A machine's host name, system (``linux``) and architecture (``x86_64``)."""


def machine() -> Machine:
    """Tell which machine this is."""
    found = os.uname()
    return found.nodename, found.sysname.lower(), found.machine


def project_root(cwd: str) -> str:
    """Return the nearest directory with a `.git`, from `cwd` upward; `cwd` if there is none."""
    place = cwd.rstrip("/")
    while place and not os.access(f"{place}/.git", os.F_OK):
        place = place.rpartition("/")[0]
    return place or cwd


def git_branch(root: str) -> str:
    """Return the branch that is checked out in `root`.

    As `git rev-parse --abbrev-ref HEAD` has it, "HEAD" when detached; "" where it cannot be
    read: no repository, or one with reftables, whose HEAD file is a stub.
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
    """Return the beginning of a file; one that is a pipe, or a terminal, is not waited for."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        return os.read(file, HEAD_SIZE).decode("utf-8", "replace").strip()
    finally:
        os.close(file)
