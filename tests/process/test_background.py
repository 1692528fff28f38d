"""Real agents whose subagents and commands outlive their turn, hosted and hooked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.process.test_real_hosts import Stage, kept_stage, on, stage
from tests.support.agents.real_agents import RealAgents, agent_home, fake_model, real_agents
from tests.support.driving import ask
from tests.support.hooked_agents import Bench
from tests.support.hosts import PATIENCE, Host, until

__all__ = ["agent_home", "fake_model", "kept_stage", "real_agents", "stage"]

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
    # Claude tells what runs on in a line of its own, which may come after the turn's end.
    until(lambda: shown(stage.driven.detail()) == ("working", ["command"]))
    detail = stage.driven.detail()
    assert (detail["reason"], detail["turn"]["status"]) == ("background", "completed")
    (stage.agent.cwd / "go").touch()
    stage.driven.until("turn-started")
    stage.driven.until("complete")
    assert shown(stage.driven.detail()) == ("idle", [])


@on("codex")
def test_command_that_outlives_its_turn_prints_under_it(stage: Stage) -> None:
    waits = {"cmd": "while ! test -e go; do sleep 0.1; done; echo end", "yield_time_ms": 300}
    stage.driven.ask("turns", input=f"CALL: exec_command {json.dumps(waits)}")
    asked = stage.driven.until("approval-requested")[-1]["data"]
    stage.driven.ask(f"approvals/{asked['id']}", decision="approve")
    stage.driven.until("complete")
    assert shown(stage.driven.detail()) == ("working", ["command"])
    stage.driven.begin("SLOW 200")
    stage.driven.until("message-delta")
    (stage.agent.cwd / "go").touch()
    done = stage.driven.until("tool-done")[-1]["data"]
    assert (done["turn"], done["status"], done["output"]) == (1, "completed", "end\n")
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
