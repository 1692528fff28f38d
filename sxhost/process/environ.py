"""The environment of agents: which of the host's variables they get.

A user expects an agent to see what his shell has: keys of vendors, proxies, sockets, PATH.  So
all of it passes, but for what is the host's own, which never does:

- what the service manager tells the host (``NOTIFY_SOCKET``, ``LISTEN_FDS``, ``WATCHDOG_USEC``,
  ``CREDENTIALS_DIRECTORY``, …): an agent that spoke for the host could stop it;
- ``SXHOST_*``: its settings and tokens;
- ``PYTHON*``: where the host's Python looks for modules is wrong for any other;
- ``VIRTUAL_ENV`` and its place in PATH, if the host itself is installed there; the one that
  somebody works in passes;
- where somebody was when he started the host (``PWD``, ``OLDPWD``, ``_``, ``SHLVL``);
- what tells an agent that it runs inside another (``CLAUDECODE``, …), for a host that was
  started by an agent.

``--agent-env`` changes the rest, by words of which the last that matches counts:

=============  ===================================================================
``NAME=value``  is set (also to one of the above: somebody has asked for it)
``PATTERN``    passes (``*``, ``?`` and ``[…]`` as in file names; case counts)
``!PATTERN``   does not
=============  ===================================================================

Without any plain PATTERN, everything passes that no ``!PATTERN`` excludes; with one, only what
matches passes, and what no program can do without (`BASIC`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

__all__ = ["BASIC", "HOST_ONLY", "agent_environment"]

BASIC = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*"),
    *("TERM", "TZ", "TMPDIR", "XDG_*"),
)
"""Patterns of variables that pass in any case, unless ``!PATTERN`` excludes them."""

HOST_ONLY = (
    *("SXHOST_*", "PYTHON*", "PWD", "OLDPWD", "_", "SHLVL"),
    # The service manager's.
    *("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_*", "FDSTORE", "MAINPID"),
    *("INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MANAGERPID*", "EXIT_CODE"),
    *("CREDENTIALS_DIRECTORY", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY"),
    *("LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY", "MEMORY_PRESSURE_*", "LOG_NAMESPACE"),
    # An agent's that started the host.
    *("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT", "CODEX_SANDBOX*"),
    *("CODEX_THREAD_ID", "GEMINI_CLI", "OPENCODE"),
)
"""Patterns of variables that are for the host alone and never pass."""


def agent_environment(
    base: Mapping[str, str], add: Mapping[str, str], keep: Sequence[str]
) -> dict[str, str]:
    """Return an agent's environment: what passes of the host's (`base`), and `add`.

    `keep` are the words of ``--agent-env``, `add` goes before all of them.
    """
    passed = {
        name: base[name]
        for name in base
        if not _matches_any(name, HOST_ONLY) and _passes(name, keep)
    }
    if passed.get("VIRTUAL_ENV") == sys.prefix:
        passed = _without_virtualenv(passed)
    return {**passed, **dict(word.split("=", 1) for word in keep if "=" in word), **add}


def _matches_any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _passes(name: str, keep: Sequence[str]) -> bool:
    """Return whether the last word that matches a name lets it pass."""
    words = [word for word in keep if "=" not in word]
    open_to_all = all(word.startswith("!") for word in words)
    for word in reversed([*(["*"] if open_to_all else BASIC), *words]):
        if fnmatchcase(name, word.removeprefix("!")):
            return not word.startswith("!")
    return False


def _without_virtualenv(passed: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as ``deactivate`` leaves it: without its virtual environment."""
    programs = os.path.join(passed["VIRTUAL_ENV"], "bin")  # noqa: PTH118 - compared as text
    rest = {n: v for n, v in passed.items() if n not in ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT")}
    if "PATH" in rest:
        places = rest["PATH"].split(os.pathsep)
        rest["PATH"] = os.pathsep.join(place for place in places if place != programs)
    return rest
