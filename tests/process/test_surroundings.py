"""No command ends in a traceback, whatever it finds around it: all commands, all surroundings.

One process imports the command line and forks for each of the some three hundred cases.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sxhost.cli.main import sxhost
from tests.support.commands import leaf_commands
from tests.support.daemons import clean_environ

COMMANDS = {
    "": ["--port", "0", "--state-dir", "/dev/null/x"],
    "adopt": ["adopt", "a"],
    "answer": ["answer", "a", "1", "x"],
    "approvals": ["approvals"],
    "approve": ["approve", "a", "1"],
    "attach": ["attach", "--", "true"],
    "audit": ["audit"],
    "completion": ["completion", "bash"],
    "cost": ["cost"],
    "deny": ["deny", "a", "1"],
    "discover": ["discover"],
    "emit": ["emit", "--type", "user", "--content", "x", "--verbose"],
    "end": ["end", "a"],
    "events": ["events", "a", "-f"],
    "fire": ["fire", "a", "note", "-"],
    "give": ["give", "a"],
    "hook claude": ["hook", "claude", "--verbose"],
    "hook codex": ["hook", "codex"],
    "hook install": ["hook", "install", "claude", "--project", "--dry-run"],
    "hook status": ["hook", "status"],
    "hook uninstall": ["hook", "uninstall", "claude", "--dry-run"],
    "interrupt": ["interrupt", "a"],
    "log": ["log", "a"],
    "transcript": ["transcript", "a"],
    "new": ["new", "--agent", "echo", "-"],
    "notify check": ["notify", "check", "nothing"],
    "notify log": ["notify", "log"],
    "notify show": ["notify", "show"],
    "notify test": ["notify", "test", "x"],
    "open": ["open"],
    "chat": ["chat", "a"],
    "policy test": ["policy", "test", "nothing"],
    "prune": ["prune", "--dry-run"],
    "pull": ["pull", "a"],
    "register": ["register", "a"],
    "rm": ["rm", "a"],
    "run": ["run", "--agent", "echo", "\u00fc"],
    "search": ["search", "x"],
    "send": ["send", "a", "-"],
    "sessions": ["sessions"],
    "serve": ["serve", "--port", "0", "--state-dir", "/dev/null/x"],
    "show": ["show", "a"],
    "status": ["status"],
    "steer": ["steer", "a", "x"],
    "stdio": ["stdio", "--state-dir", "/dev/null/x"],
    "backup": ["backup", "/dev/null/x"],
    "restore": ["restore", "nothing"],
    "doctor": ["doctor"],
    "service install": ["service", "install", "--dry-run"],
    "service uninstall": ["service", "uninstall", "--dry-run"],
    "stop": ["stop"],
    "store copy": ["store", "copy", "sqlite:nothing", "sqlite:copy"],
    "tail": ["tail"],
    "take": ["take", "a"],
    "wait": ["wait", "a"],
    "token create": ["token", "create"],
    "token list": ["token", "list"],
    "token revoke": ["token", "revoke", "x"],
    "token rotate": ["token", "rotate"],
    "token show": ["token", "show"],
    "top": ["top"],
    "trust": ["trust"],
    "turn": ["turn", "a", "x"],
    "--help": ["--help"],
    "--version": ["--version"],
}

DRIVER = """
import gc, json, os, sys, tempfile
from tests.support.fork_server import REACTOR, import_programs
import_programs()
del sys.modules[REACTOR]  # a command imports its own
from sxhost.__main__ import main
gc.freeze()
place, commands = json.loads(sys.argv[1])
os.chdir(place)

def close(number, name):
    os.close(number)
    setattr(sys, name, None)

def removed():
    os.chdir(tempfile.mkdtemp(dir=place))
    os.rmdir(os.getcwd())

def spoken(encoding):
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).reconfigure(encoding=encoding, errors="strict")

def all_closed():
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        close(number, name)

def full():
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)

surroundings = {
    "usual": lambda: None, "removed directory": removed, "full": full, "closed": all_closed,
    "no home": lambda: os.environ.pop("HOME"), "no environment": os.environ.clear,
    "no stdin": lambda: close(0, "stdin"), "no stdout": lambda: close(1, "stdout"),
    "no stderr": lambda: close(2, "stderr"), "ascii": lambda: spoken("ascii"),
    "home is a file": lambda: os.environ.update(HOME="/dev/null"),
    "odd locale": lambda: os.environ.update(LC_ALL="xx_YY.nope", LANG="nope"),
}
def begin(prepare, words):
    out = tempfile.TemporaryFile()
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        prepare()
        os.environ["SXHOST_URL"] = "http://127.0.0.1:1"
        sys.argv = ["sxhost", *words]
        sys.exit(main())
    return pid, out

def end(pid, out):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with out:
        out.seek(0)
        return status, out.read().decode(errors="replace")

bad = []
for case, prepare in surroundings.items():  # most commands wait for something: all at once
    running = [(name, *begin(prepare, words)) for name, words in commands.items()]
    for name, pid, out in running:
        status, text = end(pid, out)
        if status not in (0, 1, 2, 3) or "Traceback" in text or "Exception ignored" in text:
            bad.append([case, name, status, text])
with open("bad", "w") as file:
    json.dump(bad, file)
os._exit(0)
"""


def test_every_command_is_tried() -> None:
    assert dict(leaf_commands(sxhost)).keys() | {"", "--help", "--version"} == COMMANDS.keys()


def test_no_command_ends_in_a_traceback(tmp_path: Path) -> None:
    given = json.dumps([str(tmp_path), COMMANDS])
    command = [sys.executable, "-c", f"if __name__ == '__main__':\n{indented(DRIVER)}", given]
    subprocess.run(command, env=clean_environ(tmp_path), check=True, stdin=subprocess.DEVNULL)
    assert json.loads((tmp_path / "bad").read_text()) == []


def indented(program: str) -> str:
    return "".join(f" {line}\n" for line in program.splitlines())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--agent", "echo", "x"], "sxhost: the current directory has been removed"),
        (["new", "--agent", "echo"], "sxhost: the current directory has been removed"),
        (["trust"], "sxhost: the current directory has been removed"),
        (["hook", "install", "claude", "--project"], "sxhost: the current directory has been"),
        (["hook", "status"], "claude "),
    ],
)
def test_removed_directory_is_said(tmp_path: Path, words: list[str], sentence: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = "import os, sys; os.rmdir(os.getcwd()); from sxhost.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=gone,
        env=clean_environ(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.stdout.startswith(sentence), done.stdout
