"""A conversation goes from the host to a terminal and back, and has one program at a time."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from sxhost.agents.attached_processes import LAST_WORDS_S
from sxhost.errors import (
    AtTerminal,
    BadField,
    ConversationInUse,
    HostError,
    NotHosted,
    Unsupported,
)
from sxhost.model.event import EventDraft, EventQuery
from sxhost.model.handover import HandedOver, HandoverDraft
from sxhost.model.message import MessageDraft
from sxhost.model.session import Registration
from sxhost.model.turn import Launch, OSProcess, TurnDraft
from sxhost.testing import FakeDriver, FakeDrivers, HostInMemory, is_done, result_of, started

TERMINAL = OSProcess(pid=7, started=1, boot="b", namespace="n")
PROGRAM = replace(TERMINAL, pid=8)
ELSEWHERE = replace(TERMINAL, boot="elsewhere")
TO_TERMINAL = HandoverDraft(to="terminal", os_process=TERMINAL)
TO_HOST = HandoverDraft(to="host")


@pytest.fixture
def host(lab: HostInMemory) -> HostInMemory:
    """A host with one hosted session, `a`, that has had a turn."""
    do(lab, lab.service.start(Launch(agent="fake", id="a", prompt="one", cwd="/usr")))
    end_turn(lab)
    return lab


def settle(lab: HostInMemory, seconds: float = 0) -> None:
    for _ in range(20):
        lab.clock.advance(seconds / 20)
        lab.treq.flush()


def do(lab: HostInMemory, work: Any) -> Any:
    doing = started(work)
    settle(lab)
    return result_of(doing)


def end_turn(lab: HostInMemory) -> None:
    lab.drivers.last.reports.turn_ended("completed")
    settle(lab)


def take(lab: HostInMemory, draft: HandoverDraft = TO_TERMINAL) -> HandedOver:
    done: HandedOver = do(lab, lab.service.hand_over("a", draft))
    return done


def give(lab: HostInMemory, draft: HandoverDraft = TO_HOST, session: str = "a") -> Any:
    giving = started(lab.service.hand_over(session, draft))
    settle(lab, 2 * LAST_WORDS_S)
    return result_of(giving)


def told(lab: HostInMemory) -> list[tuple[str, Any]]:
    settle(lab)
    events = result_of(lab.service.events("a", EventQuery(after="0")))
    return [(event.event, event.value()) for event in events]


def typed(lab: HostInMemory) -> list[str]:
    """Return the prompts that hooks have told of."""
    prompts = [data for name, data in told(lab) if name == "user-message"]
    return [data["text"] for data in prompts if "turn" not in data]


def hook(lab: HostInMemory, name: str, **fields: Any) -> Any:
    body = {"hook_event_name": name, "session_id": "native-1", "cwd": "/usr"}
    body |= {"sxhost_process": to_builtins(PROGRAM), **fields}
    return lab.request("POST", "/hooks/claude", body)


def test_the_program_goes_on_with_the_conversation_where_it_was(host: HostInMemory) -> None:
    handed = take(host)
    assert handed.program is not None
    assert handed.program.argv == ["fake", "--resume", "native-1"]
    assert handed.program.cwd == "/usr"
    assert host.drivers.last.did[-1] == ("stop",)
    assert (handed.session.kind, handed.session.detail_state) == ("attached", "idle")
    assert told(host)[-1] == ("handed-over", {"to": "terminal"})


def test_what_is_said_at_the_terminal_is_in_the_same_log(host: HostInMemory) -> None:
    take(host)
    hook(host, "SessionStart", source="resume")
    hook(host, "UserPromptSubmit", prompt="typed there")
    assert typed(host) == ["typed there"]
    assert result_of(host.service.session("a")).detail_state == "working"
    assert not host.service.knows("native-1")


def test_a_turn_is_waited_for_unless_it_is_cut(host: HostInMemory) -> None:
    do(host, host.service.submit("a", TurnDraft(input="two")))
    taking = started(host.service.hand_over("a", TO_TERMINAL))
    settle(host)
    assert not is_done(taking)
    end_turn(host)
    program = result_of(taking).program
    assert program is not None
    assert program.argv[-1] == "native-1"


def test_a_turn_is_cut_where_that_is_wanted(host: HostInMemory) -> None:
    do(host, host.service.submit("a", TurnDraft(input="two")))
    take(host, replace(TO_TERMINAL, now=True))
    assert "error" in [name for name, _ in told(host)]


def test_the_host_does_not_touch_what_is_at_a_terminal(host: HostInMemory) -> None:
    take(host)
    for work in (
        host.service.submit("a", TurnDraft(input="two")),
        host.service.end("a"),
        host.service.interrupt("a"),
        host.service.compact("a"),
        host.service.hand_over("a", TO_TERMINAL),
    ):
        with pytest.raises(NotHosted):
            do(host, work)
    sent = do(host, host.service.send("a", MessageDraft(content="later")))
    assert sent.delivery == "unhooked"
    settle(host)
    assert len(host.drivers.by_agent["fake"].agents) == 1


def test_messages_wait_for_whoever_has_it(host: HostInMemory) -> None:
    take(host)
    do(host, host.service.send("a", MessageDraft(content="later")))
    host.processes.end(TERMINAL.pid)
    settle(host, 2 * LAST_WORDS_S)
    assert result_of(host.service.session("a")).detail_state == "ended"
    give(host)
    assert ("submit", "later") in host.drivers.last.did
    assert host.drivers.last.launch.resume == "native-1"


def test_a_program_that_runs_still_keeps_it(host: HostInMemory) -> None:
    take(host)
    hook(host, "SessionStart", source="resume")
    with pytest.raises(AtTerminal, match="process 8") as refused:
        give(host)
    assert refused.value.details == {"pid": 8}
    assert result_of(host.service.session("a")).kind == "attached"


def test_a_program_is_ended_where_that_is_wanted(host: HostInMemory) -> None:
    take(host)
    hook(host, "SessionStart", source="resume")
    assert give(host, HandoverDraft(to="host", now=True)).session.kind == "hosted"
    assert PROGRAM in host.processes.over
    do(host, host.service.submit("a", TurnDraft(input="two")))
    assert host.drivers.last.did == [("start", "native-1"), ("submit", "two")]


def test_a_program_that_does_not_end_keeps_it(host: HostInMemory) -> None:
    take(host)
    hook(host, "SessionStart", source="resume")
    host.processes.stubborn.add(PROGRAM.pid)
    giving = started(host.service.hand_over("a", HandoverDraft(to="host", now=True)))
    settle(host, 10)
    with pytest.raises(AtTerminal):
        result_of(giving)


def test_the_process_that_has_taken_it_can_give_it_back(host: HostInMemory) -> None:
    take(host)
    with pytest.raises(AtTerminal):
        give(host)
    given = give(host, HandoverDraft(to="host", os_process=TERMINAL))
    assert (given.session.kind, given.session.rest) == ("hosted", "asleep")
    settle(host, 2 * LAST_WORDS_S)
    assert told(host)[-1] == ("handed-over", {"to": "host"})


def test_to_give_what_the_host_has_changes_nothing(host: HostInMemory) -> None:
    before = told(host)
    assert give(host).session.kind == "hosted"
    assert told(host) == before


def test_turns_are_numbered_on(host: HostInMemory) -> None:
    take(host)
    hook(host, "SessionStart", source="resume")
    hook(host, "UserPromptSubmit", prompt="typed there")
    hook(host, "Stop")
    hook(host, "SessionEnd", reason="other")
    host.processes.end(PROGRAM.pid)
    give(host)
    assert do(host, host.service.submit("a", TurnDraft(input="two"))).turn.id == 2


def test_a_restarted_host_knows_where_it_is(host: HostInMemory) -> None:
    take(host)
    host.restart()
    host.service.startService()
    settle(host)
    hook(host, "UserPromptSubmit", prompt="typed there")
    assert typed(host) == ["typed there"]
    host.service.stopService()


@pytest.mark.parametrize(
    "draft", [HandoverDraft(to="terminal"), replace(TO_TERMINAL, os_process=ELSEWHERE)]
)
def test_a_terminal_is_on_the_hosts_machine(host: HostInMemory, draft: HandoverDraft) -> None:
    with pytest.raises(BadField, match="the host's own machine"):
        take(host, draft)
    assert result_of(host.service.session("a")).kind == "hosted"


def test_what_cannot_go_on_is_not_ended(lab: HostInMemory) -> None:
    lab.drivers = FakeDrivers(fake=FakeDriver(resume=False))
    lab.agents = lab.agents._replace(drivers=lab.drivers)
    lab.restart()
    do(lab, lab.service.start(Launch(agent="fake", id="a", prompt="one")))
    end_turn(lab)
    with pytest.raises(Unsupported, match="has no program"):
        take(lab)
    assert lab.drivers.last.did == [("start", None), ("submit", "one")]


def test_what_has_no_conversation_cannot_be_taken(lab: HostInMemory) -> None:
    do(lab, lab.service.start(Launch(agent="fake", id="a")))
    with pytest.raises(Unsupported, match="no conversation"):
        take(lab)


def attached(lab: HostInMemory, process: OSProcess | None, agent: str = "fake") -> None:
    registration = Registration(agent=agent, cwd="/usr", title="Mine", os_process=process)
    do(lab, lab.service.register("native-9", registration))


def test_what_began_at_a_terminal_is_adopted(lab: HostInMemory) -> None:
    attached(lab, PROGRAM)
    with pytest.raises(AtTerminal):
        give(lab, session="native-9")
    lab.processes.end(PROGRAM.pid)
    assert give(lab, session="native-9").session.kind == "hosted"
    do(lab, lab.service.submit("native-9", TurnDraft(input="go on")))
    launch = lab.drivers.last.launch
    assert (launch.resume, launch.cwd, launch.title) == ("native-9", "/usr", "Mine")


@pytest.mark.parametrize("process", [None, ELSEWHERE])
def test_what_nobody_can_see_is_adopted_once_it_has_said_its_end(
    lab: HostInMemory, process: OSProcess | None
) -> None:
    attached(lab, process)
    with pytest.raises(AtTerminal, match="Nobody knows"):
        give(lab, session="native-9")
    do(lab, lab.service.fire("native-9", EventDraft.of("ended", None)))
    assert give(lab, session="native-9").session.kind == "hosted"


@pytest.mark.parametrize("agent", ["", "script"])
def test_what_the_host_cannot_run_is_not_adopted(lab: HostInMemory, agent: str) -> None:
    attached(lab, None, agent)
    with pytest.raises(Unsupported, match="cannot run"):
        give(lab, session="native-9")


def test_one_conversation_has_one_program(host: HostInMemory) -> None:
    again = Launch(agent="fake", id="b", resume="native-1")
    with pytest.raises(ConversationInUse) as refused:
        do(host, host.service.start(again))
    assert refused.value.details == {"session": "a"}
    take(host)
    with pytest.raises(ConversationInUse):
        do(host, host.service.start(again))
    host.processes.end(TERMINAL.pid)
    assert do(host, host.service.start(again)).session.id == "b"
    give(host)
    with pytest.raises(HostError):
        do(host, host.service.submit("a", TurnDraft(input="two")))


def test_two_terminals_cannot_take_it_at_once(host: HostInMemory) -> None:
    do(host, host.service.submit("a", TurnDraft(input="two")))
    takers = [started(host.service.hand_over("a", TO_TERMINAL)) for _ in range(2)]
    settle(host)
    end_turn(host)
    first, second = takers
    assert result_of(first).session.kind == "attached"
    with pytest.raises(NotHosted, match="faster"):
        result_of(second)
    assert [name for name, _ in told(host)].count("handed-over") == 1


def test_two_who_give_it_back_do_so_once(host: HostInMemory) -> None:
    take(host)
    host.processes.end(TERMINAL.pid)
    givers = [started(host.service.hand_over("a", TO_HOST)) for _ in range(2)]
    settle(host, 3 * LAST_WORDS_S)
    for giver in givers:
        assert result_of(giver).session.kind == "hosted"
    assert [data for name, data in told(host) if name == "handed-over"] == [
        {"to": "terminal"},
        {"to": "host"},
    ]


def test_program_that_comes_while_one_ends_keeps_it(host: HostInMemory) -> None:
    take(host)
    host.processes.end(TERMINAL.pid)
    giving = started(host.service.hand_over("a", TO_HOST))
    settle(host, LAST_WORDS_S / 2)
    hook(host, "SessionStart", source="resume")
    settle(host, 2 * LAST_WORDS_S)
    with pytest.raises(AtTerminal, match="process 8"):
        result_of(giving)
    assert result_of(host.service.session("a")).kind == "attached"
