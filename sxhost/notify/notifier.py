"""Tells people what they want to know: looks, decides by the rules, sends, tries again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.errors import ChannelFailed, HostError, UnknownChannel
from sxhost.logs import logger
from sxhost.model.approval import ApprovalQuery
from sxhost.model.host import RemoteHost
from sxhost.model.notify import ChannelTest, ChannelView, NotifyView, RuleView
from sxhost.model.session import Done, SessionQuery
from sxhost.notify.channels import SendFailed, place_of, takes_back
from sxhost.notify.conditions import (
    WORDS,
    SessionCondition,
    conditions,
    matches,
    note_work,
)
from sxhost.notify.outbox import Notice, NoticeOutbox, Told
from sxhost.notify.rules import BadRules, Channel, NotifyRule, NotifyRules
from sxhost.waiting import background

__all__ = ["LOOK_S", "Notifications"]

log = logger(__name__)

LOOK_S: Final = 1.0
"""Seconds between two looks."""

PAUSES_S: Final[Sequence[float]] = (2, 15, 60, 300, 900, 3600, 3600, 3600)
"""Seconds until a notice is tried again, after each try; after the last it has failed."""

A_MINUTE: Final = 20
"""Requests to a channel in a minute at the most."""

TOGETHER: Final = 3
"""Notices that a channel is sent one by one; more are told in one."""

TITLE: Final = 120
"""Characters of a session's title."""

BODY: Final = 1000
"""Characters of an agent's words."""


class Sends(Protocol):
    """Sends a notice on a channel."""

    async def send(self, channel: Channel, notice: Notice) -> None:
        """Send it.

        :raises SendFailed: the channel has not taken it.
        """


