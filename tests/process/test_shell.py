"""Command lines: what is plain for certain, and what is found in them."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sxhost.policy.pattern import Pattern
from sxhost.policy.shell import (
    BEFORE,
    BEHIND,
    MAX_COMMAND_LENGTH,
    command_line_of,
    is_single_program,
    searchable_forms,
)

WRAPPED_COMMANDS = [
    ("git status", "git status"),
    ("/bin/bash -lc 'git status'", "git status"),
    ("/usr/bin/zsh -c 'git status'", "git status"),
    ("bash -lc pwd", "pwd"),
    ("bash -lc \"git log --author='x'\"", "git log --author='x'"),
    ("sh -c 'a'\"'\"'b'", "a'b"),
    (["git", "log", "a b"], "git log 'a b'"),
    (["/bin/bash", "-lc", "git status"], "git status"),
    (["bash", "-lc", "a 'b'; c"], "a 'b'; c"),
    ("bash -lc 'a' ", "bash -lc 'a' "),
    ("bash -lc 'a'; b", "bash -lc 'a'; b"),
    ("bash -lc 'a' b", "bash -lc 'a' b"),
    ("bash -lc a\\ b", "bash -lc a\\ b"),
    ('bash -lc "a $(b)"', 'bash -lc "a $(b)"'),
    ('bash -lc "a \\$b"', 'bash -lc "a \\$b"'),
    ("bash -lic 'a'", "bash -lic 'a'"),
    ("/tmp/bash -lc 'a'", "/tmp/bash -lc 'a'"),
    ("./bash -lc 'a'", "./bash -lc 'a'"),
    ("fish -c 'a'", "fish -c 'a'"),
]


@pytest.mark.parametrize(("command", "script"), WRAPPED_COMMANDS)
def test_shell_wrappers_are_stripped(command: object, script: str) -> None:
    assert command_line_of(command) == script


@pytest.mark.parametrize("command", [None, "", "  \n", 7, ["a", 7], {"argv": ["a"]}, []])
def test_other_commands_are_not_stripped(command: object) -> None:
    assert command_line_of(command) is None


PLAIN = [
    "git status",
    "git diff main..feature -- src/*.py",
    "git diff HEAD~1 HEAD^",
    "git commit -m 'fix (the) #1 bug!'",
    'git log --grep="two words"',
    "ls  -l données",
    "make VAR=1",
]
TRICKY = [
    "",
    " git status",
    "git status ",
    "git\tstatus",
    "git status; rm -rf /",
    "git status;rm",
    "git status && rm",
    "git status & rm",
    "git status | sh",
    "git status\nrm",
    "git status\rrm",
    "git status > /etc/passwd",
    "git status < x",
    "git status <(rm)",
    "git status $(rm)",
    "git status `rm`",
    "git status $HOME",
    "git status ${IFS}x",
    "git status $'\\n'rm",
    'git status "$(rm)"',
    "git log --grep='a;b'",
    "git log --format='%x|%y'",
    "git status \\; rm",
    "git status \\\nrm",
    "git log --out''put=x",
    'git log --out"put=x"',
    "git log 'a'b",
    "git log a'b c'",
    "git log 'a",
    'git log "a',
    "(git status)",
    "{ git status",
    "git {status,log}",
    "git status # comment",
    "!! git",
    "GIT_PAGER=x git log",
    "A='x y' git log",
    "=git status",
    "cat ~/x",
    "cat ~root/x",
    "make DIR=~/x",
    "make DIR=a:~/x",
    "cat ../x",
    "cat ..",
    "cat src/../../x",
    "cat --file=../x",
    "cat '../x'",
    "cat a/..",
    "git status\0rm",
    "git status\x1b[2K",
    "git status \u202erm",
    "git sta\u200btus",
    "git status\u2028rm",
    "git\u00a0status",
    "git status " + "x" * MAX_COMMAND_LENGTH,
]


@pytest.mark.parametrize("script", PLAIN)
def test_plain_commands_are_recognized(script: str) -> None:
    assert is_single_program(script)


@pytest.mark.parametrize("script", TRICKY)
def test_commands_with_shell_syntax_are_not_plain(script: str) -> None:
    assert not is_single_program(script)


@given(st.text("ab'\"\\ ;$&|\n=~.*-#(){}!<>`", max_size=30))
def test_plain_command_has_no_shell_syntax(script: str) -> None:
    if is_single_program(script):
        assert not set(script) & set(";$&|\n\\<>`")
        assert shlex.split(script)


@settings(max_examples=100)
@given(st.text("ab' \"-._/=", min_size=1, max_size=20))
def test_shell_reads_a_plain_command_as_its_words(words: str) -> None:
    script = f"printf %s. {words}"
    if is_single_program(script):
        shell = ["/bin/sh", "-c", script]
        printed = subprocess.run(shell, capture_output=True, check=True, text=True, cwd="/")
        expected = shlex.split(words) or [""]
        assert printed.stdout == "".join(f"{word}." for word in expected)


@settings(max_examples=100)
@given(st.text("ab'\"\\ ;$`!#\n", min_size=1, max_size=20))
def test_shell_runs_the_extracted_script(text: str) -> None:
    wrapped = f"sh -c {text}"
    script = command_line_of(wrapped)
    if script != wrapped:
        shell = ["/bin/sh", "-c", f"printf %s {text}"]
        printed = subprocess.run(shell, capture_output=True, check=True, text=True)
        assert printed.stdout == script


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("rm x", "rm"),
        ("a; rm", "rm"),
        ("a;rm", "rm"),
        ("/bin/rm x", "rm"),
        ("a && (rm x)", "rm"),
        ("$(rm)", "rm"),
        ("`rm`", "rm"),
        ('r"m" x', "rm"),
        ("\\rm x", "rm"),
        ("r\\\nm x", "rm"),
        ("rm${IFS}x", "rm"),
        ("{rm,-rf}", "rm"),
        ("bash -c 'rm x'", "rm x"),
        ("rm   x", "rm x"),
        ("rm 'x'", "rm x"),
    ],
)
def test_word_is_found_however_it_is_quoted(script: str, word: str) -> None:
    assert found(script, word)


@pytest.mark.parametrize("script", ["format", "farm rma", "xrm", "rm-x"])
def test_part_of_a_word_is_not_found(script: str) -> None:
    assert not found(script, "rm")


def found(script: str, word: str) -> bool:
    part = Pattern(word, BEFORE, BEHIND)
    return any(part.matches(text) for text in searchable_forms(script))
