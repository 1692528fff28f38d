"""``sxhost hook claude`` and ``codex``: a hook's JSON to the host, its answer to the agent.

The agent waits for this process, so it imports only what it uses: a socket, and no library.
After any error it prints nothing and exits with 0, so that the agent goes on.
"""

from __future__ import annotations

import os
import sys

from sxhost.address import HostAddress
from sxhost.files import open_unlinked, read_private
from sxhost.hooks.deadline import Deadline, default_wait
from sxhost.os_process import agent_above, identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from socket import socket

AGENTS = ("claude", "codex")
DEFAULT_URL = "http://127.0.0.1:7432"
HOSTED = "SXHOST_AGENT"
"""In the environment of agents that the host itself runs: their drivers report already."""

IN_ALL = 1.0
"""Seconds that the agent waits for its hook, where nobody has to decide."""

TIMEOUT = "SXHOST_HOOK_TIMEOUT"
"""The variable that sets others."""

ADDRESSES = 2.5
"""The addresses of a name share the time: a dead one leaves some for the next."""

DECISION_MARGIN = 2.0
"""Seconds that the host's answer may take beyond those in which somebody could decide."""

RETRY_FIRST, RETRY_MOST = 0.5, 5.0
"""Seconds until a question is asked again that the host has lost; each time twice as many."""

KEEPALIVE_S = 60
"""Seconds of silence after which a connection over a network is looked after."""

BODY_MOST = 900_000
"""Bytes of a hook that are sent as they are: the host takes a mebibyte."""

LINES_READ = 256 * 1024
"""Bytes of the end of an agent's own file that are looked at for a host on another machine."""

LINES_MOST = 64 * 1024
"""Bytes of lines that are sent along."""

LINES_FIELD = "sxhost_transcript"
PROCESS_FIELD = "sxhost_process"
CUT_FIELD = "sxhost_cut"
"""How many bytes a hook had of which texts were cut: nobody can say yes to it."""

ADDRESS_MOST = 4096
INPUT_MOST = 64 * 1024 * 1024
TEXT_MOST = 48_000
OK, UNAUTHORIZED = 200, 401
AWAY = (502, 503, 504)
"""What a host that stops answers, and a proxy whose host is gone."""
USAGE = """\
usage: sxhost hook claude|codex [--ask] [--wait SECONDS] [--url URL] [--token-file FILE]
                   [--ca FILE] [--verbose] [JSON]

Tells the host what an agent's hook was told: JSON, or standard input. Prints the host's answer.

  --ask         let the host decide about each use of a tool
  --wait        seconds to wait for a decision, then only the agent asks its own user
                [23 hours beside a dialog of Claude; else 60]
  --url         the host  [SXHOST_URL, or port 7432 of this machine]
  --token-file  where its token is  [SXHOST_TOKEN_FILE, SXHOST_TOKEN, or your own host's]
  --ca          authorities to believe  [SXHOST_CA, or the system's]
  --lines       send the last lines of the agent's own file along, as to a host elsewhere
  --verbose     say on stderr what goes wrong; SXHOST_HOOK_DEBUG=1 does the same

Where nobody has to decide, the agent waits for 1 second in all: SXHOST_HOOK_TIMEOUT.
"""
VALUES = ("--wait", "--url", "--token-file", "--ca")
JSON = ""


class HookError(Exception):
    """The host did not get the hook; the message is the reason."""


class HostAway(HookError):
    """The host stops, or something between says that it is not there."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's own) and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in AGENTS or "--help" in arguments:
        sys.stdout.write(USAGE)
        return 0
    verbose = "--verbose" in arguments or os.environ.get("SXHOST_HOOK_DEBUG") == "1"
    try:
        deadline = Deadline(float(os.environ.get(TIMEOUT) or IN_ALL))
        answer = deadline.run(lambda: run(arguments, os.environ, deadline))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it fails in silence
        if verbose:
            from sxhost.visible import print_error

            print_error(f"sxhost hook: {str(error) or type(error).__name__}")
        return 0
    if answer not in (b"", b"{}"):
        _print(answer)
    return 0


def _print(answer: bytes) -> None:
    try:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
    except OSError:  # the agent reads no more
        os._exit(0)


def run(arguments: Sequence[str], environ: Mapping[str, str], deadline: Deadline) -> bytes:
    """Post a hook to the host and return its answer; a decision puts the `deadline` off.

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
    return post(f"{path}wait={wait:g}", body, 0.0, environ, deadline)


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


