"""What a person types as an answer, and what the host is sent for it."""

from __future__ import annotations

import pytest

from sxhost.cli.answers import answer_from_words, answer_to, choice_of, question_text
from sxhost.cli.approval_prompts import ApprovalPrompt
from sxhost.cli.approvals import approval_line
from sxhost.model.approval import Answer, Approval, Inquiry, Option

COLOURS = [Option("Red"), Option("Blue", "as the sea"), Option("1")]
WHICH = Inquiry(id="q1", text="Which?", options=COLOURS, other=False)
FREE = Inquiry(id="q2", text="Why?")
OPEN = Inquiry(id="q3", text="Which?", options=COLOURS)
SEVERAL = Inquiry(
    id="q4",
    text="Which?",
    options=[Option("Red"), Option("Blue"), Option("Green, light")],
    multiple=True,
    other=False,
)


def asking(*inquiries: Inquiry, choices: tuple[str, ...] = ("approve", "deny")) -> Approval:
    return Approval(
        id=7,
        session="a",
        kind="question",
        title="Which?",
        detail={},
        choices=[*choices],
        opened_ms=0,
        expires_ms=None,
        native=None,
        inquiries=[*inquiries],
        key="k",
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Red", "Red"),
        ("blue", "Blue"),
        ("2", "Blue"),
        ("1", "1"),  # a choice that is a number is meant by it
        ("02", "Blue"),
        ("0", ""),
        ("4", ""),
        ("-1", ""),
        ("²", ""),
        ("9" * 5000, ""),
        ("", ""),
        ("Re", ""),
    ],
)
def test_choice_is_named_by_text_or_number(text: str, found: str) -> None:
    assert choice_of(text, [option.label for option in COLOURS]) == found


def test_choices_that_differ_in_capitals_need_them() -> None:
    assert choice_of("red", ["Red", "RED"]) == ""
    assert choice_of("RED", ["Red", "RED"]) == "RED"


@pytest.mark.parametrize(
    ("inquiry", "text", "answer"),
    [
        (WHICH, "2", "Blue"),
        (WHICH, "green", None),
        (WHICH, "9", None),
        (FREE, "2", "2"),
        (OPEN, "2", "Blue"),
        (OPEN, "15", "15"),
        (OPEN, "light green", "light green"),
        (SEVERAL, "2", ["Blue"]),
        (SEVERAL, "1, 2", ["Red", "Blue"]),
        (SEVERAL, "3 1", ["Green, light", "Red"]),
        (SEVERAL, "1 1", ["Red"]),
        (SEVERAL, "red,blue", ["Red", "Blue"]),
        (SEVERAL, "green, light", ["Green, light"]),
        (SEVERAL, "1,9", None),
        (SEVERAL, ",", None),
    ],
)
def test_text_becomes_an_answer(
    inquiry: Inquiry, text: str, answer: str | list[str] | None
) -> None:
    assert answer_to(inquiry, text) == answer


@pytest.mark.parametrize(
    ("inquiries", "words", "answers"),
    [
        ([WHICH], ["2"], {"q1": "Blue"}),
        ([FREE], ["it", "is", "warm"], {"q2": "it is warm"}),
        ([WHICH, FREE], ["1", "2"], {"q1": "1", "q2": "2"}),
        ([WHICH, FREE], ["q2=2", "red"], {"q1": "Red", "q2": "2"}),
        ([SEVERAL], ["1", "blue"], {"q4": ["Red", "Blue"]}),
        ([SEVERAL], ["q4=1", "q4=2"], {"q4": ["Red", "Blue"]}),
        ([SEVERAL, FREE], ["1,2", "so"], {"q4": ["Red", "Blue"], "q2": "so"}),
    ],
)
def test_words_answer_questions(
    inquiries: list[Inquiry], words: list[str], answers: dict[str, object]
) -> None:
    found = answer_from_words(asking(*inquiries), words)
    assert (found.decision, found.answers) == ("approve", answers)


@pytest.mark.parametrize(
    ("inquiries", "words", "sentence"),
    [
        ([WHICH], ["green"], "takes one of: 1 Red / 2 Blue / 3 1."),
        ([SEVERAL], ["1", "9"], "takes one of: 1 Red / 2 Blue / 3 Green, light."),
        ([WHICH, FREE], ["1"], "asks for 2 answers more: q1: Which?; q2: Why?"),
        ([], ["maybe"], "takes one of: approve, deny."),
        ([], ["1"], "takes one of: approve, deny."),
    ],
)
def test_words_that_are_no_answer_are_refused_with_the_choices(
    inquiries: list[Inquiry],
    words: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        answer_from_words(asking(*inquiries), words)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_numbers_stand_for_the_choices_of_this_approval_alone() -> None:
    dialog = asking(choices=("approve", "later", "never", "cancel"))
    assert answer_from_words(dialog, ["2"]) == Answer(decision="never")
    prompt = ApprovalPrompt(dialog)
    assert prompt.prompt == "  [y]es [c]ancel 1 later / 2 never > "
    assert prompt.parse_line("1") == Answer(decision="later")
    assert prompt.parse_line("y") == Answer(decision="approve")
    assert prompt.parse_line("3") is None


def test_prompt_takes_numbers_and_asks_again_for_what_is_no_choice() -> None:
    prompt = ApprovalPrompt(asking(WHICH, SEVERAL))
    assert prompt.prompt == "  Which? 1 Red / 2 Blue / 3 1 > "
    assert prompt.parse_line("green") is None
    assert prompt.prompt == "  Which? 1 Red / 2 Blue / 3 1 > "
    assert prompt.parse_line("2") is None
    assert prompt.prompt == "  Which? 1 Red / 2 Blue / 3 Green, light > "
    assert prompt.parse_line("1 2") == Answer(
        decision="approve", answers={"q1": "Blue", "q4": ["Red", "Blue"]}
    )


def test_list_shows_what_can_be_chosen() -> None:
    assert question_text(asking(FREE, WHICH)) == "Why?; Which? 1 Red / 2 Blue / 3 1"
    assert question_text(asking()) == ""
    line = "a  7  pending   question     Which?  1 Red / 2 Blue / 3 1"
    assert approval_line(asking(WHICH)) == line
    assert approval_line(asking()) == "a  7  pending   question     Which?"
