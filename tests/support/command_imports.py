"""Which modules commands import: ``python -m tests.support.command_imports``.

Reads a list of words of commands from stdin, as JSON, and prints a list of lists of modules.
Each command runs in a fork of a process that has imported the command line and nothing more.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence


def main() -> None:
    """Print what each command imports."""
    from sxhost.cli.main import sxhost

    def run(words: Sequence[str], pipe: int) -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        try:
            sxhost.main(list(words), prog_name="sxhost")
        finally:
            with os.fdopen(pipe, "w") as found:
                found.write(json.dumps([*filter(sys.modules.get, sys.modules)]))
            os._exit(0)

    commands = json.load(sys.stdin)
    everything = []
    for words in commands:
        ours, theirs = os.pipe()
        if not os.fork():
            run(words, theirs)
        os.close(theirs)
        with os.fdopen(ours) as found:
            everything.append(json.load(found))
        os.wait()
    json.dump(everything, sys.stdout)


if __name__ == "__main__":
    main()