def read_all(file: int) -> bytes:
    """Read a descriptor to its end, but at most `INPUT_MOST` bytes or a little more."""
    parts: list[bytes] = []
    size = 0
    while size < INPUT_MOST and (part := os.read(file, 1 << 16)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def fitted(body: bytes) -> bytes:
    """Return a hook's JSON within the host's limit: long texts are cut.

    Raises ValueError for what is too long and no JSON; odd bytes and half characters are none
    of that, as for `sxhost.codec.well_formed`.
    """
    if len(body) <= BODY_MOST:
        return body
    import json

    hook = json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    hook[CUT_FIELD] = len(body)
    for most in (TEXT_MOST, TEXT_MOST // 8, TEXT_MOST // 64):
        shorter = encoded(shortened(hook, most))
        if len(shorter) <= BODY_MOST:
            return shorter
    return encoded({name: folded(value) for name, value in hook.items()})


def encoded(value: object) -> bytes:
    """Return a value as JSON, with U+FFFD for half characters."""
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def shortened(value: object, most: int) -> object:
    """Return a JSON value with its texts cut to `most` characters."""
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]}… ({len(value) - most} characters more)"
    if isinstance(value, dict):
        return {name: shortened(each, most) for name, each in value.items()}
    if isinstance(value, list):
        return [shortened(each, most) for each in value]
    return value


def folded(value: object) -> object:
    """Return a field of a hook: a large one as the beginning of its JSON, and its size."""
    whole = encoded(value)
    if len(whole) <= TEXT_MOST:
        return value
    return f"{whole[:TEXT_MOST].decode('utf-8', 'ignore')}… ({len(whole)} bytes)"


def post(
    path: str, body: bytes, patience: float, environ: Mapping[str, str], deadline: Deadline
) -> bytes:
    """Post a hook and return the answer, for which there are `patience` seconds more."""
    url = host_url(environ)
    host = HostConnection(url, environ.get("SXHOST_CA", ""), deadline)
    token = given_token(environ)
    status, answer = host.request(path, body, patience, token)
    if status == UNAUTHORIZED and not token:
        from sxhost.auth.client_tokens import own_host_token

        deadline.extend(-patience)
        status, answer = host.request(path, body, patience, own_host_token(url, environ) or "")
    if status != OK:
        failure = HostAway if status in AWAY else HookError
        raise failure(f"the host answered {status}: {answer[:200].decode('utf-8', 'replace')}")
    return answer


def host_url(environ: Mapping[str, str]) -> str:
    """Return where the host is."""
    return environ.get("SXHOST_URL") or announced(environ) or DEFAULT_URL


def is_local(url: str) -> bool:
    """Return whether a host is on this machine, and reads the agent's own file itself."""
    address = HostAddress(url)
    local = ("localhost", "::1")
    return bool(address.socket_path) or address.name in local or address.name[:4] == "127."


def with_process(body: bytes, agent: str) -> bytes:
    """Return a hook with its agent's process, by which the host sees the agent's end."""
    pid = agent_above(agent, os.getppid())
    found = identify(pid) if pid is not None else None
    text = body.rstrip()
    if found is None or not text.startswith(b"{") or not text.endswith(b"}"):
        return body
    comma = b"" if text[1:-1].isspace() or len(text) == len(b"{}") else b","
    words = (f'"{n}":{v}' if isinstance(v, int) else f'"{n}":"{v}"' for n, v in found.items())
    return text[:-1] + comma + f'"{PROCESS_FIELD}":{{{",".join(words)}}}}}'.encode()


