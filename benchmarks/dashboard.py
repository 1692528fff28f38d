"""The dashboard in Chromium, at full size: ``python -m benchmarks.dashboard``.

1,000 sessions, one of them with 10,000 events: how long a browser takes to show the board, and
that session at its end; what share of a core the page takes while 500 events a second come in,
and while one answer is written in 500 pieces a second; its heap.

With ``--half-hour`` half an hour as it is, not made in a minute: 50 agents at the pace of
agents, and what the screens that somebody leaves open hold meanwhile.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.stress.host_process import NDJSON, Client, Host, request, running_host
from tests.support.dashboards import chromium

SESSIONS = 1_000
EVENTS = 10_000
BATCH = 500
RATE = 500
"""Events a second, where they come one after another."""

LONG_MS, SHORT_US = 50, 1_000

Fields = Mapping[str, object]

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

SETTLED_MS = 2_000
"""Milliseconds after which a page has loaded what may be wanted next."""

Network = dict[str, float]
"""Conditions as DevTools take them: milliseconds, and bytes a second."""

SLOW: Network = {"latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
"""A phone on the way: 150 ms to the host and back, 1.6 Mbit/s."""

CROWD = 50
"""Sessions that write at once."""

OUTPUT = "".join(f"line {number:06} of what a tool has printed\n" for number in range(1_250))
"""A twentieth of a megabyte; a tool prints a hundred of it: 5 MB."""

HOUR = 100_000
"""Events of half an hour with 50 agents at work, told in minutes."""

STEPS, ROUNDS = 5, 20

STEP_S, MINUTES = 5.0, (0, 10, 20, 30)
"""Seconds between two steps of an agent, and the minutes at which its readers are measured."""

SCREENS = (
    ("#/inbox", "h1"),
    ("#/search", "input"),
    ("#/new", "form"),
    ("#/host", "main"),
    ("#/", "a.row"),
)
"""Where somebody goes beside to sessions, and what is there then."""


def main() -> None:
    with running_host("--max-sessions", "2000") as host, Client(host.port) as client:
        fill(client)
        with chromium() as browser:
            if "--half-hour" in sys.argv:
                half_hour(browser, host, client)
                return
            for network in (None, SLOW):
                open_places(browser, host, network)
            page, _ = opened(browser.new_context(), host, "#/", "a.row")
            watch(page, "events over all sessions", everywhere(client))
            page, _ = opened(browser.new_context(), host, "#/s/s1", ".item")
            watch(page, "pieces of one answer", answer(client))
            for place, selector in (("#/", "a.row"), ("#/s/s0", ".item"), ("#/s/s2", ".item")):
                crowd(browser, host, client, place, selector)
            for place, selector in (("#/", "a.row"), ("#/s/s0", ".item")):
                hour(browser, host, client, place, selector)
            errands(browser, host)


def open_places(browser: Any, host: Host, network: Network | None) -> None:
    for what, place, selector in PLACES:
        for kept in (False, True):
            times, visit = timed(browser, host, place, selector, kept=kept, network=network)
            how = f"{what}, {'again' if kept else 'first'}{', slow network' if network else ''}"
            print(f"{how}: {milliseconds(times)}; {visit}")


def fill(client: Client) -> None:
    """Let all sessions say something, and one of them much."""
    for number in range(SESSIONS):
        fields = {"title": f"Task {number}", "agent": "claude", "cwd": f"/work/p{number % 20}"}
        client.ask(
            request("POST", f"/sessions/s{number}/register", json.dumps(fields).encode())
        )
        fire(client, number, said("go on", "user-message"), said(f"words of {number}"))
    for start in range(0, EVENTS, BATCH):
        turns = range(start, start + BATCH)
        fire(client, 0, *(said(f"# Answer {turn}\n\nIt is **done**.") for turn in turns))


def said(text: str, event: str = "message") -> tuple[str, Fields]:
    return event, {"text": text}


def fire(client: Client, session: int, *events: tuple[str, Fields]) -> None:
    lines = [{"event": name, "data": data} for name, data in events]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    status, answer = client.ask(request("POST", f"/sessions/s{session}/events", body, NDJSON))
    assert status == 200, answer


def timed(
    browser: Any, host: Host, place: str, selector: str, *, kept: bool, network: Network | None
) -> tuple[list[float], str]:
    """Open a place some times; return the seconds that each took, and what the last cost.

    With `kept` the browser has the page's files already, as it has after a first visit.
    """
    times, cost = [], ""
    context = browser.new_context()
    if kept:
        opened(context, host, place, selector)[0].wait_for_timeout(SETTLED_MS)
    for _ in range(TIMES):
        page, taken = opened(context, host, place, selector, network)
        times.append(taken)
        requests = page.evaluate("performance.getEntriesByType('resource').length") + 1
        cost = f"{requests} requests"
        page.close()
        if not kept:
            context.close()
            context = browser.new_context()
    context.close()
    return times, cost


def opened(
    context: Any, host: Host, place: str, selector: str, network: Network | None = None
) -> tuple[Any, float]:
    """Open a page; return it, and the seconds from its navigation until it showed something."""
    page = context.new_page()
    page.add_init_script(STOPWATCH % json.dumps(selector))
    session = devtools(page)
    if network is not None:
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", {"offline": False, **network})
    page.goto(f"http://127.0.0.1:{host.port}/{place}", wait_until="commit")
    page.locator(selector).first.wait_for()  # an element in our hands would not be let go
    page.wait_for_timeout(50)
    return page, page.evaluate("window.shownAfter") / 1000


def devtools(page: Any) -> Any:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    return session


def everywhere(client: Client) -> Callable[[int], None]:
    return lambda count: fire(client, count % SESSIONS, said(f"step {count}", "tool-start"))


def answer(client: Client) -> Callable[[int], None]:
    return lambda count: fire(
        client, 1, said(f"word {count}{' ' if count % 12 else chr(10)}", "message-delta")
    )


def watch(page: Any, what: str, step: Callable[[int], None]) -> None:
    """Print what a page takes of a core while events come in, and its heap."""
    measures = devtools(page)
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


def crowd(browser: Any, host: Host, client: Client, place: str, selector: str) -> None:
    """Print the tasks of a page while 50 sessions write at once, and one tool prints 5 MB."""
    page, _ = opened(browser.new_context(), host, place, selector)
    page.wait_for_timeout(SETTLED_MS)
    browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
    fire(client, 2, ("tool-start", {"tool": "Bash", "item": "big", "title": "Bash: cat big"}))
    for count in range(1_000):
        fire(client, count % CROWD, *turn(count))
        if count % 10 == 0:
            fire(client, 2, ("tool-output", {"item": "big", "text": OUTPUT}))
        page.wait_for_timeout(1)
    done = {"tool": "Bash", "item": "big", "status": "completed", "output": OUTPUT[-200:]}
    fire(client, 2, ("tool-done", done))
    page.wait_for_timeout(SETTLED_MS)
    tasks = busy_ms(browser.stop_tracing())
    worst = statistics.quantiles(tasks, n=100)[-1] if tasks else 0
    longest, above = max(tasks), sum(task > LONG_MS for task in tasks)
    print(
        f"{CROWD} sessions write at once, {place}: {len(tasks)} tasks over 1 ms, "
        f"p99 {worst:.0f} ms, longest {longest:.0f} ms, {above} over {LONG_MS} ms"
    )
    page.context.close()


def turn(count: int) -> Sequence[tuple[str, Fields]]:
    """Return what an agent does in a moment."""
    item = f"i{count}"
    return (
        ("message-delta", {"item": item, "text": f"words {count} "}),
        ("message-delta", {"item": item, "text": "and more words\n"}),
        ("message", {"item": item, "text": f"words {count} and more words\n"}),
        ("tool-start", {"tool": "Bash", "item": f"t{item}", "title": f"Bash: step {count}"}),
        ("tool-done", {"tool": "Bash", "item": f"t{item}", "status": "completed"}),
    )


def busy_ms(trace: bytes) -> list[float]:
    """Return how long each task of a page's main thread ran, without what it had to wait."""
    events = json.loads(trace)["traceEvents"]
    renderers = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    return [
        event["tdur"] / 1000
        for event in events
        if event["name"] == "RunTask"
        and (event["pid"], event["tid"]) in renderers
        and event.get("tdur", 0) >= SHORT_US
    ]


