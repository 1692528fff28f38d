"""Every bound of the host, each with its unit and its reason.

``/status`` shows them; ``--limit NAME=VALUE`` sets any of them, within the bounds of its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

__all__ = ["Limits"]

KIB = 1024
MIB = 1024 * KIB

Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Bytes = Annotated[int, Meta(ge=1, le=1 << 40)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
Percent = Annotated[int, Meta(ge=1, le=100)]
Seconds = Annotated[float, Meta(ge=0.1, le=1_000_000)]


class Limits(Struct, frozen=True, kw_only=True):
    """All limits of a host; the defaults are for one person's machine."""

    def but(self, changes: Mapping[str, str]) -> Limits:
        """Return these limits with the named ones changed.

        :raises ValueError: there is no such limit, or a value is out of its bounds.
        """
        unknown = changes.keys() - set(self.__struct_fields__)
        if unknown:
            raise ValueError(f"{min(unknown)} is none; /status has the names of all.")
        for name, value in changes.items():
            try:
                msgspec.convert({name: value}, Limits, strict=False)
            except msgspec.ValidationError as error:
                reason = str(error).partition(" - at ")[0]
                raise ValueError(f"{name}={value} cannot be: {reason.lower()}.") from None
        values = {**msgspec.structs.asdict(self), **changes}
        return msgspec.convert(values, Limits, strict=False)

    sessions: Count = 1024
    """Sessions held at once; scorpiox-host's 64 are used up in a busy afternoon."""

    archived: Count = 10_000
    """Sessions that have made room and are on the disk alone, until retention takes them."""

    busy_within: Seconds = 300.0
    """Seconds in which a session was heard that makes no room for another."""

    events: Count = 1024
    """Facts buffered for each session: what a late reader still gets."""

    ring_bytes: Bytes = 4 * MIB
    """Bytes of memory for them in one session: 16 of the largest; the rest is on the disk."""

    hot_bytes: Bytes = 128 * MIB
    """Bytes of memory for the events of all sessions: 200,000 of the usual size."""

    retain: Count = 10_000
    """Facts kept on disk for each session: several days of work."""

    retain_pieces: Count = 100_000
    """Pieces kept on disk for each session until something has them whole: an hour of talk."""

    retain_days: Days = 7
    """Days that an event is kept on disk."""

    messages: Count = 32
    """Messages waiting for one agent; more means that nobody is pulling."""

    message_size: Bytes = 8 * KIB
    """Bytes of UTF-8 in one message: an instruction, not a file."""

    event_size: Bytes = 256 * KIB
    """Bytes of JSON in one event's data: the longest sensible tool output."""

    body: Bytes = 1 * MIB
    """Bytes of one request's body, counted before it is parsed."""

    large_body: Bytes = 16 * MIB
    """The same for what is cut to `event_size`, or refused by it with a word in the log."""

    batch_body: Bytes = 10 * MIB
    """The same for an NDJSON batch of events."""

    metadata_size: Bytes = 64 * KIB
    """Bytes of JSON in a session's metadata: notes beside the work, not the work."""

    depth: Annotated[int, Meta(ge=1, le=512)] = 64
    """Nested arrays and objects in a body: deeper JSON is an attack on parsers."""

    brackets: Count = 200_000
    """Brackets in a body, in texts or not: an empty array takes twenty times its bytes."""

    batch: Count = 10_000
    """Lines in an NDJSON batch: some 50 ms of the host's work."""

    wait: Seconds = 300.0
    """Seconds that one pull may wait; most proxies cut a silent answer sooner or then."""

    lease: Seconds = 3600.0
    """Seconds that a message may be out on lease before it must be confirmed."""

    closed_messages: Count = 32
    """Delivered and withdrawn messages whose state (and key) a sender can still ask for."""

    closed_approvals: Count = 64
    """Closed approvals of a session that are remembered, with who decided what."""

    closed_approvals_size: Bytes = 256 * KIB
    """Bytes of JSON of these; of larger ones fewer are remembered."""

    open_questions: Count = 128
    """Questions of one session that wait at once: nobody reads more; the next one is denied."""

    question_size: Bytes = 256 * KIB
    """Bytes of JSON of one question: beyond, the agent's own words go; what then still has to
    be cut can only be refused, since nobody sees it whole.
    """

    questions_size: Bytes = 64 * MIB
    """Bytes of JSON of all questions that wait, of all sessions; the next is denied."""

    answer_within: Seconds = 86_400.0
    """Seconds that an agent waits for a decision, where no policy says otherwise; then: no."""

    dialog_within: Seconds = 60.0
    """Seconds that an extension's dialog waits, where neither it nor a policy says."""

    deeds: Count = 10_000
    """Entries of the audit: who did what, for months of one person's work."""

    stall_after: Seconds = 300.0
    """Seconds of silence after which a working session counts as stalled."""

    history: Count = 1440
    """Samples of figures over time, one a minute: a day, in 300 KB of memory."""

    usage_days: Days = 400
    """Days that the ledger keeps what was used: a year, and the month to compare it with."""

    usage_entries: Count = 1000
    """Entries of one session in the ledger; the older half of more is joined by days."""

    usage_total: Count = 100_000
    """Entries of all sessions, some 60 MB of memory; then the oldest make room."""

    usage_labels: Count = 64
    """Pairs of agent and model with figures of their own in ``/metrics``."""

    lost_after: Seconds = 1800.0
    """Seconds of silence after which a working session counts as lost."""

    sleep_after: Seconds = 1800.0
    """Seconds of idleness after which a hosted agent's process ends; a turn starts it again."""

    restart_after: Seconds = 1.0
    """Seconds until an agent that crashed is started again; twice as many each further time."""

    restarts: Count = 5
    """Times that an agent is started again before it is left alone."""

    tries: Count = 10
    """Wrong tokens a minute and peer: guessing 256 bits needs more, a typing error less."""

    browsers: Count = 64
    """Browsers that are logged in at once: those of one person, and some that are forgotten."""

    browser_idle: Seconds = 43_200.0
    """Seconds without a request after which a browser is logged out: a night."""

    browser_life: Seconds = 604_800.0
    """Seconds after which it is logged out in any case: a week."""

    linger: Seconds = 2.0
    """Seconds that a refused upload is read and thrown away, so that its sender sees why."""

    stop_within: Seconds = 4.0
    """Seconds that running requests get to finish when the host stops."""

    # HTTP and connections.

    header_size: Bytes = 16 * KIB
    """Bytes of a request line and header: what browsers and proxies send at the most."""

    header_fields: Count = 100
    """Fields of a header: looking through thousands would be work for nothing."""

    uri_size: Bytes = 8 * KIB
    """Bytes of a request's target; the longest that proxies let through."""

    header_within: Seconds = 10.0
    """Seconds in total for a request line and header; no trickle of bytes prolongs it."""

    body_within: Seconds = 30.0
    """Seconds in which a body comes, whatever its rate."""

    body_rate: Count = 1 * KIB
    """Bytes a second at which a body may take longer: a bad radio link has more."""

    idle: Seconds = 75.0
    """Seconds that a connection is kept for its next request; most clients let go before."""

    silent: Seconds = 24.0
    """Seconds after which a peer that acknowledges nothing is gone: with a heartbeat, 40."""

    connections: Count = 4096
    """Connections in all: some 100 MB of streams, or 400 of requests that are read."""

    peer_connections: Count = 256
    """Connections of one peer: an address or another local user; the own user has all."""

    descriptors: Percent = 90
    """Per cent of the descriptors (RLIMIT_NOFILE) in use at which accepting pauses."""

    subscriptions: Count = 16_384
    """Live readers in all: some 15 KB each, 250 MB together."""

    token_subscriptions: Count = 1024
    """Live readers of one token; the host's own user, without one, has all there is."""

    send_buffer: Bytes = 256 * KIB
    """Bytes that the kernel keeps for one reader; by itself it would keep up to 4 MiB."""

    unsent: Bytes = 64 * MIB
    """Bytes of answers that wait for readers, in all; beyond, only probes are answered."""

    unanswered: Bytes = 256 * MIB
    """Bytes of bodies in all that arrive or are being answered: 25 of the largest batches."""

    requests: Count = 50
    """Requests a second and peer, or token; the own user's are not counted."""

    burst: Count = 200
    """Requests that may come at once: a page with all its sessions."""

    frames: Count = 1024
    """Frames in one WebSocket message: whoever sends more cuts it up to make work."""

    commands: Count = 200
    """Messages a second on one WebSocket: what to follow is said once, events come back."""

    pings: Count = 100
    """Pings and pongs a second on one WebSocket: each takes an answer, or a look."""

    # The multiplexer; the numbers are pi-app-server's.

    mux_message: Bytes = 10 * MIB
    """Bytes of one command: a prompt with pictures in it."""

    mux_connections: Count = 1000
    """Connections that speak in commands."""

    mux_pending: Count = 100
    """Commands of one connection that are not answered yet."""

    mux_sessions: Count = 100
    """Sessions whose agents live, at which no command starts one more."""

    mux_rate: Count = 100
    """Commands a minute for one session, or for the server."""

    mux_rate_all: Count = 1000
    """Commands a minute of all clients together."""

    mux_answers: Count = 60
    """Answers a minute to what one session's agent asks."""

    mux_read: Seconds = 30.0
    """Seconds that a read may take, and a wait for another command."""

    mux_work: Seconds = 300.0
    """Seconds that work may take before it is aborted; longer turns need more."""

    mux_outcomes: Count = 2000
    """Answers that are remembered for whoever asks again under the same id."""

    mux_in_flight: Count = 10_000
    """Commands with an id that are not answered yet."""

    mux_keys: Seconds = 600.0
    """Seconds that an idempotency key is remembered."""

    mux_snapshot: Bytes = 32 * KIB
    """Bytes of an answer up to which it is told again with each of its pieces: some 200 MB."""

    mux_run: Bytes = 4 * MIB
    """Bytes of messages that are kept of a run and told again at its end: the last of them."""

    # Agents that the host runs.

    watched_processes: Count = 256
    """Processes of attached agents watched by a descriptor each; more of them are polled."""

    agent_line: Bytes = 16 * MIB
    """Bytes of a line that an agent prints: a tool's whole output with a picture in it."""

    agent_long_line: Bytes = 256 * MIB
    """Bytes of a line that is read without its middle; a longer one is nonsense."""

    agent_stdin: Bytes = 64 * MIB
    """Bytes that an agent was sent and does not read: it hangs, and some pictures fit."""

    agent_stderr: Bytes = 64 * KIB
    """Bytes kept of what an agent complains of: the end of it says why it went."""

    agent_look: Seconds = 2.0
    """Seconds between two looks at what agents have started: 5 ms of work, or a lost child."""

    agent_eof: Seconds = 2.0
    """Seconds that an agent gets to end once its input is closed."""

    agent_term: Seconds = 2.0
    """Seconds from SIGTERM to SIGKILL: to write a transcript down, not to finish work."""

    agent_kill: Seconds = 2.0
    """Seconds after SIGKILL at which a process counts as one that cannot be ended."""
