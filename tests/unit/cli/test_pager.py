"""Which pager long output goes through, and what becomes of it when it is left early."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from sxhost.cli.output import put_views
from sxhost.cli.pager import paged, pager_command

TERM = {"TERM": "xterm"}


@pytest.mark.parametrize(
    ("environ", "command"),
    [
        ({**TERM, "PAGER": "cat"}, None),
        ({**TERM, "PAGER": ""}, None),
        ({**TERM, "PAGER": "no-such-pager -x"}, None),
        ({**TERM, "PAGER": "'"}, None),
        ({**TERM, "PAGER": "sh -c 'cat'"}, "sh -c 'cat'"),
        ({**TERM, "PAGER": "cat", "SXHOST_PAGER": "sh"}, "sh"),
        ({**TERM, "PAGER": "sh", "SXHOST_PAGER": ""}, None),
        ({"TERM": "dumb", "PAGER": "sh"}, None),
        ({"PAGER": "sh"}, None),
    ],
)
def test_the_pager_is_chosen_as_git_does(environ: dict[str, str], command: str | None) -> None:
    assert pager_command(environ, terminal=True) == command
    assert pager_command(environ, terminal=False) is None


def test_a_pager_gets_all_that_is_written(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LESS", raising=False)
    with paged('echo "$LESS"; cat') as file:
        file.write("a\nb\n")
    assert capfd.readouterr().out == "FRX\na\nb\n"


def test_a_pager_that_is_left_early_is_a_good_end() -> None:
    with paged("true") as file:
        for _ in range(10_000):
            file.write("x" * 100)
        raise AssertionError  # not reached: the pipe is closed before


def test_without_a_pager_all_is_printed_also_where_the_locale_has_only_ascii(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    put_views([Text("\u2713 done"), Text("next")], None)
    assert written.getvalue() == "\u2713 done\nnext\n".encode()
