"""The command `sxhost-emit` as a user runs it: its settings, its collector, its manners."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.error import ConnectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from sxhost.telemetry import command as telemetry
from sxhost.trust import trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from twisted.web.server import Request

F = TypeVar("F", bound="Callable[..., object]")
in_reactor: Callable[[F], F] = pytest_twisted.ensureDeferred
fixture_in_reactor: Callable[[F], F] = pytest_twisted.async_yield_fixture
reactor: Any = global_reactor  # its stubs know neither Site nor listenSSL

COMMAND = [
    sys.executable,
    "-c",
    "import sys; from sxhost.telemetry.command import main; sys.exit(main())",
]
HELLO = ("--type", "user", "--content", "hello", "--session-id", "s1")
NANNY = """
import ctypes, os, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
command = subprocess.run(sys.argv[1:])
orphans = []
while True:
    try:
        orphans.append(os.wait()[1])
    except ChildProcessError:
        break
print(command.returncode, orphans)
"""
"""Runs a command, adopts what it leaves behind, waits for that, and prints both outcomes."""


class Collector(Resource):
    """Keeps what it is sent in `said`, and answers unless it is a `black_hole`."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.said: DeferredQueue[dict[str, Any]] = DeferredQueue()
        self.held: DeferredQueue[Request] = DeferredQueue()
        self.code = 204
        self.black_hole = False

    def render_POST(self, request: Request) -> bytes | int:
        self.said.put(json.load(cast("IO[bytes]", request.content)))
        if self.black_hole:
            self.held.put(request)
            return NOT_DONE_YET
        request.setResponseCode(self.code)
        return b""


@dataclass
class Bench:
    """A user's machine: home, project and collector."""

    project: Path
    home: Path
    collector: Collector
    port: int = 0
    environ: dict[str, str] = field(default_factory=dict)

    def on(self, scheme: str = "http", host: str = "127.0.0.1") -> None:
        """Turn telemetry on, towards our collector."""
        self.environ["EMIT_SESSION_TRACKING"] = "1"
        self.environ["EMIT_SESSION_API_URL"] = f"{scheme}://{host}:{self.port}/sessions"

    def run(
        self,
        *options: str,
        stdin: bytes = b"",
        before: tuple[str, ...] = (),
        fds: tuple[int, ...] = (),
    ) -> Deferred[subprocess.CompletedProcess[bytes]]:
        """Run the command in the project until it has returned and let go of its pipes."""
        return deferToThread(
            subprocess.run,
            [*before, *COMMAND, *options],
            cwd=self.project,
            env={"HOME": str(self.home), **self.environ},
            input=stdin,
            capture_output=True,
            check=False,
            pass_fds=fds,
        )

    def run_to_the_end(
        self, *options: str, stdin: bytes = b""
    ) -> Deferred[subprocess.CompletedProcess[bytes]]:
        """The same, until all that the command left behind has ended, too."""
        return self.run(*options, stdin=stdin, before=(sys.executable, "-c", NANNY))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for name in ("project", "home"):
        (tmp_path / name).mkdir()
    return Bench(tmp_path / "project", tmp_path / "home", Collector())


@fixture_in_reactor
async def plain(bench: Bench) -> AsyncIterator[Bench]:
    """The bench with its collector listening in the clear, and telemetry on."""
    port = reactor.listenTCP(0, Site(bench.collector), interface="127.0.0.1")
    bench.port = port.getHost().port
    bench.on()
    yield bench
    await port.stopListening()


