"""Pi's session, model and effort: what they are, and the commands that change them."""

from __future__ import annotations

from msgspec import Raw, Struct

from sxhost.drivers.kit.pending_calls import decode_answer
from sxhost.drivers.pi.events import PiTranslator
from sxhost.drivers.pi.messages import Model, PiState, SessionStats
from sxhost.drivers.pi.rpc import RpcClient
from sxhost.errors import AgentFailed

__all__ = ["CHANGES", "PiConversation"]

LONGEST_NAME = 512
"""Characters of a file's path up to which it is the native id; else the session's id is."""

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
"""Commands of pi that change its state, which is asked for again after each."""


class _Models(Struct, frozen=True):
    models: list[Model] = []


class PiConversation:
    """The conversation of one process; `state` is what pi last said of it."""

    def __init__(self, rpc: RpcClient, translator: PiTranslator) -> None:
        self._rpc = rpc
        self._translator = translator
        self.state = PiState()

    @property
    def native_id(self) -> str:
        """What a later process can resume: the session's file, or its id."""
        file = self.state.session_file
        return file if file and len(file) <= LONGEST_NAME else self.state.session_id

    @property
    def model(self) -> Model:
        """The model in use; empty if pi does not say."""
        return self.state.model or Model()

    @property
    def settings(self) -> dict[str, str | None]:
        """What is in use of what a command may change, by the fields of a `NativeAnswer`."""
        return {
            "native_id": self.native_id,
            "model": self.model.id,
            "provider": self.model.provider,
            "effort": self.state.thinking_level,
        }

    def state_received(self, data: Raw) -> None:
        """Store an answer to ``get_state``."""
        self.state = decode_answer("get_state", data, PiState)
        self._translator.context_window = self.model.context_window

    async def refresh(self) -> Raw:
        """Ask for the state and return it undecoded; report if the session is another one."""
        previous_id = self.native_id
        native = await self._rpc.send_command("get_state")
        self.state_received(native)
        if self.native_id != previous_id:
            self._translator.open_items.report_native(
                {"type": "session_changed", "state": native}
            )
            await self.restore_usage()
        return native

    async def restore_usage(self) -> None:
        """Set the counts of tokens and cost to those of the session."""
        stats = await self._rpc.query("get_session_stats", SessionStats)
        self._translator.restore_usage(stats)

    async def use_model(
        self, model: str | None, provider: str | None, effort: str | None
    ) -> None:
        """Set the model and the effort, where they differ from those in use.

        A needless command would do harm: old pi makes them the defaults of later sessions.
        """
        in_use = model == self.model.id and provider in (None, self.model.provider)
        if model is not None and not in_use:
            found = await self._find(model, provider)
            fields = {"provider": found.provider, "modelId": found.id}
            await self._rpc.send_command("set_model", fields)
            await self.refresh()
        if effort not in (None, self.state.thinking_level):
            await self._rpc.send_command("set_thinking_level", {"level": effort})
            await self.refresh()

    async def _find(self, name: str, provider: str | None) -> Model:
        """Return the model of an id or ``provider/id``, of the provider in use if it can be."""
        if provider is not None:
            return Model(id=name, provider=provider)
        models = (await self._rpc.query("get_available_models", _Models)).models
        found = [m for m in models if name in (m.id, f"{m.provider}/{m.id}")]
        if not found:
            known = ", ".join(f"{m.provider}/{m.id}" for m in models[:20])
            raise AgentFailed(f"pi knows no model {name!r}; it has {known or 'none'}.")
        return next((m for m in found if m.provider == self.model.provider), found[0])
