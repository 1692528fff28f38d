"""Tokens and logins over HTTP, where the disk or the audit fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from sxhost.errors import StorageFull
from sxhost.model.auth import AuditEntry
from tests.host.auth.test_auth_tokens import full
from tests.host.http.test_http_authentication import Gate, bearer
from tests.support.faults import small_disk


def test_full_disk_changes_no_token(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 65_536):
        gate = Gate(disk)
        token, own = gate.token("read"), gate.own
        changes = [
            ("POST", "/tokens", b'{"scopes":["read"]}'),
            ("DELETE", f"/tokens/{token.split('_')[1]}", b""),
            ("POST", "/tokens/admin/rotate", b""),
        ]
        with full(disk):
            for method, path, body in changes:
                length = f"Content-Length: {len(body)}"
                client = gate.ask(path, length, method=method)
                client.say(body)
                assert (client.status, client.body["error"]) == (507, "storage_full"), path
            for secret in (token, own):
                assert gate.refused("/status", bearer(secret), uid=None) == ""
        assert len(gate.ask("/tokens").body) == 2
        assert [entry["what"] for entry in gate.ask("/audit").body] == []


@pytest.mark.parametrize("uid", [None, 1000])
def test_failed_login_does_not_use_its_link_up(tmp_path: Path, uid: int | None) -> None:
    gate = Gate(tmp_path)
    record, refusing = gate.lab.store.record_entry, True

    async def fails(entry: AuditEntry) -> AuditEntry:
        if refusing:
            raise StorageFull
        return await record(entry)

    gate.lab.store.record_entry = fails  # type: ignore[method-assign]
    link = gate.lab.request("POST", "/logins").json()["path"]
    client = gate.ask(link, uid=uid)
    assert (client.status, client.body["error"]) == (507, "storage_full")
    assert b"Set-Cookie" not in client.got
    assert len(gate.ask("/tokens").body) == 1
    refusing = False
    assert gate.ask(link, uid=uid).status == 303
