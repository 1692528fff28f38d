"""The threads of a host, for what blocks: its store, and its other files."""

from __future__ import annotations

from functools import partial
from threading import Thread
from typing import Any, cast

from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from sxhost.store.group_commit import Threads
from sxhost.waiting import RunInThread

__all__ = ["background_thread", "store_threads"]


def _daemon_pool(name: str, most: int = 1) -> ThreadPool:
    """Return a pool of daemon threads: one that a hung disk blocks delays no stop.

    Threads of an ordinary pool are waited for when Python exits.
    """
    pool = ThreadPool(0, most, name)
    pool.threadFactory = cast("Any", partial(Thread, daemon=True))
    return pool


def background_thread(reactor: Any, name: str, most: int = 1) -> RunInThread:
    """Return a function that runs others in threads, of which there are `most`."""
    pool = _daemon_pool(name, most)
    pool.start()
    return partial(deferToThreadPool, reactor, pool)


def store_threads(reactor: Any) -> Threads:
    """Return the threads of a store."""
    pools = [_daemon_pool(name) for name in ("journal", "reader", "index")]
    write, read, index = (partial(deferToThreadPool, reactor, pool) for pool in pools)

    def start() -> None:
        for pool in pools:
            pool.start()

    def stop() -> None:
        for pool in pools:
            pool.stop()

    soon = partial(reactor.callLater, 0)
    return Threads(write, read, index, start, stop, reactor.callLater, soon)
