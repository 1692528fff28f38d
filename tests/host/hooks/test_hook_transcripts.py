"""What real agents did at a terminal, played to a whole host: what it says of them is true."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from sxhost.agent_files.follower import BUSY_S
from sxhost.agent_files.running import RunningAgent
from sxhost.hooks.transcripts import AT_REST_S, LINGER_S, SETTLE_S
from sxhost.model.caller import HOST, Caller
from sxhost.testing import HostInMemory, started
from sxhost.testing.host import UID
from tests.support.attached_recordings import Moment, moments_of

OWN = Caller(HOST.scopes, uid=UID)
STEP_S = 0.05
SOON_S = 1.0
"""Seconds within which a change at the terminal is known."""


class Stage:
    """A host in memory, and the files of agents that recordings are played into."""

    def __init__(self, host: HostInMemory, home: Path) -> None:
        self.host = host
        self.home = home
        self.answers: list[Deferred[Any]] = []
        self.history: list[tuple[float, str, str, str]] = []
        """What the host has said: when, of whom, the state, the reason."""
        host.caller = OWN
        (home / ".claude" / "sessions").mkdir(parents=True)

    def play(self, scenario: str, until: float = 1e9) -> None:
        """Play what happened in the first seconds, as it came; then let all settle."""
        agent = scenario.partition("-")[0]
        start = self.host.clock.seconds()
        for moment in moments_of(scenario):
            if moment.seconds > until:
                break
            self.advance(start + moment.seconds - self.host.clock.seconds())
            self.act(agent, moment)
        self.advance(SOON_S)

    def advance(self, seconds: float) -> None:
        """Let time pass in small steps, and note how states change."""
        end = self.host.clock.seconds() + max(0.0, seconds)
        while self.host.clock.seconds() < end:
            self.host.clock.advance(min(STEP_S, end - self.host.clock.seconds()))
            self.note()
        self.note()

    def note(self) -> None:
        latest = {who: (name, reason) for _, who, name, reason in self.history}
        for one in self.host.request("GET", "/sessions").json():
            now = (one["detail_state"], one["reason"])
            if latest.get(one["id"]) != now:
                self.history.append((self.host.clock.seconds(), one["id"], *now))

    def act(self, agent: str, moment: Moment) -> None:
        if moment.source == "hook":
            self.hook(agent, moment.message)
        elif moment.source == "file":
            path = self.home / moment.file
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(moment.line + b"\n")
        elif moment.source == "status":
            at = self.host.wall_ms()
            said = {**moment.message, "pid": os.getpid(), "statusUpdatedAt": at}
            (self.home / ".claude" / "sessions" / "1.json").write_text(json.dumps(said))

    def hook(self, agent: str, payload: dict[str, Any]) -> None:
        text = json.dumps(payload).replace("/home/me", str(self.home))
        self.answers.append(self.host.begin("POST", f"/hooks/{agent}", json.loads(text)))

    @property
    def session(self) -> dict[str, Any]:
        (one,) = self.host.request("GET", "/sessions").json()
        return self.detail(one["id"])

    def detail(self, session_id: str) -> dict[str, Any]:
        return dict(self.host.request("GET", f"/sessions/{session_id}").json())

    def events(self, session_id: str = "") -> list[tuple[str, Any]]:
        session_id = session_id or self.session["id"]
        found = self.host.request("GET", f"/sessions/{session_id}/events").lines()
        return [(event["event"], event["data"]) for event in found]

    def names(self) -> list[str]:
        return [name for name, _ in self.events()]

    def state(self) -> tuple[str, str]:
        return self.session["detail_state"], self.session["reason"]

    def closed(self) -> list[str | None]:
        found = self.host.request("GET", "/approvals?all=1").json()
        return [(one["resolution"] or {}).get("reason") for one in found]


@pytest.fixture
def stage(lab: HostInMemory, tmp_path: Path) -> Stage:
    return Stage(lab, tmp_path.resolve())


def pressed_at(scenario: str, key: str) -> float:
    """Return when a key was pressed."""
    moments = moments_of(scenario)
    return next(m.seconds for m in moments if m.source == "person" and m.message == key)


def state_after(stage: Stage, seconds: float) -> tuple[str, str]:
    """Return the state that the host told of last, up to a moment of a recording."""
    told = [(name, reason) for at, _, name, reason in stage.history if at <= seconds]
    return told[-1]


def test_a_yes_at_the_terminal_is_known_while_the_command_runs(stage: Stage) -> None:
    scenario = "claude-2.1.329/answered-yes"
    stage.play(scenario)
    yes = pressed_at(scenario, "YES")
    assert state_after(stage, yes)[0] == "waiting"
    assert state_after(stage, yes + SOON_S) == ("working", "approval-resolved")
    assert stage.closed() == ["answered at the terminal"]


@pytest.mark.parametrize(
    ("scenario", "key"),
    [
        ("claude-2.1.329/answered-no", "NO(4)"),
        ("claude-2.1.329/escape-in-dialog", "ESC"),
        ("claude-2.1.329/escape-while-streaming", "ESC"),
        ("claude-2.1.329/escape-while-a-command-runs", "ESC"),
        ("codex-0.169.0/escape-in-dialog", "ESC"),
        ("codex-0.169.0/escape-while-streaming", "ESC"),
    ],
)
def test_a_turn_that_is_cut_at_the_terminal_is_known(
    stage: Stage, scenario: str, key: str
) -> None:
    stage.play(scenario)
    pressed = pressed_at(scenario, key)
    assert state_after(stage, pressed)[0] in ("waiting", "working")
    assert state_after(stage, pressed + SOON_S) == ("idle", "interrupted")
    assert set(stage.closed()) <= {"denied at the terminal"}


def test_a_start_that_is_told_late_does_not_end_the_turn(lab: HostInMemory) -> None:
    for hook in ({"hook_event_name": "UserPromptSubmit", "prompt": "go"}, START, COMPACTED):
        lab.request("POST", "/hooks/codex", {"session_id": "a", "turn_id": "t", **hook})
    assert lab.request("GET", "/sessions").json()[0]["detail_state"] == "working"
    resumed = {**START, "source": "resume", "session_id": "a"}
    lab.request("POST", "/hooks/codex", resumed)
    assert lab.request("GET", "/sessions").json()[0]["detail_state"] == "idle"


START = {"hook_event_name": "SessionStart", "source": "startup"}
COMPACTED = {"hook_event_name": "SessionStart", "source": "compact"}


def test_each_thing_is_told_once_and_usage_of_every_message(stage: Stage) -> None:
    stage.play("claude-2.1.329/words-between-tools")
    names = stage.names()
    assert names.count("tool-start") == names.count("tool-done") == 2
    assert names.count("message") == names.count("user-message") == 1
    assert names.count("thinking") == 3
    assert names.count("complete") == 1
    assert stage.session["usage"]["total_tokens"] == 510
    assert stage.session["model"] == "claude-opus-5-5"


def test_codexs_usage_and_thinking_are_told(stage: Stage) -> None:
    stage.play("codex-0.169.0/talk-and-new")
    (first, second) = stage.host.request("GET", "/sessions").json()
    details = [
        stage.host.request("GET", f"/sessions/{one['id']}").json() for one in (first, second)
    ]
    assert [one["usage"]["total_tokens"] for one in details] == [300, 12079]
    names = [name for name, _ in stage.events(first["id"])]
    assert names.count("tool-start") == names.count("tool-done") == 1
    tools = [data["tool"] for name, data in stage.events(first["id"]) if name == "tool-start"]
    assert tools == ["Bash"]


def test_the_models_api_fails_and_the_reason_is_in_the_log(stage: Stage) -> None:
    stage.play("claude-2.1.329/api-error")
    told = [data for name, data in stage.events() if name in ("error", "warning")]
    assert any("told to fail" in json.dumps(data) for data in told)


def test_a_change_of_the_model_is_the_sessions(stage: Stage) -> None:
    stage.play("claude-2.1.329/model-and-compact")
    assert stage.session["model"] == "claude-haiku-5-5"


def test_a_cleared_conversation_goes_on_and_back(stage: Stage) -> None:
    scenario = "claude-2.1.329/clear-and-resume"
    cleared = pressed_at(scenario, "/clear")
    stage.play(scenario, until=cleared)
    old = stage.session["id"]
    stage.host.request(
        "POST", f"/sessions/{old}/register", {"title": "Mine", "labels": {"a": "b"}}
    )
    stage.host.request(
        "POST", f"/sessions/{old}/messages", {"content": "later", "mode": "queue"}
    )
    stage.play(scenario)
    (new,) = [o["id"] for o in stage.host.request("GET", "/sessions").json() if o["id"] != old]
    of_new, of_old = stage.detail(new), stage.detail(old)
    assert (of_new["continues"], of_new["continued_by"]) == (old, old)
    assert (of_old["continues"], of_old["continued_by"]) == (new, "")
    assert (of_new["title"], of_new["labels"]) == ("Mine", {"a": "b"})


def test_what_is_queued_moves_to_the_session_that_goes_on(lab: HostInMemory) -> None:
    base = {"cwd": "/w"}
    end = {"hook_event_name": "SessionEnd", "reason": "clear", "session_id": "a", **base}
    lab.request("POST", "/hooks/claude", {**START, "session_id": "a", **base})
    lab.request("POST", "/sessions/a/messages", {"content": "one", "mode": "queue"})
    lab.request("POST", "/sessions/a/messages", {"content": "two", "mode": "queue"})
    lab.request("POST", "/hooks/claude", end)
    start = {**START, "source": "clear", "session_id": "b", **base}
    lab.request("POST", "/hooks/claude", start)
    moved = lab.request("GET", "/sessions/b/messages?peek=1").json()
    assert [message["content"] for message in moved] == ["one", "two"]
    left = lab.request("GET", "/sessions/a/messages?peek=1").json()
    assert {message["state"] for message in left} == {"delivered"}


def test_of_two_that_are_cleared_at_once_none_is_guessed(lab: HostInMemory) -> None:
    end = {"hook_event_name": "SessionEnd", "reason": "clear", "cwd": "/w"}
    for name in ("a", "b"):
        lab.request("POST", "/hooks/claude", {**end, "session_id": name})
    start = {**START, "source": "clear", "session_id": "c", "cwd": "/w"}
    lab.request("POST", "/hooks/claude", start)
    assert lab.request("GET", "/sessions/c").json()["continues"] == ""


PROCESS = {"pid": 7, "started": 1, "boot": "b", "namespace": "n"}


def codex(lab: HostInMemory, session: str, name: str, **more: Any) -> None:
    hook = {"session_id": session, "hook_event_name": name, "cwd": "/w", "turn_id": session}
    lab.request("POST", "/hooks/codex", {**hook, "sxhost_process": PROCESS, **more})


def continues(lab: HostInMemory, session: str) -> str:
    return str(lab.request("GET", f"/sessions/{session}").json()["continues"])


def test_a_new_conversation_of_codex_goes_on_with_the_last_of_its_process(
    lab: HostInMemory,
) -> None:
    for session in ("a", "b"):  # its hooks are not ordered
        codex(lab, session, "UserPromptSubmit", prompt="go")
        codex(lab, session, "SessionStart", source="startup")
        codex(lab, session, "Stop")
    assert (continues(lab, "a"), continues(lab, "b")) == ("", "a")
    other = {**PROCESS, "pid": 8}
    codex(lab, "c", "SessionStart", source="startup", sxhost_process=other)
    assert continues(lab, "c") == ""


def test_a_conversation_that_a_working_codex_begins_is_none_of_its_users(
    lab: HostInMemory,
) -> None:
    codex(lab, "a", "UserPromptSubmit", prompt="go")
    codex(lab, "sub", "UserPromptSubmit", prompt="look")
    codex(lab, "sub", "Stop")
    codex(lab, "a", "Stop")
    codex(lab, "b", "UserPromptSubmit", prompt="next")
    assert (continues(lab, "sub"), continues(lab, "b")) == ("", "a")


# Titles.


def prompt(lab: HostInMemory, text: str) -> str:
    hook = {"hook_event_name": "UserPromptSubmit", "prompt": text, "session_id": "a"}
    lab.request("POST", "/hooks/claude", hook)
    return str(lab.request("GET", "/sessions/a").json()["title"])


def test_a_sessions_title_is_the_beginning_of_its_first_prompt(lab: HostInMemory) -> None:
    assert prompt(lab, "Mend the\n  tests") == "Mend the tests"
    assert prompt(lab, "And now the documents") == "Mend the tests"
    lab.request("POST", "/sessions/a/register", {"title": "Mine"})
    assert prompt(lab, "Thanks") == "Mine"


# Who is believed.


@pytest.mark.parametrize(
    "caller",
    [Caller(HOST.scopes, uid=UID + 1), Caller(HOST.scopes, token="t"), HOST],
    ids=["other", "token", "unknown"],
)
def test_a_path_that_somebody_else_names_is_not_read(stage: Stage, caller: Caller) -> None:
    stage.host.caller = caller
    stage.play("claude-2.1.329/words-between-tools")
    assert "thinking" not in stage.names()
    assert stage.session["usage"] is None


def test_a_request_that_a_proxy_passes_on_is_not_this_users(stage: Stage) -> None:
    headers = {"X_Forwarded_For": "192.0.2.1"}
    path = stage.home / ".claude" / "projects" / "-w" / "a.jsonl"
    hook = {**START, "session_id": "a", "transcript_path": str(path)}
    stage.host.request("POST", "/hooks/claude", hook, **headers)
    assert not stage.host.follower.follows("a")
    stage.host.request("POST", "/hooks/claude", hook)
    assert stage.host.follower.follows("a")


def test_lines_that_a_distant_hook_brings_along_are_told_once(stage: Stage) -> None:
    stage.host.caller = Caller(HOST.scopes, token="t")
    moments = moments_of("claude-2.1.329/words-between-tools")
    lines: list[str] = []
    for moment in moments:
        if moment.source == "file":
            lines.append(json.dumps(moment.message))
        elif moment.source == "hook":
            stage.hook("claude", {**moment.message, "sxhost_transcript": lines})
            stage.advance(SETTLE_S)
    names = stage.names()
    assert names.count("thinking") == 3
    assert names.count("tool-start") == names.count("tool-done") == 2
    assert stage.session["usage"]["total_tokens"] == 510


# What neither hook nor transcript says.


def test_esc_before_the_first_word_is_seen_by_claudes_rest(stage: Stage) -> None:
    place = stage.home / ".claude" / "projects" / "-w"
    place.mkdir(parents=True)
    status = Moment(0, "status", {"sessionId": "a", "status": "busy"})
    go = {"hook_event_name": "UserPromptSubmit", "prompt": "go", "prompt_id": "1"}
    stage.hook("claude", {**go, "session_id": "a", "transcript_path": str(place / "a.jsonl")})
    stage.act("claude", status)
    stage.advance(BUSY_S)
    assert stage.state()[0] == "working"
    stage.act("claude", status._replace(message={"sessionId": "a", "status": "idle"}))
    stage.advance(BUSY_S + AT_REST_S)
    assert stage.state() == ("idle", "interrupted")


@pytest.mark.parametrize(("status", "state"), [("busy", "working"), ("idle", "idle")])
def test_what_was_answered_while_the_host_was_away_is_known(
    stage: Stage, status: str, state: str
) -> None:
    scenario = "claude-2.1.329/answered-yes"
    stage.play(scenario, until=pressed_at(scenario, "YES"))
    session = stage.session["id"]
    (path,) = stage.home.glob(f".claude/projects/*/{session}.jsonl")
    stage.host.restart()
    stage.host.service.startService()
    assert stage.state()[0] == "waiting"
    stage.advance(SOON_S)
    stage.act("claude", Moment(0, "status", {"sessionId": session, "status": status}))
    agent = RunningAgent(
        agent="claude", session_id=session, pid=1, cwd="/w", transcript=str(path)
    )
    stage.host.running.append(agent)
    started(stage.host.hook_handler.follow_asking(UID))
    stage.advance(SOON_S)
    assert stage.closed() == ["answered at the terminal"]
    assert stage.state()[0] == state


def test_a_session_that_was_deleted_is_not_made_again_by_its_file(stage: Stage) -> None:
    scenario = "claude-2.1.329/escape-while-streaming"
    stage.play(scenario, until=pressed_at(scenario, "ESC"))
    stage.host.request("DELETE", f"/sessions/{stage.session['id']}")
    for moment in moments_of(scenario):
        if moment.source == "file":
            stage.act("claude", moment)
    stage.advance(SOON_S)
    assert stage.host.request("GET", "/sessions").json() == []


# Agents without hooks.


@pytest.fixture
def running(stage: Stage) -> RunningAgent:
    """An agent without hooks that runs for the host's user; its past has a whole turn."""
    scenario = "claude-2.1.329/words-between-tools"
    moments = [moment for moment in moments_of(scenario) if moment.source == "file"]
    for moment in moments:
        stage.act("claude", moment)
    return RunningAgent(
        agent="claude",
        session_id=Path(moments[0].file).stem,
        pid=7,
        cwd="/work",
        transcript=str(stage.home / moments[0].file),
    )


