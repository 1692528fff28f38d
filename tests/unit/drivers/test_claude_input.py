"""What Claude Code is told: its command line and a user's words."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.drivers.claude.input import MODES, arguments, permission_mode, user_message
from sxhost.errors import BadField
from sxhost.model.turn import File, Image, Item, Launch, LocalImage, Text

ITEMS_AND_BLOCKS = [
    (Text(text="hi"), {"type": "text", "text": "hi"}),
    (File(path="/a/b"), {"type": "text", "text": "@/a/b"}),
    (LocalImage(path="/a b.png"), {"type": "text", "text": '@"/a b.png"'}),
    (
        Image(data="AAAA", mime_type="image/gif"),
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/gif", "data": "AAAA"},
        },
    ),
    (
        Image(url="data:image/webp;base64,AAAA"),
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/webp", "data": "AAAA"},
        },
    ),
    (
        Image(url="https://x/y.png"),
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
    ),
]


@pytest.mark.parametrize(("item", "block"), ITEMS_AND_BLOCKS)
def test_words(item: Item, block: dict[str, Any]) -> None:
    assert user_message([item], "u", {})["message"] == {"role": "user", "content": [block]}


def test_fields_of_the_agents_own() -> None:
    message = user_message([Text(text="hi")], "u", {"priority": "now", "type": "other"})
    assert (message["priority"], message["type"], message["uuid"]) == ("now", "user", "u")


def test_modes() -> None:
    assert [permission_mode(name) for name in MODES] == list(MODES.values())
    with pytest.raises(BadField, match="approval policies are default, manual"):
        permission_mode("never")


def test_no_value_can_be_an_option() -> None:
    launch = Launch(agent="claude", resume="--help", model="--version", title="-p")
    argv = arguments(launch, "unused")
    assert {"--resume=--help", "--model=--version", "--name=-p"} < set(argv)
    assert not {"--help", "--version"} & set(argv)
