"""The Autobahn|Testsuite against our WebSockets: ``python -m benchmarks.autobahn WSTEST``.

WSTEST is the suite's program, which needs Python 2.7: ``python2.7 -m virtualenv v27;
v27/bin/pip install autobahntestsuite``.  It tests echoes, so here the host's own connections
give back what they hear, binary messages too, with limits that leave room for its cases.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.internet import endpoints, reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread
from websockets.frames import Frame, Opcode

from sxhost.codec.frames import websocket_text_frame
from sxhost.http.authentication import AccessPolicy, Authenticator, login_attempts
from sxhost.http.router import make_tree
from sxhost.http.routes import Route, open_paths
from sxhost.http.site import HostRequest, HostSite
from sxhost.http.websocket import Connection
from sxhost.http.websocket_handshake import Upgrade
from sxhost.model.caller import HOST
from sxhost.model.limits import Limits

CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.1", "13.1.1"]
"""All but compression, of which the first cases show that it is declined."""

ROOM = Limits(body=1 << 25, frames=1 << 17, pings=10_000, commands=10_000)
PASSED = {"OK", "INFORMATIONAL", "UNIMPLEMENTED"}


class Echo(Connection):
    """Gives back what it hears."""

    def __init__(self, request: HostRequest) -> None:
        super().__init__(request)
        self._binary: bytearray | None = None

    async def answer_message(self, message: bytes) -> None:
        """Answer a message with itself."""
        self.send(websocket_text_frame(message))

    @property
    def _is_amid_message(self) -> bool:
        return self._binary is not None or super()._is_amid_message

    def _frame_received(self, frame: Frame, answer: bytes) -> None:
        """Give back binary messages, too, for which no face of the host has a use."""
        if frame.opcode is Opcode.BINARY:
            self._binary = bytearray()
        elif self._binary is None or frame.opcode is not Opcode.CONT:
            super()._frame_received(frame, answer)
            return
        assert self._binary is not None
        self._binary += frame.data
        if frame.fin:
            message, self._binary = bytes(self._binary), None
            self.send(Frame(Opcode.BINARY, message).serialize(mask=False))


async def echo() -> Upgrade:
    return Upgrade(Echo)


def site() -> HostSite:
    """Return a host whose only route is an echo."""
    routes = [Route("GET", "/echo", echo, "Give back.", status=101, scope="open")]
    policy = AccessPolicy(tokens="none")
    attempts = login_attempts(reactor, 10)
    guard = Authenticator(policy, lambda _: HOST, open_paths(routes), 0, attempts)
    return HostSite(make_tree(routes, ROOM), guard, reactor, ROOM, lambda *_: None)


def play(wstest: str, port: int, cases: list[str], place: Path) -> dict[str, Any]:
    """Run the suite; return what it says of each case."""
    server = {"agent": "sxhost", "url": f"ws://127.0.0.1:{port}/echo"}
    spec = {"outdir": str(place), "servers": [server], "cases": cases, "exclude-cases": []}
    file = place / "spec.json"
    file.write_text(json.dumps(spec))
    subprocess.run(
        [wstest, "-m", "fuzzingclient", "-s", str(file)], check=True, stdout=subprocess.DEVNULL
    )
    found: dict[str, Any] = json.loads((place / "index.json").read_text())["sxhost"]
    return found


async def report(_: object, wstest: str, cases: list[str]) -> None:
    """Print how many cases passed, and each that did not; end with 1 if one failed."""
    endpoint = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = (await endpoint.listen(site())).getHost().port
    start, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as place:
        found = await deferToThread(play, wstest, port, cases, Path(place))
    seconds, cpu = time.monotonic() - start, time.process_time() - cpu
    told = Counter((case["behavior"], case["behaviorClose"]) for case in found.values())
    print(f"{len(found)} cases in {seconds:.0f} s, {cpu:.1f} s of them ours")
    for (behavior, close), count in told.most_common():
        print(f"{count:5}  {behavior}, closed {close}")
    bad = {name: case for name, case in found.items() if not passed(case)}
    for name, case in sorted(bad.items()):
        print(f"{name}: {case['behavior']}, closed {case['behaviorClose']}")
    sys.exit(bool(bad))


def passed(case: dict[str, Any]) -> bool:
    return {case["behavior"], case["behaviorClose"]} <= PASSED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wstest", help="the suite's program")
    parser.add_argument("--case", action="append", help="such as 9.3.*; all that we have")
    args = parser.parse_args()
    react(lambda _: Deferred.fromCoroutine(report(_, args.wstest, args.case or CASES)), [])


if __name__ == "__main__":
    main()
