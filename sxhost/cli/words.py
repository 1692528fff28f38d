"""Commands that take a person's words, which may begin with a dash: ``- fix this``, ``-1``.

click takes whatever begins with a dash for an option.  Here only the command's own options
are options; everything else is a word, with its spaces and dashes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

import click

__all__ = ["WordsCommand"]

ALIKE = 0.8
"""How much a word resembles an option that was probably meant (`difflib`, 0 to 1)."""


class WordsCommand(click.Command):
    """A command whose arguments are words, whatever they begin with.

    A word that is exactly an option's name comes after ``--``, as everywhere.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Tell options and words apart before click does.

        :raises click.NoSuchOption: a word is an option's name, but for a slip of the pen.
        """
        if ctx.resilient_parsing:  # a shell completes what is not whole yet
            return super().parse_args(ctx, args)
        options, words = self._split(ctx, args)
        return super().parse_args(ctx, [*options, "--", *words] if words else options)

    def _split(self, ctx: click.Context, args: Sequence[str]) -> tuple[list[str], list[str]]:
        named = {
            name: option
            for option in self.get_params(ctx)
            if isinstance(option, click.Option)
            for name in (*option.opts, *option.secondary_opts)
        }
        options: list[str] = []
        words: list[str] = []
        remaining = iter(args)
        for arg in remaining:
            if arg == "--":
                words += remaining
                break
            name, joined, _ = arg.partition("=")
            option = named.get(name)
            if option is None or (joined and option.is_flag):
                _check_slip(ctx, name, named)
                words.append(arg)
                continue
            options.append(arg)
            if not (joined or option.is_flag):
                options.append(_value_of(name, remaining, ctx))
        return options, words


def _value_of(name: str, remaining: Iterator[str], ctx: click.Context) -> str:
    for value in remaining:
        return value
    raise click.BadOptionUsage(name, f"Option {name!r} requires an argument.", ctx)


def _check_slip(ctx: click.Context, word: str, named: Collection[str]) -> None:
    likely = get_close_matches(word, [*named], 1, ALIKE) if word.startswith("--") else []
    if likely and word not in named:
        message = f"No such option {word!r}; if it is meant as text, put -- before it."
        raise click.NoSuchOption(word, message, likely, ctx)
