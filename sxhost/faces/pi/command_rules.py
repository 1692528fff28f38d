"""What pi-app-server checks in the fields of a command, in its order and its sentences.

A check gets a field's value, `ABSENT` if the field is not there, and returns what is wrong with
it.  Fields that are not named here are not checked there either; where a value of theirs makes
no sense it counts as absent (`IGNORED`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Final

__all__ = ["IGNORED", "MAX_ECHO", "MAX_PATH", "errors_of", "units"]

Check = Callable[[object], str | None]

ABSENT: Final = object()
"""Stands for a field that is not there; null is a value."""

_OPTIONAL: Final = "Must be a non-empty string if provided"
_REQUEST_ID = re.compile(r"[a-zA-Z0-9:_-]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DANGEROUS = re.compile(r"\.\.|^~|\0")
_METHODS: Final = ("select", "confirm", "input", "editor", "interview", "cancelled")

MAX_PATH: Final = 4096
MAX_NAME: Final = 256
MAX_DEPENDENCIES: Final = 32
MAX_PAGE: Final = 500

MAX_ECHO: Final = 256
"""Characters of a client's own words that an error repeats."""


def units(text: str) -> int:
    """Return how long a text is for JavaScript, which counts UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _too_long(value: object, most: int) -> str | None:
    long = isinstance(value, str) and units(value) > most
    return f"Too long (max {most} chars)" if long else None


def _required_text(most: int | None = None) -> Check:
    """Return the check of a text that must be there, and not be empty."""

    def check(value: object) -> str | None:
        if not (isinstance(value, str) and value):
            return "Required string"
        return _too_long(value, most) if most is not None else None

    return check


def _optional_name(most: int | None = None, sentence: str = _OPTIONAL) -> Check:
    """Return the check of a text that must not be blank, if it is there."""

    def check(value: object) -> str | None:
        if value is ABSENT:
            return None
        if not (isinstance(value, str) and value.strip()):
            return sentence
        return _too_long(value, most) if most is not None else None

    return check


def _name(sentence: str) -> Check:
    """Return the check of a text that must be there and not be blank."""
    return lambda value: None if isinstance(value, str) and value.strip() else sentence


def _optional_text(value: object) -> str | None:
    absent = value is ABSENT or isinstance(value, str)
    return None if absent else "Must be a string if provided"


def _optional_flag(value: object) -> str | None:
    absent = value is ABSENT or isinstance(value, bool)
    return None if absent else "Must be a boolean if provided"


def _flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "Required boolean"


def _one_of(choices: tuple[str, ...], sentence: str, *, required: bool = False) -> Check:
    return lambda value: (
        None if value in choices or (value is ABSENT and not required) else sentence
    )


def _count(sentence: str) -> Check:
    """Return the check of an integer that is not negative, if it is there."""
    return lambda value: None if value is ABSENT or _whole(value, 0) else sentence


def _whole(value: object, least: float) -> bool:
    """Tell whether a value is an integer for JavaScript, which has no other numbers."""
    number = _number(value)
    return number is not None and number == int(number) and number >= least


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _page_size(value: object) -> str | None:
    if value is ABSENT:
        return None
    if not _whole(value, -inf):
        return "Must be an integer if provided"
    within = _whole(value, 1) and (_number(value) or 0) <= MAX_PAGE
    return None if within else f"Must be between 1 and {MAX_PAGE}"


def _path(value: object) -> str | None:
    if not (isinstance(value, str) and value):
        return "Required string"
    if units(value) > MAX_PATH:
        return f"sessionPath too long (max {MAX_PATH} chars)"
    if _DANGEROUS.search(value):
        return "sessionPath contains potentially dangerous path components"
    return None


# The tables.

_VERSION: Final = _count("Must be a non-negative integer")
_MESSAGE: Final[Mapping[str, Check]] = {"message": _required_text(200_000)}
_ENABLED: Final[Mapping[str, Check]] = {"enabled": _flag}
_TARGET: Final[Mapping[str, Check]] = {"sessionId": _name("Required non-empty string")}
_TIMESTAMP: Final = _count("Must be a non-negative integer timestamp")
_LEVELS: Final = ("none", "off", "minimal", "low", "medium", "high", "xhigh", "max")

_FIELDS: Final[Mapping[str, Mapping[str, Check]]] = {
    "create_session": {"sessionId": _optional_name(), "cwd": _optional_text},
    "delete_session": _TARGET,
    "switch_session": _TARGET,
    "unsubscribe": _TARGET,
    "get_command_history": {
        "sessionIdFilter": _optional_name(),
        "commandId": _optional_name(MAX_NAME),
        "fromTimestamp": _TIMESTAMP,
        "toTimestamp": _TIMESTAMP,
        "limit": _page_size,
    },
    "prompt": _MESSAGE,
    "steer": _MESSAGE,
    "follow_up": _MESSAGE,
    "set_model": {"provider": _required_text(), "modelId": _required_text()},
    "set_thinking_level": {
        "level": _one_of(
            _LEVELS, "Must be one of: none, low, medium, high, xhigh", required=True
        )
    },
    "bash": {"command": _required_text(20_000)},
    "compact": {"customInstructions": _optional_text},
    "fork": {"entryId": _required_text()},
    "navigate_tree": {"targetId": _required_text()},
    "switch_session_file": {"sessionPath": _path},
    "export_html": {"outputPath": _optional_text},
    "set_auto_compaction": _ENABLED,
    "set_auto_retry": _ENABLED,
    "cycle_model": {
        "direction": _one_of(("forward", "backward"), "Must be 'forward' or 'backward'")
    },
    "load_session": {"sessionPath": _path, "sessionId": _optional_name()},
}

_OPTIONS: Final[Mapping[str, Check]] = {
    "summarize": _optional_flag,
    "customInstructions": _optional_text,
    "replaceInstructions": _optional_flag,
    "label": _optional_text,
}

IGNORED: Final = frozenset(
    {"images", "streamingBehavior", "excludeFromContext", "parentSession", "options"}
)
"""Fields that count as absent if they have the wrong type."""


# The errors of a command.


def errors_of(
    fields: Mapping[str, object], known: Mapping[str, bool], reserved: str
) -> Iterator[str]:
    """Yield what is wrong with a command, in pi-app-server's order: ``field: sentence``.

    :param known: the commands by name, and whether each is for a session.
    :param reserved: how no id may begin.
    """
    name = fields.get("type")
    if not (isinstance(name, str) and name):
        yield "type: Command must have a string 'type' field"
    yield from _named(fields, {"id": _id_check(reserved)})
    yield from _named(fields, {"idempotencyKey": _optional_name(MAX_NAME)})
    yield from _dependency_errors(fields)
    yield from _named(fields, {"ifSessionVersion": _VERSION})
    if not isinstance(name, str):
        return
    if name not in known:
        yield f"type: Unknown command type '{name[:MAX_ECHO]}'"
    for_session = known.get(name, False)
    if for_session:
        sentence = "Session commands must have a non-empty string 'sessionId'"
        yield from _named(fields, {"sessionId": _name(sentence)})
    if "ifSessionVersion" in fields and not (for_session or name == "delete_session"):
        yield "ifSessionVersion: Only supported for session-targeted commands"
    yield from _named(fields, _FIELDS.get(name, {}))
    yield from _MORE.get(name, lambda _fields: ())(fields)


def _named(fields: Mapping[str, object], checks: Mapping[str, Check]) -> Iterator[str]:
    for field, check in checks.items():
        error = check(fields.get(field, ABSENT))
        if error is not None:
            yield f"{field}: {error}"


def _id_check(reserved: str) -> Check:
    well_named = _optional_name(MAX_NAME)

    def check(value: object) -> str | None:
        taken = isinstance(value, str) and value.startswith(reserved)
        return well_named(value) or (
            f"Cannot use reserved prefix '{reserved}'" if taken else None
        )

    return check


def _dependency_errors(fields: Mapping[str, object]) -> Iterator[str]:
    ids = fields.get("dependsOn", [])
    if not isinstance(ids, list):
        yield "dependsOn: Must be an array of command IDs"
        return
    if len(ids) > MAX_DEPENDENCIES:
        yield f"dependsOn: Too many dependencies (max {MAX_DEPENDENCIES})"
    for number, each in enumerate(ids):
        if not (isinstance(each, str) and each.strip()):
            yield f"dependsOn[{number}]: Must be a non-empty command ID string"
    if ids and not isinstance(fields.get("id"), str):
        yield "id: Required when dependsOn is provided"


def _period_errors(fields: Mapping[str, object]) -> Iterator[str]:
    since, until = (_number(fields.get(name)) for name in ("fromTimestamp", "toTimestamp"))
    if since is not None and until is not None and since > until:
        yield "fromTimestamp: Must be less than or equal to toTimestamp"


def _answer_errors(fields: Mapping[str, object]) -> Iterator[str]:
    request, response = fields.get("requestId"), fields.get("response")
    if not (isinstance(request, str) and request):
        yield "requestId: Required string"
    else:
        if units(request) > MAX_NAME:
            yield f"requestId: Too long (max {MAX_NAME} chars)"
        if not _REQUEST_ID.match(request):
            yield (
                "requestId: Must contain only alphanumeric characters, colons, underscores,"
                " and dashes"
            )
    if not isinstance(response, dict | list):
        yield "response: Required object"
    elif isinstance(response, list) or response.get("method") not in _METHODS:
        yield f"response.method: Must be one of: {', '.join(_METHODS)}"


def _tree_errors(fields: Mapping[str, object]) -> Iterator[str]:
    options = fields.get("options", {})
    if not isinstance(options, dict | list):
        yield "options: Must be an object if provided"
    elif isinstance(options, dict):
        for error in _named(options, _OPTIONS):
            yield f"options.{error}"


def _title_errors(fields: Mapping[str, object]) -> Iterator[str]:
    name = fields.get("name")
    yield from _named(fields, {"name": _required_text(MAX_NAME)})
    if isinstance(name, str) and units(name) <= MAX_NAME and _CONTROL.search(name):
        yield "name: Must not contain control characters"


_MORE: Final[Mapping[str, Callable[[Mapping[str, object]], Iterator[str]]]] = {
    "get_command_history": _period_errors,
    "extension_ui_response": _answer_errors,
    "navigate_tree": _tree_errors,
    "set_session_name": _title_errors,
}
