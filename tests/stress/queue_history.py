"""What senders and pullers of messages must have seen; as `history` is for logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Queue", "check_queue", "contiguous"]


@dataclass
class Queue:
    """What senders and pullers know of one inbox, and how it looked in the end.

    `sent` gives the id of each content, as the sender was told; a content is
    ``<sender>-<number>``.  `takes` are the answers of pulls, ids in their order;
    `confirmed` the ids that were acknowledged, or taken for good, once for each time;
    `final` the state of each id.
    """

    sent: dict[str, int] = field(default_factory=dict)
    takes: list[list[int]] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    mortal: set[int] = field(default_factory=set)
    """Ids of messages that may expire."""
    final: dict[int, str] = field(default_factory=dict)


def check_queue(queue: Queue) -> str:
    """Check that each message came to one end, which both sides know, and that order held."""
    for check in (_order, _ends, _known):
        wrong = check(queue)
        if wrong:
            return wrong
    return ""


def _order(queue: Queue) -> str:
    """Compare ids with the order in which each sender sent, and in which pulls brought them."""
    senders: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for content, number in queue.sent.items():
        sender, _, place = content.rpartition("-")
        senders[sender].append((int(place), number))
    for sender, sent in senders.items():
        for (_, before), (nth, number) in pairwise(sorted(sent)):
            if number <= before:
                return f"{sender}-{nth} got id {number}, one sent before it id {before}"
    for take in queue.takes:
        if any(a >= b for a, b in pairwise(take)):
            return f"a pull brought messages out of order: {take}"
    return ""


def _ends(queue: Queue) -> str:
    """Check that no message was confirmed twice, or both confirmed and withdrawn."""
    ends: dict[int, str] = {}
    both = [(m, "delivered") for m in queue.confirmed] + [
        (m, "withdrawn") for m in queue.withdrawn
    ]
    for message, end in both:
        if message in ends:
            return f"message {message} was {ends[message]}, and then {end}"
        ends[message] = end
    for message, state in queue.final.items():
        due = ends.get(message, "expired" if message in queue.mortal else "")
        if state != due:
            return f"message {message} is {state} in the end, not {due or 'lost'}"
    return ""


def _known(queue: Queue) -> str:
    """Check that what was sent, and nothing else, is there in the end, once each."""
    sent = set(queue.sent.values())
    if len(sent) < len(queue.sent):
        return f"of {len(queue.sent)} messages only {len(sent)} got an id of their own"
    strange = next(iter(sent ^ queue.final.keys()), 0)
    if strange:
        return f"message {strange} was {'lost' if strange in sent else 'never sent'}"
    known = {message for take in queue.takes for message in take}
    phantom = next(iter(known - sent), 0)
    return f"message {phantom} was pulled, never sent" if phantom else ""


def contiguous(numbers: Mapping[str, Sequence[int]]) -> str:
    """Check that each sender's messages came from 0 on, once each, in order."""
    for sender, got in numbers.items():
        for due, number in enumerate(got):
            if number != due:
                return f"{sender}: message {number} came instead of {due}"
    return ""
