"""Lanes: in order, but for what may run beside work that has begun."""

from __future__ import annotations

import pytest

from sxhost.faces.pi.lanes import Lanes, Priority, Ride, Ticket

US, THEM = object(), object()


def enter(
    lanes: Lanes, priority: Priority, client: object = US, lane: str = "a", *of: str
) -> Ticket:
    """Queue a command; the work `of` its kind is what it controls, if that is given."""
    controls = frozenset(of) if of else None
    return lanes.enter(lane, Ride(priority, priority, client, controls))


def goes(ticket: Ticket) -> bool:
    return ticket.admitted is None or ticket.admitted.called


def begin(lanes: Lanes) -> Ticket:
    """Return work that has begun."""
    work = enter(lanes, "in_order")
    work.work_started()
    return work


def test_commands_of_a_lane_run_one_after_another() -> None:
    lanes = Lanes()
    first, second = (enter(lanes, "in_order") for _ in range(2))
    assert (goes(first), goes(second)) == (True, False)
    first.release()
    assert goes(second)
    second.release()
    assert len(lanes) == 0


def test_lanes_do_not_wait_for_each_other() -> None:
    lanes = Lanes()
    enter(lanes, "in_order")
    assert goes(enter(lanes, "in_order", lane="b"))
    assert len(lanes) == 2


@pytest.mark.parametrize("priority", ["controls", "reads"])
def test_work_is_overtaken_once_it_has_begun(priority: Priority) -> None:
    lanes = Lanes()
    work, beside = enter(lanes, "in_order"), enter(lanes, priority)
    assert not goes(beside)
    work.work_started()
    assert goes(beside)
    work.release()
    beside.release()
    assert len(lanes) == 0


@pytest.mark.parametrize("priority", ["controls", "reads", "in_order"])
@pytest.mark.parametrize("first", ["controls", "in_order"])
def test_nothing_passes_what_its_client_has_sent_before(
    first: Priority, priority: Priority
) -> None:
    lanes = Lanes()
    read, waiting = enter(lanes, "reads"), enter(lanes, first)
    later = enter(lanes, priority)
    assert not goes(waiting)
    read.release()
    assert goes(waiting)
    assert not goes(later)
    waiting.release()
    assert goes(later)


@pytest.mark.parametrize("client", [US, THEM], ids=["same", "other"])
@pytest.mark.parametrize("priority", ["controls", "reads"])
def test_what_waits_for_work_is_passed(priority: Priority, client: object) -> None:
    lanes = Lanes()
    work, waiting = begin(lanes), enter(lanes, "in_order")
    later = enter(lanes, priority, client)
    assert goes(later)
    work.release()
    assert goes(waiting), "what came later does not hold it up"


def test_work_of_others_does_not_starve() -> None:
    lanes = Lanes()
    read, work = enter(lanes, "reads"), enter(lanes, "in_order", THEM)
    later = enter(lanes, "reads")
    assert (goes(work), goes(later)) == (False, False)
    read.release()
    assert goes(work)


def test_reads_hold_up_no_reads_and_nobody_else() -> None:
    lanes = Lanes()
    read, more = enter(lanes, "reads"), enter(lanes, "reads")
    assert goes(more)
    ours, theirs = enter(lanes, "controls"), enter(lanes, "controls", THEM)
    assert (goes(ours), goes(theirs)) == (False, True)
    read.release()
    more.release()
    assert goes(ours)


def test_work_waits_for_reads() -> None:
    lanes = Lanes()
    begun, read = begin(lanes), enter(lanes, "reads")
    work = enter(lanes, "in_order")
    begun.release()
    assert not goes(work)
    read.release()
    assert goes(work)


def test_answer_waits_for_no_work() -> None:
    lanes = Lanes()
    begin(lanes)
    enter(lanes, "in_order")
    assert goes(enter(lanes, "answers")), "the work may wait for it"


def test_cancelled_command_leaves_its_lane() -> None:
    lanes = Lanes()
    first, second, third = (enter(lanes, "in_order") for _ in range(3))
    second.release()
    first.release()
    assert not goes(second)
    assert goes(third)