def test_command_line_is_parsed() -> None:
    options = telemetry.parse_options(
        ["--type=user", "--content", "--verbose", "--delete-file"]
    )
    assert options == {"--type": "user", "--content": "--verbose", "--delete-file": ""}


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("--content", "x"),
        ("--type", "boast", "--content", "x"),
        ("--type", "user"),
        ("--type", "user", "--content", "x", "--file", "y"),
        ("--type", "user", "--content"),
        ("--type", "user", "--content", "x", "--colour"),
        ("--type", "user", "--content", "x", "--verbose=1"),
        ("--type", "user", "x"),
    ],
)
def test_wrong_usage_exits_2_with_the_usage(
    argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert telemetry.main(argv) == 2
    assert "usage: sxhost-emit" in capsys.readouterr().err


def test_help_exits_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert telemetry.main(["--help"]) == 0
    assert capsys.readouterr().out == telemetry.USAGE


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("A=1", {"A": "1"}),
        ("  A =\t1  \r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# A=1\n\n   #B=2\nC=3 # three\nD=4\t# four", {"C": "3", "D": "4"}),
        ("A='x # y' # z\nB=\"it's\"", {"A": "x # y", "B": "it's"}),
        ("A='unclosed", {"A": "'unclosed"}),
        ("A=https://h/p?q=1#frag", {"A": "https://h/p?q=1#frag"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A= # nothing\nB=#1", {"A": "", "B": "#1"}),
        ("no equals sign\nA=", {"A": ""}),
    ],
)
def test_settings_file_has_lines_of_key_and_value(text: str, settings: dict[str, str]) -> None:
    assert telemetry.parse_settings(text) == settings


KEYS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1)
PLAIN = st.characters(exclude_characters="'\"", exclude_categories=["C", "Z"])
VALUES = st.text(PLAIN).filter(lambda value: not value.startswith("#"))
LAYOUTS = st.sampled_from(
    ["{}={}", " {} = {} ", '{}="{}"\r', "\t{}\t='{}' # why", "{}={} # why"]
)


@given(st.dictionaries(KEYS, VALUES), st.data())
def test_settings_file_tolerates_any_layout(
    settings: dict[str, str], data: st.DataObject
) -> None:
    lines = [data.draw(LAYOUTS).format(key, value) for key, value in settings.items()]
    assert telemetry.parse_settings("# ours\n\n" + "\n".join(lines)) == settings


@given(st.text())
def test_any_settings_file_is_parsed(text: str) -> None:
    assert all(key == key.strip() for key in telemetry.parse_settings(text))


def test_later_setting_wins(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir()
    root.mkdir()
    (home / ".scorpiox-env.txt").write_text("A=home\nB=home\nC=home", "utf-8")
    (root / "scorpiox-env.txt").write_text("B=root\nC=root", "utf-8")
    trust({"HOME": str(home)}, f"{root}/scorpiox-env.txt", b"B=root\nC=root")
    settings = telemetry.read_settings({"HOME": str(home), "C": "environment"}, str(root))
    assert [settings[key] for key in "ABC"] == ["home", "root", "environment"]


def settings_in(home: Path) -> dict[str, str]:
    return telemetry.read_settings({"HOME": str(home)}) | {"HOME": ""}


def test_missing_settings_file_is_no_error(tmp_path: Path) -> None:
    assert settings_in(tmp_path) == {"HOME": ""}
    (tmp_path / ".scorpiox-env.txt").mkdir()
    assert settings_in(tmp_path) == {"HOME": ""}


def test_settings_file_with_crlf_or_bom_is_read(tmp_path: Path) -> None:
    text = '\ufeffA="x = y"\r\nB=first\rB=last\r\n'
    (tmp_path / ".scorpiox-env.txt").write_text(text, "utf-8", newline="")
    assert settings_in(tmp_path) == {"A": "x = y", "B": "last", "HOME": ""}


def test_pipe_as_settings_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".scorpiox-env.txt")
    assert settings_in(tmp_path) == {"HOME": ""}
    with os.fdopen(os.open(tmp_path / ".scorpiox-env.txt", os.O_RDWR)):
        assert settings_in(tmp_path) == {"HOME": ""}


def test_unreadable_settings_file_is_empty(tmp_path: Path) -> None:
    # root may read all but what leads nowhere
    (tmp_path / ".scorpiox-env.txt").symlink_to(".scorpiox-env.txt")
    assert settings_in(tmp_path) == {"HOME": ""}


@pytest.mark.parametrize(
    ("tracking", "url", "endpoint"),
    [
        ("1", "https://c/", "https://c/"),
        ("0", "https://c/", ""),
        ("", "https://c/", ""),
        ("true", "https://c/", ""),
        ("1", "", ""),
    ],
)
def test_telemetry_is_off_unless_enabled_with_a_url(
    tracking: str, url: str, endpoint: str
) -> None:
    settings = {"EMIT_SESSION_TRACKING": tracking, "EMIT_SESSION_API_URL": url}
    assert telemetry.endpoint(settings) == endpoint
    assert telemetry.endpoint({}) == ""


def test_emit_imports_no_heavy_module() -> None:
    heavy = "twisted treq msgspec click argparse json re typing pathlib"
    look = f"import sxhost.telemetry.command; print(*set({heavy.split()}) & set(sys.modules))"
    code = f"import sys; sys.path[:] = {sys.path}; {look}"
    argv = [sys.executable, "-ISc", code]
    found = subprocess.run(argv, check=True, capture_output=True)
    assert found.stdout.split() == []


