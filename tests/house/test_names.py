"""A public class name stands for one thing, or the glossary tells the things apart."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from tests.house.test_docs import rows, text_of
from tests.house.test_floors import PACKAGE, modules


def modules_by_class() -> dict[str, set[str]]:
    """Return the modules that define each public class name."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        for node in ast.parse((PACKAGE / module).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(module)
    return found


def glossed_modules() -> dict[str, set[str]]:
    """Return the modules that the glossary names beside each class, in backticks."""
    table = [row for row in rows(text_of("docs/glossary.md")) if len(row) == 2]
    named = {row[0].strip("`"): set(re.findall(r"`([\w/]+\.py)`", row[1])) for row in table}
    return {name: places for name, places in named.items() if places}


def test_class_name_of_two_modules_is_in_the_glossary() -> None:
    doubled = {name: places for name, places in modules_by_class().items() if len(places) > 1}
    glossed = glossed_modules()
    assert glossed.keys() == doubled.keys()
    missing = {name: places - glossed[name] for name, places in doubled.items()}
    assert not any(missing.values()), missing
