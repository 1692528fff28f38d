"""The verbs on hosted agents: what is done is in the audit, who did it too."""

from __future__ import annotations

from sxhost.model.approval import Answer
from sxhost.model.auth import AuditQuery
from sxhost.model.turn import Launch, SteerDraft, TurnDraft
from sxhost.testing import HostInMemory, question, result_of
from tests.host.client.test_agency_client import do


def test_what_people_have_agents_do_is_in_the_audit(lab: HostInMemory) -> None:
    agency = lab.service
    do(lab, agency.start(Launch(agent="fake", id="a")))
    do(lab, agency.submit("a", TurnDraft(input="a secret")))
    do(lab, agency.steer("a", SteerDraft(input="a secret")))
    lab.drivers.last.reports.approval_requested(question())
    lab.clock.advance(0)
    do(lab, agency.answer("a", 1, Answer(decision="deny", reason="a secret")))
    do(lab, agency.interrupt("a"))
    deeds = result_of(lab.service.audit(AuditQuery()))
    assert [(deed.what, deed.session, deed.detail) for deed in deeds] == [
        ("start", "a", "fake"),
        ("turn", "a", "turn 1"),
        ("steer", "a", ""),
        ("answer", "a", "approval 1: deny"),
        ("interrupt", "a", ""),
    ]
    assert "a secret" not in str(deeds)
