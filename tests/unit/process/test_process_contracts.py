"""What a driver's host tells of the end of a process."""

from __future__ import annotations

import pytest

from sxhost.process.contracts import ChildExit


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (ChildExit(code=0), "the agent ended with code 0"),
        (ChildExit(signal="SIGKILL"), "the agent was killed by SIGKILL"),
        (
            ChildExit(code=1, stderr="a\nno such thing\n\n"),
            "the agent ended with code 1: no such thing",
        ),
        (
            ChildExit(code=1, stderr="Error: bad config\nstack backtrace:\n 8: <unknown>\n"),
            "the agent ended with code 1: Error: bad config",
        ),
        (
            ChildExit(code=1, stderr="\x1b[2m12:00\x1b[0m \x1b[31mERROR\x1b[0m no login\n"),
            "the agent ended with code 1: 12:00 ERROR no login",
        ),
        (
            ChildExit(code=0, asked=True, stderr="ERROR listener closed\n"),
            "the agent ended with code 0",
        ),
        (
            ChildExit(code=-1, why="it printed nonsense"),
            "the agent was ended: it printed nonsense",
        ),
    ],
)
def test_a_sentence_tells_most(how: ChildExit, sentence: str) -> None:
    assert how.sentence == sentence
