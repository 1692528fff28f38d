"""When a message reaches its agent, as its sender is told; and how agents take messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

__all__ = [
    "DELIVERY_NOTES",
    "OVER",
    "Delivery",
    "InboxKind",
    "attached_delivery",
    "is_at_rest",
]

InboxKind = Literal["hooks", "unhooked", "pull", "none"]
"""How an attached agent takes messages.

`hooks`: its hooks hand them over.  `unhooked`: they would, but are not installed.  `pull`: it
asks for them.  `none`: not at all.
"""

Delivery = Literal[
    "now",
    "wakes",
    "starts_agent",
    "stops_turn",
    "after_turn",
    "after_decision",
    "next_tool",
    "next_prompt",
    "next_pull",
    "unhooked",
    "not_taken",
    "agent_ended",
    "repeated",
]
"""When a message that was just sent reaches its agent, as far as that can be known."""

DELIVERY_NOTES: Final[Mapping[Delivery, str]] = {
    "now": "given to its agent now",
    "wakes": "its agent is woken for it",
    "starts_agent": "its agent is started for it",
    "stops_turn": "the running turn is stopped for it",
    "after_turn": "queued: heard at the end of its turn",
    "after_decision": "queued: heard once what its agent asks is decided",
    "next_tool": "queued: heard at its next tool, or at the end of its turn",
    "next_prompt": "queued: nobody hears it until somebody types there",
    "next_pull": "queued: heard when its agent asks for messages",
    "unhooked": "queued: nobody hears it until its hooks are installed (sxhost hook install)",
    "not_taken": "queued: nobody hears it, since its agent takes no messages",
    "agent_ended": "queued: nobody hears it, since its agent has ended",
    "repeated": "it was sent before, and waits no longer",
}
"""The same as a sentence for a person."""

WORKS: Final = frozenset({"working", "waiting", "stalled"})
OVER: Final = frozenset({"ended", "lost"})


def is_at_rest(state: str, *, turn_over: bool) -> bool:
    """Return whether an attached agent, which has not ended, waits for its user's next prompt.

    :param turn_over: whether no turn runs, though something else may.
    """
    return state not in OVER and (turn_over or state not in WORKS)


def attached_delivery(
    inbox: InboxKind | Literal[""],
    state: str,
    mode: str,
    *,
    turn_over: bool,
    pulls: bool = False,
    can_wake: bool = False,
) -> Delivery:
    """Return when a message of a mode reaches an attached agent.

    :param inbox: how it takes messages; empty if that is not known.
    :param pulls: whether it waits for a message now.
    :param can_wake: whether something waits beside it that makes it begin a turn.
    """
    if pulls:
        return "now"
    if inbox == "unhooked":
        return "unhooked"
    if inbox == "hooks":
        if state not in OVER and not is_at_rest(state, turn_over=turn_over):
            return "after_turn" if mode == "queue" else "next_tool"
        return "wakes" if can_wake and state not in OVER else "next_prompt"
    if state in OVER:
        return "agent_ended"
    return "not_taken" if inbox == "none" else "next_pull"
