"""The routes to hosted agents: start one, give it turns, decide its approvals.

Each route is a verb of the host and nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence

from sxhost.http.routes import Route
from sxhost.model.host import RemoteHost

__all__ = ["routes"]

SESSION = "/sessions/<session_id>"
APPROVALS = f"{SESSION}/approvals"


def routes(host: RemoteHost) -> Sequence[Route]:
    """Return the routes to the agents that `host` runs, and to approvals."""
    return (
        Route("GET", "/agents", host.agents, "List the kinds of agents."),
        Route("POST", "/sessions", host.start, "Start an agent in a new session.", 201),
        Route("POST", f"{SESSION}/turns", host.submit, "Begin a turn.", 202, scope="send"),
        Route("POST", f"{SESSION}/steer", host.steer, "Add to the running turn.", scope="send"),
        Route(
            "POST",
            f"{SESSION}/interrupt",
            host.interrupt,
            "Stop the running turn.",
            scope="send",
        ),
        Route("POST", f"{SESSION}/end", host.end, "End the agent.", scope="send"),
        Route(
            "POST",
            f"{SESSION}/handover",
            host.hand_over,
            "Hand the session over to a terminal, or to the host.",
        ),
        Route(
            "POST",
            f"{SESSION}/compact",
            host.compact,
            "Shorten the conversation.",
            scope="send",
        ),
        Route("POST", f"{SESSION}/model", host.set_model, "Change the model.", scope="send"),
        Route("GET", "/approvals", host.approvals, "List the approvals of all sessions."),
        Route(
            "POST", "/approvals", host.answer_batch, "Answer many approvals.", scope="approve"
        ),
        Route("GET", APPROVALS, host.session_approvals, "List the approvals of a session."),
        Route(
            "POST",
            f"{APPROVALS}/<approval_id>",
            host.answer,
            "Answer an approval.",
            scope="approve",
        ),
        Route("GET", "/policy", host.policy, "Show the rules in use.", scope="approve"),
        Route(
            "POST",
            "/policy/propose",
            host.propose_rule,
            "Propose a rule for a question.",
            scope="approve",
        ),
    )
