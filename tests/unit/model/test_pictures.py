"""Pictures in inputs and outputs: found in each form, bounded, and never markup."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.model.pictures import (
    PICTURES_MOST,
    Picture,
    pictures_of,
    split_pictures,
    usable_pictures,
)
from sxhost.model.turn import Image, Item, LocalImage, Text

PNG = "iVBORw0KGgo="

BLOCKS = [
    {"type": "image", "data": PNG, "mimeType": "image/png"},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    {"type": "image", "file": {"base64": PNG, "type": "image/png", "originalSize": 8}},
    {"type": "inputImage", "imageUrl": f"data:image/png;base64,{PNG}"},
]
"""A picture as MCP, the Messages API, Claude Code's `Read` and codex write it."""


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("frame", [lambda b: b, lambda b: [b], lambda b: {"content": [b]}])
def test_picture_is_found_in_every_form(block: Any, frame: Any) -> None:
    rest, found = split_pictures(frame(block))
    assert found == [Picture(mime_type="image/png", data=PNG)]
    assert rest == frame("[image]")


def test_other_output_stays_as_it_is() -> None:
    text = {"type": "text", "text": "x"}
    outputs: list[object] = ["text", None, 3, [text], {"type": "image"}, {"a": {}}]
    for output in outputs:
        assert split_pictures(output) == (output, [])


@pytest.mark.parametrize("data", ["no base64!", "A" * (PICTURES_MOST + 4)])
def test_what_is_no_picture_or_too_large_leaves_its_place(data: str) -> None:
    block = {"type": "image", "data": data, "mimeType": "image/png"}
    assert split_pictures([block]) == (["[image]"], [])


@pytest.mark.parametrize("kind", ["image/svg+xml", "text/html", "", "IMAGE/PNG"])
def test_other_types_are_no_pictures(kind: str) -> None:
    assert usable_pictures([Picture(mime_type=kind, data=PNG)]) == []


def test_pictures_have_room_together() -> None:
    half = Picture(mime_type="image/png", data="A" * (PICTURES_MOST // 2))
    assert usable_pictures([half] * 3) == [half] * 2


def test_pictures_of_an_input_are_its_own_and_those_of_data_urls() -> None:
    given: list[Item] = [
        Text(text="what is this?"),
        Image(data=PNG),
        Image(url=f"data:image/webp;base64,{PNG}"),
        Image(url="https://example.org/x.png"),
        LocalImage(path="/x.png"),
    ]
    kinds = [each.mime_type for each in pictures_of(given)]
    assert kinds == ["image/png", "image/webp"]
    assert pictures_of("words alone") == []
