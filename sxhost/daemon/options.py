"""The command line of ``twistd sxhost``, made from the table of serving options."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from twisted.internet.endpoints import quoteStringArgument
from twisted.python import usage

from sxhost.config import DEFAULT_HOST, USAGE_ERROR, Settings, TokensFor
from sxhost.daemon.serving_options import SERVING_OPTIONS, TCP_PORTS, ServingOption
from sxhost.localnet import is_local_endpoint
from sxhost.model.limits import Limits
from sxhost.visible import exit_with_error

__all__ = ["Options", "has_secret"]

SECRETS = frozenset({"password", "sslpassword"})
"""What libpq takes from a URL and nobody is to see."""

LIMIT = "limits."
"""How the fields of `Settings` begin that are limits."""


class Options(usage.Options):
    """The command line of ``twistd sxhost``; each error is one sentence and exit 2."""

    synopsis = "[options]"
    longdesc = "The host through which you see, steer and answer every coding agent."
    # Twisted's own default stays None, so that a default differs from the same value given.
    optParameters = tuple(
        [option.name, option.short or None, None, option.description]
        for option in SERVING_OPTIONS
        if not (option.is_flag or option.repeatable)
    )
    optFlags = tuple(
        [option.name, option.short or None, option.description]
        for option in SERVING_OPTIONS
        if option.is_flag
    )
    compData = usage.Completions(optActions={"state-dir": usage.CompleteDirs()})

    def __init__(self) -> None:
        super().__init__()
        for option in SERVING_OPTIONS:
            if option.repeatable:
                self[option.name] = []

    def opt_version(self) -> NoReturn:
        """Display the version and exit."""
        from sxhost import __version__

        sys.stdout.write(f"sxhost {__version__}\n")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the command line, or end the process with a sentence about it."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            exit_with_error(USAGE_ERROR, f"sxhost: {error}")

    def postOptions(self) -> None:
        """Parse the texts of the options into `Settings`, under the key ``settings``."""
        values = {option.name: self._value(option) for option in SERVING_OPTIONS}
        fields = {
            option.sets: values[option.name]
            for option in SERVING_OPTIONS
            if option.sets and not option.sets.startswith(LIMIT)
        }
        limits = {
            option.sets.removeprefix(LIMIT): str(values[option.name])
            for option in SERVING_OPTIONS
            if option.sets.startswith(LIMIT)
        }
        listen = (*self._endpoints(values), *self._multiplexer_endpoint())
        self._refuse_secrets(fields["store"])
        self["settings"] = Settings(
            listen=listen,
            limits=self._limits(limits, values["limit"]),
            tokens=self._tokens(values, listen),
            tls=self._tls(values),
            **fields,
        )
        self["pidfile"] = self._take_pidfile()

    def _refuse_secrets(self, store: str) -> None:
        """Refuse a password in the store's URL: every user of the machine could see it."""
        if has_secret(store):
            raise usage.UsageError(
                "--store must not have a password: put it into ~/.pgpass, or into a file that"
                " PGPASSFILE names."
            )

    def _take_pidfile(self) -> str:
        """Return the pidfile of twistd, which then checks and writes none itself.

        It would refuse to start by the number alone, which another program may have by now.
        """
        if self.parent is None:
            return ""
        pidfile, self.parent["pidfile"] = self.parent["pidfile"] or "", ""
        return str(Path(pidfile).absolute()) if pidfile else ""

    def _value(self, option: ServingOption) -> Any:
        """Return what the command line says, else the environment, else the default."""
        given = self[option.name]
        if option.is_flag:
            return bool(given)
        if option.repeatable:
            return tuple(_parsed(option, text) for text in given)
        if not given and option.from_environment is not None:
            return option.from_environment(os.environ)
        if not given and option.environment:
            given = os.environ.get(option.environment[0]) or None
        return _parsed(option, option.default if given is None else str(given))

    def _limits(self, limits: Mapping[str, str], others: Sequence[str]) -> Limits:
        named = (setting.partition("=") for setting in others)
        given = {name.replace("-", "_"): value for name, _, value in named}
        try:
            return Limits().but({**limits, **given})
        except ValueError as error:
            raise usage.UsageError(f"--limit {error}") from None

    def _tls(self, values: Mapping[str, Any]) -> tuple[Path, Path] | None:
        certificate, key = values["tls-cert"], values["tls-key"]
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise usage.UsageError("--tls-cert and --tls-key belong together: give both.")
        return certificate, key

    def _tokens(self, values: Mapping[str, Any], listen: Sequence[str]) -> TokensFor:
        if not values["no-token"]:
            return "all" if values["require-token"] else "others"
        if values["require-token"]:
            raise usage.UsageError("--no-token and --require-token exclude each other.")
        for endpoint in listen:
            if not is_local_endpoint(endpoint):
                raise usage.UsageError(
                    f"--no-token lets in whoever reaches {endpoint}, and thereby run what they"
                    " like as you; give tokens, or listen on 127.0.0.1 or a unix socket."
                )
        return "none"

    def _endpoints(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        if not values["listen"]:
            interface = quoteStringArgument((values["host"] or DEFAULT_HOST).strip("[]"))
            return (f"tcp:{values['port']}:interface={interface}",)
        if self["port"] is not None or self["host"] is not None:
            raise usage.UsageError("--listen stands in place of --port and --host.")
        return tuple(values["listen"])

    def _multiplexer_endpoint(self) -> tuple[str, ...]:
        """Return where pi-app-server's clients look, if the environment says it."""
        port = os.environ.get("PI_SERVER_PORT")
        if not port:
            return ()
        try:
            return (f"tcp:{TCP_PORTS.parse(port)}:interface={DEFAULT_HOST}",)
        except ValueError:
            expected = "1-65535, or 0 for any that is free"
            sentence = f"PI_SERVER_PORT must be {expected}, not {port!r}."
            raise usage.UsageError(sentence) from None


def has_secret(url: str) -> bool:
    """Return whether a store's URL has a password."""
    parts = urlsplit(url)
    given = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return parts.password is not None or bool(given & SECRETS)


def _parsed(option: ServingOption, text: str) -> Any:
    try:
        return option.type.parse(text)
    except (ValueError, LookupError):
        sentence = f"--{option.name} {option.type.expected}, not {text!r}."
        raise usage.UsageError(sentence) from None


def _collector(option: ServingOption) -> Callable[[Options, str], None]:
    def collect(self: Options, text: str) -> None:
        self[option.name].append(text)

    collect.__doc__ = option.description
    return collect


for _option in SERVING_OPTIONS:  # Twisted finds what may be repeated by its methods' names
    if _option.repeatable:
        setattr(Options, f"opt_{_option.name.replace('-', '_')}", _collector(_option))
