"""The verbs on the policy: the rules in use, and a rule for what an agent has asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import nlargest
from typing import Final

from sxhost.errors import UnknownApproval
from sxhost.model.approval import Approval
from sxhost.model.policy import PolicyView, RuleDraft, RuleProposal
from sxhost.model.session import Session
from sxhost.service_core import ServiceCore

__all__ = ["PolicyVerbs"]

TRIED_ON: Final = 200
"""The newest questions that a proposed rule is tried on."""


class PolicyVerbs:
    """The verbs on the policy, a part of `SessionService`."""

    _core: ServiceCore

    async def policy(self) -> PolicyView:
        """Return the rules that answer questions, and how often each has matched."""
        return self._core.rules.view()

    async def propose_rule(self, draft: RuleDraft) -> RuleProposal:
        """Return the narrowest rule that allows what was asked, and what else it would have.

        :raises UnknownApproval: the question is not remembered.
        :raises BadField: no rule can answer it.
        """
        core = self._core
        session = await core.store.session(draft.session)
        asked = {one.id: one for one in await core.store.approvals(draft.session)}
        if draft.approval not in asked:
            raise UnknownApproval(draft.session, draft.approval)
        found = core.rules.propose(session, asked[draft.approval])
        everything = await core.store.approvals(None)
        past = [*self._with_sessions(nlargest(TRIED_ON, everything, key=lambda one: one.id))]
        return RuleProposal(
            rule=found.text,
            reach=found.reach,
            file=core.rules.view().file,
            above=found.above,
            looked_at=len(past),
            matches=await core.slices.gather(core.rules.matches(found, past)),
        )

    def _with_sessions(self, asked: Iterable[Approval]) -> Iterator[tuple[Session, Approval]]:
        for approval in asked:
            session = self._core.store.known.get(approval.session)
            if session is not None:
                yield session, approval
