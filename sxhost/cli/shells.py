"""The shells' completion scripts: click's, but for what bash and fish make of some signs.

bash takes what stands behind a colon for a word of its own, and ids may have colons; click's
script for fish cuts values and titles at commas.
"""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    FishComplete,
    add_completion_class,
    split_arg_string,
)

__all__ = ["COMPLETE_VARIABLE", "add_shells"]

COMPLETE_VARIABLE = "_SXHOST_COMPLETE"
"""The variable by which a shell's script asks for completions."""

BASH = r"""
_sxhost_completion() {
    local line=${COMP_LINE:0:COMP_POINT} response completion type value
    local word=${line##*[[:space:]]} cut=
    if [[ $COMP_WORDBREAKS == *:* && $word == *:* ]]; then
        cut=${word%"${word##*:}"}
    fi
    response=$(env COMP_LINE="$line" _SXHOST_COMPLETE=bash_complete "$1")
    while IFS=, read -r type value; do
        case $type in
            dir) COMPREPLY=(); compopt -o dirnames ;;
            file) COMPREPLY=(); compopt -o default ;;
            plain) COMPREPLY+=("${value#"$cut"}") ;;
        esac
    done <<< "$response"
}

complete -o nosort -F _sxhost_completion sxhost
"""


class BashCompletion(BashComplete):
    """Completion in bash."""

    def source(self) -> str:
        """Return the script."""
        return BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the one at it."""
        line = os.environ.get("COMP_LINE")
        if line is None:  # a script that an older version has written
            return super().get_completion_args()
        _command, *words = split_arg_string(line) or [""]
        if not words or line[-1:].isspace():
            return words, ""
        return words[:-1], words[-1]


class FishCompletion(FishComplete):
    """Completion in fish."""

    def source(self) -> str:
        """Return the script."""
        return super().source().replace('string split ","', 'string split --max 1 ","')


def add_shells() -> None:
    """Have click complete as this module does."""
    add_completion_class(BashCompletion)
    add_completion_class(FishCompletion)
