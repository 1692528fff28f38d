"""The page "A day with twelve agents": the day is played, its commands print what it says."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.day import AGENTS, PAGE, played, rewritten, steady, steps

TEXT = PAGE.read_text(encoding="utf-8")
PICTURES = re.findall(r"!\[([^]]+)\]\(pictures/([\w-]+\.svg)\)", TEXT)


def test_the_day_is_as_the_page_tells_it(tmp_path: Path) -> None:
    with played(tmp_path) as day:
        for step in steps(TEXT):
            printed = day.read(step.command)
            assert steady(printed) == steady(step.output), step.command


def test_all_twelve_are_on_the_page() -> None:
    listed = steps(TEXT)[0].output
    assert len(listed.splitlines()) == 1 + 12
    assert all(agent.name in listed for agent in AGENTS)


def test_rewriting_changes_only_what_is_printed() -> None:
    told = {step.command: step.output for step in steps(TEXT)}
    assert rewritten(TEXT, lambda command: told[command]) == TEXT
    new = rewritten(TEXT, lambda command: f"{command.upper()}\n")
    assert steps(new)[0] == ("sxhost sessions", "SXHOST SESSIONS\n")


def test_steady_texts_differ_in_more_than_ages() -> None:
    assert steady("a  3 min · now\n12:00:01 2026-11-30") == steady(
        "a 12 s · 2 h\n09:00:00 2027-01-01"
    )
    assert steady("3 files") != steady("4 files")


@pytest.mark.parametrize(("about", "name"), PICTURES)
def test_pictures_are_drawings_that_load_nothing(about: str, name: str) -> None:
    svg = (PAGE.parent / "pictures" / name).read_text(encoding="utf-8")
    ET.fromstring(svg)
    assert len(about) > 10
    assert not re.findall(r"<script|@font-face|url\((?!#)|href", svg)
    assert re.findall(r"https?://[^\s\"<]+", svg) == [
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    ]
