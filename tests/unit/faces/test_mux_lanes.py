"""Lanes: in order, but for what may overtake."""

from __future__ import annotations

from sxhost.faces.pi.lanes import Lanes, Ticket


def goes(ticket: Ticket) -> bool:
    return ticket.admitted is None or ticket.admitted.called


def test_commands_of_a_lane_run_one_after_another() -> None:
    lanes = Lanes()
    first, second = (lanes.enter("a", "in_order") for _ in range(2))
    assert (goes(first), goes(second)) == (True, False)
    first.release()
    assert goes(second)
    second.release()
    assert len(lanes) == 0


def test_lanes_do_not_wait_for_each_other() -> None:
    lanes = Lanes()
    lanes.enter("a", "in_order")
    assert goes(lanes.enter("b", "in_order"))
    assert len(lanes) == 2


def test_control_command_overtakes_running_work() -> None:
    lanes = Lanes()
    work, control = lanes.enter("a", "in_order"), lanes.enter("a", "overtakes")
    more = lanes.enter("a", "in_order")
    assert not goes(control)
    work.work_started()
    assert goes(control)
    assert not goes(more)
    late = lanes.enter("a", "overtakes")
    assert goes(late)
    for ticket in (late, work):
        ticket.release()
    assert goes(more)
    for ticket in (control, more):
        ticket.release()
    assert len(lanes) == 0


def test_work_waits_for_a_read_at_the_head_of_its_lane() -> None:
    lanes = Lanes()
    read, work = lanes.enter("a", "overtakes"), lanes.enter("a", "in_order")
    assert goes(lanes.enter("a", "overtakes")), "control does not wait for it"
    assert not goes(work)
    read.release()
    assert goes(work)


def test_cancelled_command_leaves_its_lane() -> None:
    lanes = Lanes()
    first, second, third = (lanes.enter("a", "in_order") for _ in range(3))
    second.release()
    first.release()
    assert not goes(second)
    assert goes(third)


def test_exclusive_command_waits_for_no_work() -> None:
    lanes = Lanes()
    work, more = lanes.enter("a", "in_order"), lanes.enter("a", "in_order")
    ends = lanes.enter("a", "exclusive")
    assert goes(ends), "though the work has not begun"
    again, control = lanes.enter("a", "exclusive"), lanes.enter("a", "overtakes")
    work.work_started()
    assert not goes(again)
    assert not goes(control), "it would be for what is being ended"
    work.release()
    assert not goes(more)
    ends.work_started()
    ends.release()
    assert goes(more), "and learns that there is nothing any more"
    assert goes(again)
    again.release()
    assert not goes(control)
    more.release()
    assert goes(control)
    control.release()
    assert len(lanes) == 0


def test_commands_wait_for_a_session_being_created() -> None:
    lanes = Lanes()
    makes = lanes.enter("a", "exclusive")
    tickets = [
        lanes.enter("a", "overtakes"),
        lanes.enter("a", "in_order"),
        lanes.enter("a", "exclusive"),
    ]
    assert not any(map(goes, tickets))
    makes.release()
    assert [goes(one) for one in tickets] == [True, False, True]
