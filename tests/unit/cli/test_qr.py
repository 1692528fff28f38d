"""A link as a QR code: every module is where it belongs, and it fits, or there is none."""

from __future__ import annotations

import pytest
import segno

from sxhost.cli.qr import qr_lines

LINK = f"https://sxhost.example.org:7432/login/{'x' * 43}"

PAIRS = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}


def modules_of(lines: list[str]) -> list[list[int]]:
    """Return the modules that lines of half blocks show, a row of the code each."""
    return [[PAIRS[char][half] for char in line] for line in lines for half in (0, 1)]


@pytest.mark.parametrize(("size", "border"), [((80, 50), 4), ((80, 22), 2), ((44, 50), 2)])
def test_code_is_drawn_whole_with_the_border_that_fits(
    size: tuple[int, int], border: int
) -> None:
    lines = [*qr_lines(LINK, *size)]
    code = segno.make_qr(LINK, error="l", boost_error=False)
    expected = [[*row] for row in code.matrix_iter(1, border)]
    assert modules_of(lines)[: len(expected)] == expected
    assert {len(line) for line in lines} == {len(expected[0])}
    assert len(expected[0]) <= size[0]
    assert len(lines) == (len(expected) + 1) // 2


def test_too_narrow_a_terminal_gets_no_broken_code() -> None:
    assert qr_lines(LINK, 40, 50) == ()
    assert len(qr_lines(LINK, 41, 5)[0]) == 41