@in_reactor
async def test_payload_arrives_and_no_process_is_left(plain: Bench) -> None:
    done = await plain.run_to_the_end(*HELLO)
    assert done.stdout.decode().split("\n")[0] == "0 [0]"
    text = await plain.collector.said.get()
    assert (text["session_id"], text["type"], text["content"]) == ("s1", "user", "hello")
    assert text["metadata"]["project"] == "project"
    assert done.stderr == b""


@in_reactor
async def test_emit_does_not_wait_for_a_silent_collector(
    plain: Bench,
) -> None:
    plain.collector.black_hole = True
    done = await plain.run(*HELLO)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    request = await plain.collector.held.get()
    ended = request.notifyFinish()
    assert not ended.called
    request.loseConnection()
    with pytest.raises(ConnectionDone):
        await ended


@in_reactor
async def test_sender_closes_inherited_files(plain: Bench) -> None:
    plain.collector.black_hole = True
    reading, writing = os.pipe()
    await plain.run(*HELLO, fds=(writing,))
    os.close(writing)
    request = await plain.collector.held.get()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        assert pipe.read() == b"", "None: someone could still write"
    ended = request.notifyFinish()
    request.loseConnection()
    with pytest.raises(ConnectionDone):
        await ended


@in_reactor
async def test_telemetry_is_off_by_default(plain: Bench) -> None:
    plain.environ.clear()
    done = await plain.run_to_the_end(*HELLO)
    assert (done.stdout, done.stderr, plain.collector.said.pending) == (b"0 []\n", b"", [])


@in_reactor
async def test_settings_come_from_the_files_of_home_and_project(plain: Bench) -> None:
    url = plain.environ.pop("EMIT_SESSION_API_URL")
    plain.environ.clear()
    (plain.home / ".scorpiox-env.txt").write_text("EMIT_SESSION_TRACKING=1\r\n", "utf-8")
    text = f"EMIT_SESSION_API_URL={url}"
    (plain.project / "scorpiox-env.txt").write_text(text, "utf-8")
    place = f"{plain.project}/scorpiox-env.txt"
    trust({"HOME": str(plain.home)}, place, text.encode())
    await plain.run_to_the_end(*HELLO)
    assert (await plain.collector.said.get())["content"] == "hello"


@in_reactor
async def test_verbose_says_that_telemetry_is_off(bench: Bench) -> None:
    bench.environ["SXHOST_EMIT_DEBUG"] = "1"
    done = await bench.run(*HELLO)
    assert done.returncode == 0
    assert done.stderr.startswith(b"sxhost-emit: off: ")


@in_reactor
async def test_verbose_prints_the_collectors_answer(plain: Bench) -> None:
    done = await plain.run(*HELLO, "--verbose")
    assert (done.returncode, done.stderr) == (0, b"sxhost-emit: sent\n")
    plain.collector.code = 507
    done = await plain.run(*HELLO, "--verbose")
    wanted = b"sxhost-emit: not sent: the collector answered 507\n"
    assert (done.returncode, done.stderr) == (0, wanted)


@in_reactor
async def test_absent_collector_is_no_error(bench: Bench) -> None:
    port = reactor.listenTCP(0, Site(bench.collector), interface="127.0.0.1")
    bench.port = port.getHost().port
    await port.stopListening()
    bench.on()
    assert (await bench.run_to_the_end(*HELLO)).stdout == b"0 [0]\n"
    done = await bench.run(*HELLO, "--verbose")
    assert done.returncode == 0
    assert b"refused" in done.stderr


@in_reactor
async def test_plain_http_to_a_remote_collector_is_refused(bench: Bench) -> None:
    bench.on(host="collector.example")
    done = await bench.run(*HELLO, "--verbose")
    assert done.returncode == 0
    assert b"plain http to collector.example is refused" in done.stderr


@in_reactor
async def test_content_is_read_from_standard_input(plain: Bench) -> None:
    content = "Zeile\r\n\u2028 ende\n"
    await plain.run_to_the_end("--type", "error", "--file", "-", stdin=content.encode())
    assert (await plain.collector.said.get())["content"] == content


@in_reactor
async def test_invalid_utf8_of_standard_input_is_replaced(plain: Bench) -> None:
    await plain.run_to_the_end("--type", "error", "--file=-", stdin=b"caf\xe9")
    assert (await plain.collector.said.get())["content"] == "caf\ufffd"


