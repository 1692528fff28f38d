"""How the fields of the multiplexer's commands are written.

A description is what the source system says of a field that is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sxhost.model.names import CURSOR

__all__ = [
    "Amount",
    "Behavior",
    "Dependencies",
    "Dependency",
    "DialogAnswer",
    "Direction",
    "Id",
    "IfName",
    "IfSession",
    "IfText",
    "Journey",
    "Level",
    "Method",
    "Named",
    "Picture",
    "Pictures",
    "Place",
    "Prompted",
    "RequestId",
    "SafePath",
    "Script",
    "Session",
    "Switch",
    "Text",
    "ThatSession",
    "Time",
    "Version",
]

_IF = "Must be a non-empty string if provided"
_ID = r"^(?!anon:)[\s\S]*\S"

Id = Annotated[str, Meta(max_length=256, pattern=_ID, description=_IF)]
IfName = Annotated[str, Meta(max_length=256, pattern=r"\S", description=_IF)]
Dependency = Annotated[
    str, Meta(pattern=r"\S", description="Must be a non-empty command ID string")
]
Dependencies = Annotated[
    list[Dependency], Meta(max_length=32, description="Must be an array of command IDs")
]
Version = Annotated[int, Meta(ge=0, description="Must be a non-negative integer")]
Session = Annotated[
    str,
    Meta(
        pattern=r"\S",
        description="Session commands must have a non-empty string 'sessionId'",
    ),
]
ThatSession = Annotated[str, Meta(pattern=r"\S", description="Required non-empty string")]
IfSession = Annotated[str, Meta(pattern=r"\S", description=_IF)]
Text = Annotated[str, Meta(min_length=1, description="Required string")]
IfText = Annotated[str, Meta(description="Must be a string if provided")]
Prompted = Annotated[str, Meta(min_length=1, max_length=200_000, description="Required string")]
Script = Annotated[str, Meta(min_length=1, max_length=20_000, description="Required string")]
Named = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=r"^[^\x00-\x1f\x7f]*\Z",
        description="Must not contain control characters",
    ),
]
SafePath = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        pattern=r"^(?!~)(?![\s\S]*\.\.)[^\x00]*\Z",
        description="sessionPath contains potentially dangerous path components",
    ),
]
Switch = Annotated[bool, Meta(description="Required boolean")]
RequestId = Annotated[
    str,
    Meta(
        max_length=256,
        pattern=r"^[a-zA-Z0-9:_-]+\Z",
        description=(
            "Must contain only alphanumeric characters, colons, underscores, and dashes"
        ),
    ),
]
Time = Annotated[int, Meta(ge=0, description="Must be a non-negative integer timestamp")]
Amount = Annotated[int, Meta(ge=1, le=500, description="Must be between 1 and 500")]
Level = Annotated[
    Literal["none", "low", "medium", "high", "xhigh", "off", "minimal"],
    Meta(description="Must be one of: none, low, medium, high, xhigh"),
]
Direction = Annotated[
    Literal["forward", "backward"], Meta(description="Must be 'forward' or 'backward'")
]
Behavior = Annotated[
    Literal["steer", "followUp"], Meta(description="Must be 'steer' or 'followUp'")
]
Place = Annotated[str, Meta(pattern=CURSOR, description="Must be a cursor")]
Method = Literal["select", "confirm", "input", "editor", "interview", "cancelled"]


class Picture(Struct, frozen=True, rename="camel"):
    """A picture in pi's form: `data` in base64."""

    data: str
    mime_type: str = "image/png"


Pictures = Annotated[list[Picture], Meta(description="Must be an array of images")]


class DialogAnswer(Struct, frozen=True, kw_only=True):
    """What a person answered to an extension."""

    method: Annotated[
        Method,
        Meta(
            description="Must be one of: select, confirm, input, editor, interview, cancelled"
        ),
    ]
    value: str = ""
    confirmed: bool = False
    responses: dict[str, Any] = {}


class Journey(Struct, frozen=True, kw_only=True, rename="camel"):
    """How to go to another place in a session's tree."""

    summarize: bool = False
    custom_instructions: str | UnsetType = UNSET
    replace_instructions: bool = False
    label: str | UnsetType = UNSET
