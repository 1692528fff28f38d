"""What is told of a project and of the machine, read from files alone."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sxhost.project import git_branch, machine, project_name, project_root


def repository(root: Path, head: str) -> Path:
    (root / ".git").mkdir(parents=True)
    (root / ".git" / "HEAD").write_text(head, "utf-8")
    return root


@pytest.mark.parametrize(
    ("head", "branch"),
    [
        ("ref: refs/heads/main\n", "main"),
        ("ref: refs/heads/feature/ünï\n", "feature/ünï"),
        ("ref:\trefs/heads/main", "main"),
        ("0123456789abcdef0123456789abcdef01234567\n", "HEAD"),
        ("ref: refs/heads/.invalid\n", ""),
    ],
    ids=["normal", "slash", "no newline", "detached", "reftable"],
)
def test_branch_is_read_from_head(tmp_path: Path, head: str, branch: str) -> None:
    assert git_branch(str(repository(tmp_path, head))) == branch


@pytest.mark.parametrize(
    "pointer", ["gitdir: {main}/.git/worktrees/w\n", "gitdir: ../main/.git/worktrees/w"]
)
def test_branch_of_a_worktree_is_its_own(tmp_path: Path, pointer: str) -> None:
    main = repository(tmp_path / "main", "ref: refs/heads/main\n")
    inside = main / ".git" / "worktrees" / "w"
    inside.mkdir(parents=True)
    (inside / "HEAD").write_text("ref: refs/heads/side\n", "utf-8")
    worktree = tmp_path / "w"
    worktree.mkdir()
    (worktree / ".git").write_text(pointer.format(main=main), "utf-8")
    assert git_branch(str(worktree)) == "side"


def test_branch_is_empty_without_a_readable_repository(tmp_path: Path) -> None:
    assert git_branch(str(tmp_path)) == ""
    (tmp_path / ".git").write_text("gitdir: /nowhere", "utf-8")
    assert git_branch(str(tmp_path)) == ""


def test_pipe_as_git_head_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    assert git_branch(str(tmp_path)) == ""
    assert git_branch("\0") == ""


def test_project_root_is_the_nearest_with_a_git(tmp_path: Path) -> None:
    below = tmp_path / "project" / "src" / "deep"
    below.mkdir(parents=True)
    (tmp_path / "project" / ".git").write_text("gitdir: elsewhere", "utf-8")
    assert project_root(str(below)) == str(tmp_path / "project")
    assert project_root(str(tmp_path / "project")) == str(tmp_path / "project")
    assert project_root("/") == "/"


def test_directory_without_git_is_the_project() -> None:
    assert project_root("/nowhere/at/all") == "/nowhere/at/all"


def test_machine_name_is_the_host_name() -> None:
    assert machine() == (platform.node(), sys.platform, platform.machine())


def test_branch_and_root_agree_with_git(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@x")
        done = subprocess.run(
            ["git", *who, *words], cwd=tmp_path, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    git("init", "-q", "-b", "side/way")
    git("commit", "-q", "--allow-empty", "-m", "x")
    assert git_branch(str(tmp_path)) == git("rev-parse", "--abbrev-ref", "HEAD") == "side/way"
    git("worktree", "add", "-q", "-b", "other", "tree")
    assert git_branch(str(tmp_path / "tree")) == "other"
    git("checkout", "-q", "--detach")
    assert git_branch(str(tmp_path)) == git("rev-parse", "--abbrev-ref", "HEAD") == "HEAD"


def test_project_is_named_after_its_root(tmp_path: Path) -> None:
    inside = repository(tmp_path / "shop", "ref: refs/heads/main") / "web" / "src"
    assert project_name(str(inside)) == "shop"
    assert project_name(str(tmp_path / "other" / "deep/")) == "deep"
    assert [project_name(place) for place in ("", "/", "web", "/a\0b")] == [
        "",
        "",
        "web",
        "a\0b",
    ]
