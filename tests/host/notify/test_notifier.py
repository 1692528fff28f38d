"""A person is told what they want to know, once, where and when they want it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sxhost.notify.channels import SendFailed
from sxhost.notify.notifier import A_MINUTE, LOOK_S, PAUSES_S, Notifications
from sxhost.notify.outbox import WAITING, NoticeOutbox
from sxhost.testing import HostInMemory

CHANNELS = """
link = "https://host.example/"
[channel.mine]
kind = "webhook"
url = "http://127.0.0.1:9/x"
"""
ASKS = f'{CHANNELS}[[rule]]\nname = "asks"\nwhen = ["asks"]\nto = ["mine"]\n'
ALL = (
    f'{CHANNELS}[[rule]]\nto = ["mine"]\n'
    'when = ["asks", "failed", "done", "stalled", "lost", "ended"]\n'
)


class Told:
    """A host with a file of notifications, which looks as the clock moves."""

    def __init__(self, lab: HostInMemory, place: Path) -> None:
        self.lab = lab
        self.file = place / "notify.toml"
        self.outbox = place / "notices.json"
        self.notifications: Notifications | None = None

    def begin(self, text: str) -> None:
        self.file.write_text(text)
        self.notifications = Notifications(
            self.lab.service,
            self.lab.clock,
            self.lab.wall_ms,
            self.lab.senders,
            NoticeOutbox(self.outbox),
            file=self.file,
        )
        self.notifications.startService()
        self.pass_(0)

    def end(self) -> None:
        if self.notifications is not None and self.notifications.running:
            self.notifications.stopService()

    def pass_(self, seconds: float) -> None:
        """Let time pass, a look at a time."""
        for _ in range(int(seconds / LOOK_S)):
            self.lab.clock.advance(LOOK_S)
        self.lab.clock.advance(0)

    def fire(self, name: str, data: Any = None, session: str = "a") -> None:
        body = {"event": name, "data": data}
        assert self.lab.request("POST", f"/sessions/{session}/events", body).status == 200

    def ask(self, session: str = "a") -> Any:
        """Have an agent ask; return its hook's request."""
        body = {
            "hook_event_name": "PermissionRequest",
            "session_id": session,
            "cwd": "/w",
            "tool_name": "Bash",
            "tool_input": {"command": "make deploy"},
        }
        return self.lab.begin("POST", "/hooks/claude?wait=3000", body)

    def answer(self, session: str = "a", number: int = 1) -> None:
        path = f"/sessions/{session}/approvals/{number}"
        assert self.lab.request("POST", path, {"decision": "approve"}).status == 200

    @property
    def titles(self) -> list[str]:
        return [notice.title for notice in self.lab.senders.sent]

    @property
    def deliveries(self) -> list[tuple[str, str]]:
        assert self.notifications is not None
        kept = json.loads(self.outbox.read_bytes())["deliveries"]
        return [(one["state"], one.get("why", "")) for one in kept]


@pytest.fixture
def told(lab: HostInMemory, tmp_path: Path) -> Iterator[Told]:
    told = Told(lab, tmp_path)
    yield told
    told.end()
    lab.hook_handler.close()


def test_question_is_told_once_and_taken_back(told: Told) -> None:
    told.begin(ASKS)
    told.ask()
    told.pass_(60)
    (notice,) = told.lab.senders.sent
    assert (notice.kind, notice.session, notice.title) == ("asks", "a", "Needs your answer: a")
    assert notice.link == "https://host.example/#/inbox"
    assert notice.body == "", "no words of agents, unless somebody wants them"
    told.answer()
    told.pass_(2)
    back = told.lab.senders.sent[1]
    assert (back.id, back.resolved, back.title) == (notice.id, True, "Answered: a")


def test_who_answers_in_time_is_not_told(told: Told) -> None:
    told.begin(f'{ASKS}after = "30s"')
    told.ask()
    told.pass_(20)
    told.answer()
    told.pass_(60)
    assert told.titles == []
    told.ask()
    told.pass_(29)
    assert told.titles == []
    told.pass_(2)
    assert told.titles == ["Needs your answer: a"]


