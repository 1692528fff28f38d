"""Events of a log translated to pi's protocol, with the transcript of their run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sxhost.faces.pi import translate_any, translate_pi
from sxhost.faces.pi.translate_any import LoggedEvent
from sxhost.model.event import Event
from sxhost.model.event_types import decode_event
from sxhost.model.limits import Limits
from sxhost.transcripts.transcript_cache import TranscriptCache

__all__ = ["Translator"]


class Translator(TranscriptCache):
    """The transcripts of the sessions that clients read, and pi's events made of them.

    :param agent: returns the agent's name of a session, empty if the host does not run it.
    """

    def __init__(self, limits: Limits, agent: Callable[[str], str]) -> None:
        rules = {"pi": translate_pi.FOLD_RULES}
        super().__init__(agent, limits.mux_run, limits.mux_snapshot, rules)

    def translate(self, event: Event, *, snapshots: bool = True) -> Sequence[bytes]:
        """Return pi's events for an event, as JSON.

        :param snapshots: repeat a growing message with each of its deltas.
        """
        data = decode_event(event)
        transcript = self.add(event, data)
        translate = translate_pi if transcript.agent == "pi" else translate_any
        return tuple(translate.translate(LoggedEvent(transcript, event, data, snapshots)))
