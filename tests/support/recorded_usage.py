"""The session files of recorded agents, and what the ledger makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path

from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.agent_files.places import READERS
from sxhost.codec.json import encode
from sxhost.model.limits import Limits
from sxhost.model.session import Registration
from sxhost.model.usage import TokenCounts, UsageEntry
from sxhost.store.contracts import Draft
from sxhost.store.memory import MemoryStore
from sxhost.testing import result_of
from tests.support.attached_recordings import attached_scenarios, moments_of

__all__ = ["Figures", "ledger_of", "session_files", "told_costs"]

Figures = Mapping[str, Mapping[str, list[int]]]
"""By file (its name alone) and model: input, cached, written, output and reasoning tokens."""


def session_files(agent: str) -> dict[str, list[bytes]]:
    """Return the lines of the files that recorded agents of a kind have written, by place."""
    files: dict[str, list[bytes]] = {}
    for scenario in attached_scenarios():
        if scenario.startswith(f"{agent}-"):
            for moment in moments_of(scenario):
                if moment.source == "file":
                    line = json.dumps(moment.message, separators=(",", ":"))
                    files.setdefault(moment.file, []).append(line.encode())
    return files


def ledger_of(agent: str) -> Figures:
    """Return what the ledger has of these files once a host has read them."""
    sums: dict[str, dict[str, TokenCounts]] = {}
    for entry in _entries(agent):
        models = sums.setdefault(entry.session, {})
        models[entry.model] = models.get(entry.model, TokenCounts()) + entry.tokens
    return {
        session: {
            model: [*used.billed, used.reasoning_tokens] for model, used in models.items()
        }
        for session, models in sums.items()
    }


def told_costs(agent: str) -> Mapping[str, Decimal]:
    """Return what each of these sessions has cost by its agent's own word."""
    costs: dict[str, Decimal] = {}
    for entry in _entries(agent):
        costs[entry.session] = costs.get(entry.session, Decimal(0)) + (entry.cost or 0)
    return costs


@cache
def _entries(agent: str) -> list[UsageEntry]:
    store = MemoryStore(Limits(), Clock().seconds)
    for place, lines in session_files(agent).items():
        _read(store, agent, Path(place).stem, lines)
    return result_of(store.usage_entries(0, 10**18))


def _read(store: MemoryStore, agent: str, session: str, lines: list[bytes]) -> None:
    result_of(store.register(session, Registration(agent=agent), 0))
    reader = READERS[agent]()
    for line in lines:
        for fact in reader.read_line(line):
            if fact.kind == "usage":
                draft = Draft("usage", Raw(encode(fact.data)), 0, f"usage:{fact.id}")
                result_of(store.append_events(session, [draft], 0))
