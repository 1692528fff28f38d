"""Whether the ledger counts what ccusage counts: ``python -m benchmarks.ccusage PROGRAM``.

PROGRAM is ccusage (``npm install ccusage@20.0.24``; ``node_modules/.bin/ccusage``).  It reads
the session files of the recorded agents from a directory of its own, with its prices built in;
``--json`` prints its figures as the test of the recordings has them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.recorded_usage import Figures, ledger_of, session_files

AGENTS = ("claude", "codex")


def ccusage_of(program: str, agent: str) -> Figures:
    """Return what ccusage counts in the recorded files of a kind of agent."""
    with tempfile.TemporaryDirectory() as home:
        for place, lines in session_files(agent).items():
            file = Path(home, place)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"\n".join(lines) + b"\n")
        places = {"CLAUDE_CONFIG_DIR": f"{home}/.claude", "CODEX_HOME": f"{home}/.codex"}
        done = subprocess.run(
            [program, agent, "session", "--json", "--offline"],
            env={**os.environ, "HOME": home, **places},
            stdout=subprocess.PIPE,
            check=True,
        )
    sessions = json.loads(done.stdout)["sessions"]
    return dict(sorted(map(_figures, sessions)))


def _figures(session: dict[str, Any]) -> tuple[str, dict[str, list[int]]]:
    models = session.get("models") or {
        each["modelName"]: each for each in session["modelBreakdowns"]
    }
    kinds = ("input", "cacheRead", "cacheCreation", "output", "reasoningOutput")
    return session.get("sessionFile") or session["sessionId"], {
        model: [counts.get(f"{kind}Tokens", 0) for kind in kinds]
        for model, counts in models.items()
    }


def main() -> int:
    """Print how many sessions there are, and those of which the figures differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--json", action="store_true", help="print what ccusage counts")
    given = parser.parse_args()
    theirs = {agent: ccusage_of(given.program, agent) for agent in AGENTS}
    if given.json:
        print(json.dumps(theirs, indent=2))
        return 0
    differ = 0
    for agent in AGENTS:
        ours = ledger_of(agent)
        names = sorted({*ours, *theirs[agent]})
        print(f"{agent}: {len(names)} sessions")
        for name in names:
            if ours.get(name) != theirs[agent].get(name):
                differ += 1
                print(f"  {name}: {ours.get(name)}, ccusage {theirs[agent].get(name)}")
    print(f"{differ} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
