"""What is taken out of a conversation before others see it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from sxhost.model.transcript import TranscriptItem
from tests.unit.cli.test_conversation_view import approval, item

pytest.importorskip("detect_secrets")

from sxhost.cli.redact import make_redactor, redacted

REDACT = make_redactor("/home/anna", "anna")

SECRETS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH",
    "sk-proj-abcdefghijklmnopqrstT3BlbkFJabcdefghijklmnopqrst",
    "xoxb-123456789012-1234567890123-abcdefghijklmnopqrstuvwx",
    "sxhost_admin_kmkY1jSJ9m3gY0mSGTKQp3iDTEZWfqUQAnzB1xdJ4cY",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXkt",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "export X={}", '{{"k": "{}"}}', "a {} b\nc"])
def test_secrets_are_taken_out_wherever_they_stand(secret: str, around: str) -> None:
    text = REDACT(around.format(secret))
    assert secret not in text
    assert secret[8:20] not in text
    assert "[" in text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("password = 'hunter2x'", "password = '[secret]'"),
        ("API_KEY: abcdef123", "API_KEY: [secret]"),
        ("https://bob:pa55word@host/x", "https://[password]@host/x"),
        ("Authorization: Bearer abcdefghijklmnop1234", "Authorization: Bearer [bearer token]"),
        ("cd /home/anna/work", "cd ~/work"),
        ("anna@devbox, not annabel", "[user]@devbox, not annabel"),
    ],
)
def test_names_and_assigned_values_are_taken_out(text: str, clean: str) -> None:
    assert REDACT(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "hello world, what is the password?",
        "commit ca973d67f566edb2c016677ee1661006157a23fe",
        "127.0.0.1:7432",
        "def token(self) -> str:",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert REDACT(text) == text


def test_every_text_of_an_item_is_clean() -> None:
    secret, fields = SECRETS[1], ("text", "title", "tool", "path", "diff", "by", "parent")
    given: dict[str, Any] = dict.fromkeys(fields, f"x {secret}")
    one = item(
        "tool",
        **given,
        input=Raw(f'{{"{secret}":["{secret}"]}}'.encode()),
        entries=[{"content": secret}],
        approval=approval(title=secret, detail={"command": secret}),
    )
    clean = redacted(one, REDACT)
    assert isinstance(clean, TranscriptItem)
    assert secret not in repr(clean)
    assert clean.seq == one.seq