def test_who_does_not_answer_is_told_again(told: Told) -> None:
    told.begin(f'{ASKS}again = "1m"')
    told.ask()
    told.pass_(150)
    assert len(told.titles) == 3
    assert len({notice.id for notice in told.lab.senders.sent}) == 3


def test_words_of_agents_are_told_to_who_wants_them(told: Told) -> None:
    told.begin(f"{ASKS}content = true")
    told.ask()
    told.pass_(1)
    assert "make deploy" in told.lab.senders.sent[0].body


def test_end_of_long_work_is_told(told: Told) -> None:
    told.begin(ALL)
    told.fire("user-message", {"text": "go"})
    told.pass_(61)
    told.fire("complete")
    told.fire("user-message", {"text": "go"}, "b")
    told.pass_(10)
    told.fire("complete", None, "b")
    told.pass_(10)
    assert told.titles == ["Done: go"]
    told.fire("user-message", {"text": "again"})
    told.pass_(61)
    told.fire("complete")
    told.pass_(2)
    assert told.titles == ["Done: go"] * 2


def test_failure_silence_and_end_are_told(told: Told) -> None:
    told.begin(ALL)
    told.fire("error", "no model", "a")
    told.fire("thinking", None, "b")
    told.fire("ended", None, "c")
    told.pass_(2)
    assert sorted(told.titles) == ["Ended: c", "Failed: a"]
    told.pass_(301)
    assert told.titles[2:] == ["Fell silent: b"]
    assert told.lab.senders.sent[0].link.endswith("/#/s/a")


def test_what_was_so_before_the_first_look_is_not_told(told: Told) -> None:
    told.fire("error", "no model", "a")
    told.ask("b")
    told.begin(ALL)
    told.pass_(5)
    assert told.titles == ["Needs your answer: b"], "that still waits"


def test_what_has_happened_while_the_host_was_away_is_told_once(told: Told) -> None:
    told.begin(ALL)
    told.ask("a")
    told.pass_(2)
    told.end()
    told.fire("error", "no model", "b")
    told.begin(ALL)
    told.pass_(5)
    told.end()
    told.begin(ALL)
    told.pass_(5)
    assert told.titles == ["Needs your answer: a", "Failed: b"]


def test_host_that_dies_before_it_has_told_tells_it_later(told: Told) -> None:
    told.begin(ASKS)
    told.lab.senders.slow = Deferred()
    told.ask()
    told.pass_(2)
    killed = told.notifications
    told.lab.senders.slow = None
    told.begin(ASKS)
    told.pass_(2)
    first, again = told.lab.senders.tried
    assert first.id == again.id, "whoever has heard it can tell"
    assert told.titles == ["Needs your answer: a"]
    assert killed is not None
    killed.stopService()


@pytest.mark.parametrize(
    ("rule", "session", "is_told"),
    [
        ('agent = "claude"', "a", True),
        ('agent = "codex"', "a", False),
        ('session = "a"', "a", True),
        ('session = "a"', "b", False),
        ('label = "team:web"', "a", True),
        ('label = "team:api"', "a", False),
        ('project = "w"', "a", True),
        ('project = "x"', "a", False),
    ],
)
def test_rule_is_about_some_sessions(
    told: Told, rule: str, session: str, is_told: bool
) -> None:
    told.begin(ASKS + rule)
    told.ask(session)
    told.lab.request("POST", f"/sessions/{session}/register", {"labels": {"team": "web"}})
    told.pass_(2)
    assert bool(told.titles) is is_told


def test_quiet_hours_keep_back_what_is_still_so_after_them(told: Told) -> None:
    told.begin(f'{ASKS}quiet = ["00:00-00:05"]\nzone = "UTC"')  # the lab begins at midnight
    told.ask("a")
    told.ask("b")
    told.pass_(30)
    told.answer("b", 2)
    told.pass_(200)
    assert told.titles == []
    assert told.deliveries == [("suppressed", "quiet hours")] * 2
    told.pass_(120)
    assert told.titles == ["Needs your answer: a"]