def discover(stage: Stage, running: RunningAgent) -> list[Any]:
    stage.host.running = [running]
    found = stage.host.request("POST", "/discover").json()
    stage.advance(SOON_S)
    return list(found)


def test_an_agent_without_hooks_can_be_read(stage: Stage, running: RunningAgent) -> None:
    (found,) = discover(stage, running)
    assert (found["id"], found["answerable"]) == (running.session_id, False)
    assert stage.session["metadata"].keys() == {"not answerable"}
    names = stage.names()
    assert names.count("user-message") == names.count("message") == names.count("complete") == 1
    assert names.count("tool-start") == names.count("tool-done") == 2
    assert stage.session["usage"]["total_tokens"] == 510
    assert stage.state()[0] == "idle"
    assert stage.session["title"]


def test_an_agent_without_a_session_yet_is_only_listed(stage: Stage) -> None:
    agent = RunningAgent(agent="codex", session_id="", pid=7, cwd="/w", transcript="")
    stage.host.running.append(agent)
    (found,) = stage.host.request("POST", "/discover").json()
    assert (found["id"], found["pid"], found["answerable"]) == ("", 7, False)
    assert stage.host.request("GET", "/sessions").json() == []


def test_an_agent_is_discovered_once_however_often(stage: Stage, running: RunningAgent) -> None:
    discover(stage, running)
    count = stage.session["event_count"]
    discover(stage, running)
    assert stage.session["event_count"] == count


