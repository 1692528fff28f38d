"""Codex as it was recorded (``tests/recordings``), with answers of as many words as are wished.

Run as ``python played_codex.py RECORDING WORDS FRAMES``: so many words of an answer, so many
frames at once.  It answers each call as the recorded app server did.  The recorded first turn
is every turn: its ids are numbered, its question is what was asked, and its answer is
stretched: the frames of the recorded deltas come again and again, with words of their own, so
that nothing is easier to compress than what people read.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

VOCABULARY = ("the", "log", "keeps", "facts", "lets", "crumbs", "go", "once", "all", "there")

QUESTION, ANSWER = "hello there", "echo: hello there"
"""What is asked and answered in the first turn of ``hello.jsonl``."""

PAUSE_S = 0.001
"""Between frames that come together and those that come next."""

DELTA = "item/agentMessage/delta"


def recorded(path: Path) -> dict[str, list[Any]]:
    """Return by method what the app server said from the first call of it to the next call."""
    frames: dict[str, list[Any]] = {}
    current: list[Any] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        message = entry["msg"]
        if entry["dir"] == "in":
            current.append(message)
        elif "id" in message and message["method"] not in frames:
            current = frames[message["method"]] = []
        elif "id" in message:
            current = []
    return frames


def ids_of(frames: list[Any]) -> list[str]:
    """Return the ids of a turn and of its items, each of which is another in each turn."""
    begun = next(frame for frame in frames if frame.get("method") == "turn/started")
    items = [
        frame["params"]["item"]["id"] for frame in frames if "item" in frame.get("params", {})
    ]
    return [begun["params"]["turn"]["id"], *dict.fromkeys(items)]


def words_of(number: int, count: int) -> list[str]:
    """Return the words of an answer."""
    chosen = Random(number)
    return [f"{chosen.choice(VOCABULARY)}{chosen.randrange(300)} " for _ in range(count)]


def stretched(frames: list[Any], number: int, question: str, count: int) -> Iterator[str]:
    """Yield the frames of a turn with a question and an answer of its own."""
    words = words_of(number, count)
    deltas = [frame for frame in frames if frame.get("method") == DELTA]
    names = ids_of(frames)
    whole = "".join(words)

    def renewed(frame: Any) -> str:
        text = json.dumps(frame, separators=(",", ":"))
        for name in names:
            text = text.replace(name, f"{name[:-3]}{number:03}")
        text = text.replace(f'"{ANSWER}"', json.dumps(whole))
        return text.replace(f'"{QUESTION}"', json.dumps(question))

    for frame in frames:
        if frame not in deltas:
            yield renewed(frame)
        elif frame is deltas[0]:
            for place, word in enumerate(words):
                like = deltas[place % len(deltas)]
                yield renewed({**like, "params": {**like["params"], "delta": word}})


def answered(frames: list[Any], call: Any) -> list[Any]:
    """Return recorded frames with the call's id in the place of the recorded one."""
    return [frame if "method" in frame else {**frame, "id": call["id"]} for frame in frames]


def main() -> None:
    frames, turns = recorded(Path(sys.argv[1])), 0
    count, at_once = map(int, sys.argv[2:])
    for line in sys.stdin:
        call = json.loads(line)
        if "id" not in call:
            continue
        known = frames.get(call["method"], [{"id": 0, "result": {}}])
        said = answered(known, call)
        if call["method"] == "turn/start":
            turns += 1
            question = call["params"]["input"][0]["text"]
            lines = list(stretched(said, turns, question, count))
        else:
            lines = [json.dumps(frame) for frame in said]
        while lines:
            sys.stdout.write("".join(f"{line}\n" for line in lines[:at_once]))
            sys.stdout.flush()
            del lines[:at_once]
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
