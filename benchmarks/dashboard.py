"""The dashboard in Chromium, at full size: ``python -m benchmarks.dashboard``.

1,000 sessions, one of them with 10,000 events: how long a browser takes to show the board, and
that session at its end; what share of a core the page takes while 500 events a second come in,
and while one answer is written in 500 pieces a second; its heap.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from tests.stress.host_process import NDJSON, Client, Host, request, running_host
from tests.support.dashboards import chromium

SESSIONS = 1_000
EVENTS = 10_000
BATCH = 500
RATE = 500
"""Events a second, where they come one after another."""

PLACES = (
    (f"board of {SESSIONS} sessions", "#/", "a.row"),
    (f"session of {EVENTS} events, at its end", "#/s/s0", ".item.message"),
)
"""What is opened, and what it shows then."""

STOPWATCH = """{
    const look = () => requestAnimationFrame(document.querySelector(%s)
        ? () => { window.shownAfter = performance.now(); }
        : look);
    look();
}"""
"""Notes in a page when it has drawn something, in milliseconds since it was asked for."""

LIVE_S = 10.0
TIMES = 5


def main() -> None:
    with running_host("--max-sessions", "2000") as host, Client(host.port) as client:
        fill(client)
        with chromium() as browser:
            for what, place, selector in PLACES:
                for kept in (False, True):
                    times = timed(browser, host, place, selector, kept=kept)
                    print(f"{what}, {'again' if kept else 'first'}: {milliseconds(times)}")
            page, _ = opened(browser.new_context(), host, "#/", "a.row")
            watch(page, "events over all sessions", everywhere(client))
            page, _ = opened(browser.new_context(), host, "#/s/s1", ".item")
            watch(page, "pieces of one answer", answer(client))


def fill(client: Client) -> None:
    """Let all sessions say something, and one of them much."""
    for number in range(SESSIONS):
        fields = {"title": f"Task {number}", "agent": "claude", "cwd": f"/work/p{number % 20}"}
        client.ask(
            request("POST", f"/sessions/s{number}/register", json.dumps(fields).encode())
        )
        fire(client, number, ("user-message", "go on"), ("message", f"words of {number}"))
    for start in range(0, EVENTS, BATCH):
        turns = range(start, start + BATCH)
        fire(client, 0, *(("message", f"# Answer {turn}\n\nIt is **done**.") for turn in turns))


def fire(client: Client, session: int, *events: tuple[str, str]) -> None:
    lines = [{"event": name, "data": {"text": text}} for name, text in events]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    status, answer = client.ask(request("POST", f"/sessions/s{session}/events", body, NDJSON))
    assert status == 200, answer


def timed(browser: Any, host: Host, place: str, selector: str, *, kept: bool) -> list[float]:
    """Open a place some times; return the seconds that each took.

    With `kept` the browser has the page's files already, as it has after a first visit.
    """
    times = []
    context = browser.new_context()
    if kept:
        opened(context, host, place, selector)
    for _ in range(TIMES):
        page, taken = opened(context, host, place, selector)
        times.append(taken)
        page.close()
        if not kept:
            context.close()
            context = browser.new_context()
    context.close()
    return times


def opened(context: Any, host: Host, place: str, selector: str) -> tuple[Any, float]:
    """Open a page; return it, and the seconds from its navigation until it showed something."""
    page = context.new_page()
    page.add_init_script(STOPWATCH % json.dumps(selector))
    page.goto(f"http://127.0.0.1:{host.port}/{place}", wait_until="commit")
    page.wait_for_selector(selector)
    page.wait_for_timeout(50)
    return page, page.evaluate("window.shownAfter") / 1000


def everywhere(client: Client) -> Callable[[int], None]:
    return lambda count: fire(client, count % SESSIONS, ("tool-start", f"step {count}"))


def answer(client: Client) -> Callable[[int], None]:
    return lambda count: fire(
        client, 1, ("message-delta", f"word {count}{' ' if count % 12 else chr(10)}")
    )


def watch(page: Any, what: str, step: Callable[[int], None]) -> None:
    """Print what a page takes of a core while events come in, and its heap."""
    measures = page.context.new_cdp_session(page)
    measures.send("Performance.enable")
    before, start, count = metrics(measures), time.perf_counter(), 0
    while (now := time.perf_counter() - start) < LIVE_S:
        if count < now * RATE:
            step(count)
            count += 1
        else:
            page.wait_for_timeout(1)
    after = metrics(measures)
    share = (after["TaskDuration"] - before["TaskDuration"]) / LIVE_S
    heap = after["JSHeapUsedSize"] / 1e6
    print(f"{what}, {count / LIVE_S:.0f}/s: {share:.0%} of a core, heap {heap:.1f} MB")
    page.context.close()


def metrics(session: Any) -> dict[str, float]:
    found = session.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in found}


def milliseconds(times: list[float]) -> str:
    return f"min {1000 * min(times):.0f} ms, median {1000 * statistics.median(times):.0f} ms"


if __name__ == "__main__":
    main()
