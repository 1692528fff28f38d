"""Events as a journal has them: which keep the agent's own message."""

from __future__ import annotations

import pytest
from msgspec import Raw, json

from sxhost.codec.json import encode
from sxhost.model.event import Event
from sxhost.model.event_types import EVENT_TYPES, PIECES
from sxhost.model.names import KeptNative
from sxhost.model.pieces import stream_of
from sxhost.store.runs import stored

OWN = {"type": "said", "text": "by the agent"}
CARRY = sorted(n for n, kind in EVENT_TYPES.items() if "native" in kind.__struct_fields__)
"""The names of the events that may have the agent's own message."""

APPROVALS = {"approval-requested", "approval-moved", "approval-resolved"}
"""Their `native` is what the answer is made of: it is always kept."""


def kept(name: str, native: KeptNative, data: object) -> object:
    """Return the data of an event as they are kept."""
    event = Event(name, Raw(encode(data)), 1, 1, 1, 1000, "a")
    found = stored(event, stream_of(event), native)
    assert (found.event, found.seq, found.id, found.ts_ms) == (name, 1, 1, 1000)
    return json.decode(found.data)


def keeps(name: str, native: KeptNative) -> bool:
    """Tell whether an event is to be kept with the agent's own message."""
    if name in APPROVALS or native == "all":
        return True
    return native == "facts" and (name not in PIECES or name == "native")


def test_every_kind_of_event_is_told_here() -> None:
    assert set(CARRY) > APPROVALS
    assert set(CARRY) >= PIECES


@pytest.mark.parametrize("native", ["none", "facts", "all"])
@pytest.mark.parametrize("name", [*CARRY, "custom"])
def test_the_option_says_which_events_keep_it(name: str, native: KeptNative) -> None:
    data = {"item": "m", "text": "x", "native": OWN}
    without = {"item": "m", "text": "x"}
    keeps_it = name == "custom" or keeps(name, native)
    assert kept(name, native, data) == (data if keeps_it else without)


@pytest.mark.parametrize("native", ["none", "facts", "all"])
@pytest.mark.parametrize("data", [None, "native", ["native"], {"text": '"native"'}, {}])
def test_data_without_it_are_kept_as_they_are(native: KeptNative, data: object) -> None:
    for name in CARRY:
        assert kept(name, native, data) == data
