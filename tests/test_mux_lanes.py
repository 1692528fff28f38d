"""Lanes: in order, but for what may overtake."""

from __future__ import annotations

from sxhost.mux.lanes import Lanes, Ride


def goes(ride: Ride) -> bool:
    return ride.go is None or ride.go.called


def test_one_after_another() -> None:
    lanes = Lanes()
    first, second = (lanes.enter("a", overtakes=False) for _ in range(2))
    assert (goes(first), goes(second)) == (True, False)
    first.leave()
    assert goes(second)
    second.leave()
    assert len(lanes) == 0


def test_lanes_do_not_wait_for_each_other() -> None:
    lanes = Lanes()
    lanes.enter("a", overtakes=False)
    assert goes(lanes.enter("b", overtakes=False))
    assert len(lanes) == 2


def test_control_overtakes_work_once_it_has_begun() -> None:
    lanes = Lanes()
    work, control = lanes.enter("a", overtakes=False), lanes.enter("a", overtakes=True)
    more = lanes.enter("a", overtakes=False)
    assert not goes(control)
    work.begun()
    assert goes(control)
    assert not goes(more)
    late = lanes.enter("a", overtakes=True)
    assert goes(late)
    for ride in (late, work):
        ride.leave()
    assert goes(more)
    for ride in (control, more):
        ride.leave()
    assert len(lanes) == 0


def test_work_waits_for_a_read_at_the_head() -> None:
    lanes = Lanes()
    read, work = lanes.enter("a", overtakes=True), lanes.enter("a", overtakes=False)
    assert goes(lanes.enter("a", overtakes=True)), "control does not wait for it"
    assert not goes(work)
    read.leave()
    assert goes(work)


def test_who_gives_up_is_no_longer_there() -> None:
    lanes = Lanes()
    first, second, third = (lanes.enter("a", overtakes=False) for _ in range(3))
    second.leave()
    first.leave()
    assert not goes(second)
    assert goes(third)