def test_with_its_first_hook_it_can_be_answered(stage: Stage, running: RunningAgent) -> None:
    discover(stage, running)
    hook = {"hook_event_name": "UserPromptSubmit", "prompt": "go", "prompt_id": "new"}
    path = running.transcript
    stage.hook("claude", {**hook, "session_id": running.session_id, "transcript_path": path})
    assert stage.session["metadata"] == {}
    (found,) = discover(stage, running)
    assert found["answerable"]
    assert stage.state()[0] == "working"


def test_a_discovered_agent_that_ends_has_ended(stage: Stage, running: RunningAgent) -> None:
    discover(stage, running)
    stage.host.running = []
    stage.host.processes.end(running.pid)
    stage.advance(LINGER_S)
    assert stage.state()[0] == "ended"
    count = stage.session["event_count"]
    stage.host.request("POST", "/discover")
    stage.advance(LINGER_S)
    assert stage.session["event_count"] == count


def test_a_discovered_agent_is_here_again_once_it_is_resumed(
    stage: Stage, running: RunningAgent
) -> None:
    test_a_discovered_agent_that_ends_has_ended(stage, running)
    count = stage.names().count("user-message")
    discover(stage, replace(running, pid=8))
    assert stage.state() == ("idle", "started")
    assert stage.session["pid"] == 8
    assert stage.names().count("user-message") == count, "its past is not told again"


def test_a_discovered_agent_that_is_resumed_has_not_ended(
    stage: Stage, running: RunningAgent
) -> None:
    discover(stage, running)
    stage.host.processes.end(running.pid)
    discover(stage, replace(running, pid=8))
    stage.advance(LINGER_S)
    assert stage.state()[0] == "idle"
    assert stage.session["pid"] == 8


def test_an_agent_that_has_hooks_by_now_ends_once_and_says_it_itself(
    stage: Stage, running: RunningAgent
) -> None:
    test_with_its_first_hook_it_can_be_answered(stage, running)
    stage.host.running = []
    stage.host.processes.end(running.pid)
    hook = {"hook_event_name": "SessionEnd", "reason": "logout"}
    path = running.transcript
    stage.hook("claude", {**hook, "session_id": running.session_id, "transcript_path": path})
    stage.advance(LINGER_S)
    assert stage.names().count("ended") == 1
    assert stage.state() == ("ended", "ended")
