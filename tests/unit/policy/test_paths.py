"""Where paths lead, and whether that is where a policy says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sxhost.policy.paths import MAX_PATHS, PathPattern, ResolvedPath, paths_of, resolve
from sxhost.policy.pattern import BadPattern


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A directory `work` with links out of it and beside it."""
    work = tmp_path / "work"
    (work / "src").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (work / "out").symlink_to(tmp_path / "secret")
    (work / "src" / "file").symlink_to(tmp_path / "secret" / "key")
    (tmp_path / "in").symlink_to(work)
    return work


def seen(path: str, cwd: Path) -> ResolvedPath:
    found = resolve(path, str(cwd))
    assert found is not None
    return found


COVERED_PATHS = [
    ("a", True, True),
    (".", True, True),
    ("src/new/file", True, True),
    ("src/../b", True, True),
    ("../work/a", True, True),
    ("{}/work/a", True, True),
    ("{}/work", True, True),
    ("{}/in/a", True, True),
    ("..", False, False),
    ("../a", False, False),
    ("{}/workshop/a", False, False),
    ("/", False, False),
    ("out/key", False, True),
    ("src/file", False, True),
    ("out/../a", False, True),
    ("src/../../secret/key", False, False),
    ("{}/work/../secret/key", False, False),
]


@pytest.mark.parametrize(("path", "covered", "touched"), COVERED_PATHS)
def test_path_is_matched_by_its_real_path(
    work: Path, path: str, covered: bool, touched: bool
) -> None:
    found = seen(path.format(work.parent), work)
    area = PathPattern(f"{work}/**")
    assert (area.certainly_contains(found), area.possibly_contains(found)) == (covered, touched)


def test_pattern_is_matched_by_its_real_path(work: Path) -> None:
    area = PathPattern(f"{work.parent}/in/**")
    assert area.certainly_contains(seen("a", work))
    assert not area.certainly_contains(seen("../a", work))


@pytest.mark.parametrize(
    ("glob", "path", "covered"),
    [
        ("/a/b", "/a/b", True),
        ("/a/b", "/a/b/c", False),
        ("/a/b/", "/a/b", True),
        ("/a/*", "/a/b", True),
        ("/a/*", "/a", False),
        ("/a/*/c", "/a/b/c", True),
        ("/a/**/*.py", "/a/b.py", True),
        ("/**", "/", True),
        ("/**", "/a", True),
        ("**/.env", "/x/.env", True),
        ("**/.env", "/x/.environment", False),
        ("~/x/**", str(Path.home() / "x" / "y"), True),
    ],
)
def test_path_pattern_is_a_glob(glob: str, path: str, covered: bool) -> None:
    assert PathPattern(glob).certainly_contains(ResolvedPath(path, path)) == covered


@pytest.mark.parametrize("glob", ["a", "./a", "/a/../b", "/a/./b", "/a//b", "*", "/a/**b", ""])
def test_malformed_path_pattern_is_refused(glob: str) -> None:
    with pytest.raises(BadPattern):
        PathPattern(glob)


@pytest.mark.parametrize(
    "path", ["", 7, None, ["a"], "~", "~/.ssh/id", "~root/x", "file:///etc/passwd", "a\0b"]
)
def test_unresolvable_path_matches_nothing(path: Any) -> None:
    assert resolve(path, "/work") is None


def test_relative_path_without_a_directory_matches_nothing() -> None:
    assert resolve("a", None) is None
    assert resolve("a", "b") is None
    assert resolve("/a", None) == ResolvedPath("/a", "/a")


@pytest.mark.parametrize(
    ("detail", "paths"),
    [
        ({}, []),
        ({"paths": None}, []),
        ({"paths": ["a", 7], "path": "b", "grant_root": "/"}, ["a", 7, "b", "/"]),
        ({"changes": [{"path": "a", "kind": {"move_path": "/b"}}]}, ["/b"]),
        ({"changes": {"a": {"update": {"movePath": None, "move_path": "b"}}}}, ["b"]),
        ({"changes": "rubbish"}, []),
    ],
)
def test_paths_of_a_question_are_found(detail: Any, paths: list[Any]) -> None:
    assert paths_of(detail) == paths


def test_too_many_paths_are_bounded() -> None:
    many = [{"move_path": str(n)} for n in range(5000)]
    assert len(paths_of({"changes": many})) == MAX_PATHS + 1
    assert len(paths_of({"paths": ["a"] * 5000})) == MAX_PATHS + 1
