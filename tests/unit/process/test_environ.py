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