@pytest.mark.parametrize(
    ("option", "code", "kept"),
    [((), 204, True), (("--delete-file",), 204, False), (("--delete-file",), 500, True)],
    ids=["not asked for", "sent", "not sent"],
)
@in_reactor
async def test_content_file_is_deleted_only_if_asked_for_and_sent(
    plain: Bench, option: tuple[str, ...], code: int, kept: bool
) -> None:
    plain.collector.code = code
    file = plain.project / "answer.txt"
    file.write_text("x" * 300_000, "utf-8")
    await plain.run_to_the_end("--type", "assistant", "--file", "answer.txt", *option)
    assert len((await plain.collector.said.get())["content"]) == 300_000
    assert file.exists() is kept


@in_reactor
async def test_missing_content_file_is_no_error(plain: Bench) -> None:
    done = await plain.run("--type", "user", "--file", "nothing.txt", "--verbose")
    assert done.returncode == 0
    assert b"No such file or directory: 'nothing.txt'" in done.stderr


@in_reactor
async def test_directory_as_content_file_is_no_error(plain: Bench) -> None:
    done = await plain.run("--type", "user", "--file", ".", "--verbose")
    assert done.returncode == 0
    assert b"Is a directory: '.'" in done.stderr
    done = await plain.run_to_the_end("--type", "user", "--file", ".", "--delete-file")
    assert (done.stdout, done.stderr) == (b"0 []\n", b"")
    assert plain.project.exists()


@in_reactor
async def test_fifty_megabytes_are_sent(plain: Bench) -> None:
    (plain.project / "large").write_bytes(b"x" * 50_000_000)
    done = await plain.run("--type", "tool_result", "--file", "large", "--verbose")
    assert done.stderr == b"sxhost-emit: sent\n"
    assert len((await plain.collector.said.get())["content"]) == 50_000_000


@in_reactor
async def test_sxhost_emit_is_the_same_command(plain: Bench) -> None:
    command = (sys.executable, "-m", "sxhost", "emit", *HELLO, "--verbose")
    done = await deferToThread(
        subprocess.run,
        command,
        cwd=plain.project,
        env={"HOME": str(plain.home), "PYTHONPATH": os.pathsep.join(sys.path), **plain.environ},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"sxhost-emit: sent\n")


@in_reactor
async def test_emit_in_process_reaches_the_collector(
    plain: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plain.project)
    for name, value in plain.environ.items():
        monkeypatch.setenv(name, value)
    emitter = telemetry.emitter_of(reactor)
    await telemetry.emit(reactor, "s2", "system", "hello")
    assert (await plain.collector.said.get())["session_id"] == "s2"
    assert (telemetry.emitter_of(reactor), emitter.sent) == (emitter, 1)


def certificate(
    name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for host `name` with its key, by `issuer`; without one, an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    return built, key


async def post_over_tls(bench: Bench, name: str, *, trusted: bool) -> bytes:
    """What the command says of a collector at localhost whose certificate is for `name`."""
    authority = certificate("authority.example")
    shown, key = certificate(name, authority)
    options = CertificateOptions(cast("Any", key), cast("Any", shown))
    port = reactor.listenSSL(0, Site(bench.collector), options, interface="127.0.0.1")
    bench.port = port.getHost().port
    bench.on("https", "localhost")
    if trusted:
        file = bench.home / "authority.pem"
        file.write_bytes(authority[0].public_bytes(serialization.Encoding.PEM))
        bench.environ["SSL_CERT_FILE"] = str(file)
    done = await bench.run(*HELLO, "--verbose")
    await port.stopListening()
    return done.stderr


@in_reactor
async def test_https_with_a_private_authority(bench: Bench) -> None:
    text = await post_over_tls(bench, "localhost", trusted=True)
    assert text == b"sxhost-emit: sent\n"
    assert (await bench.collector.said.get())["content"] == "hello"


@pytest.mark.parametrize(
    ("name", "trusted"),
    [("localhost", False), ("other.example", True)],
    ids=["authority", "name"],
)
@in_reactor
async def test_certificate_of_another_authority_is_refused(
    bench: Bench, name: str, trusted: bool
) -> None:
    text = await post_over_tls(bench, name, trusted=trusted)
    assert text.startswith(b"sxhost-emit: not sent: ")
    assert bench.collector.said.pending == []
