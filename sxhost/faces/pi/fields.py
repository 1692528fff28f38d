"""The types of the fields of the multiplexer's commands.

A description is the sentence with which pi-app-server refuses such a field.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sxhost.model.names import CURSOR

_NOT_BLANK = r"\S"
_ID = r"^(?!anon:)[\s\S]*\S"
_REQUEST_ID = r"^[a-zA-Z0-9:_-]+\Z"
_TITLE = r"^[^\x00-\x1f\x7f]*\Z"
_PATH = r"^(?!~)(?![\s\S]*\.\.)[^\x00]*\Z"

_OPTIONAL = "Must be a non-empty string if provided"
_SESSION_ID = "Session commands must have a non-empty string 'sessionId'"
_DEPENDENCY = "Must be a non-empty command ID string"
_BAD_TITLE = "Must not contain control characters"
_BAD_PATH = "sessionPath contains potentially dangerous path components"
_BAD_REQUEST_ID = "Must contain only alphanumeric characters, colons, underscores, and dashes"
_BAD_METHOD = "Must be one of: select, confirm, input, editor, interview, cancelled"

CommandId = Annotated[str, Meta(max_length=256, pattern=_ID, description=_OPTIONAL)]
RequestId = Annotated[
    str, Meta(max_length=256, pattern=_REQUEST_ID, description=_BAD_REQUEST_ID)
]
DependencyId = Annotated[str, Meta(pattern=_NOT_BLANK, description=_DEPENDENCY)]
Dependencies = Annotated[
    list[DependencyId], Meta(max_length=32, description="Must be an array of command IDs")
]
SessionVersion = Annotated[int, Meta(ge=0, description="Must be a non-negative integer")]
SessionId = Annotated[str, Meta(pattern=_NOT_BLANK, description=_SESSION_ID)]
TargetSessionId = Annotated[
    str, Meta(pattern=_NOT_BLANK, description="Required non-empty string")
]
OptionalSessionId = Annotated[str, Meta(pattern=_NOT_BLANK, description=_OPTIONAL)]
OptionalName = Annotated[str, Meta(max_length=256, pattern=_NOT_BLANK, description=_OPTIONAL)]
RequiredText = Annotated[str, Meta(min_length=1, description="Required string")]
OptionalText = Annotated[str, Meta(description="Must be a string if provided")]
PromptText = Annotated[
    str, Meta(min_length=1, max_length=200_000, description="Required string")
]
ShellCommand = Annotated[
    str, Meta(min_length=1, max_length=20_000, description="Required string")
]
SessionTitle = Annotated[
    str, Meta(min_length=1, max_length=256, pattern=_TITLE, description=_BAD_TITLE)
]
SafePath = Annotated[
    str, Meta(min_length=1, max_length=4096, pattern=_PATH, description=_BAD_PATH)
]
RequiredBool = Annotated[bool, Meta(description="Required boolean")]
Timestamp = Annotated[int, Meta(ge=0, description="Must be a non-negative integer timestamp")]
PageSize = Annotated[int, Meta(ge=1, le=500, description="Must be between 1 and 500")]
ThinkingLevel = Annotated[
    Literal["none", "low", "medium", "high", "xhigh", "off", "minimal"],
    Meta(description="Must be one of: none, low, medium, high, xhigh"),
]
Direction = Annotated[
    Literal["forward", "backward"], Meta(description="Must be 'forward' or 'backward'")
]
StreamingBehavior = Annotated[
    Literal["steer", "followUp"], Meta(description="Must be 'steer' or 'followUp'")
]
CursorText = Annotated[str, Meta(pattern=CURSOR, description="Must be a cursor")]
DialogMethod = Annotated[
    Literal["select", "confirm", "input", "editor", "interview", "cancelled"],
    Meta(description=_BAD_METHOD),
]


class ImageData(Struct, frozen=True, rename="camel"):
    """An image in pi's form: `data` in base64."""

    data: str
    mime_type: str = "image/png"


Images = Annotated[list[ImageData], Meta(description="Must be an array of images")]


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
