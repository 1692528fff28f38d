"""What a rule of a policy costs at the worst: ``python -m benchmarks.patterns``.

Told is the longest of some decisions about 4096 characters that were chosen against the rule:
each stands still whatever else the host does.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator

from sxhost.model.approval import Question
from sxhost.policy.rules import AskingSession, Policy, Rule
from sxhost.policy.shell import MAX_COMMAND_LENGTH

RULES = {
    "a usual rule": r"git (status|diff|log)( .*)?",
    "many ways to fail": "(a?){450}a{450}c",
    "states without end": "[ab ;]*a[ab ;]{900}c",
    "the same, twice": "[ab ;]*a[ab ;]{450}a[ab ;]{450}c",
    "all letters": r"[\w ;]*a[\w ;]{200}c",
}


def commands(seed: int) -> Iterator[str]:
    """Yield commands that are as long as are looked into."""
    chance = random.Random(seed)
    for letters in ("a", "ab", "ab ;", "aж ;"):
        yield "".join(chance.choices(letters, k=MAX_COMMAND_LENGTH))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for name, pattern in RULES.items():
        policy, spent = Policy([Rule(command=pattern, decision="deny")]), []
        for command in commands(args.seed):
            question = Question(key="q", kind="command", title="", choices=["deny"],
                                detail={"command": command})  # fmt: skip
            start = time.perf_counter()
            policy.decide(question, AskingSession(agent="codex", session="a"))
            spent.append(time.perf_counter() - start)
        print(f"{name:20} {max(spent) * 1000:8.2f} ms", flush=True)


if __name__ == "__main__":
    main()
