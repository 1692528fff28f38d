"""What tokens cost, where the agent does not say: a table of prices, and what follows from it.

The table in the package has the models of the agents that the host runs, with its source and
date; a file of the user's adds to it, and comes first.  Prices are US dollars for a million
tokens, `Decimal` throughout.  Whatever is not in a table has no price: it never costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from sxhost.model.usage import TokenCounts

__all__ = ["BadPrices", "Prices"]

MILLION: Final = Decimal(1_000_000)

DATED: Final = re.compile(r"-(20[0-9]{6}|20[0-9]{2}-[0-9]{2}-[0-9]{2})$")
"""The end of the name of one version of a model."""

VARIANT: Final = re.compile(r"\[[^\]]*\]$")
"""What Claude Code adds to the name of a model: ``[1m]``."""


class BadPrices(Exception):
    """A file of prices cannot be used; the message is a sentence."""


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars for a million tokens of each kind; caches cost as input if nothing is said."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    cache_write: Decimal | None = None

    def __post_init__(self) -> None:
        for amount in self.rates:
            if not amount.is_finite() or not 0 <= amount < MILLION:
                raise ValueError("a price is from 0 to 999999 US dollars for a million tokens")

    @property
    def rates(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The prices of what `TokenCounts.billed` counts."""
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        return self.input, cached, written, self.output


Model = Annotated[str, Meta(min_length=1, max_length=200)]


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of prices."""

    models: dict[Model, Price]
    source: str = ""
    url: str = ""
    date: str = ""


class Prices:
    """Prices by model; `source` says in words where they come from.

    :param file: a file of the user's, whose prices come first.
    :raises BadPrices: it cannot be used.
    """

    def __init__(self, file: Path | None = None) -> None:
        packaged = _decode(resources.files("sxhost").joinpath("prices.json").read_bytes(), "")
        self._models: Mapping[str, Price] = packaged.models
        self.source = f"{packaged.source}, {packaged.date}"
        if file is not None:
            own = _read(file)
            self._models = {**packaged.models, **own.models}
            self.source = f"{file.name}, then {self.source}"

    def cost(self, model: str, tokens: TokenCounts) -> Decimal | None:
        """Return what tokens of a model cost; None if its price is not known."""
        price = self._find(model)
        if price is None:
            return None
        parts = zip(price.rates, tokens.billed, strict=True)
        return sum((rate * count for rate, count in parts), Decimal(0)) / MILLION

    def _find(self, model: str) -> Price | None:
        """Return a model's price: by its name, without provider, variant, or date."""
        name = VARIANT.sub("", model)
        last = name.rpartition("/")[2]
        names = (model, name, last, DATED.sub("", last))
        return next((self._models[one] for one in names if one in self._models), None)


def _read(file: Path) -> Table:
    try:
        return _decode(file.read_bytes(), f"{file}: ")
    except OSError as error:
        raise BadPrices(f"{file} cannot be read: {error.strerror}.") from error


def _decode(text: bytes, place: str) -> Table:
    try:
        return msgspec.json.decode(text, type=Table)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadPrices(f"{place}{error}.") from error
