"""What a hook sends to the host: its agent's JSON within the host's limit, and what we add.

The agent waits, so nothing is imported that is not used.
"""

from __future__ import annotations

import os

from sxhost.files import open_unlinked
from sxhost.os_process import agent_above, identify

__all__ = ["LINES_FIELD", "PROCESS_FIELD", "fitted", "read_all", "with_lines", "with_process"]

BODY_MOST = 900_000
"""Bytes of a hook that are sent as they are: the host takes a mebibyte."""

LINES_READ = 256 * 1024
"""Bytes of the end of an agent's own file that are looked at for a host on another machine."""

LINES_MOST = 64 * 1024
"""Bytes of lines that are sent along."""

LINES_FIELD = "sxhost_transcript"
"""The field with the last lines of the agent's own file."""

PROCESS_FIELD = "sxhost_process"
"""The field with the agent's process."""

CUT_FIELD = "sxhost_cut"
"""How many bytes a hook had of which texts were cut: nobody can say yes to it.

That of `sxhost.codec.json`, whose import nobody is to wait for.
"""

INPUT_MOST = 64 * 1024 * 1024
TEXT_MOST = 48_000


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
    of that, as for `sxhost.codec.json.well_formed`.
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
