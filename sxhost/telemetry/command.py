"""The command `sxhost-emit` up to the moment of sending, and telemetry in process.

    options -> settings -> content -> a detached child -> `sxhost.telemetry.sender`

The caller of the command waits for this module and for nothing else, so it imports only what
the interpreter has loaded anyway (`pathlib`, `typing` or `getopt` would cost it 10 ms each).
What needs Twisted is in `sxhost.telemetry.sender`, imported where nobody waits for it.
"""

# ruff: noqa: PTH108, PTH109, PTH123

from __future__ import annotations

import os
import sys
import time

from sxhost.project import project_root
from sxhost.trust import SETTINGS_FILE, content_of, is_trusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from sxhost.telemetry.sender import Emitter

TYPES = ("user", "assistant", "tool_call", "tool_result", "system", "error")
VALUES = ("--type", "--content", "--file", "--session-id")
FLAGS = ("--delete-file", "--verbose", "--help")
USAGE = f"""\
usage: sxhost-emit --type {"|".join(TYPES)}
                   --content TEXT | --file PATH (- is standard input)
                   [--session-id ID] [--delete-file] [--verbose]

Reports one piece of a session to EMIT_SESSION_API_URL, if EMIT_SESSION_TRACKING is 1.
Both are read from ~/.scorpiox-env.txt, the project's scorpiox-env.txt (once you have trusted
it: sxhost trust) and the environment; the later wins. The command returns at once and fails
silently.

  --delete-file  delete the file of --file once it was sent
  --verbose      wait for the collector and say on stderr what happened
"""
HIGHEST_FD = 1 << 16

_emitters: dict[IReactorTime, Emitter] = {}


class UsageError(Exception):
    """The command line says something that the command does not know."""


class EmitError(Exception):
    """Nothing is sent, and this is why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's own) and return its exit status.

    0: sent, under way, off or failed; 2: the command line was wrong, and stderr says how.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from sxhost.surroundings import open_standard_files

        open_standard_files()
    try:
        options = parse_options(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        from sxhost.visible import print_error

        print_error(f"sxhost-emit: {error}")
        sys.stderr.write(USAGE)
        return 2
    if "--help" in options:
        sys.stdout.write(USAGE)
    else:
        run(options, os.environ)
    return 0


def run(options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Send what `options` ask for: in the foreground if verbose, else from a detached child."""
    verbose = "--verbose" in options or environ.get("SXHOST_EMIT_DEBUG") == "1"
    try:
        work = prepare(options, environ)
        if verbose:
            work()
        else:
            detach(work)
        outcome = "sent"
    except (EmitError, OSError, ValueError) as error:
        outcome = str(error)
    if verbose:
        from sxhost.visible import print_error

        print_error(f"sxhost-emit: {outcome}")


def prepare(options: Mapping[str, str], environ: Mapping[str, str]) -> Callable[[], None]:
    """Read all that the caller may change after our return; the result is the sending.

    Raises EmitError when telemetry is off, OSError when the file cannot be read.
    """
    root = project_root(os.getcwd())
    url = endpoint(read_settings(environ, root))
    if not url:
        wanted = "it wants EMIT_SESSION_TRACKING=1 and EMIT_SESSION_API_URL"
        raise EmitError(f"off: {wanted}{_untrusted(environ, root)}")
    content = read_content(options)
    now = time.time()
    return lambda: send(options, url, root, content, now)


def send(options: Mapping[str, str], url: str, root: str, content: bytes, now: float) -> None:
    """Post to `url` with a reactor of our own, then delete the file if that was asked for.

    Blocks for ten seconds at most; raises EmitError with what went wrong.
    """
    from twisted.internet import reactor

    from sxhost.telemetry.sender import deliver, encode, payload

    text = content.decode("utf-8", "replace")
    composed = payload(options.get("--session-id", ""), options["--type"], text, root, now)
    if failure := deliver(reactor, url, encode(composed)):
        raise EmitError(f"not sent: {failure}")
    if "--delete-file" in options and options.get("--file", "-") != "-":
        os.unlink(options["--file"])


def emit(reactor: IReactorTime, session_id: str, kind: str, content: str) -> Deferred[None]:
    """Report one piece of a session from inside a Twisted program; wait for it or do not.

    `kind` is one of TYPES. The Deferred never fails. Settings and project are those found at
    the first call for this reactor; all its calls share one limit on what is in flight.
    """
    return emitter_of(reactor).emit(session_id, kind, content)