class Notifications(Service):
    """Notifications of a host by the rules of a file; without a file nothing is told.

    :param clock: monotonic; it decides when to look.
    :param wall_ms: the time of day, for delays, quiet hours and what outlives a restart.
    :raises BadRules: the file is no use.
    """

    def __init__(
        self,
        host: RemoteHost,
        clock: IReactorTime,
        wall_ms: Callable[[], int],
        senders: Sends,
        outbox: NoticeOutbox,
        *,
        file: Path | None = None,
    ) -> None:
        self.file = file
        self._rules = NotifyRules() if file is None else NotifyRules.load(file)
        self._host = host
        self._wall_ms = wall_ms
        self._senders = senders
        self._outbox = outbox
        self._sending: set[str] = set()
        """The channels that are being sent something."""
        self._sent: dict[str, deque[int]] = {}
        """When each channel was sent something in the last minute (Unix ms)."""
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        if self.file is not None:
            self._looking.start(LOOK_S, now=True)

    def stopService(self) -> None:
        """Look no more; what waits is sent by the next life of the host."""
        if self._looking.running:
            self._looking.stop()
        self._outbox.save()
        super().stopService()

    def reload(self) -> None:
        """Read the file again; if it is wrong, log that and keep the rules as they were."""
        if self.file is None:
            return
        try:
            self._rules = NotifyRules.load(self.file)
        except BadRules as error:
            log.error("Notifications stay as they were: {error}", error=str(error))  # noqa: TRY400 - no traceback

    # For whoever wants to see it.

    async def view(self) -> NotifyView:
        """Return the channels, the rules, and what became of notices."""
        rules = self._rules
        return NotifyView(
            file="" if self.file is None else str(self.file),
            channels=[
                ChannelView(name=name, kind=kind, place=place)
                for name, (kind, place) in zip(
                    rules.channels, map(place_of, rules.channels.values()), strict=True
                )
            ],
            rules=[
                RuleView(name=r.name, when=[*r.when], to=r.to, about=_about(r))
                for r in rules.rules
            ],
            deliveries=self._outbox.deliveries,
        )

    async def test(self, draft: ChannelTest) -> Done:
        """Send a notice on a channel, and wait for it.

        :raises UnknownChannel: there is no such channel.
        :raises ChannelFailed: it has not taken it.
        """
        channel = self._rules.channels.get(draft.channel)
        if channel is None:
            raise UnknownChannel(draft.channel)
        now = self._wall_ms()
        notice = Notice(
            id=f"test-{now}",
            rule="test",
            channel=draft.channel,
            kind="test",
            session="",
            title="sxhost can reach you here",
            link=self._rules.link,
            at_ms=now,
        )
        try:
            await self._senders.send(channel, notice)
        except SendFailed as error:
            self._outbox.settle(notice, "failed", str(error), now)
            raise ChannelFailed(f"It has not arrived: {error}.") from None
        self._outbox.settle(notice, "sent", "", now)
        return Done()

    # Looking.

    def _look(self) -> Deferred[None]:
        return background(self.look(), log, "looking what to tell", (HostError,))

    async def look(self) -> None:
        """Look what is so, put what is to be told into the outbox, and send what is due."""
        sessions = await self._host.sessions(SessionQuery())
        asked = await self._host.approvals(ApprovalQuery())
        outbox, now = self._outbox, self._wall_ms()
        outbox.work = note_work(outbox.work, sessions)
        found = conditions(sessions, asked, outbox.work)
        holding = {one.key for one in found}
        self._take_back(holding, now)
        for channel in self._rules.channels:
            for condition in found:
                self._consider(channel, condition, now)
        for notice in [n for n in outbox.queue if n.channel not in self._rules.channels]:
            outbox.settle(notice, "suppressed", "its channel is gone", now)
        outbox.begun = True
        outbox.save()
        self._send_due(now)

    def _consider(self, channel: str, condition: SessionCondition, now: int) -> None:
        """Tell of a condition on a channel, if the first rule for both has it told now."""
        rules = self._rules.rules
        rule = next((r for r in rules if channel in r.to and matches(r, condition)), None)
        if rule is None or now < condition.since_ms + rule.after_s * 1000:
            return
        key = _told_key(channel, condition)
        told = self._outbox.told.get(key)
        was_told = told is not None and told.at_ms
        if was_told and (not rule.again_s or now < was_told + rule.again_s * 1000):
            return
        notice = self._notice(rule, channel, condition, now, told.times if told else 0)
        if not self._outbox.begun and condition.kind != "asks":
            self._outbox.told[key] = Told(notice=notice, at_ms=now)  # it was so before
        elif _is_quiet(rule, now):
            if told is None:
                self._outbox.told[key] = Told(notice=notice, at_ms=0)
                self._outbox.settle(notice, "suppressed", "quiet hours", now)
        else:
            times = told.times + 1 if told else 1
            self._outbox.told[key] = Told(notice=notice, at_ms=now, times=times)
            self._put(rule, notice, now)

    def _put(self, rule: NotifyRule, notice: Notice, now: int) -> None:
        if rule.digest_s:
            self._outbox.gather(notice, now + int(rule.digest_s * 1000), now)
        else:
            self._outbox.put(notice, now)

    def _notice(
        self, rule: NotifyRule, channel: str, condition: SessionCondition, now: int, times: int
    ) -> Notice:
        session, key = condition.session, _told_key(channel, condition)
        place = "inbox" if condition.kind == "asks" else f"s/{session.id}"
        shown = (session.title or session.id)[:TITLE]
        return Notice(
            id=sha256(f"{key} {times}".encode()).hexdigest()[:24],
            rule=rule.name,
            channel=channel,
            kind=condition.kind,
            session=session.id,
            title=f"{WORDS[condition.kind]}: {shown}",
            body=condition.words[:BODY] if rule.content else "",
            link=f"{self._rules.link.rstrip('/')}/#/{place}" if self._rules.link else "",
            at_ms=now,
            about=key,
        )

    def _take_back(self, holding: set[str], now: int) -> None:
        """Forget what is not so any more; tell that to channels which can take it back."""
        over = {key for key in self._outbox.told if key.partition(" ")[2] not in holding}
        waiting = {one.about for one in self._outbox.queue}
        self._outbox.forget_waiting(over, now)
        for key in over:
            told = self._outbox.told.pop(key)
            channel = self._rules.channels.get(told.notice.channel)
            was_sent = told.times and key not in waiting
            if was_sent and told.notice.kind == "asks" and channel and takes_back(channel):
                words = f"Answered{told.notice.title.removeprefix(WORDS['asks'])}"
                back = replace(told.notice, title=words, body="", resolved=True, at_ms=now)
                self._outbox.put(back, now)

    # Sending.

    def _send_due(self, now: int) -> None:
        for name, channel in self._rules.channels.items():
            due = [n for n in self._outbox.queue if n.channel == name and n.next_ms <= now]
            if due and name not in self._sending and self._has_room(name, now):
                work = self._send(name, channel, _next_of(due))
                background(work, log, f"telling {name}")

    def _has_room(self, name: str, now: int) -> bool:
        sent = self._sent.setdefault(name, deque())
        while sent and sent[0] <= now - 60_000:
            sent.popleft()
        return len(sent) < A_MINUTE

    async def _send(self, name: str, channel: Channel, notices: Sequence[Notice]) -> None:
        self._sending.add(name)
        self._sent[name].append(self._wall_ms())
        try:
            await self._senders.send(channel, _together(notices))
        except SendFailed as error:
            self._note_failure(notices, error)
        else:
            how = f"in one of {len(notices)}" if len(notices) > 1 else ""
            for notice in notices:
                self._outbox.settle(notice, "sent", how, self._wall_ms())
        finally:
            self._sending.discard(name)
            self._outbox.save()

    def _note_failure(self, notices: Sequence[Notice], error: SendFailed) -> None:
        now = self._wall_ms()
        for notice in notices:
            if error.is_final or notice.tries >= len(PAUSES_S):
                self._outbox.settle(notice, "failed", str(error), now)
                log.warn(
                    "nobody was told on {channel}: {why}",
                    channel=notice.channel,
                    why=str(error),
                )
            else:
                self._outbox.postpone(notice, now + int(PAUSES_S[notice.tries] * 1000))


