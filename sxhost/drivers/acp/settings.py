"""What can be set in a conversation over ACP: model, effort, mode; and its commands.

Agents offer these as options of the session (``session/set_config_option``), or, in an
older way, as models and modes.  An option is preferred; its category tells what it is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sxhost.drivers.acp.messages import ConfigOption, Models, Modes, SessionResult
from sxhost.drivers.acp.updates import CommandsUpdate, ConfigOptionsUpdate
from sxhost.errors import BadField, Unsupported

__all__ = ["SessionSettings", "check_sandbox"]

Request = tuple[str, dict[str, Any]]
"""A method, and its params beside the session's id."""

COMPACT = ("compact", "compress")
"""The commands that shorten a conversation, by the names that agents give them."""


class SessionSettings:
    """What there is to set, as the agent last told it; `changed` is called when it did."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._configs: list[ConfigOption] = []
        self._models: Models | None = None
        self._modes: Modes | None = None
        self._commands: frozenset[str] = frozenset()
        self._changed = changed

    # What the agent tells.

    def session_opened(self, session: SessionResult) -> None:
        """Take what a new conversation came with."""
        self._configs = session.config_options or []
        self._models = session.models
        self._modes = session.modes
        self._changed()

    def options_updated(self, said: ConfigOptionsUpdate) -> None:
        """Take the options as they are now."""
        self._configs = said.config_options
        self._changed()

    def commands_updated(self, said: CommandsUpdate) -> None:
        """Take the commands."""
        self._commands = frozenset(command.name for command in said.available_commands)
        self._changed()

    # What can be done.

    @property
    def model(self) -> str:
        """The model in use, if it is told."""
        config = self._config("model")
        if config is not None and isinstance(config.current_value, str):
            return config.current_value
        return self._models.current_model_id if self._models else ""

    @property
    def has_models(self) -> bool:
        """Whether another model can be chosen."""
        return self._config("model") is not None or self._models is not None

    @property
    def compact_prompt(self) -> str | None:
        """The prompt that shortens the conversation, if there is one."""
        return next((f"/{name}" for name in COMPACT if name in self._commands), None)

    def model_request(self, wanted: str, provider: str | None = None) -> Request:
        """Return how to choose a model; names that the agent does not list may still do.

        :raises Unsupported: it cannot be chosen at all.
        """
        config = self._config("model")
        if config is not None:
            value = self._qualified(wanted, provider, config.values)
            return _option(config, value)
        if self._models is None:
            raise Unsupported("This agent lets nobody choose its model.")
        known = [model.model_id for model in self._models.available_models]
        return "session/set_model", {"modelId": self._qualified(wanted, provider, known)}

    def _qualified(self, wanted: str, provider: str | None, known: list[Any]) -> str:
        """Many name their models PROVIDER/MODEL."""
        whole = f"{provider}/{wanted}"
        return whole if provider and (whole in known or wanted not in known) else wanted

    def effort_request(self, wanted: str) -> Request:
        """Return how to choose how much it thinks.

        :raises Unsupported: it cannot be chosen, or not so.
        """
        config = self._config("thought_level")
        if config is None:
            raise Unsupported("This agent has no setting for the effort with this model.")
        return _option(config, _among(wanted, config.values, "effort"))

    def mode_request(self, wanted: str) -> Request:
        """Return how to choose when it asks for leave: an approval policy is a mode here.

        :raises Unsupported: it has no modes, or none of this name.
        """
        config = self._config("mode")
        if config is not None and (wanted in config.values or self._modes is None):
            return _option(config, _among(wanted, config.values, "mode"))
        known = [mode.id for mode in self._modes.available_modes] if self._modes else []
        return "session/set_mode", {"modeId": _among(wanted, known, "mode")}

    def _config(self, category: str) -> ConfigOption | None:
        """Return the option of a category; where none is named, an id may be the same word."""
        named = (c for c in self._configs if (c.category or c.id) == category)
        return next(named, None)


def _option(config: ConfigOption, value: str) -> Request:
    return "session/set_config_option", {"configId": config.id, "value": value}


def _among(wanted: str, known: list[Any], what: str) -> str:
    if wanted in known:
        return wanted
    has = ", ".join(str(name) for name in known) or "none"
    raise Unsupported(f"This agent has no {what} {wanted!r}; it has: {has}.")


def check_sandbox(wanted: str | None) -> None:
    """Refuse a sandbox."""
    if wanted is not None:
        raise BadField("sandbox", "ACP knows no sandbox; the agent's own settings may.")
