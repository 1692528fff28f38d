"""``sxhost``, ``python -m sxhost``: commands in haste do not wait for the others' imports."""

import gc
import os
import sys

INTERRUPTED = 130
"""What a shell calls a command that Ctrl-C has ended: 128 + SIGINT."""


def main() -> int:
    """Run the command line of this process and return its exit status."""
    try:
        return _main()
    except KeyboardInterrupt:  # before a reactor has taken the signal, or without one
        os._exit(INTERRUPTED)


def _main() -> int:
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from sxhost.surroundings import open_standard_files

        open_standard_files()
    words = sys.argv[1:]
    if words[:1] == ["emit"]:
        from sxhost.telemetry.command import main as emit

        return emit(words[1:])
    if words[:1] == ["hook"] and words[1:2] in (["claude"], ["codex"]):
        from sxhost.hooks.command import main as hook

        return hook(words[1:])
    from sxhost.surroundings import sentences_for_errors

    with sentences_for_errors():
        gc.disable()  # for as long as it is imported
        from sxhost.cli.main import main as others

        gc.enable()
        others(words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
