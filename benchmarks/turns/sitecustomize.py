"""Loaded into a host by `benchmarks.bounds`: writes down its reactor's longest turn.

It is the CPU time of the reactor's thread, so that others on the machine do not count.
"""

import os
import time
from pathlib import Path

TOLD = os.environ.get("SXHOST_TURNS")

if TOLD:
    from twisted.internet.base import ReactorBase

    place, run, last, worst = Path(TOLD), ReactorBase.runUntilCurrent, [0.0], [0.0]

    def timed(reactor: ReactorBase) -> None:
        """Begin a turn; the one before is over."""
        now = time.thread_time()
        if last[0] and now - last[0] > worst[0]:
            worst[0] = now - last[0]
            place.write_text(f"{worst[0]}")
        if not place.exists():
            worst[0] = 0.0
            place.write_text("0")
        last[0] = time.thread_time()
        run(reactor)

    ReactorBase.runUntilCurrent = timed  # type: ignore[method-assign,assignment]