def test_channel_that_fails_is_tried_again_and_given_up(told: Told) -> None:
    told.begin(ASKS)
    told.lab.senders.refuse = SendFailed("answered with 500")
    told.ask()
    for pause in PAUSES_S:
        told.pass_(min(pause, 70) + 1)
        told.lab.ahead_ms += int(pause * 1000)
    told.pass_(3)
    assert len(told.lab.senders.tried) == len(PAUSES_S) + 1
    assert len({notice.id for notice in told.lab.senders.tried}) == 1
    assert told.deliveries == [("failed", "answered with 500")]


def test_refusal_for_good_is_not_tried_again(told: Told) -> None:
    told.begin(ASKS)
    told.lab.senders.refuse = SendFailed("answered with 410", is_final=True)
    told.ask()
    told.pass_(100)
    assert len(told.lab.senders.tried) == 1
    assert told.deliveries == [("failed", "answered with 410")]


def test_what_is_over_before_it_was_sent_is_not_sent(told: Told) -> None:
    told.begin(ASKS)
    told.lab.senders.refuse = SendFailed("no answer")
    told.ask()
    told.pass_(2)
    told.lab.senders.refuse = None
    told.answer()
    told.pass_(30)
    assert told.titles == []
    assert told.deliveries == [("suppressed", "it was over before")]


def test_channel_that_hangs_holds_up_no_other(told: Told) -> None:
    desk = '[channel.desk]\nkind = "desktop"\n[[rule]]\nwhen = ["failed"]\nto = ["desk"]\n'
    told.begin(ASKS.replace("[[rule]]", f"{desk}[[rule]]", 1))
    told.lab.senders.slow = hangs = Deferred[None]()
    told.ask()
    told.pass_(2)
    told.lab.senders.slow = None
    told.fire("error", None, "b")
    told.pass_(2)
    assert told.titles == ["Failed: b"]
    hangs.callback(None)
    assert told.titles == ["Failed: b", "Needs your answer: a"]


def test_flood_is_told_in_few_notices(told: Told) -> None:
    told.begin(ALL)
    for number in range(200):
        told.fire("error", None, f"s{number}")
    told.pass_(2)
    (notice,) = told.lab.senders.sent
    assert notice.title == "200 sessions: 200 failed"
    assert len(notice.body.splitlines()) == 20
    for minute in range(3):
        for number in range(100):
            told.fire("error", None, f"m{minute}-{number}")
            told.pass_(1)
    assert len(told.lab.senders.sent) <= 1 + 6 * A_MINUTE
    told.pass_(120)
    states = {state for state, _ in told.deliveries}
    assert states == {"sent"}


DIGEST = ALL.replace('to = ["mine"]', 'to = ["mine"]\ndigest = "1m"')


def test_digest_is_told_in_one_at_its_end(told: Told) -> None:
    told.begin(DIGEST)
    told.fire("error", None, "a")
    told.pass_(50)
    told.fire("error", None, "b")
    told.pass_(8)
    assert told.titles == []
    assert [state for state, _ in told.deliveries] == []
    told.pass_(5)
    (notice,) = told.lab.senders.sent
    assert notice.title == "2 sessions: 2 failed"
    assert told.deliveries == [("sent", "in one of 2")] * 2
    told.fire("error", None, "c")
    told.pass_(50)
    assert len(told.titles) == 1, "what comes later begins a digest of its own"
    told.pass_(15)
    assert told.titles[1:] == ["Failed: c"]


def test_digest_survives_the_end_of_its_host(told: Told) -> None:
    told.begin(DIGEST)
    told.fire("error", None, "a")
    told.pass_(2)
    killed = told.notifications
    assert killed is not None
    told.begin(DIGEST)  # from the file alone: the first was not stopped
    killed.stopService()
    told.fire("error", None, "b")
    told.pass_(65)
    assert told.titles == ["2 sessions: 2 failed"]


def test_digest_leaves_out_what_is_over(told: Told) -> None:
    told.begin(DIGEST)
    told.ask("a")
    told.fire("error", None, "b")
    told.pass_(5)
    told.answer("a")
    told.pass_(65)
    assert told.titles == ["Failed: b"], "nobody was told, so nothing is taken back"
    assert ("suppressed", "it was over before") in told.deliveries


