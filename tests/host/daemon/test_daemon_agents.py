"""What hosts agents, put together: names of hosts, programs that wait, what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace
from twisted.internet.task import Clock

from sxhost.config import Settings
from sxhost.daemon.agents import DriverFactory, host_id, make_agents, make_rules
from sxhost.errors import BadField
from sxhost.process.child import ProcessSpawner
from sxhost.testing import result_of
from tests.support.fake_children import FakeSpawn


def settings(state_dir: Path, **fields: Any) -> Settings:
    return replace(Settings(listen=(), state_dir=state_dir, uid=1000), **fields)


class Spawning(FakeSpawn):
    """A spawn that can be closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def spawn() -> Spawning:
    return Spawning()


@pytest.fixture
def workshop(spawn: Spawning) -> DriverFactory:
    return DriverFactory(cast("ProcessSpawner", spawn), Clock())


def test_host_id_depends_on_the_store_and_survives_restarts(tmp_path: Path) -> None:
    name = host_id(settings(tmp_path))
    assert name == host_id(settings(tmp_path))
    assert name == host_id(settings(tmp_path / "x" / ".."))
    (tmp_path / "link").symlink_to(tmp_path)
    assert name == host_id(settings(tmp_path / "link"))
    assert name == host_id(settings(Path("/x"), store=f"sqlite:{tmp_path}/sxhost.db"))


def test_host_ids_of_different_stores_differ(tmp_path: Path) -> None:
    others = [
        settings(tmp_path),
        settings(tmp_path, uid=1001),
        settings(tmp_path / "other"),
        settings(tmp_path, store=f"sqlite:{tmp_path}/other.db"),
        settings(tmp_path, store="memory:"),
        settings(tmp_path, store="memory:"),
    ]
    assert len({host_id(other) for other in others}) == len(others)


def test_host_id_does_not_reveal_its_path(tmp_path: Path) -> None:
    name = host_id(settings(tmp_path))
    assert len(name) == 16
    assert str(tmp_path) not in name


def test_children_stay_paused_until_every_hold_is_released(
    workshop: DriverFactory, spawn: Spawning
) -> None:
    for _ in range(2):
        spawn(cast("Any", None), cast("Any", None))
    waiting = [workshop.hold, workshop.hold]
    for hold in waiting:
        hold(True)
    assert [child.paused for child in spawn.children] == [True, True]
    workshop.hold(False)
    assert [child.paused for child in spawn.children] == [True, True]
    workshop.hold(False)
    assert [child.paused for child in spawn.children] == [False, False]


def test_closing_ends_children_and_makes_no_more_drivers(
    workshop: DriverFactory, spawn: Spawning
) -> None:
    workshop("echo")
    result_of(workshop.close())
    assert spawn.closed
    with pytest.raises(BadField):
        workshop("clippy")


def test_a_host_runs_agents_as_its_settings_say(tmp_path: Path) -> None:
    agents = make_agents(
        settings(tmp_path, agent_roots=(tmp_path,), resume_at_boot=True), Clock()
    )
    assert agents.resume_at_boot
    assert agents.roots.place(None) == str(tmp_path)
    with pytest.raises(BadField):
        agents.roots.place("/")


def test_missing_rules_leave_all_to_a_person_and_wrong_ones_stop_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_rules(None).view().file is None
    with pytest.raises(SystemExit) as caught:
        make_rules(tmp_path / "nowhere.toml")
    assert caught.value.code == 1
    assert "nowhere.toml: It cannot be read" in capsys.readouterr().err