def emitter_of(reactor: IReactorTime) -> Emitter:
    """Return the Emitter behind `emit` for this reactor; its counters say what was sent."""
    if reactor not in _emitters:
        _emitters[reactor] = _open_emitter(reactor)
    return _emitters[reactor]


def _open_emitter(reactor: IReactorTime) -> Emitter:
    from sxhost.telemetry.sender import open_emitter

    root = project_root(os.getcwd())
    return open_emitter(reactor, endpoint(read_settings(os.environ, root)), root)


def parse_options(argv: Sequence[str]) -> dict[str, str]:
    """Return the command line as `{"--type": "user", "--verbose": "", ...}`.

    :raises UsageError: it is wrong.
    """
    options: dict[str, str] = {}
    arguments = iter(argv)
    for word in arguments:
        name, joined, value = word.partition("=")
        if name in VALUES:
            options[name] = value if joined else _next(arguments, name)
        elif word in FLAGS:
            options[name] = ""
        else:
            raise UsageError(f"{word!r} is no option")
    if "--help" not in options:
        _check(options)
    return options


def _next(arguments: Iterator[str], name: str) -> str:
    for word in arguments:
        return word
    raise UsageError(f"{name} needs a value")


def _check(options: Mapping[str, str]) -> None:
    if options.get("--type") not in TYPES:
        raise UsageError(f"--type must be one of {', '.join(TYPES)}")
    if ("--content" in options) == ("--file" in options):
        raise UsageError("give either --content or --file")


def read_content(options: Mapping[str, str]) -> bytes:
    """Return the bytes that are to be sent; what is no UTF-8 in them is replaced later."""
    if "--content" in options:
        return os.fsencode(options["--content"])
    path = options["--file"]
    source, ours = (0, False) if path == "-" else (path, True)
    with open(source, "rb", buffering=0, closefd=ours) as file:
        return file.read()


def read_settings(environ: Mapping[str, str], root: str = "") -> dict[str, str]:
    """Return all settings by name: from the home directory's file and the environment.

    With a project's directory `root` also its file between them, if the user has trusted it:
    whoever wrote a repository is not the one who works in it.
    """
    ours = _parsed(content_of(f"{environ.get('HOME', '')}/.{SETTINGS_FILE}"))
    theirs = _parsed(_project_settings(environ, root)[0]) if root else {}
    return {**ours, **theirs, **environ}


def _project_settings(environ: Mapping[str, str], root: str) -> tuple[bytes, str]:
    """Return the project's settings if they are trusted, else nothing and the file's path."""
    path = f"{root.rstrip('/')}/{SETTINGS_FILE}"
    content = content_of(path)
    if not content or is_trusted(environ, path, content):
        return content, ""
    return b"", path


def _untrusted(environ: Mapping[str, str], root: str) -> str:
    path = _project_settings(environ, root)[1]
    return f"; {path} is not trusted (sxhost trust)" if path else ""


def _parsed(content: bytes) -> dict[str, str]:
    return parse_settings(content.decode("utf-8-sig", "replace").replace("\r", "\n"))


def parse_settings(text: str) -> dict[str, str]:
    """Return the `KEY=VALUE` lines of a text, without quotes, blanks and `#` comments."""
    lines = (line.strip() for line in text.split("\n"))
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {key.rstrip(): _bare(value) for key, equals, value in pairs if equals}


def _bare(value: str) -> str:
    quoted = value.strip()
    if quoted.startswith(("'", '"')):
        inner, closed, _ = quoted[1:].partition(quoted[0])
        if closed:
            return inner
    return value.replace("\t#", " #").partition(" #")[0].strip()


def endpoint(settings: Mapping[str, str]) -> str:
    """Return the URL to post to, "" if telemetry is off."""
    on = settings.get("EMIT_SESSION_TRACKING") == "1"
    return settings.get("EMIT_SESSION_API_URL", "") if on else ""


def detach(work: Callable[[], None]) -> None:
    """Run `work` in a process that nobody waits for, in a session of its own; return at once.

    It keeps none of our files open. Raises OSError when there can be no more processes.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if not os.fork():
            _detach_files()
            _lower_priority()
            work()
    finally:
        os._exit(0)


def _detach_files() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, HIGHEST_FD)


def _lower_priority() -> None:
    """Run after everyone else. A new session is scheduled as a group (sched(7), autogroup)."""
    os.nice(19)
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write("19")
    except OSError:  # no such groups here, or too many changes of them just now
        return
