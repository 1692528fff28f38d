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


def test_all_that_is_the_users_passes_and_nothing_of_the_hosts() -> None:
    assert agent_environment({**USER, **HOST}, {}, []) == USER


@pytest.mark.parametrize("keep", [["*"], ["SXHOST_*"], ["PYTHONPATH", "NOTIFY_SOCKET"]])
def test_no_pattern_lets_the_hosts_own_pass(keep: list[str]) -> None:
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
def test_the_last_word_that_fits_counts(keep: list[str], passed: set[str]) -> None:
    assert names(*keep) == passed


def test_what_is_set_is_set_and_what_is_added_counts_more() -> None:
    made = agent_environment(
        USER, {"HOME": "/elsewhere"}, ["HOME=/h", "PYTHONPATH=/mine", "A=b=c"]
    )
    assert (made["HOME"], made["PYTHONPATH"], made["A"]) == ("/elsewhere", "/mine", "b=c")
    assert made["PATH"] == USER["PATH"]


def test_the_hosts_own_virtual_environment_is_left() -> None:
    base = {
        "VIRTUAL_ENV": sys.prefix,
        "VIRTUAL_ENV_PROMPT": "host",
        "PATH": f"/first:{sys.prefix}/bin:/bin",
    }
    assert agent_environment(base, {}, []) == {"PATH": "/first:/bin"}
    assert agent_environment({"VIRTUAL_ENV": sys.prefix}, {}, []) == {}
