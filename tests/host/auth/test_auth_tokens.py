"""Tokens: made, kept, read again, worthless."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.task import Clock

from sxhost.auth.tokens import ADMIN_ID, TokenStore, TokenStoreError, token_file
from sxhost.errors import StorageFull, StoreUnavailable, UnknownToken
from sxhost.model.auth import TokenDraft
from sxhost.model.caller import Caller
from tests.support.faults import small_disk

Open = Callable[[], TokenStore]


class Wall:
    """A wall clock that is set."""

    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reopen(tmp_path: Path, wall: Wall, clock: Clock) -> Open:
    def reopen() -> TokenStore:
        keyring = TokenStore(tmp_path, wall, clock.callLater)
        keyring.open()
        return keyring

    return reopen


READS = TokenDraft(scopes=["read"])


def rights(keyring: TokenStore, secret: str) -> Caller | None:
    """Return what a token gives, but for how long."""
    found = keyring.caller(secret)
    return None if found is None else replace(found, grant=None)


def own(place: Path) -> str:
    return token_file(place).read_text(encoding="ascii").strip()


def test_hosts_token_is_made_once(reopen: Open, tmp_path: Path) -> None:
    reopen()
    first = own(tmp_path)
    assert rights(reopen(), first) == Caller(frozenset({"admin"}), token=ADMIN_ID)
    assert own(tmp_path) == first
    assert len(first) == len("sxhost_admin_") + 43  # 256 bits
    assert token_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_rotation_revokes_the_old_token(reopen: Open, tmp_path: Path) -> None:
    keyring = reopen()
    old = own(tmp_path)
    keyring.rotate()
    assert keyring.caller(old) is None
    for ring in (keyring, reopen()):
        assert rights(ring, own(tmp_path)) == Caller(frozenset({"admin"}), token=ADMIN_ID)


def test_token_outlives_the_host_and_only_its_hash_is_stored(
    reopen: Open, tmp_path: Path
) -> None:
    draft = TokenDraft(scopes=["read", "send"], session="a", name="ci")
    token, secret = reopen().create(draft)
    found = rights(reopen(), secret)
    assert found == Caller(frozenset({"read", "send"}), "a", token.id, name="ci")
    kept = tmp_path / "tokens.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert secret.rpartition("_")[2] not in kept.read_text(encoding="ascii")
    assert [t.name for t in reopen().tokens()] == ["", "ci"]


@pytest.mark.parametrize("wrong", ["", "sxhost", "sxhost_", "x" * 10_000, "é", "sxhost_admin_"])
def test_malformed_tokens_are_unknown(reopen: Open, wrong: str) -> None:
    assert reopen().caller(wrong) is None


def test_token_with_one_wrong_letter_is_unknown(reopen: Open) -> None:
    keyring = reopen()
    _, secret = keyring.create(READS)
    for at in range(len(secret)):
        letter = "A" if secret[at] != "A" else "B"
        assert keyring.caller(secret[:at] + letter + secret[at + 1 :]) is None


def test_token_expires(reopen: Open, wall: Wall) -> None:
    keyring = reopen()
    _, secret = keyring.create(TokenDraft(scopes=["read"], expires_s=10))
    wall.ms += 9_999
    assert keyring.caller(secret) is not None
    wall.ms += 1
    assert keyring.caller(secret) is None


def test_revoked_token_is_unknown(reopen: Open) -> None:
    keyring = reopen()
    token, secret = keyring.create(READS)
    keyring.revoke(token.id)
    assert keyring.caller(secret) is None
    assert reopen().caller(secret) is None
    for unknown in (token.id, "nobody", ADMIN_ID):
        with pytest.raises(UnknownToken):
            keyring.revoke(unknown)


def test_cookies_of_earlier_versions_are_no_tokens(reopen: Open) -> None:
    keyring = reopen()
    month = 30 * 86_400.0
    _, cookie = keyring.create(TokenDraft(scopes=["admin"], name="browser", expires_s=month))
    _, other = keyring.create(TokenDraft(scopes=["admin"], name="browser"))
    _, named = keyring.create(TokenDraft(scopes=["admin"], name="ci", expires_s=month))
    found = [reopen().caller(secret) is not None for secret in (cookie, other, named)]
    assert found == [False, True, True]


@pytest.mark.parametrize("content", [b"", b"[{}]", b"\xff", b'{"a": 1}'])
def test_token_file_of_another_shape_is_refused(
    reopen: Open, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(content)
    with pytest.raises(TokenStoreError, match=r"cannot read .*tokens\.json"):
        reopen()
    assert path.read_bytes() == content


def test_empty_token_file_stops_the_start(reopen: Open, tmp_path: Path) -> None:
    token_file(tmp_path).write_text("\n", encoding="ascii")
    with pytest.raises(TokenStoreError, match="is empty"):
        reopen()


def test_planted_token_link_is_not_followed(reopen: Open, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "tokens.json.new").symlink_to(target)
    reopen().create(READS)
    assert not target.exists()
    assert not (tmp_path / "tokens.json").is_symlink()


def test_token_file_is_plain_json(reopen: Open, tmp_path: Path) -> None:
    reopen().create(READS)
    (kept,) = json.loads((tmp_path / "tokens.json").read_bytes())
    assert kept["token"]["scopes"] == ["read"]
    assert len(kept["digest"]) == 64


# First on disk.


def every_change(keyring: TokenStore) -> list[Callable[[], object]]:
    """Return all that changes a keyring with one token besides its own."""
    token = keyring.tokens()[-1]
    return [
        lambda: keyring.create(READS),
        lambda: keyring.revoke(token.id),
        keyring.rotate,
    ]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a few pages."""
    place = tmp_path / "disk"
    with small_disk(place, 65_536):
        yield place


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Let there be no room on a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.parametrize("number", range(3), ids=["create", "revoke", "rotate"])
def test_full_disk_changes_no_token(disk: Path, wall: Wall, number: int) -> None:
    clock, place = Clock(), disk / "state"
    place.mkdir()
    keyring = TokenStore(place, wall, clock.callLater)
    keyring.open()
    _, secret = keyring.create(READS)
    before, first = keyring.tokens(), own(place)
    callers = [keyring.caller(secret), keyring.caller(first)]
    with full(disk), pytest.raises(StorageFull):
        every_change(keyring)[number]()
    again = TokenStore(place, wall, clock.callLater)
    again.open()
    for ring in (keyring, again):
        assert ring.tokens() == before
        assert rights(ring, secret) is not None
        assert rights(ring, first) is not None
    assert [caller and caller.ended for caller in callers] == [None, None]
    assert sorted(path.name for path in place.iterdir()) == ["token", "tokens.json"]
    every_change(keyring)[number]()  # there is room again