def with_lines(body: bytes) -> bytes:
    """Return a hook with the last lines of its agent's own file; as it was if there are none.

    Each hook repeats some: the host knows those that it has.
    """
    import json

    try:
        hook = json.loads(body)
        lines = last_lines(hook["transcript_path"])
    except (OSError, ValueError, KeyError, TypeError):
        return body
    return json.dumps({**hook, LINES_FIELD: lines}).encode()


def last_lines(path: str) -> list[str]:
    """Return the last whole lines of a file of this user, those that are not too long."""
    import stat

    file = open_unlinked(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return []
        start = max(0, found.st_size - LINES_READ)
        *whole, _ = os.pread(file, LINES_READ, start).split(b"\n")
    finally:
        os.close(file)
    lines: list[str] = []
    room = LINES_MOST
    for line in reversed(whole[bool(start) :]):
        if len(line) > LINES_MOST // 2:
            continue  # one long line does not keep the others away
        room -= len(line)
        if room < 0:
            break
        lines.append(line.decode("utf-8", "replace"))
    return lines[::-1]


def announced(environ: Mapping[str, str]) -> str:
    """Return where our own host says that it listens, as `sxhost.config.host_url` finds it."""
    home = f"{environ.get('HOME', '')}/.local/state"
    place = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    place = place or f"{environ.get('XDG_STATE_HOME') or home}/sxhost"
    try:
        url = read_private(f"{place}/url", ADDRESS_MOST).decode().strip()
    except (OSError, ValueError):
        return ""
    return url if url.startswith(("http:", "https:", "unix:")) else ""


def given_token(environ: Mapping[str, str]) -> str:
    """Return the token that the environment names; empty if it names none."""
    if not (environ.get("SXHOST_TOKEN") or environ.get("SXHOST_TOKEN_FILE")):
        return ""
    from sxhost.auth.client_tokens import given_token as token_given

    return token_given(None, environ) or ""


class HostConnection:
    """One request to the host at an address; `ca` has the authorities to believe.

    Nothing here has a time limit of its own but the addresses of a name: all have `deadline`.
    """

    def __init__(self, url: str, ca: str, deadline: Deadline) -> None:
        self.address = HostAddress(url)
        self.ca = ca
        self.deadline = deadline

    def request(self, path: str, body: bytes, patience: float, token: str) -> tuple[int, bytes]:
        """Return the status and the body of the answer, for which there is `patience` more."""
        with self.connection() as link:
            link.sendall(self.head(path, len(body), token).encode("ascii") + body)
            self.deadline.extend(patience)
            answer = b""
            while part := link.recv(1 << 16):
                answer += part
        if not answer:
            raise HostAway("the host went away")
        lines, _, content = answer.partition(b"\r\n\r\n")
        if not lines.startswith(b"HTTP/1."):
            raise HookError("what answers there is not a host")
        return int(lines.split(b" ", 2)[1]), content

    def head(self, path: str, size: int, token: str) -> str:
        """Return the request up to its body of `size` bytes."""
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        return (
            f"POST {self.address.prefix}{path} HTTP/1.1\r\n"
            f"Host: {self.address.authority}\r\n"
            f"Content-Type: application/json\r\n{authorization}"
            f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
        )

    def connection(self) -> socket:
        """Return a connection to the host, over which TLS is spoken already where it is."""
        import socket

        address = self.address
        if address.socket_path:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.connect(address.socket_path)
            return link
        each = self.deadline.seconds / ADDRESSES
        link = socket.create_connection((address.name, address.port), each)
        link.settimeout(None)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        return self.secured(link, address.certified_name) if address.secure else link

    def secured(self, link: socket, name: str) -> socket:
        """Speak TLS on a connection, with a host whose certificate is good."""
        import ssl

        context = ssl.create_default_context(cafile=self.ca or None)
        return context.wrap_socket(link, server_hostname=name)


if __name__ == "__main__":
    sys.exit(main())
