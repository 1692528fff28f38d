"""From a command line to a host that listens, and to its end: in memory, then in processes."""

from __future__ import annotations

import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from twisted.internet.testing import MemoryReactorClock, StringTransportWithDisconnection
from twisted.logger import capturedLogs, formatEvent

from sxhost import __version__
from sxhost.config import Settings
from sxhost.daemon.preflight import make_state_dir
from sxhost.daemon.service import HostService
from sxhost.daemon.serving_options import BYPASS
from sxhost.logs import LEVELS
from sxhost.model.limits import Limits
from sxhost.model.session import Registration
from sxhost.tap import Options, assemble
from sxhost.testing import result_of
from tests.support.daemons import CLASSIC, DAEMON, FREE_PORT, NODAEMON, PATIENCE, SXHOST, run
from tests.support.hosts import until

if TYPE_CHECKING:
    from tests.support.hosts import Host, StartDaemon, StartHost

FREE = "tcp:0:interface=127.0.0.1"


# The command line.


@pytest.fixture
def forks_hosts() -> bool:
    """How a host starts is what is tested here."""
    return False


forked = pytest.mark.parametrize("forks_hosts", [True], ids=["forked"])
"""But not in a test of what a host does that runs."""


@pytest.fixture(autouse=True)
def no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SXHOST_LOG", "STATE_DIRECTORY", "XDG_STATE_HOME", "NOTIFY_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")


def settings_of(*words: str) -> Settings:
    options = Options()
    options.parseOptions(words)
    settings: Settings = options["settings"]
    return settings


def test_defaults_without_options() -> None:
    assert settings_of() == Settings(
        listen=("tcp:7432:interface=127.0.0.1",),
        state_dir=Path("/home/ada/.local/state/sxhost"),
        limits=Limits(),
        log_level="info",
    )


@pytest.mark.parametrize(
    ("words", "listen"),
    [
        (["--port", "0"], ["tcp:0:interface=127.0.0.1"]),
        (["-p", "65535"], ["tcp:65535:interface=127.0.0.1"]),
        (["--host", "0.0.0.0"], ["tcp:7432:interface=0.0.0.0"]),
        (["--host", "::1", "--port", "80"], [r"tcp:80:interface=\:\:1"]),
        (["--listen", "unix:/s"], ["unix:/s"]),
        (["--listen", "tcp:1", "--listen", "unix:/s"], ["tcp:1", "unix:/s"]),
    ],
)
def test_listen_options_become_endpoints(words: list[str], listen: list[str]) -> None:
    assert settings_of(*words).listen == tuple(listen)


def test_limit_options_set_limits() -> None:
    words = ("--max-sessions=1", "--max-events=2", "--max-messages=3", "--max-message-size=4")
    limits = Limits(sessions=1, events=2, messages=3, message_size=4)
    assert settings_of(*words).limits == limits


def test_any_limit_can_be_set_by_name() -> None:
    words = ("--limit=connections=7", "--limit", "body-within=2.5", "--limit=sessions=9")
    limits = Limits(connections=7, body_within=2.5, sessions=9)
    assert settings_of("--max-sessions=5", *words).limits == limits


