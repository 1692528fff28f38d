"""How long a frame of ``sxhost top`` takes, all of it: ``python -m benchmarks.board``."""

from __future__ import annotations

import gc
import time

from msgspec import Raw

from sxhost.cli.top import COLLECT
from sxhost.model.event import Event
from tests.support.boards import BoardInMemory, drive

SESSIONS, MESSAGES, LINES, ROUNDS = 300, 200, 50, 300
PIECE = Raw(b'{"item":"m","text":"more words "}')


async def _measure(shown: BoardInMemory) -> None:
    for n in range(SESSIONS):
        shown.register(f"s{n:03}", title=f"task {n}", agent="claude", git_branch="main")
    for n in range(MESSAGES):
        shown.fire("s000", "message", text="\n".join(f"- {n}.{at}" for at in range(LINES)))
    await shown.settle(2)
    board, view = shown.board, shown.board.conversation
    view.read("s000")
    while not view.items or not view._document.is_laid_out:
        await shown.settle()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
    times = []
    for n in range(ROUNDS):
        begun = time.process_time()
        for at in range(20):
            seq = 1_000_000 + 20 * n + at
            view.take(Event("message-delta", PIECE, 0, seq, seq, 0, "s000"))
        board.list.move(1 if n % 2 else 7)
        view.scroll_to(y=97 * n % view.max_scroll_y, animate=False)
        view._draw_news()
        board._draw()
        shown.draw_whole()
        times.append((time.process_time() - begun) * 1000)
    times.sort()
    print(
        f"{SESSIONS} sessions, {view._document.height} lines, 20 pieces a frame:"
        f" median {times[ROUNDS // 2]:.1f} ms, 99 % {times[ROUNDS * 99 // 100]:.1f} ms"
    )


def main() -> None:
    drive(_measure, size=(160, 45))


if __name__ == "__main__":
    main()
