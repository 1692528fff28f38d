"""What of the host's environment agents get."""

from __future__ import annotations

import sys

import pytest

from sxhost.process.environ import agent_environment

USER = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/u",
    "LC_ALL": "C.UTF-8",
    "OPENAI_API_KEY": "k",
    "AWS_PROFILE": "work",
    "SSH_AUTH_SOCK": "/run/agent",
    "https_proxy": "http://proxy",
    "VIRTUAL_ENV": "/home/u/project/.venv",
}
HOST = {
    "NOTIFY_SOCKET": "/run/notify",
    "WATCHDOG_USEC": "1",
    "LISTEN_FDS": "1",
    "CREDENTIALS_DIRECTORY": "/run/credentials",
    "INVOCATION_ID": "i",
    "JOURNAL_STREAM": "8:1",
    "SXHOST_TOKEN": "secret",
    "SXHOST_AGENT": "outer.1",
    "PYTHONPATH": "/lib",
    "PWD": "/",
    "CLAUDECODE": "1",
}


OTHERS = (
    *("GOOSE_TERMINAL", "QWEN_CODE", "AUGMENT_AGENT", "OPENCODE_CLIENT"),
    *("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT", "CLAUDE_PROJECT_DIR"),
    *("CLAUDE_CODE_MESSAGING_TOKEN", "CLAUDE_CODE_MESSAGING_SOCKET", "CLAUDE_CODE_EXECPATH"),
    *("CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_CHILD_SESSION", "CLAUDE_CODE_BRIDGE_SESSION_ID"),
    *("CLAUDE_CODE_SESSION_ACCESS_TOKEN", "CLAUDE_SESSION_ID", "CLAUDE_PID", "CLAUDE_ENV_FILE"),
    *("CLAUDE_BG_SESSION_CREDENTIAL", "CLAUDE_BRIDGE_OAUTH_TOKEN", "CLAUDE_PLUGIN_ROOT"),
    *(
        "CLAUDE_CODE_REMOTE_SESSION_ID",
        "CLAUDE_RUNNER_ORDER_ID",
        "CLAUDE_CODE_SPAWNED_BY_SERVER",
    ),
    *("CODEX_THREAD_ID", "CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED", "CODEX_SESSION_ID"),
    *(
        "PI_CODING_AGENT",
        "PI_SESSION_ID",
        "GEMINI_CLI",
        "GEMINI_CLI_IDE_SERVER_PORT",
        "OPENCODE",
    ),
    *("OPENCODE_PID", "CURSOR_TRACE_ID", "CURSOR_AGENT", "TRACEPARENT"),
    *("TMUX", "TMUX_PANE", "STY", "ZELLIJ_SESSION_NAME", "KITTY_PID", "ITERM_SESSION_ID"),
    *("TERM_PROGRAM", "WEZTERM_PANE", "SSH_CONNECTION", "SUDO_USER"),
    *("VSCODE_PID", "VSCODE_IPC_HOOK_CLI", "NVIM", "INSIDE_EMACS", "ZED_TERM"),
    *("GIT_DIR", "GIT_INDEX_FILE", "MAKEFLAGS", "npm_lifecycle_event", "INIT_CWD"),
)
SETTINGS = (
    *(
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_USE_BEDROCK",
        "ANTHROPIC_MODEL",
    ),
    *("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"),
    *("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
    *(
        "CLAUDE_CODE_MAX_SUBAGENTS_PER_SESSION",
        "CLAUDE_CODE_MAX_RETRIES",
        "MAX_THINKING_TOKENS",
    ),
    *("CODEX_HOME", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "CODEX_CA_CERTIFICATE"),
    *("PI_CODING_AGENT_DIR", "PI_OFFLINE", "PI_TELEMETRY", "GEMINI_API_KEY", "GEMINI_MODEL"),
    *("OPENCODE_CONFIG", "OPENCODE_PERMISSION", "CURSOR_API_KEY", "SSH_AUTH_SOCK", "EDITOR"),
    *(
        "GIT_AUTHOR_NAME",
        "GIT_SSH_COMMAND",
        "npm_config_registry",
        "GPG_TTY",
        "XDG_RUNTIME_DIR",
    ),
    *("COLORTERM", "TERM", "TERMINFO", "OTEL_EXPORTER_OTLP_ENDPOINT", "GOOGLE_CLOUD_PROJECT"),
)


@pytest.mark.parametrize("name", OTHERS)
def test_identity_of_somebody_else_does_not_pass(name: str) -> None:
    assert agent_environment({name: "1"}, {}, []) == {}
    assert agent_environment({name: "1"}, {}, ["*"]) == {}
    assert agent_environment({name: "1"}, {}, [f"{name}=2"]) == {name: "2"}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_user_has_set_for_an_agent_passes(name: str) -> None:
    assert agent_environment({name: "1"}, {}, []) == {name: "1"}


def names(*keep: str) -> set[str]:
    return set(agent_environment({**USER, **HOST}, {}, keep))


def test_users_variables_pass_and_the_hosts_do_not() -> None:
    assert agent_environment({**USER, **HOST}, {}, []) == USER


@pytest.mark.parametrize("keep", [["*"], ["SXHOST_*"], ["PYTHONPATH", "NOTIFY_SOCKET"]])
def test_no_pattern_passes_the_hosts_variables(keep: list[str]) -> None:
    assert not names(*keep) & HOST.keys()


@pytest.mark.parametrize(
    ("keep", "passed"),
    [
        (["!AWS_*"], USER.keys() - {"AWS_PROFILE"}),
        (["AWS_*"], {"PATH", "HOME", "LC_ALL", "AWS_PROFILE"}),
        (["*", "!*_KEY", "OPENAI_API_KEY"], USER.keys()),
        (["*", "OPENAI_API_KEY", "!*_KEY"], USER.keys() - {"OPENAI_API_KEY"}),
        (["NONE", "!LC_*"], {"PATH", "HOME"}),
        (["HTTPS_PROXY"], {"PATH", "HOME", "LC_ALL"}),
        (["!*"], set()),
        (["!*", "A=b=c"], {"A"}),
    ],
)
def test_last_matching_pattern_counts(keep: list[str], passed: set[str]) -> None:
    assert names(*keep) == passed


def test_added_variables_override_set_ones() -> None:
    made = agent_environment(
        USER, {"HOME": "/elsewhere"}, ["HOME=/h", "PYTHONPATH=/mine", "A=b=c"]
    )
    assert (made["HOME"], made["PYTHONPATH"], made["A"]) == ("/elsewhere", "/mine", "b=c")
    assert made["PATH"] == USER["PATH"]


def test_virtual_environment_of_the_host_is_removed() -> None:
    base = {
        "VIRTUAL_ENV": sys.prefix,
        "VIRTUAL_ENV_PROMPT": "host",
        "PATH": f"/first:{sys.prefix}/bin:/bin",
    }
    assert agent_environment(base, {}, []) == {"PATH": "/first:/bin"}
    assert agent_environment({"VIRTUAL_ENV": sys.prefix}, {}, []) == {}
