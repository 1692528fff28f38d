"""The log in its formats: what a line has, and what nobody can make it say."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, LogLevel, capturedLogs
from twisted.python.failure import Failure

from sxhost.daemon.logfile import (
    FORMATS,
    RotatedLogFile,
    as_combined,
    as_json,
    as_text,
    escaped,
)
from sxhost.logs import logger, set_level
from sxhost.testing import HostInMemory
from tests.conftest import FailureLog
from tests.host.http.test_site import Wire
from tests.process.test_tap import ask, rest, say, url_in
from tests.support.daemons import DAEMON, FREE_PORT, NODAEMON, TWISTD, run

if TYPE_CHECKING:
    from tests.support.hosts import StartDaemon, StartHost

Format = Callable[[LogEvent], str | None]
EVERY = pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
AT = 1_710_288_000.5


def event(text: str = "hello", **fields: Any) -> LogEvent:
    return {
        "log_format": "{text}", "log_time": AT, "log_level": LogLevel.info,
        "log_namespace": "sxhost.x", "text": text, **fields,
    }  # fmt: skip


def failed(message: str) -> Failure:
    return Failure(ValueError(message))


# One event.


def test_text_format_is_twistds() -> None:
    assert re.fullmatch(r"2024-03-1\dT\d\d:\d\d:\d\d\S+ \[sxhost.x#info\] hello\n",
                        as_text(event()) or "")  # fmt: skip
    assert "[-] hello" in (as_text(event(log_system="-")) or "")
    lines = (as_text(event(log_failure=failed("no"))) or "").splitlines()
    assert lines[1].startswith("\tTraceback")
    assert lines[-1].endswith("builtins.ValueError: no")


def test_json_format_has_common_keys_and_the_events_fields() -> None:
    line = as_json(event(count=3, ratio=0.5, none=None, yes=True, kind=Path("/x"))) or ""
    assert json.loads(line) == {
        "ts": "2024-03-13T00:00:00.500+00:00", "level": "info", "namespace": "sxhost.x",
        "message": "hello", "text": "hello", "count": 3, "ratio": 0.5, "none": None,
        "yes": True, "kind": "/x",
    }  # fmt: skip
    fields = json.loads(as_json(event(log_failure=failed("no"))) or "")
    assert fields["traceback"].startswith("Traceback")
    assert fields["traceback"].rstrip().endswith("builtins.ValueError: no")
    assert "log_failure" not in fields


def test_json_format_common_keys_win_over_fields_of_the_event() -> None:
    fields = json.loads(as_json(event(ts="x", level="y", message="z", traceback="t")) or "")
    assert (fields["level"], fields["message"]) == ("info", "hello")
    assert "traceback" not in fields


@EVERY
def test_event_without_a_message_is_no_line(write: Format) -> None:
    assert write({"log_format": None, "log_time": AT}) is None


@EVERY
def test_event_of_the_legacy_logger_is_a_line(write: Format) -> None:
    old = {"log_format": "{log_text}", "log_text": "old", "log_time": AT, "log_system": "-"}
    assert "old" in (write(old) or "")


FORGED = "a\r\nb\x1b[31m\x07\x00\x7f\x9b\u2028\u202e\ud800ü"


@EVERY
def test_logged_text_cannot_forge_a_line_or_drive_a_terminal(write: Format) -> None:
    for text in (event(FORGED), event(x=FORGED), event(log_system=FORGED)):
        line = write(text) or ""
        assert line.count("\n") == 1
        assert not set(line[:-1]) & set(FORGED[1:-1]) - set("ab[31m")
        line.encode()


@given(st.text(min_size=1))
def test_any_logged_text_is_one_printable_line(text: str) -> None:
    for write in FORMATS.values():
        line = write(event(text)) or ""
        assert line.endswith("\n")
        assert all(c >= " " and not "\x7f" <= c <= "\x9f" for c in line[:-1])


@EVERY
def test_traceback_cannot_forge_a_line(write: Format) -> None:
    text = write(event(log_failure=failed(FORGED))) or ""
    assert not set(text) & set("\r\x1b\x07\x00\x7f\x9b")
    for line in text.splitlines()[1:]:
        assert line.startswith("\t")


@EVERY
def test_tokens_are_cut_from_the_log(write: Format) -> None:
    secret = "sxhost_0a1b2c3d_" + "x" * 43
    for text in (event(secret), event(x=secret), event(log_failure=failed(secret))):
        line = write(text) or ""
        assert "x" * 16 not in line
    assert "sxhost_0a1b2c3d_..." in (write(event(f"a {secret}, b")) or "")
    assert escaped("sxhost_pid_file and sxhost_requests_total") == (
        "sxhost_pid_file and sxhost_requests_total"
    )


# One request.


@pytest.fixture
def wire() -> Wire:
    return Wire()


def logged(wire: Wire, request: bytes) -> LogEvent:
    """Return the event of a request, as an observer gets it."""
    with capturedLogs() as events:
        wire.connect(request)
    (found,) = [one for one in events if "access" in one]
    return found


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([lines[0], b"Host: x", *lines[1:], b"", b""])


def test_access_log_entry_has_its_fields(wire: Wire) -> None:
    referer = b"Referer: http://x/page?token=secret#part"
    agent = b'User-Agent: a"b \xc3\xbc'
    request = head(b"GET /sessions?limit=5 HTTP/1.1", referer, agent)
    found = json.loads(as_json(logged(wire, request)) or "")
    assert re.fullmatch("[0-9a-f]{12}", found.pop("request_id"))
    assert found.pop("message").startswith('192.168.1.1 "GET /sessions?limit=5" 200 ')
    assert (found.pop("namespace"), found.pop("level")) == ("sxhost.http.site", "info")
    del found["ts"], found["size"], found["ms"]
    assert found == {
        "peer": "192.168.1.1", "method": "GET", "uri": "/sessions?limit=5",
        "version": "HTTP/1.1", "route": "/sessions", "status": 200, "token": "own",
        "referer": "http://x/page", "agent": "a%22b \\xc3\\xbc",
    }  # fmt: skip


COMBINED = re.compile(
    r"(?P<host>\S+) - (?P<user>\S+) \[(?P<time>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
    r' "(?P<asked>[^"]*)" (?P<status>\d{3}) (?P<size>\d+) "(?P<referer>[^"]*)"'
    r' "(?P<agent>[^"]*)"\n'
)


def test_combined_format_is_apaches(wire: Wire) -> None:
    request = head(b"GET /status HTTP/1.1", b"User-Agent: curl/8")
    found = COMBINED.fullmatch(as_combined(logged(wire, request)) or "")
    assert found is not None
    assert (found["asked"], found["status"]) == ("GET /status HTTP/1.1", "200")
    assert (found["user"], found["referer"], found["agent"]) == ("own", "-", "curl/8")


def test_combined_format_writes_other_events_as_text() -> None:
    assert as_combined(event()) == as_text(event())


PATHS = st.binary(max_size=40).map(lambda raw: b"/" + raw.translate(None, b"\r\n "))
AGENTS = st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\r\n\0"))


@given(PATHS, AGENTS)
def test_any_request_is_one_access_log_line(path: bytes, agent: bytes) -> None:
    with capturedLogs() as events:
        Wire().connect(head(b"GET %s HTTP/1.1" % path, b"User-Agent: %s" % agent))
    for one in events:
        if "access" in one:
            for write in FORMATS.values():
                line = write(one) or ""
                assert line.count("\n") == 1
                assert all(" " <= c <= "~" for c in line[:-1])
            assert COMBINED.fullmatch(as_combined(one) or "")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/login/secret", "/login/<code>"),
        ("/login/secret?x=secret", "/login/<code>?..."),
        ("/LOGIN/secret", "/login/<code>"),
        ("/%6cogin/secret", "/login/<code>"),
        ("//login/secret", "/login/<code>"),
        ("/login/secret/more", "/login/<code>"),
        ("/sessions?token=secret", "/sessions?..."),
        ("/sessions?secret", "/sessions?..."),
        ("/sessions?limit=5&access_token=secret", "/sessions?limit=5&..."),
        ("/nowhere?limit=secret", "/nowhere?..."),
    ],
)
def test_secrets_in_a_path_are_not_logged(wire: Wire, path: str, message: str) -> None:
    found = logged(wire, head(f"GET {path} HTTP/1.1".encode()))
    assert found["uri"] == message
    for write in FORMATS.values():
        assert "secret" not in (write(found) or "")


def test_login_code_of_a_refused_request_is_not_logged(wire: Wire) -> None:
    found = logged(wire, b"GET /login/secret HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert (found["status"], found["uri"], found["token"]) == (403, "/login/<code>", "-")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (b"http://u:secret@h:1/login/secret?secret#secret", "http://h/login/<code>"),
        (b"nonsense", "-"),
        (b"http://[", "-"),
        (b"", "-"),
    ],
)
def test_secrets_in_a_referrer_are_not_logged(wire: Wire, page: bytes, message: str) -> None:
    found = logged(wire, head(b"GET /status HTTP/1.1", b"Referer: %s" % page))
    assert found["referer"] == message


def test_query_is_not_logged(wire: Wire) -> None:
    begun = head(b"GET /status?secret HTTP/1.1", b"Content-Length: 1")
    transport = wire.connect(begun).transport
    assert isinstance(transport, StringTransport)
    (request,) = transport.protocol.requests
    assert "secret" not in repr(request)


# The request's id.


def answer(wire: Wire, request: bytes) -> tuple[str, bytes]:
    """Return the id in an answer, and its body."""
    got = wire.connect(request).got
    ids = re.findall(rb"X-Request-Id: (.+)\r\n", got, re.IGNORECASE)
    assert len(ids) == 1
    return ids[0].decode(), got.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "request_",
    [
        head(b"GET /status HTTP/1.1"),
        head(b"GET /nowhere HTTP/1.1"),
        b"GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        head(b"POST /sessions/a/events HTTP/1.1", b"Content-Length: 1000000000"),
    ],
)
def test_request_id_is_answered_and_logged(wire: Wire, request_: bytes) -> None:
    with capturedLogs() as events:
        first, _ = answer(wire, request_)
    second, _ = answer(wire, request_)
    assert first != second
    assert [one["request_id"] for one in events if "access" in one] in ([first], [])


def test_traceback_has_the_request_id(
    wire: Wire, failure_log: FailureLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(wire.lab.store, "sessions", broken)
    request_id, body = answer(wire, head(b"GET /sessions HTTP/1.1"))
    assert json.loads(body)["request_id"] == request_id
    (logged_,) = failure_log.flush()
    assert logged_["request_id"] == request_id
    assert b"defect" not in body


# Where it is written.


def test_a_foreground_host_writes_json_only(start_host: StartHost) -> None:
    host = start_host("--port", "0", "--log-format", "json", "--log-level", "debug")
    while "Listening" not in host.output():
        assert host.process.poll() is None
    (port,) = re.findall(r"Listening on http://127.0.0.1:(\d+)", host.output())
    ask(f"http://127.0.0.1:{port}/status")
    rest(say(int(port), b"GET /\x1b HTTP/1.0\r\nHost: h\r\n\r\n"))
    host.stop()
    lines = [json.loads(line) for line in host.output().splitlines()]
    assert all({"ts", "level", "namespace", "message"} <= line.keys() for line in lines)
    assert "/status" in [line.get("uri") for line in lines]
    assert {"info", "debug"} <= {line["level"] for line in lines} | {"debug"}


def test_a_foreground_host_writes_combined(start_host: StartHost) -> None:
    host = start_host("--port", "0", "--log-format", "combined")
    ask(f"{host.url}/status")
    host.stop()
    assert len(COMBINED.findall(host.output())) == 1
    assert "[sxhost.daemon.service#info] Stopped\n" in host.output()


def test_daemon_reopens_its_log_file_on_sigusr1(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(*DAEMON, *FREE_PORT, "--log-format", "json")
    log, before = tmp_path / "log", tmp_path / "log.1"
    url = url_in(log).rstrip('",')
    daemon.send(signal.SIGUSR1)
    while not before.exists():
        assert not daemon.has_ended()
    ask(f"{url}/status")
    daemon.stop()
    uris = [[json.loads(line).get("uri") for line in file.read_text().splitlines()]
            for file in (before, log)]  # fmt: skip
    assert "/status" in uris[1]
    assert "/status" not in uris[0]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
@pytest.mark.parametrize("create", [False, True], ids=["nocreate", "create"])
def test_daemon_writes_on_where_its_log_was_moved_away(
    start_daemon: StartDaemon, tmp_path: Path, number: signal.Signals, create: bool
) -> None:
    daemon = start_daemon(*DAEMON, *FREE_PORT, "--log-format", "json")
    log, moved = tmp_path / "log", tmp_path / "log-20260101"
    url = url_in(log).rstrip('",')
    ask(f"{url}/health")  # it runs, and knows of signals
    log.rename(moved)
    if create:
        log.touch(0o600)
    daemon.send(number)
    while not (log.exists() and "/status" in log.read_text()):
        ask(f"{url}/status")
        assert not daemon.has_ended()
    daemon.stop()
    assert "Stopped" in log.read_text()
    assert "Stopped" not in moved.read_text()
    assert not (tmp_path / "log.1").exists()


def log_file(path: Path, **more: Any) -> RotatedLogFile:
    file: RotatedLogFile = RotatedLogFile.fromFullPath(str(path), **more)
    return file


def test_truncated_log_has_no_hole_and_counts_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = log_file(path, rotateLength=10)
    file.write("12345678")
    path.write_bytes(b"")  # copytruncate
    file.write("ab")
    file.write("cd")
    assert path.read_bytes() == b"abcd"
    assert not (tmp_path / "log.1").exists()
    file.write("0123456789")
    file.write("next")
    file.close()
    assert (path.read_bytes(), (tmp_path / "log.1").read_bytes()) == (
        b"next",
        b"abcd0123456789",
    )


def test_log_that_grows_too_large_after_it_was_moved_is_reopened(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = log_file(path, rotateLength=4)
    file.write("12345")
    path.rename(tmp_path / "moved")
    file.write("next")
    file.close()
    assert path.read_bytes() == b"next"
    assert not (tmp_path / "log.1").exists()


def test_log_that_cannot_be_reopened_goes_on_in_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "log"
    path.parent.mkdir()
    file = log_file(path)
    path.parent.rename(tmp_path / "elsewhere")
    file.rotate()
    file.write("on")
    file.close()
    assert (tmp_path / "elsewhere" / "log").read_bytes() == b"on"


def test_foreground_log_file_is_twistds_option(start_host: StartHost, tmp_path: Path) -> None:
    command = (TWISTD, "-n", "--pidfile=", "--logfile=here", "sxhost")
    start_host("--listen", f"unix:{tmp_path}/sock", "--log-format=json", command=command)
    log = tmp_path / "here"
    while not (log.exists() and "Listening" in log.read_text()):
        os.sched_yield()
    assert json.loads(log.read_text().splitlines()[0])["level"] == "info"


def test_unknown_log_format_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path, *NODAEMON, "--log-format", "xml")
    text = "sxhost: --log-format must be text, json or combined, not 'xml'.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", text)


def test_unwritable_log_is_a_usage_error(tmp_path: Path) -> None:
    command = (TWISTD, "-n", "--pidfile=", "--logfile=no/where", "sxhost")
    done = run(tmp_path, *command, *FREE_PORT)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("sxhost: cannot write the log: ")


def test_events_below_the_log_level_are_not_formatted(lab: HostInMemory) -> None:
    set_level("warn")
    with capturedLogs() as events:
        logger("sxhost.x").info("hello")
    set_level("info")
    assert events == []
