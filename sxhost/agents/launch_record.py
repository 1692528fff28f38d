"""How a session's agent is started again: its launch, kept in the store as settings change."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import PurePath
from typing import Final

from msgspec.structs import replace

from sxhost.agents.settings import PERSISTENT_FIELDS, apply_turn
from sxhost.drivers.contracts import NativeAnswer, Started
from sxhost.model.session import Hosting
from sxhost.model.turn import Launch, ModelDraft, Process, TurnDraft

__all__ = ["LaunchRecord", "SetHosting", "agent_name", "initial_hosting"]

SetHosting = Callable[[str, Hosting], Awaitable[object]]
"""Stores what the host must know of a session after a restart; None is not changed."""


_LAUNCHERS: Final = frozenset(
    {
        "acp",
        "bun",
        "bunx",
        "deno",
        "env",
        "node",
        "npm",
        "npx",
        "pnpm",
        "sh",
        "bash",
        "uv",
        "uvx",
    }
)
"""Programs that run others: their names say nothing of the agent."""

_TAKEN: Final = frozenset({"codex", "pi", "claude", "echo"})
"""Agents with drivers of their own, for which their ACP kin is not to be taken."""


class LaunchRecord:
    """The launch of one session: `launch`, and its copy in the store.

    :ivar fresh: whether its conversation had no turn yet, and maybe cannot be resumed.
    """

    def __init__(
        self, session_id: str, launch: Launch, set_hosting: SetHosting, *, fresh: bool = False
    ) -> None:
        self.launch = launch
        self.fresh = fresh
        self._session_id = session_id
        self._set_hosting = set_hosting

    async def turn_began(self) -> None:
        """Keep that there is a conversation to resume from now on."""
        if self.fresh:
            self.fresh = False
            await self._set_hosting(self._session_id, Hosting(fresh=False))

    async def started(self, started: Started) -> None:
        """Keep what an agent says of itself; it goes on with this conversation."""
        self.launch = replace(self.launch, resume=started.native_id, prompt=None)
        await self._store(
            Hosting(
                native_id=started.native_id,
                model=started.model or None,
                provider=started.provider or None,
                title=started.title or None,
                rest="",
            )
        )

    async def process_changed(self, process: Process) -> None:
        """Keep which process runs; the number 0 means none."""
        await self._set_hosting(self._session_id, Hosting(process=process))

    @property
    def settings(self) -> dict[str, object]:
        """The settings that turns may change."""
        return {name: getattr(self.launch, name) for name in PERSISTENT_FIELDS}

    async def apply_turn(self, draft: TurnDraft) -> None:
        """Keep the settings that a turn changes."""
        await self._change(apply_turn(self.launch, draft))

    async def restore(self, settings: dict[str, object]) -> None:
        """Have the `settings` again that were before a turn which has not begun."""
        await self._change(replace(self.launch, **settings))

    async def _change(self, launch: Launch) -> None:
        if launch != self.launch:
            self.launch = launch
            await self._store(Hosting(model=launch.model, cwd=launch.cwd))

    async def keep(self, changed: ModelDraft | NativeAnswer) -> None:
        """Keep what the agent uses from now on; None is as it was."""
        native_id = changed.native_id if isinstance(changed, NativeAnswer) else None
        hosting = Hosting(native_id=native_id, model=changed.model, provider=changed.provider)
        settings = {
            "resume": native_id,
            "model": changed.model,
            "provider": changed.provider,
            "effort": changed.effort,
        }
        if native_id is not None:
            await self.turn_began()  # of another conversation, maybe
        given = {name: value for name, value in settings.items() if value is not None}
        if given:
            self.launch = replace(self.launch, **given)
            await self._store(hosting)

    async def relabel(self, title: str | None, labels: dict[str, str] | None) -> None:
        """Go on under another title, or labels; None is as it was."""
        given = {"title": title, "labels": labels}
        changed = {name: value for name, value in given.items() if value is not None}
        self.launch = replace(self.launch, **changed)
        await self._store(Hosting(title=title, labels=labels))

    async def _store(self, hosting: Hosting) -> None:
        await self._set_hosting(self._session_id, replace(hosting, launch=self.launch))


def initial_hosting(launch: Launch) -> Hosting:
    """Return what is stored of a session that is to be started."""
    return Hosting(
        kind="hosted",
        agent=agent_name(launch),
        model=launch.model,
        provider=launch.provider,
        cwd=launch.cwd,
        title=launch.title,
        labels=launch.labels or None,
        metadata=launch.metadata or None,
        fresh=launch.resume is None,
        launch=replace(launch, prompt=None),
    )


def agent_name(launch: Launch) -> str:
    """Return what an agent is called in ids, lists and filters; ``acp`` if that is all.

    One that speaks ACP is called by its program: ``/opt/bin/opencode acp`` is ``opencode``, but
    ``npx -y @google/gemini-cli`` is ``acp``: what a launcher runs is not guessed.
    """
    if launch.agent != "acp" or not launch.command:
        return launch.agent
    name = re.sub(r"[^a-z0-9_-]+", "-", PurePath(launch.command[0]).name.lower()).strip("-")
    if not re.match(r"[a-z]", name) or name in _LAUNCHERS or name.startswith("python"):
        return launch.agent
    return f"{name}-acp" if name in _TAKEN else name[:48]
