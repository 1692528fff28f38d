"""A terminal in memory, for what prints on one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def terminal(term: str = "xterm") -> Iterator[Screen]:
    """Have all printed on a terminal of 30 columns."""
    made = Screen()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(made),
        redirect_stderr(made),
    ):
        for name, value in {"TERM": term, "NO_COLOR": "1", "COLUMNS": "30"}.items():
            patch.setenv(name, value)
        yield made