def _told_key(channel: str, condition: SessionCondition) -> str:
    return f"{channel} {condition.key}"


def _next_of(due: Sequence[Notice]) -> Sequence[Notice]:
    """Return which notices that are due on a channel are sent next, in one."""
    first = due[0]
    if first.digest:
        return [one for one in due if one.digest and one.rule == first.rule]
    single = [one for one in due if not one.digest]
    return single if len(single) > TOGETHER else single[:1]


def _together(notices: Sequence[Notice]) -> Notice:
    """Return one notice for all."""
    first = notices[0]
    if len(notices) == 1:
        return first
    counted = Counter(one.title.partition(":")[0].lower() for one in notices)
    parts = ", ".join(f"{count} {words}" for words, count in counted.most_common())
    return replace(
        first,
        title=f"{len(notices)} sessions: {parts}",
        body="\n".join(one.title for one in notices[:20]),
        resolved=False,
    )


def _is_quiet(rule: NotifyRule, now_ms: int) -> bool:
    if not rule.quiet:
        return False
    hours = rule.hours
    return hours.include(datetime.fromtimestamp(now_ms / 1000, hours.zone).time())


def _about(rule: NotifyRule) -> str:
    """Return which sessions a rule is about, and when, as words."""
    named = {
        name: getattr(rule, name)
        for name in ("agent", "project", "session", "label")
        if getattr(rule, name)
    }
    parts = [f"{name} {value}" for name, value in named.items()]
    parts += [f"after {rule.after}"] if rule.after else []
    parts += [f"again every {rule.again}"] if rule.again else []
    parts += [f"together every {rule.digest}"] if rule.digest else []
    parts += [f"not {', '.join(rule.quiet)}"] if rule.quiet else []
    return "; ".join(parts) or "all sessions"
