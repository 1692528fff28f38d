"""Tables: every width of a terminal has a good one."""

from __future__ import annotations

import pytest

from sxhost.cli.formats import columns_of
from sxhost.cli.table import Column, TableRow, lay_out, table_lines

COLUMNS = [
    Column("STATE"),
    Column("ID", 4),
    Column("TITLE", 6, rank=1),
    Column("NOW", 8, rank=2),
    Column("AGE", rank=3, right=True),
]
ROWS = [
    ["waiting", "api-tests", "Fix what fails in the tests", "Bash: make test", "2 min"],
    ["idle", "b", "漢字の題名", "", "12 d"],
]


def shown(width: int) -> list[str]:
    lines = table_lines(COLUMNS, [TableRow(row) for row in ROWS], width)
    return ["".join(text for text, _ in line) for line in lines]


def test_with_room_each_column_is_as_wide_as_it_is() -> None:
    assert shown(100) == [
        "STATE    ID         TITLE                        NOW                AGE",
        "waiting  api-tests  Fix what fails in the tests  Bash: make test  2 min",
        "idle     b          漢字の題名                                     12 d",
    ]


@pytest.mark.parametrize("width", range(1, 80))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert all(columns_of(line) <= width for line in shown(width))


def test_wide_columns_are_cut_first_then_left_out_by_rank() -> None:
    assert shown(50)[1] == "waiting  api-tests  Fix what…   Bash: make…  2 min"
    assert shown(30)[0].split() == ["STATE", "ID", "TITLE"]
    assert shown(20)[1] == "waiting  api-tests"
    assert shown(7) == ["STATE", "waiting", "idle"]
    assert shown(4) == ["STA…", "wai…", "idle"]


def test_column_without_a_text_is_left_out() -> None:
    assert lay_out([Column("A"), Column("B")], [["x", ""], ["y", ""]], 80) == [1, 0]
    assert lay_out([Column("A")], [], 80) == [0]


def test_the_end_of_a_cell_can_be_kept() -> None:
    column = Column("NOW", 8, keep=" · ")
    for width, text in [
        (40, "Bash: make test · 2 min"),
        (16, "Bash: m… · 2 min"),
        (8, "Bash: m…"),
    ]:
        (_, line) = table_lines([column], [TableRow(["Bash: make test · 2 min"])], width)
        assert line == [(text, None)]


def test_cells_are_one_line_and_have_their_colours() -> None:
    (_, line) = table_lines([Column("A")], [TableRow(["a\n\x1b[1m"], ["red"])], 80)
    assert line == [("a \\x1b[1m", "red")]


def test_a_column_has_the_width_that_it_wishes_before_lesser_ones_are_there() -> None:
    columns = [Column("A"), Column("B", 2, rank=1, wish=6), Column("C", rank=2)]
    rows = [["aaa", "bbbbbbbbb", "ccc"]]
    widths = {width: lay_out(columns, rows, width) for width in (20, 15, 13, 10, 7, 6)}
    assert widths == {
        20: [3, 9, 3],
        15: [3, 9, 0],
        13: [3, 8, 0],
        10: [3, 5, 0],
        7: [3, 2, 0],
        6: [3, 0, 0],
    }
