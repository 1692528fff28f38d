"""What pi is at the moment: its session, its model, its effort; and how that is changed."""

from __future__ import annotations

from msgspec import Raw, Struct

from sxhost.drivers.pi.events import PiTranslator
from sxhost.drivers.pi.messages import Model, PiState, SessionStats
from sxhost.drivers.pi.rpc import RpcClient, decode_answer
from sxhost.errors import AgentFailed

__all__ = ["CHANGES", "PiConversation"]

LONGEST_NAME = 512
"""Characters of a name to resume by."""

CHANGES = frozenset(
    {
        "clone",
        "cycle_model",
        "cycle_thinking_level",
        "fork",
        "new_session",
        "set_model",
        "set_session_name",
        "set_thinking_level",
        "switch_session",
    }
)
"""Commands after which pi is not what it was."""


class _Models(Struct, frozen=True):
    models: list[Model] = []


class PiConversation:
    """What pi last said of itself (`state`)."""

    def __init__(self, calls: RpcClient, events: PiTranslator) -> None:
        self._calls = calls
        self._events = events
        self.state = PiState()

    @property
    def native_id(self) -> str:
        """What a later process goes on with: the session's file, or its id."""
        file = self.state.session_file
        return file if file and len(file) <= LONGEST_NAME else self.state.session_id

    @property
    def model(self) -> Model:
        """The model that it uses."""
        return self.state.model or Model()

    def state_received(self, data: Raw) -> None:
        """Take an answer to ``get_state``."""
        self.state = decode_answer(data, PiState)
        self._events.context_window = self.model.context_window

    async def refresh(self) -> Raw:
        """Ask for the state and return it; that it is another session's is told."""
        before = self.native_id
        native = await self._calls.send_command("get_state")
        self.state_received(native)
        if self.native_id != before:
            self._events.report_native({"type": "session_changed", "state": native})
            await self.restore_usage()
        return native

    async def restore_usage(self) -> None:
        """Count tokens from where the session is."""
        self._events.restore_usage(
            decode_answer(await self._calls.send_command("get_session_stats"), SessionStats)
        )

    async def use_model(
        self, model: str | None, provider: str | None, effort: str | None
    ) -> None:
        """Use another model or effort, where they are others.

        Old pi makes them the defaults of later sessions too.
        """
        if model is not None and not self._is(model, provider):
            found = await self._find(model, provider)
            fields = {"provider": found.provider, "modelId": found.id}
            await self._calls.send_command("set_model", fields)
            await self.refresh()
        if effort not in (None, self.state.thinking_level):
            await self._calls.send_command("set_thinking_level", {"level": effort})
            await self.refresh()

    def _is(self, model: str, provider: str | None) -> bool:
        now = self.model
        return model == now.id and provider in (None, now.provider)

    async def _find(self, name: str, provider: str | None) -> Model:
        """Return the model called so (or ``provider/id``), of our provider if it can be."""
        if provider is not None:
            return Model(id=name, provider=provider)
        models = decode_answer(
            await self._calls.send_command("get_available_models"), _Models
        ).models
        found = [m for m in models if name in (m.id, f"{m.provider}/{m.id}")]
        if not found:
            known = ", ".join(f"{m.provider}/{m.id}" for m in models[:20])
            raise AgentFailed(f"pi knows no model {name!r}; it has {known or 'none'}.")
        return next((m for m in found if m.provider == self.model.provider), found[0])
