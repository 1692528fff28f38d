"""A host that looks for agents by itself."""

from __future__ import annotations

from pathlib import Path

from sxhost.agent_files.running import RunningAgent
from sxhost.hooks.discovery import DISCOVERY_S, Discovery
from sxhost.testing import HostInMemory
from sxhost.testing.host import UID


def test_agents_are_found_while_the_service_runs(lab: HostInMemory, tmp_path: Path) -> None:
    discovery = Discovery(lab.hook_handler, lab.clock, UID)
    discovery.startService()
    assert lab.request("GET", "/sessions").json() == []
    place = tmp_path.resolve() / "projects" / "-w"
    lab.running.append(
        RunningAgent(
            agent="claude",
            session_id="a",
            pid=7,
            cwd="/w",
            transcript=str(place / "a.jsonl"),
        )
    )
    lab.clock.advance(DISCOVERY_S)
    (found,) = lab.request("GET", "/sessions").json()
    assert (found["id"], found["agent"], found["cwd"]) == ("a", "claude", "/w")
    discovery.stopService()
    lab.request("DELETE", "/sessions/a")
    lab.clock.advance(DISCOVERY_S)
    assert lab.request("GET", "/sessions").json() == []