@pytest.mark.parametrize("name", Limits.__struct_fields__)
def test_every_limit_refuses_values_out_of_bounds(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in ("0", "-1", "1e300", "nan", "many", "", " 7"):
        sent = refusal(capsys, f"--limit={name}={value}")
        assert f"--limit {name}={value} cannot be: expected" in sent
    usual = getattr(Limits(), name)
    assert settings_of(f"--limit={name}={usual}").limits == Limits()


def test_unknown_limit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("nonsense=1", "nonsense", "=1"):
        assert "is none; /status has the names of all" in refusal(capsys, f"--limit={words}")


def test_state_directory_by_option_environment_or_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert settings_of().state_dir == Path("/xdg/sxhost")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/sxhost:/var/lib/other")
    assert settings_of().state_dir == Path("/var/lib/sxhost")
    assert settings_of("--state-dir", "/d").state_dir == Path("/d")


@pytest.mark.parametrize("level", LEVELS)
def test_log_level_by_option_environment_or_default(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings_of("--log-level", level.upper()).log_level == level
    monkeypatch.setenv("SXHOST_LOG", level)
    assert settings_of().log_level == level
    assert settings_of("--log-level", "info").log_level == "info"


def test_codex_bypass_is_off_unless_set_true() -> None:
    reported = [settings_of(f"--{BYPASS}", word).bypass for word in ("true", "false")]
    assert (settings_of().bypass, reported) == (False, [True, False])


NUMBERS = [
    ("port", 0, 65535),
    ("max-sessions", 1, 1_000_000),
    ("max-events", 1, 1_000_000),
    ("max-messages", 1, 1_000_000),
    ("max-message-size", 1, 1 << 20),
]


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one sentence with which a command line is refused."""
    with pytest.raises(SystemExit) as caught:
        settings_of(*words)
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    (sentence,) = printed.err.splitlines()
    return sentence


@pytest.mark.parametrize(("name", "low", "high"), NUMBERS)
def test_out_of_range_number_is_refused(
    name: str, low: int, high: int, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["", "x", "1.5", " 1", "1_0", "٣", "-1", str(low - 1), str(high + 1), "9" * 5000]
    for text in wrong:
        sentence = refusal(capsys, f"--{name}={text}")
        said = f"--{name} must be a number from {low} to {high}, not {text!r}."
        assert sentence == f"sxhost: {said}"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--log-level", "loud"], "--log-level must be one of .*, not 'loud'"),
        (["--listen=tcp:1", "--port=2"], "--listen stands in place of --port and --host"),
        (["--listen=tcp:1", "--host=h"], "--listen stands in place of --port and --host"),
        ([f"--{BYPASS}=yes"], f"--{BYPASS} must be true or false, not 'yes'"),
        ([f"--{BYPASS}", "--port=1"], f"--{BYPASS} must be true or false, not '--port=1'"),
        (
            ["--store=postgresql://u:secret@h/d"],
            "--store must not have a password: .*PGPASSFILE",
        ),
        (["--store=postgresql:///d?password=secret"], "--store must not have a password"),
        (["--store=mysql://h/d"], "--store must be sqlite, .* or postgresql://HOST/DATABASE"),
        (["--require-durability=all"], "must be none, process, power or replicas, not 'all'"),
        (["--nonsense"], "nonsense"),
        (["--port"], "port"),
        (["word"], "word|arguments"),
    ],
)
def test_wrong_command_line_is_refused(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(sentence, refusal(capsys, *words))


def test_wrong_log_level_in_the_environment_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SXHOST_LOG", "loud")
    assert "'loud'" in refusal(capsys)


def test_version_option_exits_zero(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        settings_of("--version")
    assert caught.value.code == 0
    assert capsys.readouterr() == (f"sxhost {__version__}\n", "")


# A host in memory.


class Machine:
    """A reactor in memory and the host that `listen` makes on it."""

    def __init__(self, place: Path, *listen: str) -> None:
        self.reactor: Any = MemoryReactorClock()
        settings = Settings(
            listen=listen, state_dir=place, store="memory:", hosts=("h",), tokens="none"
        )
        self.host: HostService = assemble(settings, self.reactor)

    def start(self) -> list[str]:
        """Start the host; return what it logged."""
        with capturedLogs() as logged:
            self.host.privilegedStartService()
            self.host.startService()
        return [formatEvent(e) for e in logged if e["log_namespace"] == "sxhost.daemon.service"]

    def connect(self, request: bytes) -> StringTransportWithDisconnection:
        """Send a request to the first TCP listener; return what the client gets."""
        protocol = self.reactor.tcpServers[0][1].buildProtocol(None)
        transport = StringTransportWithDisconnection()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        protocol.dataReceived(request)
        return transport


def test_assembled_host_listens_and_announces_its_url(tmp_path: Path) -> None:
    # The reactor in memory takes every address of a family for all of them.
    machine = Machine(
        tmp_path, "tcp:7432:interface=0.0.0.0", r"tcp:1:interface=\:\:", "unix:/run/s"
    )
    *places_told, served = machine.start()
    assert places_told == [
        "Listening on http://0.0.0.0:7432",
        "Listening on http://[::]:1",
        "Listening on unix:/run/s",
    ]
    assert re.fullmatch(r"sxhost \S+ serves \d+ routes; /openapi.json describes them", served)
    places = [(port, interface) for port, _, _, interface in machine.reactor.tcpServers]
    assert places == [(7432, "0.0.0.0"), (1, "::")]
    assert [address for address, *_ in machine.reactor.unixServers] == ["/run/s"]
    assert result_of(machine.host.sessions.status()).port == 7432


def test_status_has_no_port_without_tcp(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "unix:/run/s")
    machine.start()
    assert result_of(machine.host.sessions.status()).port == 0


def test_stop_answers_waiting_requests(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "tcp:7432:interface=127.0.0.1")
    machine.start()
    result_of(machine.host.sessions.register("a", Registration()))
    waiting = machine.connect(b"GET /sessions/a/messages?wait=30 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert waiting.value() == b""
    result_of(machine.host.stopService())
    head, _, body = waiting.value().partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (b"200", b"[]")


def test_stop_by_a_client_ends_the_reactor(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "tcp:7432:interface=127.0.0.1")
    machine.start()
    machine.reactor.running = True
    answer = machine.connect(b"POST /stop HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.value().endswith(b'{"ok":true}')
    assert not machine.reactor.hasStopped
    machine.reactor.advance(0)
    assert machine.reactor.hasStopped


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "foo:bar",
        "tcp:",
        "tcp:x",
        "tcp:1:nonsense=1",
        "unix:/s:mode=9",
        "systemd:domain=INET:index=0",
        "ssl:1:privateKey=/nowhere.pem",
        f"ssl:1:privateKey={__file__}",
    ],
)
def test_invalid_endpoint_is_refused(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        Machine(tmp_path, text)
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert printed.err.startswith(f"sxhost: --listen {text!r} does not work: ")
    assert printed.err.count("\n") == 1


def test_state_directory_is_created_private(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    for _ in range(2):
        make_state_dir(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


# Processes.


def ask(url: str, data: bytes | None = None) -> str:
    """Return a host's answer; with data, POST it."""
    request = Request(url, data, {"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE) as answer:
        text: str = answer.read().decode()
    return text


def say(port: int, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.sendall(request)
    return connection


def rest(connection: socket.socket) -> bytes:
    """Read until the other side hangs up."""
    with connection, connection.makefile("rb") as answer:
        return answer.read()


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port at which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_foreground_host_prints_its_url(running_host: Host) -> None:
    assert f"Listening on http://127.0.0.1:{running_host.port}\n" in running_host.output()
    assert ask(f"{running_host.url}/health") == '{"status":"ok"}'
    assert f'"port":{running_host.port},' in ask(f"{running_host.url}/status")


@forked
def test_codex_bypass_is_warned_of(start_host: StartHost) -> None:
    host = start_host("--addr", "127.0.0.1:0", f"--{BYPASS}", "true", command=(SXHOST,))
    assert host.port
    assert f"--{BYPASS}: what comes by POST /messages" in host.output()


@forked
def test_addr_option_is_host_and_port(start_host: StartHost) -> None:
    host = start_host("--addr", "127.0.0.1:0", command=(SXHOST,))
    assert ask(f"{host.url}/health") == '{"status":"ok"}'


@forked
@pytest.mark.parametrize(
    ("native", "kept"),
    [("none", [False, False]), ("facts", [True, False]), ("all", [True] * 2)],
)
def test_native_option_says_what_a_later_host_has(
    native: str, kept: list[bool], start_host: StartHost
) -> None:
    own = b'"data":{"text":"x","native":{"own":1}}'
    body = b'{"event":"message",%s}\n{"event":"message-delta",%s}\n' % (own, own)
    kind = {"Content-Type": "application/x-ndjson"}
    host = start_host("--port=0", f"--native={native}")
    urlopen(Request(f"{host.url}/sessions/a/events", body, kind)).close()
    with urlopen(f"{host.url}/sessions/a/events") as events:
        assert events.read().count(b'"own"') == 2, "who reads now gets it all the same"
    host.stop()
    again = start_host("--port=0")
    with urlopen(f"{again.url}/sessions/a/events?pieces=1&after=0") as events:
        assert [b'"own"' in line for line in events] == kept


@forked
def test_several_listen_options(start_host: StartHost, tmp_path: Path) -> None:
    path = tmp_path / "sock"
    host = start_host("--listen", f"unix:{path}:mode=600", "--listen", FREE, command=(SXHOST,))
    assert ask(f"{host.url}/health") == '{"status":"ok"}'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"Listening on unix:{path}\n" in host.output()
    with socket.socket(socket.AF_UNIX) as local:
        local.connect(str(path))
        local.sendall(b"GET /health HTTP/1.0\r\nHost: h\r\n\r\n")
        assert rest(local).endswith(b'{"status":"ok"}')
    assert host.stop() == -signal.SIGTERM
    assert not path.exists()


@forked
def test_endpoint_with_extra_options_works(start_host: StartHost) -> None:
    host = start_host("--listen", f"{FREE}:backlog=7")
    assert ask(f"{host.url}/health") == '{"status":"ok"}'


@pytest.mark.parametrize("command", [NODAEMON, DAEMON, CLASSIC, (SXHOST,)])
def test_port_in_use_is_a_readable_error(
    command: Sequence[str], taken: int, tmp_path: Path
) -> None:
    done = run(tmp_path, *command, "--port", str(taken), "--state-dir", "d")
    place = f"127.0.0.1:{taken}"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"sxhost: cannot listen on {place}: address already in use;"
        " choose another with --port, --host or --listen.\n"
    )
    assert not (tmp_path / "pid").exists()


@forked
def test_unix_socket_in_use_is_a_readable_error(start_host: StartHost, tmp_path: Path) -> None:
    place = f"unix:{tmp_path}/sock"
    first = start_host("--listen", FREE, "--listen", place)
    assert first.port
    done = run(tmp_path, *NODAEMON, "--listen", place, "--state-dir", "d")
    sentence = f"sxhost: cannot listen on {place}: "
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(sentence)
    assert sentence in done.stdout, "the log has it too"
    assert "Traceback" not in done.stdout


def test_daemon_that_cannot_listen_is_a_readable_error(tmp_path: Path) -> None:
    place = "unix:/nowhere/sock"
    done = run(tmp_path, *DAEMON, "--listen", place, "--state-dir", "d")
    sentence = f"sxhost: cannot listen on {place}: no such file or directory"
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert sentence in (tmp_path / "log").read_text()
    until(lambda: not (tmp_path / "pid").exists())  # twistd tells its parent first


@pytest.mark.parametrize("command", [NODAEMON, DAEMON, CLASSIC, (SXHOST,)])
def test_impossible_state_directory_is_a_readable_error(
    command: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = run(tmp_path, *command, "--port", "0", "--state-dir", "file/d")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"sxhost: cannot use the state directory: .*file/d'\.\n", done.stderr)


@pytest.mark.parametrize(
    ("options", "promised"),
    [
        (["--require-durability=replicas"], "power"),
        (["--require-durability=power", "--durability=process"], "process"),
        (["--require-durability=process", "--store=memory:"], "none"),
    ],
)
def test_a_store_that_promises_too_little_is_refused(
    options: Sequence[str], promised: str, tmp_path: Path
) -> None:
    done = run(tmp_path, *NODAEMON, "--port=0", "--state-dir=d", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f": the store promises {promised}.\n")


def test_an_engine_that_is_away_is_a_readable_error(tmp_path: Path) -> None:
    store = "--store=postgresql://nobody@127.0.0.1:1/nothing"
    done = run(tmp_path, *NODAEMON, "--port=0", "--state-dir=d", store)
    assert done.returncode == 1
    assert "sxhost: PostgreSQL cannot be used: " in done.stderr


@pytest.mark.parametrize("command", [NODAEMON, DAEMON, CLASSIC, (SXHOST,)])
def test_bad_option_is_a_readable_error(command: Sequence[str], tmp_path: Path) -> None:
    done = run(tmp_path, *command, "--port", "x")
    sentence = "sxhost: --port must be a number from 0 to 65535, not 'x'.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_timers_ignore_wall_clock_jumps(tmp_path: Path) -> None:
    program = """
import sys, time
from sxhost.tap import Options, makeService
options = Options()
options.parseOptions(["--port", "0", "--state-dir", sys.argv[1]])
makeService(options)
from twisted.internet import reactor
assert reactor.seconds is time.monotonic
fired = []
reactor.callLater(0, fired.append, True)
(timer,) = reactor.getDelayedCalls()
assert timer.getTime() <= time.monotonic()
"""
    done = run(tmp_path, sys.executable, "-W", "error", "-c", program, str(tmp_path / "d"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# An ordered stop.


def post_stop(host: Host) -> None:
    assert ask(f"{host.url}/stop", b"") == '{"ok":true}'


def by_signal(number: int) -> Callable[[Host], None]:
    return lambda host: host.process.send_signal(number)


@forked
@pytest.mark.parametrize(
    ("stop", "code"),
    [
        pytest.param(by_signal(signal.SIGTERM), -signal.SIGTERM, id="SIGTERM"),
        pytest.param(by_signal(signal.SIGINT), -signal.SIGINT, id="SIGINT"),
        pytest.param(post_stop, 0, id="POST"),
    ],
)
def test_signal_stops_the_host_in_order(
    stop: Callable[[Host], None], code: int, running_host: Host
) -> None:
    ask(f"{running_host.url}/sessions/a/register", b"{}")
    pull = b"GET /sessions/a/messages?wait=30 HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"
    waiting = say(running_host.port, pull % running_host.port)
    while '"waiting":1,' not in ask(f"{running_host.url}/status"):
        assert running_host.process.poll() is None
    stop(running_host)
    answer = rest(waiting)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n[]")
    assert running_host.process.wait(timeout=30) == code
    assert running_host.wait() == code
    output = running_host.output()
    assert '"GET /sessions/a/messages?wait=30" 200 2 ' in output
    assert "[sxhost.daemon.service#info] Stopped" in output
    assert "Traceback" not in output


# The log.


@forked
def test_control_characters_of_requests_are_escaped_in_the_log(running_host: Host) -> None:
    raw, escaped = b"GET /a\x1b[31m\x9b\r\nHost: h", b"GET /%1b[31m%0aforged HTTP/1.0"
    requests = (raw, escaped, b"G\x1bT / HTTP/1.0")
    connections = [say(running_host.port, request + b"\r\n\r\n") for request in requests]
    for connection in connections:  # each is kept open for a while after its refusal
        assert b" 200 " not in rest(connection)
    running_host.stop()
    output = running_host.output()
    assert output.count('127.0.0.1 "- -" 400 ') == 3, "what is refused unread is logged too"
    assert not [c for c in output if c < " " and c not in "\n\t"]


@forked
@pytest.mark.parametrize(
    ("options", "environ", "probes"),
    [
        ([], {}, False),
        (["--log-level", "debug"], {}, True),
        ([], {"SXHOST_LOG": "debug"}, True),
        (["--log-level", "info"], {"SXHOST_LOG": "debug"}, False),
    ],
)
def test_log_level_filters_the_log(
    options: list[str], environ: dict[str, str], probes: bool, start_host: StartHost
) -> None:
    host = start_host("--port", "0", *options, environ=environ)
    for path in ("health", "status"):
        ask(f"{host.url}/{path}")
    host.stop()
    assert ('"GET /health"' in host.output()) == probes
    assert '"GET /status"' in host.output()


# Daemons.


def url_in(log: Path) -> str:
    """Return the address that a host has logged; a daemon's parent waits for that."""
    found = re.findall(r"Listening on (http://\S+)", log.read_text())
    assert found, log.read_text()
    return str(found[-1])


CLASSIC_LOG = "d/sxhost.log"
KINDS = pytest.mark.parametrize(
    ("command", "log"),
    [(DAEMON, "log"), (CLASSIC, CLASSIC_LOG)],
    ids=["twistd", "sxhost"],
)


@KINDS
def test_daemon_has_a_pidfile_until_its_end(
    command: Sequence[str], log: str, start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(*command, *FREE_PORT)
    url = url_in(tmp_path / log)
    assert f'"pid":{daemon.pid},' in ask(f"{url}/status")
    daemon.stop()
    assert not (tmp_path / "pid").exists()
    assert "[sxhost.daemon.service#info] Stopped" in (tmp_path / log).read_text()


@KINDS
def test_daemon_ends_on_a_clients_stop(
    command: Sequence[str], log: str, start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(*command, *FREE_PORT)
    assert ask(f"{url_in(tmp_path / log)}/stop", b"") == '{"ok":true}'
    daemon.wait()
    assert not (tmp_path / "pid").exists()


@KINDS
def test_second_daemon_is_refused(
    command: Sequence[str], log: str, start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(*command, *FREE_PORT)
    done = run(tmp_path, *command, *FREE_PORT)
    assert (done.returncode, done.stdout) == (1, "")
    ours = f"sxhost: another host runs, with pid {daemon.pid} ({tmp_path / 'pid'}).\n"
    assert done.stderr == ours
    assert (tmp_path / "pid").read_text() == str(daemon.pid)
    assert not daemon.has_ended()


@KINDS
def test_stale_pidfile_is_replaced_and_logged(
    command: Sequence[str], log: str, start_daemon: StartDaemon, tmp_path: Path
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    (tmp_path / "pid").write_text(str(dead.pid))
    daemon = start_daemon(*command, *FREE_PORT)
    assert daemon.pid != dead.pid
    text = f"Replacing {tmp_path / 'pid'}: its process"
    assert text in (tmp_path / log).read_text()


def test_daemons_pidfile_is_in_its_state_directory(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(SXHOST, "--daemon", *FREE_PORT, pidfile="d/sxhost.pid")
    assert ask(f"{url_in(tmp_path / CLASSIC_LOG)}/health") == '{"status":"ok"}'
    daemon.stop()
    assert not (tmp_path / "d" / "sxhost.pid").exists()


def test_quiet_daemon_logs_warnings_only(start_daemon: StartDaemon, tmp_path: Path) -> None:
    options = ("--log-level", "warn", "--listen", "unix:sock", "--state-dir", "d")
    daemon = start_daemon(*DAEMON, *options)
    done = run(tmp_path, SXHOST, "status", "--url", f"unix:{tmp_path}/sock")
    assert (done.returncode, done.stderr) == (0, "")
    daemon.stop()
    log = (tmp_path / "log").read_text()
    assert [
        part for part in ("#info] Listening", "#info] Stopped", "/status") if part in log
    ] == []


def test_mux_port_variable_adds_a_listener_for_the_multiplexer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PI_SERVER_PORT", "3141")
    options = Options()
    options.parseOptions(["--port", "7000"])
    assert options["settings"].listen == (
        "tcp:7000:interface=127.0.0.1", "tcp:3141:interface=127.0.0.1",
    )  # fmt: skip


@pytest.mark.parametrize("port", ["65536", "x", "-1"])
def test_mux_port_must_be_a_number(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PI_SERVER_PORT", port)
    with pytest.raises(SystemExit):
        Options().parseOptions([])
    expected = f"PI_SERVER_PORT must be 1-65535, or 0 for any that is free, not '{port}'."
    assert expected in capsys.readouterr().err
