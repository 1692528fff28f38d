"""What blocks runs in threads of its own, and a hung one holds nobody up."""

from __future__ import annotations

from collections.abc import Callable
from threading import current_thread, get_ident
from typing import Any, TypeVar

import pytest_twisted
from twisted.internet import reactor as global_reactor

from sxhost.daemon.threads import background_thread

F = TypeVar("F", bound=Callable[..., object])
in_reactor: Callable[[F], F] = pytest_twisted.ensureDeferred
reactor: Any = global_reactor


@in_reactor
async def test_what_blocks_runs_in_another_thread() -> None:
    assert await background_thread(reactor, "files")(get_ident) != get_ident()


@in_reactor
async def test_python_does_not_wait_for_a_background_thread_when_it_exits() -> None:
    assert (await background_thread(reactor, "files")(current_thread)).daemon
