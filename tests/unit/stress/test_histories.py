"""The stress program's judges: a wrong history is told, a right one passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.stress.log_history import (
    Acknowledged,
    Gap,
    Item,
    Log,
    Received,
    assembled,
    check_lives,
    check_reader,
    lives,
)
from tests.stress.queue_history import Queue, check_queue, contiguous
from tests.stress.stream_client import Chunks, Decoder, Frame

# Two sessions, whose events alternate: a has the ids 1, 3, 5 …, b has 2, 4, 6 ….
FACTS = [
    Acknowledged("ab"[n % 2], n // 2 + 1, "xy"[n // 2 % 2], f"t{n}", n + 1) for n in range(12)
]
SEEN: list[Item] = [Received(f.id, f.session, f.seq, f.name, f.token) for f in FACTS]


def the_log() -> Log:
    log, wrong = assembled(FACTS)
    assert wrong == ""
    return log


def everything(_: Received) -> bool:
    return True


def swapped(items: Sequence[Item], at: int) -> list[Item]:
    return [*items[:at], items[at + 1], items[at], *items[at + 2 :]]


class TestWriters:
    def test_what_they_were_told_fits(self) -> None:
        assert the_log().count == 12

    def test_a_number_that_was_given_twice(self) -> None:
        _, wrong = assembled([*FACTS, FACTS[3]._replace(token="other")])
        assert "one number for two events" in wrong

    def test_a_number_that_nobody_was_given(self) -> None:
        _, wrong = assembled([fact for fact in FACTS if fact.id != 6])
        assert wrong == "nobody was told of event 3 of b"

    def test_an_event_that_was_stored_twice(self) -> None:
        _, wrong = assembled([*FACTS, Acknowledged("a", 7, "x", "t4")])
        assert "in the log twice" in wrong


class TestReaders:
    def test_all_of_it(self) -> None:
        assert check_reader(the_log(), everything, SEEN) == ""

    def test_a_selection_of_it(self) -> None:
        def wants(seen: Received) -> bool:
            return (seen.session, seen.name) == ("a", "y")

        chosen = [item for item in SEEN if isinstance(item, Received) and wants(item)]
        assert check_reader(the_log(), wants, chosen) == ""
        assert "not due" in check_reader(the_log(), wants, SEEN)
        assert "lost" in check_reader(the_log(), wants, chosen[:1] + chosen[2:])

    @pytest.mark.parametrize(
        ("items", "wrong"),
        [
            pytest.param([*SEEN[:5], SEEN[4], *SEEN[5:]], "out of order", id="doubled"),
            pytest.param([*SEEN, SEEN[0]], "out of order", id="doubled at the end"),
            pytest.param(SEEN[:5] + SEEN[6:], "lost before id 8", id="lost"),
            pytest.param(SEEN[1:], "lost before id 3", id="lost at the beginning"),
            pytest.param(SEEN[:-1], "lost at the end", id="lost at the end"),
            pytest.param([], "lost at the end", id="all lost"),
            pytest.param(swapped(SEEN, 4), "out of order", id="swapped"),
            pytest.param([Received(13, "a", 7, "x", "new")], "not due", id="invented"),
            pytest.param([Received(1, "a", 1, "x", "t2")], "not what was fired", id="changed"),
            pytest.param([Received(1, "c", 1, "x", "t0")], "not due", id="another session's"),
            pytest.param([Gap(4), *SEEN[4:]], "retention went only as far", id="idle gap"),
        ],
    )
    def test_a_wrong_history(self, items: list[Item], wrong: str) -> None:
        assert wrong in check_reader(the_log(), everything, items)

    def test_the_same_event_under_two_ids(self) -> None:
        log = the_log()
        assert log.learn(SEEN) == ""
        assert "another id" in log.learn([Received(99, "a", 1, "x", "t0")])


class TestGaps:
    def test_a_gap_covers_what_retention_passed(self) -> None:
        assert check_reader(the_log(), everything, [*SEEN[:2], Gap(6), *SEEN[6:]], 6) == ""

    def test_what_was_still_there_may_come_after_it(self) -> None:
        items = [Gap(3), *SEEN[3:]]
        assert check_reader(the_log(), everything, items, 4) == ""

    @pytest.mark.parametrize(
        "items",
        [
            pytest.param([*SEEN[:2], Gap(6), *SEEN[7:]], id="beyond it"),
            pytest.param([*SEEN[:2], *SEEN[6:8], Gap(6), *SEEN[8:]], id="before it is told"),
            pytest.param([*SEEN[:2], Gap(6), *SEEN[6:9], *SEEN[10:]], id="long after it"),
        ],
    )
    def test_it_hides_nothing_else(self, items: list[Item]) -> None:
        assert "lost" in check_reader(the_log(), everything, items, 6)

    def test_how_far_retention_may_have_gone(self) -> None:
        assert the_log().dropped(6) == 0
        assert the_log().dropped(5) == 2
        assert the_log().dropped(1) == 10

    def test_an_id_that_nobody_saw_is_at_least_the_one_before(self) -> None:
        log, _ = assembled(
            [FACTS[0], Acknowledged("a", 2, "x", "u"), Acknowledged("a", 3, "x", "v", 9)]
        )
        assert [log.at_least(fact) for fact in log.acknowledged["a"]] == [1, 2, 9]
        assert check_reader(log, everything, [Gap(2), Received(9, "a", 3, "x", "v")], 2) == ""
        assert "lost" in check_reader(
            log, everything, [Gap(1), Received(9, "a", 3, "x", "v")], 2
        )


class TestLives:
    acknowledged = (
        Acknowledged("a", 1, "x", "t0", 1),
        Acknowledged("a", 2, "x", "t1", 3),
        Acknowledged("b", 1, "x", "t2", 4),
        Acknowledged("a", 1, "x", "t3", 6),
        Acknowledged("a", 2, "x", "t4", 8),
    )

    @staticmethod
    def seen(*ids: int) -> list[Item]:
        acknowledged = {fact.id: fact for fact in TestLives.acknowledged}
        return [Received(i, *(f := acknowledged[i])[:2], f.name, f.token) for i in ids]

    def test_each_begins_with_one(self) -> None:
        found, wrong = lives(self.acknowledged)
        assert wrong == ""
        assert {session: list(map(len, all_)) for session, all_ in found.items()} == {
            "a": [2, 2],
            "b": [1],
        }

    def test_a_hole_in_one(self) -> None:
        assert lives([*self.acknowledged, Acknowledged("b", 3, "x", "t", 9)])[1].startswith(
            "after Acknowledged"
        )
        assert lives([Acknowledged("c", 2, "x", "t", 9)])[1].startswith("after nothing")

    @pytest.mark.parametrize("ids", [(1, 3, 4, 6, 8), (1, 4, 6, 8), (4, 6, 8)])
    def test_a_beginning_of_each_is_enough(self, ids: tuple[int, ...]) -> None:
        assert check_lives(lives(self.acknowledged)[0], self.seen(*ids)) == ""

    @pytest.mark.parametrize(
        "ids",
        [(3, 4, 6, 8), (1, 3, 4, 6), (1, 3, 6, 8), (1, 1, 4, 6, 8), (4, 3, 6, 8), (1, 6, 4, 8)],
    )
    def test_a_wrong_history(self, ids: tuple[int, ...]) -> None:
        assert check_lives(lives(self.acknowledged)[0], self.seen(*ids)) != ""

    def test_no_gap_is_due(self) -> None:
        assert "pruned" in check_lives(
            lives(self.acknowledged)[0], [Gap(3), *self.seen(4, 6, 8)]
        )


RIGHT = Queue(
    sent={"s-0": 1, "t-0": 2, "s-1": 3, "t-1": 4},
    takes=[[1, 2], [2, 3], []],
    confirmed=[1, 2],
    withdrawn=[3],
    mortal={4},
    final={1: "delivered", 2: "delivered", 3: "withdrawn", 4: "expired"},
)


WRONG_HISTORIES = [
    pytest.param(replace(RIGHT, confirmed=[1, 2, 1]), "and then", id="delivered twice"),
    pytest.param(replace(RIGHT, confirmed=[1, 2, 3]), "and then", id="withdrawn too"),
    pytest.param(replace(RIGHT, confirmed=[1]), "not lost", id="never delivered"),
    pytest.param(replace(RIGHT, mortal=set()), "not lost", id="expired early"),
    pytest.param(replace(RIGHT, takes=[[2, 1]]), "out of order", id="swapped"),
    pytest.param(replace(RIGHT, takes=[[1, 1]]), "out of order", id="twice at once"),
    pytest.param(replace(RIGHT, takes=[[9]]), "never sent", id="invented"),
    pytest.param(replace(RIGHT, sent={**RIGHT.sent, "u-0": 5}), "5 was lost", id="forgotten"),
    pytest.param(replace(RIGHT, sent={**RIGHT.sent, "u-0": 4}), "only 4", id="one id for two"),
    pytest.param(
        replace(RIGHT, sent={"s-0": 3, "t-0": 2, "s-1": 1, "t-1": 4}),
        "one sent before it",
        id="numbered backwards",
    ),
    pytest.param(
        replace(RIGHT, final={**RIGHT.final, 3: "queued"}), "is queued", id="left over"
    ),
    pytest.param(replace(RIGHT, final={**RIGHT.final, 5: "delivered"}), "lost", id="doubled"),
]


class TestQueues:
    def test_all_came_to_one_end(self) -> None:
        assert check_queue(RIGHT) == ""

    @pytest.mark.parametrize(("queue", "wrong"), WRONG_HISTORIES)
    def test_a_wrong_history(self, queue: Queue, wrong: str) -> None:
        assert wrong in check_queue(queue)

    @pytest.mark.parametrize("got", [[0, 1, 3], [0, 1, 1, 2], [0, 2, 1], [1, 2]])
    def test_a_line_has_no_hole_and_no_double(self, got: list[int]) -> None:
        assert contiguous({"f": [0, 1, 2]}) == ""
        assert "came instead of" in contiguous({"f": got})


class TestWire:
    @pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
    def test_chunks_that_are_cut_anywhere(self, step: int) -> None:
        data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (b"ab\r\n", b"c" * 20))
        chunks = Chunks()
        got = [chunks.receive(data[at : at + step]) for at in range(0, len(data), step)]
        assert b"".join(got) == b"ab\r\n" + b"c" * 20

    def test_of_a_chunk_that_is_not_whole_all_that_came(self) -> None:
        chunks = Chunks()
        assert chunks.receive(b"a\r\n12345") == b"12345"
        assert chunks.receive(b"67890\r") == b"67890"
        assert chunks.receive(b"\n1\r\nx\r\n") == b"x"

    def test_a_ping_is_kept_for_its_answer(self) -> None:
        decoder = Decoder("websocket")
        line = b'{"frame":"heartbeat"}'
        assert decoder.receive(b"\x89\x02hi\x81" + bytes((len(line),)) + line) == [
            Frame("heartbeat", {"frame": "heartbeat"})
        ]
        assert decoder.pings == [b"hi"]
