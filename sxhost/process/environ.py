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
- what says on whose behalf the host was started, where an agent, a terminal, an editor, git or
  a build has started it (`FOREIGN`): an agent that had it would take itself for a part of that
  one, answer to it, or write into its conversation.

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
import re
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase, translate

__all__ = ["BASIC", "FOREIGN", "HOST_ONLY", "agent_environment"]

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
)
"""Patterns of variables that are for the host alone and never pass."""

AGENTS = (
    *(
        "CLAUDE_",
        "CLAUDE_CODE_",
        "CODEX_",
        "GEMINI_",
        "OPENCODE_",
        "PI_",
        "CURSOR_",
        "COPILOT_",
        "AMP_",
    ),
    *("GOOSE_", "QWEN_", "AUGMENT_", "DROID_", "KIRO_", "AIDER_", "CLINE_"),
)
"""How the variables of agents begin, settings and identities alike."""

IDENTITIES = (
    *(
        "SESSION_*",
        "*FROM_SESSION",
        "*SESSION_ID",
        "*THREAD_ID",
        "*CONVERSATION_ID",
        "*TASK_ID",
    ),
    *("*AGENT_ID", "*TRACE_ID", "*CHILD_*", "*PARENT_*", "*SPAWN*", "*LAUNCHED_BY*"),
    *("*ENTRYPOINT*", "*EXECPATH", "*_PID", "PID", "*_SOCKET", "*_SOCK", "*_PORT", "*_FD"),
    *("MESSAGING_*", "*_MESSAGING_*", "PROJECT_*", "*_PROJECT_DIR*"),
)
"""How they go on if they say who an agent is, or how its parts and its children reach it.

Keys, places and settings (``CLAUDE_CODE_OAUTH_TOKEN``, ``CODEX_HOME``, ``CLAUDE_CODE_MAX_…``)
are none of these, and pass.
"""

FOREIGN = (
    *(f"{agent}{identity}" for agent in AGENTS for identity in IDENTITIES),
    # Claude Code: that a program runs inside it; who its hooks, plugins and skills work for.
    *("CLAUDECODE", "CLAUDE_AGENT", "CLAUDE_AGENT_SDK_*", "CLAUDE_EFFORT", "CLAUDE_ENV_FILE"),
    *("CLAUDE_PLUGIN_*", "CLAUDE_SKILL_DIR", "CLAUDE_JOB_DIR", "AI_AGENT"),
    # Its background jobs, remote sessions and runners: tokens and sockets of one of them.
    *("CLAUDE_BG_*", "CLAUDE_*BRIDGE_*", "CLAUDE_CODE_REMOTE*", "CLAUDE_RUNNER_*"),
    *("CLAUDE_CODE_HOST_*", "CLAUDE_PTY_*", "CLAUDE_CODE_TEAM*", "ANTHROPIC_SESSION_*"),
    # Others' words for "inside of me": a sandbox, a shell of theirs.
    *("CODEX_SANDBOX*", "CODEX_CI", "GEMINI_CLI", "GEMINI_CLI_IDE_*", "OPENCODE"),
    *("PI_CODING_AGENT", "CURSOR_AGENT", "REPL_ID", "AGENT"),
    *("GOOSE_TERMINAL", "QWEN_CODE", "AUGMENT_AGENT", "OPENCODE_CLIENT"),
    # A trace that something else is a part of.
    *("TRACEPARENT", "TRACESTATE"),
    # A terminal's window or a multiplexer's pane: it is not the agent's, and may be closed.
    *("TMUX", "TMUX_*", "STY", "WINDOW", "WINDOWID", "ZELLIJ*", "BYOBU_*", "TERM_SESSION_ID"),
    *("TERM_PROGRAM*", "TERMINAL_EMULATOR", "LC_TERMINAL*", "ITERM_*", "KITTY_*", "WEZTERM_*"),
    *("GHOSTTY_*", "ALACRITTY_*", "KONSOLE_*", "GNOME_TERMINAL_*", "VTE_VERSION", "WT_*"),
    *("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "DESKTOP_STARTUP_ID", "SUDO_*"),
    # An editor that listens for what runs in its terminal.
    *("VSCODE_*", "NVIM", "NVIM_LISTEN_ADDRESS", "VIM", "VIMRUNTIME", "INSIDE_EMACS", "ZED_*"),
    # git's, when a hook of it has started the host: all work would go to that repository.
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"),
    *("GIT_QUARANTINE_PATH", "GIT_REFLOG_ACTION", "GIT_INTERNAL_*"),
    # A build's: its job server's pipes are closed, its package is another.
    *("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "INIT_CWD", "npm_lifecycle_*"),
    *("npm_package_*", "npm_command", "npm_execpath", "npm_node_execpath"),
)
"""Patterns of variables that are somebody else's identity and never pass; why, by groups."""

_NEVER = re.compile("|".join(map(translate, (*HOST_ONLY, *FOREIGN))))


def agent_environment(
    base: Mapping[str, str], add: Mapping[str, str], keep: Sequence[str]
) -> dict[str, str]:
    """Return an agent's environment: what passes of the host's (`base`), and `add`.

    `keep` are the words of ``--agent-env``, `add` goes before all of them.
    """
    passed = {
        name: base[name] for name in base if not _NEVER.match(name) and _passes(name, keep)
    }
    if passed.get("VIRTUAL_ENV") == sys.prefix:
        passed = _without_virtualenv(passed)
    return {**passed, **dict(word.split("=", 1) for word in keep if "=" in word), **add}


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
