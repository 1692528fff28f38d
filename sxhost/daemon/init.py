"""Process 1 of a container: it reaps what is left to it, and the host is its child.

The kernel gives every process whose parent has ended to process 1, which has to wait for it:
else each stays a zombie.  The host cannot: it would take the exits of its own agents from those
who wait for them.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Final

__all__ = ["leave_process_1"]

PASSED_ON: Final = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH),
)
"""Signals that are meant for the host, whatever process gets them."""


def leave_process_1() -> None:
    """Go on in a child if this is process 1, which then reaps until that child has ended.

    Call it before the reactor runs, and before anything is opened that locks.
    """
    if os.getpid() != 1:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)  # none is to be lost
    host = os.fork()
    if not host:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        return

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(host, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    os._exit(_reap_until(host))


def _reap_until(host: int) -> int:
    """Wait for all that ends, up to the host; return its exit status as a shell would."""
    sys.stdout.flush()
    while True:
        pid, status = os.wait()
        if pid == host:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