def hour(browser: Any, host: Host, client: Client, place: str, selector: str) -> None:
    """Print what a page holds at some points of an hour, all that could be let go let go."""
    page, _ = opened(browser.new_context(), host, place, selector)
    page.wait_for_timeout(SETTLED_MS)
    session = devtools(page)
    print(f"half an hour, {place}: {held(session)}")
    for step in range(STEPS):
        for count in range(HOUR // STEPS // BATCH):
            several = [each for at in range(BATCH // 5) for each in turn(100 * count + at)]
            fire(client, 0 if count % 4 == 0 else count % CROWD, *several)
            page.wait_for_timeout(1)
        page.wait_for_timeout(SETTLED_MS)
        print(f"  after {(step + 1) * HOUR // STEPS:,} events: {held(session)}")
    page.context.close()


def half_hour(browser: Any, host: Host, client: Client) -> None:
    """Print what screens hold that are left open while 50 agents work at their pace."""
    places = (("#/", "a.row"), ("#/s/s0", ".item"), ("#/activity", "a.row"))
    pages = {
        place: opened(browser.new_context(), host, place, each)[0] for place, each in places
    }
    sessions = {place: devtools(page) for place, page in pages.items()}
    start, count = time.perf_counter(), 0
    for minute in MINUTES:
        while (now := time.perf_counter() - start) < 60 * minute + SETTLED_MS / 1000:
            if count < now * CROWD / STEP_S:
                fire(client, count % CROWD, *turn(count))
                count += 1
            else:
                pages["#/"].wait_for_timeout(50)
        for place, session in sessions.items():
            print(f"{minute} min, {5 * count:,} events, {place}: {held(session)}", flush=True)


def errands(browser: Any, host: Host) -> None:
    """Print what a page holds while somebody goes from screen to screen."""
    page, _ = opened(browser.new_context(), host, "#/", "a.row")
    page.wait_for_timeout(SETTLED_MS)
    session = devtools(page)
    for step in range(STEPS):
        for number in range(ROUNDS):
            for place, selector in (
                (f"#/s/s{number}", ".item"),
                (f"#/s/s{number + 1}/events", ".log"),
                *SCREENS,
            ):
                page.goto(f"http://127.0.0.1:{host.port}/{place}")
                page.locator(selector).first.wait_for(state="attached")
        print(f"  after {step + 1} times {ROUNDS} rounds: {held(session)}")
    page.context.close()


def held(session: Any) -> str:
    """Return what a page holds, in words."""
    session.send("HeapProfiler.collectGarbage")
    heap = metrics(session)["JSHeapUsedSize"] / 1e6
    counted = session.send("Memory.getDOMCounters")
    return f"{heap:.1f} MB, {counted['nodes']} nodes, {counted['jsEventListeners']} listeners"


def metrics(session: Any) -> dict[str, float]:
    found = session.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in found}


def milliseconds(times: list[float]) -> str:
    return f"min {1000 * min(times):.0f} ms, median {1000 * statistics.median(times):.0f} ms"


if __name__ == "__main__":
    main()
