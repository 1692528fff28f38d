"""An agent that misbehaves on demand, in the words of ``codex app-server`` or of pi's rpc.

`command` is how to run it.  Without a manner it is well-behaved and echoes; with one of
`MANNERS` it does that in each turn, or as it starts.  A turn whose text is ``RUDE: <manner>``
has that one alone.  It passes over further arguments.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from tests.support.agents.polite_agents import Codex, Pi, Turn, encoded

LONG = 20_000_000
FLOOD, WIDE = 100_000, 1000
NOISE = 10_000_000
ORPHANS = 3
ORPHANS_LIVE_S = 600
"""They end by themselves if a test has forgotten them."""

SEPARATORS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
"""What some take for ends of lines."""

RUBBISH = (
    *(b"", b" ", b"not json", b"{", b"[]", b"null", b"7", b'"text"', b"{}", b"NaN", b"[{}, 1]"),
    *(b"\xff\xfe\x00", b'{"id": {}, "result": 1}', b'{"method": 7, "params": []}'),
    *(b'{"type": null}', b'{"type": ["response"], "id": 1}', b'{"id": 1e999, "error": null}'),
    *(b'{"method": "turn/completed", "params": null}', b'{"type": "message_update"}'),
    *(b'{"type": "response", "id": [], "success": "no"}', b'{"jsonrpc": "9"}', b'"\\ud800"'),
    *(b"[" * 100_000, b'{"method": "item/started", "params": {"item": 1, "threadId": 2}}'),
)
"""Lines that mean nothing."""


def command(dialect: str, manner: str = "") -> list[str]:
    """Return the words that run it, as ``codex`` or as ``pi``; it starts in about 40 ms."""
    place = __file__.rsplit("/", 4)[0]
    program = (
        f"import sys; sys.path.append({place!r}); "
        "import tests.support.agents.rude_agents as it; it.main()"
    )
    return [sys.executable, "-I", "-S", "-c", program, dialect, manner or "polite"]


def behave(turn: Turn) -> None:
    """Do in a turn what the command line or the turn itself says."""
    word, _, name = turn.text.partition(" ")
    name = name if word == "RUDE:" else sys.argv[2]
    TURNS.get(name, polite)(turn)


def polite(turn: Turn) -> None:
    """Echo."""
    turn.open()
    turn.close()


def mute(turn: Turn) -> None:
    """Never answer."""


def endless(turn: Turn) -> None:
    """Begin, and never end; it can be interrupted."""
    turn.open()


def rubbish(turn: Turn) -> None:
    """Print lines that mean nothing in between."""
    turn.open()
    for line in RUBBISH:
        turn.agent.write(line + b"\n")
    turn.close()


def pieces(turn: Turn) -> None:
    """Write three bytes at a time."""
    turn.agent.piece = 3
    polite(turn)


def half(turn: Turn) -> NoReturn:
    """Print half a line and exit as if all were well."""
    turn.open()
    line = encoded(turn.delta("never said"))
    turn.agent.write(line[: len(line) // 2])
    os._exit(0)


def unended(turn: Turn) -> NoReturn:
    """Exit behind the last line, which has no end."""
    turn.open()
    *lines, last = map(encoded, turn.ending("completed"))
    turn.agent.write(b"\n".join([*lines, last]))
    os._exit(0)


def long(turn: Turn) -> None:
    """Print a line of 20 MB."""
    turn.open()
    turn.agent.send(turn.delta("x" * LONG))
    turn.close()


def separators(turn: Turn) -> None:
    """Say what some take for ends of lines."""
    turn.open()
    turn.say(SEPARATORS)
    turn.close()


def twice(turn: Turn) -> None:
    """Answer twice, and end twice."""
    turn.accept()
    turn.open()
    turn.close()
    turn.end("completed")


def stranger(turn: Turn) -> None:
    """Answer what nobody has asked."""
    for number in (987_654, "nobody", None):
        turn.answer(number)
    polite(turn)


def asks(turn: Turn) -> None:
    """Ask what nobody knows, and wait for an answer."""
    turn.open()
    turn.ask()


def flood(turn: Turn) -> None:
    """Say it in 100,000 pieces."""
    turn.open()
    turn.said += "x" * FLOOD
    line = encoded(turn.delta("x")) + b"\n"
    turn.agent.write(line * FLOOD)
    turn.close()


def wide(turn: Turn) -> None:
    """Say much in large pieces, and at the end something else."""
    turn.open()
    line = encoded(turn.delta("x" * WIDE)) + b"\n"
    for _ in range(FLOOD // 10):
        turn.agent.write(line)
    turn.close()


def orphans(turn: Turn) -> None:
    """Leave processes behind, in sessions of their own: they hold its output, hear no TERM."""
    turn.open()
    for _ in range(ORPHANS):
        orphan()
    turn.close()


def orphan() -> None:
    if child := os.fork():
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    hear_no_signal()
    signal.alarm(ORPHANS_LIVE_S)
    while True:
        signal.pause()


def hear_no_signal() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def noise(turn: Turn) -> None:
    """Write 10 MB to stderr."""
    turn.open()
    turn.agent.write((b"noise " * 20 + b"\n") * (NOISE // 121), 2)
    turn.close()


def dies(turn: Turn) -> None:
    """Be killed in the middle."""
    turn.open()
    os.kill(os.getpid(), signal.SIGKILL)


def fails(turn: Turn) -> NoReturn:
    """Exit in the middle, with a word of why."""
    turn.open()
    turn.agent.write(b"it has failed\n", 2)
    os._exit(3)


def shuts(turn: Turn) -> None:
    """Close its output in the middle, and live on."""
    turn.open()
    os.close(1)
    stays()


def deaf(turn: Turn) -> None:
    """Read no more; TERM ends it."""
    turn.open()
    stays()


def stubborn(turn: Turn) -> None:
    """Read no more, and hear no TERM."""
    turn.open()
    hear_no_signal()
    stays()


def stays() -> NoReturn:
    signal.alarm(ORPHANS_LIVE_S)
    while True:
        signal.pause()


TURNS: dict[str, Callable[[Turn], None]] = {
    manner.__name__: manner
    for manner in (
        *(polite, mute, endless, rubbish, pieces, half, unended, long, separators, twice),
        *(stranger, asks, flood, wide, orphans, noise, dies, fails, shuts, deaf, stubborn),
    )
}


def exits() -> NoReturn:
    """Exit at once."""
    os.write(2, b"it does not start\n")
    os._exit(3)


def silent() -> None:
    """Read all, and say nothing."""
    for _ in sys.stdin.buffer:
        pass


def greets() -> None:
    """Print what no protocol knows before anything else."""
    os.write(1, b"Welcome!\n\x1b[1mbold\x1b[0m\n\n")


STARTS: dict[str, Callable[[], None]] = {
    manner.__name__: manner for manner in (exits, silent, greets)
}
MANNERS = (*STARTS, *TURNS)
"""All of them; what each does stands with its function."""


def main() -> None:
    """Be an agent."""
    _, dialect, manner, *_ = sys.argv
    if manner in STARTS:
        STARTS[manner]()
    try:
        {"codex": Codex, "pi": Pi}[dialect](behave).run()
    except BrokenPipeError:
        os.write(2, b"nobody reads what it says\n")
        os._exit(1)