def test_read_only_disk_changes_no_token(reopen: Open, tmp_path: Path) -> None:
    keyring = reopen()
    _, secret = keyring.create(READS)
    for name in ("token.new", "tokens.json.new"):
        (tmp_path / name).mkdir()  # nothing can be written there
    for change in every_change(keyring):
        with pytest.raises(StoreUnavailable):
            change()
    assert rights(keyring, secret) is not None
    assert rights(keyring, own(tmp_path)) is not None


def test_host_that_cannot_write_its_token_does_not_start(tmp_path: Path, wall: Wall) -> None:
    (tmp_path / "token.new").mkdir()
    with pytest.raises(TokenStoreError, match="cannot write"):
        TokenStore(tmp_path, wall, Clock().callLater).open()


# Who was let in is told.


def test_grants_end_with_their_token(reopen: Open, tmp_path: Path, wall: Wall) -> None:
    keyring = reopen()
    token, secret = keyring.create(READS)
    let_in = [keyring.caller(secret), keyring.caller(own(tmp_path)), keyring.caller(secret)]
    keyring.revoke(token.id)
    assert [caller and caller.ended for caller in let_in] == [
        "token_revoked", None, "token_revoked",
    ]  # fmt: skip
    keyring.rotate()
    assert let_in[1]
    assert let_in[1].ended == "token_rotated"


def test_expired_token_is_not_called_revoked(reopen: Open, wall: Wall) -> None:
    keyring = reopen()
    _, secret = keyring.create(TokenDraft(scopes=["read"], expires_s=10))
    caller = keyring.caller(secret)
    wall.ms += 10_000
    keyring.create(READS)
    assert caller
    assert caller.ended == "token_expired"


def test_write_under_a_wrong_clock_removes_no_token(reopen: Open, wall: Wall) -> None:
    keyring = reopen()
    _, secret = keyring.create(TokenDraft(scopes=["read"], expires_s=10))
    wall.ms += 10 * 86_400_000
    keyring.create(READS)
    assert keyring.caller(secret) is None
    wall.ms -= 10 * 86_400_000
    assert keyring.caller(secret)
    assert reopen().caller(secret)


def test_expired_tokens_are_kept_up_to_a_number(
    reopen: Open, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sxhost.auth.tokens.MOST_EXPIRED", 2)
    keyring = reopen()
    for number in range(4):
        keyring.create(TokenDraft(scopes=["read"], name=str(number), expires_s=10 + number))
    wall.ms += 20_000
    keyring.create(TokenDraft(scopes=["read"], name="new"))
    assert [token.name for token in keyring.tokens()] == ["", "2", "3", "new"]


def test_wrong_clock_removes_no_token(reopen: Open, wall: Wall) -> None:
    keyring = reopen()
    _, secret = keyring.create(TokenDraft(scopes=["read"], expires_s=10))
    first = keyring.caller(secret)
    wall.ms += 10_000
    assert first
    assert first.ended
    wall.ms -= 10_000
    again = keyring.caller(secret)
    assert again
    assert not again.ended
