"""The file of notifications: read, and what is wrong in it named."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from sxhost.notify.rules import (
    BadRules,
    CommandChannel,
    DesktopChannel,
    NotifyRules,
    NtfyChannel,
    QuietHours,
    WebhookChannel,
)

WHOLE = b"""
link = "https://host.example/"
[channel.phone]
kind = "ntfy"
url = "https://ntfy.example/agents"
token_file = "~/.ntfy"
[channel.mine]
kind = "webhook"
url = "http://127.0.0.1:9/x"
[channel.bell]
kind = "command"
argv = ["printf", "\\\\a"]
[channel.desk]
kind = "desktop"
[[rule]]
name = "night"
when = ["asks", "failed"]
to = ["phone", "desk"]
agent = "claude"
label = "team:web"
after = "30s"
again = "10m"
quiet = ["22:00-07:30"]
zone = "Europe/Berlin"
[[rule]]
when = ["done"]
to = ["mine"]
work = "5m"
content = true
digest = "15m"
"""

CHANNEL = '[channel.a]\nkind = "desktop"\n'
RULE = '[[rule]]\nwhen = ["asks"]\nto = ["a"]\n'

WRONG = {
    "not TOML": ("[", "It is not TOML"),
    "an unknown table": ("x = 1", "`x`: There are only"),
    "an unknown kind": ('[channel.a]\nkind = "pigeon"', "[channel.a]: Invalid value 'pigeon'"),
    "no kind": ("[channel.a]", "[channel.a]: Object missing required field `kind`"),
    "an unknown field": (f"{CHANNEL}x = 1", "[channel.a]: Object contains unknown field `x`"),
    "a name with blanks": ('[channel."a b"]\nkind = "desktop"', "[channel.a b]"),
    "no address": ('[channel.a]\nkind = "ntfy"\nurl = "ftp://x"', "$.url"),
    "no program": ('[channel.a]\nkind = "command"\nargv = []', "$.argv"),
    "no such channel": (f"{CHANNEL}{RULE}".replace('["a"]', '["b"]'), "no channel: 'b'"),
    "no condition": (f"{CHANNEL}{RULE}".replace('["asks"]', "[]"), "rule 1: Expected `array`"),
    "an unknown one": (f"{CHANNEL}{RULE}".replace('"asks"', '"x"'), "rule 1: Invalid enum"),
    "a named rule": (f'{CHANNEL}{RULE}name = "mine"\nafter = "1"', "rule 'mine': "),
    "no duration": (f'{CHANNEL}{RULE}after = "soon"', "$.after"),
    "no length of a digest": (f'{CHANNEL}{RULE}digest = "0m"', "$.digest"),
    "no hours": (f'{CHANNEL}{RULE}quiet = ["late"]', "$.quiet[0]"),
    "no time of day": (f'{CHANNEL}{RULE}quiet = ["25:00-07:00"]', "quiet hours are wrong"),
    "no zone": (f'{CHANNEL}{RULE}zone = "Mars/Olympus"', "no time zone 'Mars/Olympus'"),
    "a path as a zone": (f'{CHANNEL}{RULE}zone = "../../etc/passwd"', "no time zone"),
    "no label": (f'{CHANNEL}{RULE}label = "web"', "$.label"),
    "rules that are none": ("rule = 1", "a rule with `[[rule]]`"),
    "no link": ('link = "x"', "`link`"),
    "too much": ("#" * 1_000_001, "more than 1000000 bytes"),
    "too many": ("".join(f"[channel.a{n}]\n" for n in range(101)), "at most 100"),
}


def test_whole_file_is_read() -> None:
    rules = NotifyRules.read(WHOLE)
    kinds = [type(channel) for channel in rules.channels.values()]
    assert kinds == [NtfyChannel, WebhookChannel, CommandChannel, DesktopChannel]
    night, work = rules.rules
    assert (night.after_s, night.again_s, night.work_s) == (30.0, 600.0, 60.0)
    assert (night.digest_s, work.digest_s) == (0.0, 900.0)
    assert (work.name, work.work_s, work.content) == ("rule 2", 300.0, True)
    assert rules.link == "https://host.example/"


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(what: str) -> None:
    text, why = WRONG[what]
    with pytest.raises(BadRules) as refused:
        NotifyRules.read(text.encode(), "my.toml")
    assert str(refused.value).startswith("my.toml: ")
    assert why in str(refused.value)


def test_empty_file_tells_nobody() -> None:
    assert NotifyRules.read(b"") == NotifyRules({}, [])


def test_file_that_anybody_writes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notify.toml"
    file.write_bytes(WHOLE)
    assert len(NotifyRules.load(file).rules) == 2
    file.chmod(0o666)
    with pytest.raises(BadRules, match="Everyone may write"):
        NotifyRules.load(file)
    with pytest.raises(BadRules, match="cannot be read"):
        NotifyRules.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("span", "quiet", "loud"),
    [
        ("22:00-07:30", ("22:00", "00:00", "07:29"), ("07:30", "12:00", "21:59")),
        ("12:00-13:00", ("12:00", "12:59"), ("11:59", "13:00", "00:00")),
        ("12:00-12:00", (), ("11:59", "12:00", "12:01")),
    ],
)
def test_quiet_hours_may_go_over_midnight(
    span: str, quiet: tuple[str, ...], loud: tuple[str, ...]
) -> None:
    hours = QuietHours([span])
    assert all(hours.include(time.fromisoformat(now)) for now in quiet)
    assert not any(hours.include(time.fromisoformat(now)) for now in loud)
