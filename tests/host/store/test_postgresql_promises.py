"""What an engine promises, by its settings."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.store.postgresql.connection import EngineConnection
from sxhost.store.postgresql.promises import promise_of, timeline_of
from tests.support.postgresql import Cluster


class Engine(EngineConnection):
    """An engine with settings that no test could give a real one."""

    def __init__(self, *settings: str) -> None:
        self.settings = settings
        self.told: list[str] = []

    def execute(self, sql: str, *_: object) -> Any:
        self.told.append(sql)
        return self

    def fetchone(self) -> tuple[str, ...]:
        return self.settings


@pytest.mark.parametrize(
    ("settings", "promise"),
    [
        (("on", "on", ""), "power"),
        (("on", "on", "*"), "replicas"),
        (("on", "remote_apply", "ANY 1 (a, b)"), "replicas"),
        (("on", "remote_write", "*"), "power"),
        (("on", "local", "*"), "power"),
        (("off", "on", "*"), "process"),
    ],
)
def test_promises(settings: tuple[str, ...], promise: str) -> None:
    engine = Engine(*settings)
    assert promise_of(engine) == promise
    assert len(engine.told) == 1, "nothing was changed"


def test_a_commit_waits_for_the_disk_at_least() -> None:
    engine = Engine("on", "off", "")
    assert promise_of(engine) == "power"
    assert engine.told[1:] == ["SET synchronous_commit = on"]


def test_a_real_one(postgresql: Cluster) -> None:
    connection = EngineConnection(postgresql.url())
    assert promise_of(connection) == "power"
    assert timeline_of(connection) == "00000001"
    connection.close()
