"""What can be set in an ACP session: model, effort, mode; and the agent's slash commands.

Agents offer settings as options of the session (``session/set_config_option``) or, in an
older way, as models and modes.  An option is preferred; its category says what it sets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sxhost.drivers.acp.messages import ConfigOption, Models, Modes, SessionResult
from sxhost.drivers.acp.updates import CommandsUpdate, ConfigOptionsUpdate
from sxhost.errors import BadField, Unsupported

__all__ = ["SessionSettings", "check_sandbox"]

Request = tuple[str, dict[str, Any]]
"""A method, and its params without the session's id."""

COMPACT = ("compact", "compress")
"""Names that agents give to the command that compacts; the first one found is used."""


class SessionSettings:
    """The settings that the agent last offered; `changed` is called after each update."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._configs: list[ConfigOption] = []
        self._models: Models | None = None
        self._modes: Modes | None = None
        self._commands: frozenset[str] = frozenset()
        self._changed = changed

    # Updates.

    def session_opened(self, session: SessionResult) -> None:
        """Store the settings in the result that opened the session."""
        self._configs = session.config_options or []
        self._models = session.models
        self._modes = session.modes
        self._changed()

    def options_updated(self, update: ConfigOptionsUpdate) -> None:
        """Store the options as they are now; an update has all of them."""
        self._configs = update.config_options
        self._changed()

    def commands_updated(self, update: CommandsUpdate) -> None:
        """Store the slash commands as they are now."""
        self._commands = frozenset(command.name for command in update.available_commands)
        self._changed()

    # Requests.

    @property
    def model(self) -> str:
        """The model in use; "" if the agent does not say."""
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
        """The prompt that compacts the conversation, None if there is no such command."""
        return next((f"/{name}" for name in COMPACT if name in self._commands), None)

    def model_request(self, wanted: str, provider: str | None = None) -> Request:
        """Return the request that sets the model; one that is not listed may be known still.

        :raises Unsupported: the agent has no choice of models.
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
        """Return the model as the agent names it: many say PROVIDER/MODEL."""
        qualified = f"{provider}/{wanted}"
        return qualified if provider and (qualified in known or wanted not in known) else wanted

    def effort_request(self, wanted: str) -> Request:
        """Return the request that sets the effort.

        :raises Unsupported: this model has no such setting, or not this value.
        """
        config = self._config("thought_level")
        if config is None:
            raise Unsupported("This agent has no setting for the effort with this model.")
        return _option(config, _among(wanted, config.values, "effort"))

    def mode_request(self, wanted: str) -> Request:
        """Return the request that sets the mode, which is what the host calls approval policy.

        :raises Unsupported: the agent has no mode of this name.
        """
        config = self._config("mode")
        if config is not None and (wanted in config.values or self._modes is None):
            return _option(config, _among(wanted, config.values, "mode"))
        known = [mode.id for mode in self._modes.available_modes] if self._modes else []
        return "session/set_mode", {"modeId": _among(wanted, known, "mode")}

    def _config(self, category: str) -> ConfigOption | None:
        """Return the option of a category; options without one are known by their id."""
        found = (c for c in self._configs if (c.category or c.id) == category)
        return next(found, None)


def _option(config: ConfigOption, value: str) -> Request:
    return "session/set_config_option", {"configId": config.id, "value": value}


def _among(wanted: str, known: list[Any], what: str) -> str:
    if wanted in known:
        return wanted
    names = ", ".join(str(name) for name in known) or "none"
    raise Unsupported(f"This agent has no {what} {wanted!r}; it has: {names}.")


def check_sandbox(wanted: str | None) -> None:
    """Refuse any sandbox: ACP has none.

    :raises BadField: one is wanted.
    """
    if wanted is not None:
        raise BadField("sandbox", "ACP knows no sandbox; the agent's own settings may.")
