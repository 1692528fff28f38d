"""``sxhost hook claude`` and ``codex``: a hook's JSON to the host, its answer to the agent.

The agent waits for this process, so it imports only what it uses: a socket, and no library.
After any error it prints nothing and exits with 0, so that the agent goes on.
"""

from __future__ import annotations

import os
import sys

from sxhost.hooks.body import fitted, read_all, with_lines, with_process
from sxhost.hooks.connection import HookError, HostAway, host_url, is_local, post
from sxhost.hooks.deadline import Deadline, default_wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AGENTS = ("claude", "codex")
HOSTED = "SXHOST_AGENT"
"""In the environment of agents that the host itself runs: their drivers report already."""

IN_ALL = 1.0
"""Seconds that the agent waits for its hook, where nobody has to decide."""

TIMEOUT = "SXHOST_HOOK_TIMEOUT"
"""The variable that sets others."""

CONFIRM_S = 2.0
"""Seconds that it may take to tell the host that its agent has its messages."""

DECISION_MARGIN = 2.0
"""Seconds that the host's answer may take beyond those in which somebody could decide."""

RETRY_FIRST, RETRY_MOST = 0.5, 5.0
"""Seconds until a question is asked again that the host has lost; each time twice as many."""

USAGE = """\
usage: sxhost hook claude|codex [--ask] [--wait SECONDS] [--url URL] [--token-file FILE]
                   [--ca FILE] [--listen] [--verbose] [JSON]

Tells the host what an agent's hook was told: JSON, or standard input. Prints the host's answer.

  --ask         let the host decide about each use of a tool
  --wait        seconds to wait for a decision, then only the agent asks its own user
                [23 hours beside a dialog of Claude; else 60]
  --url         the host  [SXHOST_URL, or port 7432 of this machine]
  --token-file  where its token is  [SXHOST_TOKEN_FILE, SXHOST_TOKEN, or your own host's]
  --ca          authorities to believe  [SXHOST_CA, or the system's]
  --lines       send the last lines of the agent's own file along, as to a host elsewhere
  --listen      wait beside an idle Claude Code until a message is there, then exit with 2
  --verbose     say on stderr what goes wrong; SXHOST_HOOK_DEBUG=1 does the same

Where nobody has to decide, the agent waits for 1 second in all: SXHOST_HOOK_TIMEOUT.
"""
LISTEN = "--listen"
VALUES = ("--wait", "--url", "--token-file", "--ca")
JSON = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's own) and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in AGENTS or "--help" in arguments:
        sys.stdout.write(USAGE)
        return 0
    if LISTEN in arguments:
        return _listen(arguments)
    verbose = "--verbose" in arguments or os.environ.get("SXHOST_HOOK_DEBUG") == "1"
    try:
        deadline = Deadline(float(os.environ.get(TIMEOUT) or IN_ALL))
        receipt = os.urandom(16).hex()
        answer = deadline.run(lambda: run(arguments, os.environ, deadline, receipt))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it fails in silence
        if verbose:
            from sxhost.visible import print_error

            print_error(f"sxhost hook: {str(error) or type(error).__name__}")
        return 0
    if answer not in (b"", b"{}"):
        _print(answer)
        if not deadline.is_extended:  # no decision: the agent has been given messages
            _confirm(arguments, receipt)
    return 0


def _confirm(arguments: Sequence[str], receipt: str) -> None:
    """Tell the host that the agent has the messages; else it gives them once more."""
    environ = environ_with_options(parse(arguments[1:]), os.environ)
    body = b'{"receipt":"%s"}' % receipt.encode()
    deadline = Deadline(CONFIRM_S)
    try:  # noqa: SIM105 - one import less
        deadline.run(lambda: post("/hooks/receipts", body, 0.0, environ, deadline))
    except Exception:  # noqa: BLE001, S110 - it fails in silence
        pass


def _listen(arguments: Sequence[str]) -> int:
    """Wait beside an idle Claude, which the exit status wakes."""
    from sxhost.hooks.listener import listen

    if os.environ.get(HOSTED):
        return 0
    return listen(environ_with_options(parse(arguments[1:]), os.environ))


def _print(answer: bytes) -> None:
    try:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
    except OSError:  # the agent reads no more
        os._exit(0)


def run(
    arguments: Sequence[str], environ: Mapping[str, str], deadline: Deadline, receipt: str = ""
) -> bytes:
    """Post a hook to the host and return its answer; a decision puts the `deadline` off.

    Messages in the answer are delivered once the host is told their `receipt`.

    Raises HookError, OSError or ValueError when that cannot be done.
    """
    if environ.get(HOSTED):
        raise HookError("the host runs this agent itself")
    options = parse(arguments[1:])
    ask = "--ask" in options
    environ = environ_with_options(options, environ)
    body = fitted(os.fsencode(options[JSON]) if options.get(JSON) else read_all(0))
    if "--lines" in options or not is_local(host_url(environ)):
        body = with_lines(body)
    body = with_process(body, arguments[0])
    asked = next(
        (name for name in ("PermissionRequest", "PreToolUse") if _names(name, body)), ""
    )
    usual = default_wait(arguments[0], asked, is_subagent=b'"agent_id"' in body)
    wait = float(options.get("--wait") or usual)
    path = f"/hooks/{arguments[0]}?" + ("ask=1&" if ask else "")
    if wait and (asked == "PermissionRequest" or (ask and asked)):
        return decision(path, body, wait, environ, deadline)
    return post(f"{path}wait={wait:g}&receipt={receipt}", body, 0.0, environ, deadline)


def _names(hook: str, body: bytes) -> bool:
    return f'"{hook}"'.encode() in body


def decision(
    path: str, body: bytes, wait: float, environ: Mapping[str, str], deadline: Deadline
) -> bytes:
    """Return the decision about a question, for which there are `wait` seconds.

    Whenever the host has heard it and is gone, it is asked again under the same key, which
    makes it the same question.
    """
    import time

    until, pause = time.monotonic() + wait, RETRY_FIRST
    key, agent = os.urandom(16).hex(), os.getppid()
    while True:
        left = max(1.0, until - time.monotonic())
        try:
            extra = 0.0 if deadline.is_extended else wait + DECISION_MARGIN
            return post(f"{path}wait={left:.0f}&key={key}", body, extra, environ, deadline)
        except (OSError, HostAway):
            if not deadline.is_extended or deadline.left < pause or os.getppid() != agent:
                raise
        time.sleep(pause)
        pause = min(2 * pause, RETRY_MOST)


def parse(arguments: Sequence[str]) -> dict[str, str]:
    """Return the options by their names, flags too, and the JSON argument under `JSON`."""
    remaining = iter(arguments)
    options = {}
    for word in remaining:
        if word in VALUES:
            options[word] = next(remaining, "")
        else:
            options[word if word.startswith("--") else JSON] = word
    return options


def environ_with_options(
    options: Mapping[str, str], environ: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the environment with the variables that options replace."""
    names = {"--url": "SXHOST_URL", "--token-file": "SXHOST_TOKEN_FILE", "--ca": "SXHOST_CA"}
    return {**environ, **{n: options[o] for o, n in names.items() if o in options}}


if __name__ == "__main__":
    sys.exit(main())
