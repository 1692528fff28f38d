"""The events of sessions as clients read them: encoded once for all, from any cursor on."""

from __future__ import annotations

from collections.abc import Callable

from sxhost.faces.pi.encoder import PiEncoding
from sxhost.faces.pi.session_names import name_of
from sxhost.faces.pi.translator import Translator
from sxhost.model.event import Event, EventQuery
from sxhost.model.host import Host
from sxhost.model.subscription import Selection, Sink

__all__ = ["EventStreams", "Wrap"]

Wrap = Callable[[bytes], bytes]
"""Makes a frame of a JSON object's bytes."""


class EventStreams:
    """The encodings and the transcripts that all clients share."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._incarnations: dict[str, tuple[str, int]] = {}
        """Of each session that was read: its agent if it is hosted, and its start (Unix s)."""
        self._transcripts = Translator(
            host.limits, lambda session_id: self._incarnations.get(session_id, ("", 0))[0]
        )
        self.names: dict[str, str] = {}
        """What clients call the sessions that were read, by their ids."""
        self._encodings: dict[tuple[Wrap, bool], PiEncoding] = {}

    async def subscribe(
        self, session_id: str, after: str, wrap: Wrap, sink: Sink, *, snapshots: bool
    ) -> None:
        """Have a session's events written to a sink from a cursor on, in pi's form.

        :param snapshots: repeat a growing message with each of its deltas.
        :raises HostError: the host refuses it.
        """
        await self._load_transcript(session_id, after)
        key = (wrap, snapshots)
        if key not in self._encodings:
            self._encodings[key] = PiEncoding(
                wrap, self._transcripts, self.names, snapshots=snapshots
            )
        selection = Selection(frozenset({session_id}))
        await self.host.subscribe(selection, after, self._encodings[key], sink)

    async def _load_transcript(self, session_id: str, cursor: str) -> None:
        """Load the transcript of a session's run at a cursor, from where events are read."""
        detail = await self.host.session(session_id)
        incarnation = detail.agent if detail.kind == "hosted" else "", detail.start_time
        if self._incarnations.setdefault(session_id, incarnation) != incarnation:
            self._transcripts.forget(session_id)
            self._incarnations[session_id] = incarnation
        self.names[session_id] = name_of(session_id, detail.metadata)

        async def read(seq: int, limit: int) -> list[Event]:
            query = EventQuery(after=str(seq), limit=limit, pieces=True)
            return await self.host.events(session_id, query)

        query = EventQuery(after=cursor, limit=1, pieces=True)
        following = await self.host.events(session_id, query)
        seq = following[0].seq if following else detail.event_count + 1
        if incarnation[0] == "pi" and self._transcripts.drop_ended(session_id, seq):
            for encoding in self._encodings.values():
                encoding.drop_frames(following[0].id if following else 0)
        await self._transcripts.read_back(session_id, seq, read)

    def forget(self, session_id: str) -> None:
        """Drop what is kept of a session that is deleted."""
        self._incarnations.pop(session_id, None)
        self.names.pop(session_id, None)
        self._transcripts.forget(session_id)
