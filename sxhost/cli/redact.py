"""Secrets and names taken out of a conversation that is to be shown to others.

The rules for secrets are those of detect-secrets, an optional package; what it does not know
(keys of some vendors of models, this host's own tokens, whole blocks of keys) is added.  No
rule knows every secret: whoever passes a conversation on has to read it all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Final, TypeVar

import msgspec

__all__ = ["MISSING", "make_redactor", "redacted"]

T = TypeVar("T", bound=msgspec.Struct)

MISSING: Final = "Redacting needs one more package: pip install 'sxhost[redact]'"

OWN: Final = (
    ("private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*KEY-----|\Z)"),
    ("token of sxhost", r"sxhost_[0-9a-z]{1,16}_[A-Za-z0-9_-]{20,}"),
    ("JSON Web Token", r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){1,2}"),
    ("API key", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("API key", r"\bAIza[A-Za-z0-9_-]{30,}"),
    ("bearer token", r"(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{16,}"),
    ("password", r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
)
"""What detect-secrets does not know, or of which it knows the beginning alone."""

ASSIGNED: Final = re.compile(
    r"(?i)((?:password|passwd|secret|api_?key|auth_?token|access_?key)[\"']?\s*[:=]\s*[\"']?)"
    r"([^\s\"',;]{6,})"
)
"""A value that is given to a name which says that it is a secret."""


def make_redactor(home: str, user: str) -> Callable[[str], str]:
    """Return a function that takes secrets, the home directory and the user's name out.

    :raises ImportError: the package with the rules is not there.
    """
    rules = [*((name, re.compile(rule, re.DOTALL)) for name, rule in OWN), *_library_rules()]
    name = re.compile(rf"(?<![\w-]){re.escape(user)}(?![\w-])") if len(user) > 2 else None  # noqa: PLR2004 - shorter ones are words

    def redact(text: str) -> str:
        for kind, rule in rules:
            text = rule.sub(f"[{kind}]", text)
        text = ASSIGNED.sub(r"\1[secret]", text)
        if len(home) > 1:
            text = text.replace(home.rstrip("/"), "~")
        return name.sub("[user]", text) if name is not None else text

    return redact


def _library_rules() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield the patterns of detect-secrets with their names; a guess by entropy is none."""
    plugins = import_module("detect_secrets.core.plugins.util")
    found: dict[str, object] = plugins.get_mapping_from_secret_type_to_class()
    for name, plugin in sorted(found.items()):
        rules: Sequence[re.Pattern[str]] = getattr(plugin, "denylist", ())
        for rule in rules if isinstance(rules, list | tuple) else ():
            if name not in ("Public IP (ipv4)", "Private Key", "Basic Auth Credentials"):
                yield name, rule


def redacted(value: T, redact: Callable[[str], str]) -> T:
    """Return a value with all its texts redacted."""
    plain = msgspec.json.decode(msgspec.json.encode(value))
    return msgspec.json.decode(msgspec.json.encode(_map(plain, redact)), type=type(value))


def _map(value: object, redact: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(name): _map(inner, redact) for name, inner in value.items()}
    if isinstance(value, list):
        return [_map(inner, redact) for inner in value]
    return value
