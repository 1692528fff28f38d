"""What each key does, and what a token must allow for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.style import Style
from rich.text import Text

from sxhost.model.auth import Identity
from sxhost.model.names import Scope

__all__ = ["HELP", "KEYS", "Key", "footer", "refusal"]


class Key(NamedTuple):
    """A key, as it is shown and as it is bound, and what it is for."""

    shown: str
    bound: str
    action: str
    short: str
    """A word for the last line; "" if only the help has it."""
    long: str
    scope: Scope = "read"


KEYS: Final[Sequence[Key]] = (
    Key("j k", "j,down", "move(1)", "", "the session below, above (arrows, too)"),
    Key("", "k,up", "move(-1)", "", ""),
    Key("Ctrl-d Ctrl-u", "ctrl+d", "half_page(1)", "", "half a page down, up"),
    Key("", "ctrl+u", "half_page(-1)", "", ""),
    Key("g G", "g,home", "edge(False)", "", "the first, the last"),
    Key("", "G,end", "edge(True)", "", ""),
    Key("Enter", "enter", "open", "open", "read the conversation; j k scroll there"),
    Key(
        "Esc",
        "escape",
        "leave",
        "",
        "back; in the list: no filter, then whoever is first",
    ),
    Key("Tab", "tab", "other", "", "from the list to the conversation and back"),
    Key("!", "exclamation_mark", "next_asking", "", "to who waits longest for an answer"),
    Key("a", "a", "decide('approve')", "approve", "approve, or answer a question", "approve"),
    Key("A", "A", "decide('approve_session')", "", "approve all like it", "approve"),
    Key("d", "d", "decide('deny')", "deny", "deny, with words for the agent", "approve"),
    Key("x", "x", "decide('cancel')", "", "deny, and stop the turn", "approve"),
    Key("1-9", "1", "choice(1)", "", "another of the choices", "approve"),
    *(Key("", str(n), f"choice({n})", "", "", "approve") for n in range(2, 10)),
    Key("J K", "J", "scroll_card(1)", "", "more of what is asked, or back"),
    Key("", "K", "scroll_card(-1)", "", ""),
    Key("s", "s", "write", "send", "write to the agent", "send"),
    Key("i", "i", "interrupt", "stop", "stop the turn (twice)", "send"),
    Key("n", "n", "new", "new", "start an agent", "admin"),
    Key("/", "slash", "filter", "filter", "only sessions with these words"),
    Key("t", "t", "details", "", "outputs, diffs and thoughts: whole, or a line each"),
    Key("f", "f", "follow", "", "to the end, and on with it"),
    Key("?", "question_mark", "help", "help", "this page"),
    Key("q", "q", "quit", "quit", "leave; agents go on"),
)

HELP: Final = "\n".join(f"{key.shown:>14}  {key.long}" for key in KEYS if key.shown)


def refusal(identity: Identity | None, scope: Scope, session_id: str | None) -> str:
    """Return why the host would refuse a key; "" if it would not.

    :param identity: who asks; None if the host does not tell.
    """
    if identity is None or scope == "read" or identity.allows(scope, session_id):
        return ""
    if identity.session not in (None, session_id):
        return f"This token is for the session {identity.session} alone."
    may = ", ".join(identity.scopes)
    return f"This token may {may}; that takes {scope}."


def footer(identity: Identity | None, session_id: str | None) -> Text:
    """Return the last line: keys and their words; grey what the token does not allow."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for key in KEYS:
        if key.short:
            barred = bool(refusal(identity, key.scope, session_id))
            text.append(f" {key.shown} ", Style(dim=True) if barred else Style(bold=True))
            text.append(f"{key.short} ", Style(dim=True, strike=barred))
    return text
