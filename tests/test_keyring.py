"""Tokens: made, kept, read again, worthless."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sxhost.access import TokenDraft
from sxhost.caller import Caller
from sxhost.errors import UnknownToken
from sxhost.keyring import ADMIN, BadKeyring, Keyring, token_file

Open = Callable[[], Keyring]


class Wall:
    """A wall clock that is set."""

    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def reopen(tmp_path: Path, wall: Wall) -> Open:
    def reopen() -> Keyring:
        keyring = Keyring(tmp_path, wall)
        keyring.open()
        return keyring

    return reopen


READS = TokenDraft(scopes=["read"])


def own(place: Path) -> str:
    return token_file(place).read_text(encoding="ascii").strip()


def test_the_hosts_own_token_is_made_once(reopen: Open, tmp_path: Path) -> None:
    reopen()
    first = own(tmp_path)
    assert reopen().caller(first) == Caller(frozenset({"admin"}), token=ADMIN)
    assert own(tmp_path) == first
    assert len(first) == len("sxhost_admin_") + 43  # 256 bits
    assert token_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_rotation_makes_the_old_one_worthless(reopen: Open, tmp_path: Path) -> None:
    keyring = reopen()
    old = own(tmp_path)
    keyring.rotate()
    assert keyring.caller(old) is None
    assert keyring.caller(own(tmp_path)) == reopen().caller(own(tmp_path)) != None  # noqa: E711


def test_a_token_outlives_the_host_and_its_secret_is_not_kept(
    reopen: Open, tmp_path: Path
) -> None:
    draft = TokenDraft(scopes=["read", "send"], session="a", name="ci")
    token, secret = reopen().create(draft)
    found = reopen().caller(secret)
    assert found == Caller(frozenset({"read", "send"}), "a", token.id)
    kept = tmp_path / "tokens.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert secret.rpartition("_")[2] not in kept.read_text(encoding="ascii")
    assert [t.name for t in reopen().tokens()] == ["", "ci"]


@pytest.mark.parametrize("wrong", ["", "sxhost", "sxhost_", "x" * 10_000, "é", "sxhost_admin_"])
def test_what_is_no_token(reopen: Open, wrong: str) -> None:
    assert reopen().caller(wrong) is None


def test_one_letter_is_enough_to_be_wrong(reopen: Open) -> None:
    keyring = reopen()
    _, secret = keyring.create(READS)
    for at in range(len(secret)):
        letter = "A" if secret[at] != "A" else "B"
        assert keyring.caller(secret[:at] + letter + secret[at + 1 :]) is None


def test_a_token_expires_and_is_forgotten(reopen: Open, wall: Wall) -> None:
    keyring = reopen()
    _, secret = keyring.create(TokenDraft(scopes=["read"], expires_s=10))
    wall.ms += 9_999
    assert keyring.caller(secret) is not None
    wall.ms += 1
    assert keyring.caller(secret) is None
    keyring.create(READS)
    assert len(keyring.tokens()) == 2


def test_a_revoked_token_is_worthless(reopen: Open) -> None:
    keyring = reopen()
    token, secret = keyring.create(READS)
    keyring.revoke(token.id)
    assert keyring.caller(secret) is None
    assert reopen().caller(secret) is None
    for unknown in (token.id, "nobody", ADMIN):
        with pytest.raises(UnknownToken):
            keyring.revoke(unknown)


@pytest.mark.parametrize("content", [b"", b"[{}]", b"\xff", b'{"a": 1}'])
def test_a_file_that_is_not_ours_is_refused(
    reopen: Open, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(content)
    with pytest.raises(BadKeyring, match=r"cannot read .*tokens\.json"):
        reopen()
    assert path.read_bytes() == content


def test_an_own_token_that_is_empty_lets_nobody_in(reopen: Open, tmp_path: Path) -> None:
    token_file(tmp_path).write_text("\n", encoding="ascii")
    with pytest.raises(BadKeyring, match="is empty"):
        reopen()


def test_a_planted_link_is_not_followed(reopen: Open, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "tokens.json.new").symlink_to(target)
    reopen().create(READS)
    assert not target.exists()
    assert not (tmp_path / "tokens.json").is_symlink()


def test_the_file_is_plain_json(reopen: Open, tmp_path: Path) -> None:
    reopen().create(READS)
    (kept,) = json.loads((tmp_path / "tokens.json").read_bytes())
    assert kept["token"]["scopes"] == ["read"]
    assert len(kept["digest"]) == 64