def test_control_passes_what_waits_for_the_work_that_it_controls() -> None:
    lanes = Lanes()
    work, waiting = begin(lanes), enter(lanes, "in_order")
    stops = enter(lanes, "controls", US, "a", "in_order")
    other, theirs = (enter(lanes, "controls", who, "a", "else") for who in (US, THEM))
    assert goes(stops)
    assert goes(theirs)
    assert not goes(other), "it is for work that is yet to begin"
    stops.release()
    work.release()
    assert goes(waiting)
    assert not goes(other)
    waiting.release()
    assert goes(other)


def test_control_waits_for_control_of_its_client() -> None:
    lanes = Lanes()
    begin(lanes)
    first, second = enter(lanes, "controls"), enter(lanes, "controls")
    assert goes(enter(lanes, "controls", THEM))
    assert (goes(first), goes(second)) == (True, False)
    first.release()
    assert goes(second)


def test_control_waits_for_what_may_begin_the_work_that_it_controls() -> None:
    lanes = Lanes()
    begins = enter(lanes, "controls")
    control = enter(lanes, "controls", THEM, "a", "controls")
    assert (goes(begins), goes(control)) == (True, False)
    begins.work_started()
    assert goes(control)


def test_stopped_work_is_passed_no_more_by_its_client_alone() -> None:
    lanes = Lanes()
    work = lanes.enter("a", Ride("work", "in_order", US))
    work.work_started()
    stop = Ride("stop", "controls", US, frozenset({"work"}), stops=True)
    lanes.enter("a", stop).release()
    waiting = lanes.enter("a", Ride("work", "in_order", US))
    again, read, theirs = (
        lanes.enter("a", ride)
        for ride in (stop, Ride("look", "reads", US), Ride("look", "reads", THEM))
    )
    assert (goes(again), goes(read), goes(theirs)) == (False, False, True)
    work.release()
    assert (goes(waiting), goes(again)) == (True, False)
    waiting.work_started()
    assert goes(again)


# What creates and deletes sessions.


def test_exclusive_command_waits_for_no_work() -> None:
    lanes = Lanes()
    work, more = begin(lanes), enter(lanes, "in_order")
    ends = enter(lanes, "exclusive")
    assert goes(ends)
    again, control = enter(lanes, "exclusive"), enter(lanes, "controls")
    assert not goes(again)
    assert not goes(control), "it would be for what is being ended"
    work.release()
    assert not goes(more)
    ends.work_started()
    ends.release()
    assert goes(more), "and learns that there is nothing any more"
    more.release()
    assert goes(again)
    again.release()
    assert goes(control)
    control.release()
    assert len(lanes) == 0


def test_exclusive_command_waits_for_what_its_client_has_sent_before() -> None:
    lanes = Lanes()
    read, setting = enter(lanes, "reads"), enter(lanes, "in_order")
    theirs, ours = enter(lanes, "exclusive", THEM), enter(lanes, "exclusive")
    assert goes(theirs)
    theirs.release()
    assert not goes(ours)
    read.release()
    assert goes(setting)
    assert not goes(ours)
    setting.release()
    assert goes(ours)


def test_exclusive_command_does_not_wait_for_ever() -> None:
    lanes = Lanes()
    stuck, ends = enter(lanes, "in_order"), enter(lanes, "exclusive")
    assert not goes(ends)
    ends.wait_no_longer()
    assert goes(ends)
    stuck.release()
    ends.release()
    assert len(lanes) == 0


def test_commands_wait_for_a_session_being_created() -> None:
    lanes = Lanes()
    makes = enter(lanes, "exclusive")
    kinds: tuple[Priority, ...] = ("controls", "answers", "in_order", "exclusive")
    tickets = [enter(lanes, priority, THEM) for priority in kinds]
    assert not any(map(goes, tickets))
    makes.release()
    assert [goes(one) for one in tickets] == [True, True, False, False]


def test_survey_waits_for_sessions_that_its_client_creates() -> None:
    lanes = Lanes()
    makes = enter(lanes, "exclusive")
    ours, theirs = (
        lanes.enter("server", Ride("list", "reads", client, surveys=True))
        for client in (US, THEM)
    )
    assert (goes(ours), goes(theirs)) == (False, True)
    makes.release()
    assert goes(ours)
