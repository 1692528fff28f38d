"""The types of the fields of the multiplexer's commands, which the decoder checks in C.

`sxhost.faces.pi.command_rules` has the sentences with which pi-app-server refuses a field.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sxhost.model.names import CURSOR

_NOT_BLANK = r"\S"
_ID = r"^(?!anon:)[\s\S]*\S"
_REQUEST_ID = r"^[a-zA-Z0-9:_-]+\Z"
_TITLE = r"^[^\x00-\x1f\x7f]*\Z"
_PATH = r"^(?!~)(?![\s\S]*\.\.)[^\x00]*\Z"

CommandId = Annotated[str, Meta(max_length=256, pattern=_ID)]
RequestId = Annotated[str, Meta(max_length=256, pattern=_REQUEST_ID)]
DependencyId = Annotated[str, Meta(pattern=_NOT_BLANK)]
Dependencies = Annotated[list[DependencyId], Meta(max_length=32)]
SessionVersion = Annotated[int, Meta(ge=0)]
SessionId = Annotated[str, Meta(pattern=_NOT_BLANK)]
TargetSessionId = Annotated[str, Meta(pattern=_NOT_BLANK)]
OptionalSessionId = Annotated[str, Meta(pattern=_NOT_BLANK)]
OptionalName = Annotated[str, Meta(max_length=256, pattern=_NOT_BLANK)]
RequiredText = Annotated[str, Meta(min_length=1)]
OptionalText = str
PromptText = Annotated[str, Meta(min_length=1, max_length=200_000)]
ShellCommand = Annotated[str, Meta(min_length=1, max_length=20_000)]
SessionTitle = Annotated[str, Meta(min_length=1, max_length=256, pattern=_TITLE)]
SafePath = Annotated[str, Meta(min_length=1, max_length=4096, pattern=_PATH)]
RequiredBool = bool
Timestamp = Annotated[int, Meta(ge=0)]
PageSize = Annotated[int, Meta(ge=1, le=500)]
ThinkingLevel = Literal["none", "off", "minimal", "low", "medium", "high", "xhigh", "max"]
"""Those of pi-app-server (``none`` is pi's ``off``), and of newer pi."""
Direction = Literal["forward", "backward"]
StreamingBehavior = Literal["steer", "followUp"]
CursorText = Annotated[str, Meta(pattern=CURSOR)]
DialogMethod = Literal["select", "confirm", "input", "editor", "interview", "cancelled"]


class ImageData(Struct, frozen=True, rename="camel"):
    """An image in pi's form: `data` in base64."""

    data: str
    mime_type: str = "image/png"


NO_IMAGE: Final = {"data": ""}
"""Stands for what is no image, which is refused when the images are used."""

Images = list[ImageData]


class DialogAnswer(Struct, frozen=True, kw_only=True):
    """A person's answer to the dialog of an extension."""

    method: DialogMethod
    value: str = ""
    confirmed: bool = False
    responses: dict[str, object] = {}


class TreeNavigation(Struct, frozen=True, kw_only=True, rename="camel"):
    """How to move to another entry of a session's tree."""

    summarize: bool = False
    custom_instructions: str | UnsetType = UNSET
    replace_instructions: bool = False
    label: str | UnsetType = UNSET
