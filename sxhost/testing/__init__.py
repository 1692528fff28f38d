"""Tools for tests of what talks to a host: a host, a network and agents in memory.

Their clock stands until the test moves it.

========= ====================================================================================
cluster   nodes over one log in memory, on one clock
agents    fake agents and their drivers: they record their calls, the test reports for them
host      a whole host in memory: routes, service and store on one clock
senders   channels of notifications that are lists
processes processes of attached agents, which the test ends
network   a client's connections to such a host, which the test can cut, slow down or refuse
waiting   the result of a coroutine or Deferred that needs no reactor
========= ====================================================================================

Nothing here needs pytest, opens a socket, starts a process or sleeps.
"""

from __future__ import annotations

from .agents import FakeAgent, FakeDriver, FakeDrivers, question
from .cluster import LogInMemory, NodeJournal, node_store
from .host import MIDNIGHT_MS, UID, URL, BufferedResponse, HostInMemory
from .network import UNLIMITED, NetworkInMemory
from .processes import FakeProcesses
from .senders import FakeSenders
from .waiting import finished, is_done, result_of, started, turn

__all__ = [
    "MIDNIGHT_MS",
    "UID",
    "UNLIMITED",
    "URL",
    "BufferedResponse",
    "FakeAgent",
    "FakeDriver",
    "FakeDrivers",
    "FakeProcesses",
    "FakeSenders",
    "HostInMemory",
    "LogInMemory",
    "NetworkInMemory",
    "NodeJournal",
    "finished",
    "is_done",
    "node_store",
    "question",
    "result_of",
    "started",
    "turn",
]