def test_digest_holds_up_no_other_rule(told: Told) -> None:
    asks = '[[rule]]\nname = "asks"\nwhen = ["asks"]\nto = ["mine"]\n'
    told.begin(DIGEST.replace("[[rule]]", f"{asks}[[rule]]", 1))
    told.fire("error", None, "b")
    told.pass_(2)
    told.ask("a")
    told.pass_(2)
    assert told.titles == ["Needs your answer: a"]
    told.pass_(65)
    assert told.titles[1:] == ["Failed: b"]


def test_digest_of_many_is_one_request(told: Told) -> None:
    told.begin(DIGEST)
    for number in range(200):
        told.fire("error", None, f"s{number}")
    told.pass_(65)
    assert len(told.lab.senders.tried) == 1


def test_digest_that_fails_is_tried_again_as_one(told: Told) -> None:
    told.begin(DIGEST)
    told.fire("error", None, "a")
    told.fire("error", None, "b")
    told.lab.senders.refuse = SendFailed("answered with 500")
    told.pass_(62)
    told.lab.senders.refuse = None
    told.pass_(PAUSES_S[1] + 1)
    assert told.titles == ["2 sessions: 2 failed"]
    assert len({notice.id for notice in told.lab.senders.tried}) == 1


def test_queue_is_bounded(told: Told) -> None:
    told.begin(ALL)
    told.lab.senders.refuse = SendFailed("no answer")
    for number in range(WAITING + 20):
        told.fire("error", None, f"s{number}")
    told.pass_(2)
    kept = json.loads(told.outbox.read_bytes())
    assert len(kept["queue"]) == WAITING
    assert told.deliveries == [("suppressed", "too many others waited")] * 20


def test_wrong_file_leaves_the_old_rules(told: Told) -> None:
    told.begin(ASKS)
    told.file.write_text("[")
    assert told.notifications is not None
    told.notifications.reload()
    told.ask()
    told.pass_(2)
    assert told.titles == ["Needs your answer: a"]
    told.file.write_text(CHANNELS)
    told.notifications.reload()
    told.ask("b")
    told.pass_(2)
    assert len(told.titles) == 1


def test_channel_that_is_gone_is_sent_nothing(told: Told) -> None:
    told.begin(ASKS)
    told.lab.senders.refuse = SendFailed("no answer")
    told.ask()
    told.pass_(2)
    told.file.write_text("")
    assert told.notifications is not None
    told.notifications.reload()
    told.pass_(2)
    assert told.deliveries == [("suppressed", "its channel is gone")]


def test_file_of_notices_that_cannot_be_read_begins_anew(told: Told) -> None:
    told.outbox.write_bytes(b"{")
    told.begin(ASKS)
    told.ask()
    told.pass_(2)
    assert told.titles == ["Needs your answer: a"]


def test_host_shows_and_tries_its_channels(lab: HostInMemory, tmp_path: Path) -> None:
    lab.rules = tmp_path / "notify.toml"
    lab.rules.write_text(f'{ASKS}agent = "claude"\nafter = "30s"')
    lab.restart()
    shown = lab.request("GET", "/notify").json()
    place = "http://127.0.0.1:9/x"
    assert shown["channels"] == [{"name": "mine", "kind": "webhook", "place": place}]
    (rule,) = shown["rules"]
    assert (rule["name"], rule["about"]) == ("asks", "agent claude; after 30s")
    done = lab.request("POST", "/notify/test", {"channel": "mine"})
    assert done.json() == {"ok": True}
    assert lab.senders.sent[0].kind == "test"
    lab.senders.refuse = SendFailed("answered with 500")
    refused = lab.request("POST", "/notify/test", {"channel": "mine"})
    assert (refused.status, refused.json()["error"]) == (502, "channel_failed")
    assert "answered with 500" in refused.json()["message"]
    refused = lab.request("POST", "/notify/test", {"channel": "other"})
    assert (refused.status, refused.json()["error"]) == (404, "unknown_channel")
    states = [one["state"] for one in lab.request("GET", "/notify").json()["deliveries"]]
    assert states == ["sent", "failed"]
