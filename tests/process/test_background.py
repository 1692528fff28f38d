"""A real Claude Code whose subagents and commands outlive its turn, hosted and hooked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.process.test_real_hosts import Stage, on, stage
from tests.support.agents.real_agents import RealAgents, agent_home, fake_model, real_agents
from tests.support.driving import ask
from tests.support.hooked_agents import Bench
from tests.support.hosts import PATIENCE, Host, until

__all__ = ["agent_home", "fake_model", "real_agents", "stage"]

SUBAGENT = "CALL: Agent " + json.dumps(
    {
        "description": "look",
        "prompt": "RUN: touch made.txt",
        "subagent_type": "general-purpose",
        "run_in_background": True,
    }
)
COMMAND = "CALL: Bash " + json.dumps(
    {"command": "while ! test -e go; do sleep 0.1; done", "run_in_background": True}
)


def shown(detail: Any) -> tuple[str, list[str]]:
    return detail["detail_state"], [task["kind"] for task in detail["background"]]


@on("claude")
def test_hosted_subagent_gets_its_answer_after_the_turn(stage: Stage) -> None:
    stage.driven.ask("turns", input=SUBAGENT)
    stage.driven.until("complete")
    until(lambda: shown(stage.driven.detail()) == ("waiting", ["subagent"]))
    stage.driven.ask("turns", input="meanwhile")
    stage.driven.until("complete")
    assert shown(stage.driven.detail()) == ("waiting", ["subagent"])
    (approval,) = ask(stage.host, "GET", f"/sessions/{stage.driven.id}/approvals")[1]
    assert approval["detail"]["agent"]
    stage.driven.ask(f"approvals/{approval['id']}", decision="approve")
    stage.driven.until("tool-done")
    until(lambda: shown(stage.driven.detail()) == ("idle", []))
    assert stage.made


@on("claude")
def test_hosted_session_works_while_its_command_runs(stage: Stage) -> None:
    stage.driven.ask("turns", input=COMMAND)
    stage.driven.until("complete")
    detail = stage.driven.detail()
    assert shown(detail) == ("working", ["command"])
    assert (detail["reason"], detail["turn"]["status"]) == ("background", "completed")
    (stage.agent.cwd / "go").touch()
    stage.driven.until("turn-started")
    stage.driven.until("complete")
    assert shown(stage.driven.detail()) == ("idle", [])


def test_stop_of_the_main_agent_leaves_its_subagents_question(
    real_agents: RealAgents, agent_home: Path, running_host: Host
) -> None:
    bench = Bench(real_agents.claude(agent_home), running_host)
    bench.sxhost("hook", "install", "claude")
    with bench.start("-p", SUBAGENT, "--permission-mode", "default") as process:
        until(lambda: "complete" in bench.names() and bench.ask("/approvals"))
        (approval,) = bench.ask("/approvals")
        assert shown(bench.ask(f"/sessions/{approval['session']}")) == ("waiting", ["subagent"])
        bench.decide("approve")
        process.communicate(timeout=PATIENCE)
    assert (bench.agent.cwd / "made.txt").exists()
    (closed,) = bench.ask("/approvals?all=1")
    assert closed["resolution"]["decision"] == "approve"
    assert bench.ask(f"/sessions/{approval['session']}")["detail_state"] == "ended"
