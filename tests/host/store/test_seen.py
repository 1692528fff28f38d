"""What was seen is kept over a restart of the store."""

from __future__ import annotations

from sxhost.model.session import SeenDraft
from sxhost.testing import result_of
from tests.support.durable_stores import Open
from tests.support.stores import append, draft


def test_what_was_seen_survives_a_restart(reopen: Open) -> None:
    store = reopen()
    append(store, "a", draft(), draft())
    result_of(store.mark_seen("a", SeenDraft(seq=1, flag=True)))
    result_of(store.close())
    session = result_of(reopen().session("a"))
    assert (session.seen_seq, session.flagged) == (1, True)
