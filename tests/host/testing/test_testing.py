"""The tools of ``sxhost.testing``: the examples of their page pass, and each stands there."""

from __future__ import annotations

import re
from typing import Any

import pytest

import sxhost.testing
from tests.support.places import TOP

PAGE = (TOP / "docs" / "testing.md").read_text(encoding="utf-8")


def examples() -> dict[str, Any]:
    """Return the tests that the page shows, by name."""
    found: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        names: dict[str, Any] = {}
        exec(compile(block, "docs/testing.md", "exec"), names)
        found |= {name: test for name, test in names.items() if name.startswith("test_")}
    return found


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_page_passes(name: str) -> None:
    EXAMPLES[name]()


def test_the_page_shows_each_tool() -> None:
    constants = {name for name in sxhost.testing.__all__ if name.isupper()}
    returned = {"BufferedResponse"}
    named = set(re.findall(r"`(\w+)", PAGE.split("\n## ")[0]))
    assert {*sxhost.testing.__all__} - constants - returned <= named
