"""Where agents may work: what a path leads to counts, not how it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from sxhost.agents.workdirs import WorkDirs, started_in
from sxhost.errors import BadField


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Make a root with a directory, a file, and links inwards and outwards."""
    root = tmp_path / "root"
    (root / "work" / "deep").mkdir(parents=True)
    (tmp_path / "root-beside").mkdir()
    (root / "file").touch()
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "work")
    (root / "loop").symlink_to(root / "loop")
    (tmp_path / "door").symlink_to(root)
    return root


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (".", "."),
        ("work", "work"),
        ("work/../work/./deep", "work/deep"),
        ("in/deep", "work/deep"),
        ("out/root/work", "work"),
        ("../door/work", "work"),
    ],
)
def test_directory_inside_a_root_is_allowed(place: Path, written: str, meant: str) -> None:
    assert WorkDirs([place]).place(f"{place}/{written}") == str(place / meant)


@pytest.mark.parametrize(
    "written", ["..", "out", "work/../..", "../root-beside", "out/root-beside", "in/../../.."]
)
def test_directory_outside_the_roots_is_refused(place: Path, written: str) -> None:
    with pytest.raises(BadField, match="may not work"):
        WorkDirs([place]).place(f"{place}/{written}")


@pytest.mark.parametrize("written", ["file", "nowhere", "work/\0", "loop"])
def test_path_that_is_no_directory_is_refused(place: Path, written: str) -> None:
    for roots in (WorkDirs([place]), WorkDirs()):
        with pytest.raises(BadField):
            roots.place(f"{place}/{written}")


@pytest.mark.parametrize("written", ["", ".", "work", "~", "x" * 300, "/" + "x" * 300])
def test_relative_path_is_refused(place: Path, written: str) -> None:
    with pytest.raises(BadField):
        WorkDirs([place]).place(written)
    with pytest.raises(BadField):
        WorkDirs().place(written)


def test_default_directory_is_the_first_root_or_home(place: Path) -> None:
    assert WorkDirs([place / "in", place]).place(None) == str(place / "work")
    assert WorkDirs().place(None) == str(Path.home())


def test_default_directory_is_the_program_s_own_below_the_roots(place: Path) -> None:
    work = place / "work"
    assert WorkDirs(default=work).place(None) == str(work)
    assert WorkDirs([place], work).place(None) == str(work)
    assert WorkDirs([work], place).place(None) == str(work)


@pytest.mark.parametrize(("here", "meant"), [("work", "work"), ("/", None)])
def test_program_s_own_directory(
    place: Path, here: str, meant: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place / here)
    assert started_in() == (place / meant if meant else None)


def test_roots_may_be_links_and_several(place: Path) -> None:
    roots = WorkDirs([place.parent / "door", place.parent / "root-beside"])
    assert roots.place(str(place)) == str(place)
    assert roots.place(str(place.parent / "root-beside")) == str(place.parent / "root-beside")


def test_without_roots_any_directory_is_allowed(place: Path) -> None:
    assert WorkDirs().place(str(place / "out")) == str(place.parent)
