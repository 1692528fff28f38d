"""What a key means for what is asked."""

from __future__ import annotations

import pytest

from sxhost.cli.approval_desk import answer_for, key_prompt
from sxhost.model.approval import Answer, Approval, Inquiry, Option
from tests.unit.cli.test_standing import approval

ALL = approval(choices=["approve", "approve_session", "deny", "cancel", "later"])
FEW = approval(choices=["approve", "deny"])
COLOUR = approval(
    inquiries=[Inquiry(id="c", text="?", options=[Option("Red"), Option("Blue")])]
)
WORDS = approval(inquiries=[Inquiry(id="c", text="?")])


def test_only_what_is_possible_has_a_key() -> None:
    assert key_prompt(ALL) == (
        "    [y]es  [a]lways  [n]o, [b]ecause  [c]ancel  [1] later  [s]kip  [q]uit > "
    )
    assert key_prompt(FEW) == "    [y]es  [n]o, [b]ecause  [s]kip  [q]uit > "
    assert key_prompt(COLOUR) == "    [1-9] choose  [t]ype  [n]o  [s]kip  [q]uit > "
    assert key_prompt(WORDS) == "    [t]ype  [n]o  [s]kip  [q]uit > "


@pytest.mark.parametrize(
    ("asked", "key", "decision"),
    [
        (ALL, "y", "approve"),
        (ALL, "a", "approve_session"),
        (ALL, "n", "deny"),
        (ALL, "c", "cancel"),
        (ALL, "1", "later"),
        (COLOUR, "n", "deny"),
    ],
)
def test_a_key_is_an_answer(asked: Approval, key: str, decision: str) -> None:
    assert answer_for(asked, key) == Answer(decision=decision)


@pytest.mark.parametrize(
    ("asked", "key"),
    [(FEW, "a"), (FEW, "1"), (ALL, "2"), (ALL, "Y"), (ALL, "\n"), (ALL, " "), (COLOUR, "y"),
     (COLOUR, "3"), (WORDS, "1"), (FEW, "²")],
)  # fmt: skip
def test_other_keys_are_none(asked: Approval, key: str) -> None:
    assert answer_for(asked, key) is None


def test_a_number_is_a_choice() -> None:
    assert answer_for(COLOUR, "2") == Answer(decision="approve", answers={"c": "Blue"})
