"""Hosts that speak TLS, in processes of their own, and who believes them: real handshakes."""

from __future__ import annotations

import json
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from sxhost.auth.tls import BadPEM, ServerCertificate, load_trust_root
from sxhost.client.host import connect
from sxhost.errors import HostUnreachable
from sxhost.model.event import EventDraft
from tests.support.certificates import Authority, Pair
from tests.support.daemons import NODAEMON, SXHOST, run

if TYPE_CHECKING:
    from tests.support.hosts import Host, StartHost

F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, None]])
in_reactor: Callable[[F], F] = pytest_twisted.ensureDeferred

PATIENCE = 60.0
EVENT = b'{"event"'
EXPIRED = timedelta(days=-1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority.example")


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("localhost", "127.0.0.1")


@pytest.fixture
def secure(start_host: StartHost, pair: Pair) -> Host:
    host = start_host("--port", "0", *pair.options)
    assert host.port
    return host


class Client:
    """A TLS client that believes one authority."""

    def __init__(self, port: int, authority: Authority, name: str = "localhost") -> None:
        context = ssl.create_default_context(cafile=str(authority.file))
        context.set_alpn_protocols(["h2", "http/1.1"])
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.tls = context.wrap_socket(plain, server_hostname=name)
        self.file = self.tls.makefile("rb")
        self._name = f"localhost:{port}"

    @property
    def serial(self) -> int:
        """The serial number of the certificate that it was shown."""
        shown = self.tls.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number

    def say(self, method: str, path: str, body: bytes = b"") -> None:
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._name}\r\n"
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.tls.sendall((head + kind).encode() + body)

    def line(self, start: bytes) -> bytes:
        """Return the next line that begins so."""
        for line in self.file:
            if line.startswith(start):
                return line
        raise AssertionError("it hung up")

    def close(self) -> None:
        self.file.close()
        self.tls.close()


@pytest.fixture
def talk(authority: Authority) -> Iterator[Callable[[Host], Client]]:
    """Connect to a host."""
    clients: list[Client] = []

    def talk(host: Host) -> Client:
        clients.append(Client(host.port, authority))
        return clients[-1]

    yield talk
    for client in clients:
        client.close()


Talk = Callable[["Host"], Client]


# The host.


def test_tls_1_3_is_spoken_and_https_announced(secure: Host, talk: Talk) -> None:
    client = talk(secure)
    assert (client.tls.version(), client.tls.selected_alpn_protocol()) == (
        "TLSv1.3", "http/1.1",
    )  # fmt: skip
    client.say("GET", "/health")
    assert client.line(b"HTTP/1.1 ").split()[1] == b"200"
    assert f"Listening on https://127.0.0.1:{secure.port}\n" in secure.output()


def handshake(port: int, version: int, ciphers: bytes) -> str:
    """Return the cipher on which a client of one version agrees with the host.

    :raises SSL.Error: they agree on none.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_cipher_list(ciphers + b":@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
        plain.settimeout(None)
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        connection.do_handshake()
        return connection.get_cipher_name() or ""


@pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
def test_old_versions_are_refused(secure: Host, version: int) -> None:
    with pytest.raises(SSL.Error, match="protocol version"):
        handshake(secure.port, version, b"ALL")


def test_tls_1_2_has_only_good_ciphers(secure: Host) -> None:
    assert handshake(secure.port, SSL.TLS1_2_VERSION, b"ALL").startswith("ECDHE-ECDSA-")
    for weak in (b"ECDHE-ECDSA-AES256-SHA384", b"ECDHE-ECDSA-AES128-SHA", b"AES128-GCM-SHA256"):
        with pytest.raises(SSL.Error, match="handshake failure"):
            handshake(secure.port, SSL.TLS1_2_VERSION, weak)


def test_plain_http_to_a_tls_port_gets_nothing(secure: Host, talk: Talk) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), PATIENCE) as plain:
        plain.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in plain.makefile("rb").read()
    client = talk(secure)
    client.say("GET", "/health")
    assert client.line(b"HTTP/1.1 ").split()[1] == b"200"
    assert "Traceback" not in secure.output()


def test_tls_handshake_has_a_deadline(start_host: StartHost, pair: Pair, talk: Talk) -> None:
    host = start_host("--port", "0", "--limit", "header_within=1", *pair.options)
    silent = socket.create_connection(("127.0.0.1", host.port), PATIENCE)
    with silent, pytest.raises(ConnectionResetError):
        silent.recv(1)
    client = talk(host)
    with pytest.raises(AssertionError, match="it hung up"):
        client.line(b"HTTP/1.1 200")


def test_tcp_listeners_speak_tls_and_unix_sockets_do_not(
    start_host: StartHost, pair: Pair, tmp_path: Path, talk: Talk
) -> None:
    path = tmp_path / "sock"
    words = ("--listen", f"unix:{path}", "--listen", "tcp:0:interface=127.0.0.1")
    host = start_host(*words, *pair.options)
    client = talk(host)
    client.say("GET", "/health")
    assert client.line(b"HTTP/1.1 ").split()[1] == b"200"
    done = run(tmp_path, SXHOST, "status", "--url", f"unix:{path}")
    assert (done.returncode, done.stderr) == (0, "")


def test_certificate_chain_is_sent(
    start_host: StartHost, authority: Authority, tmp_path: Path, talk: Talk
) -> None:
    between = Authority(tmp_path, "between.example", authority)
    host = start_host("--port", "0", *between.issue("localhost").options)
    assert talk(host).serial, "who believes the root only is led to it"


def test_ssl_endpoint_string_still_works(start_host: StartHost, pair: Pair, talk: Talk) -> None:
    files = f"privateKey={pair.key}:certKey={pair.certificate}"
    host = start_host("--listen", f"ssl:0:interface=127.0.0.1:{files}")
    client = talk(host)
    assert client.tls.selected_alpn_protocol() == "http/1.1"
    client.say("GET", "/health")
    assert client.line(b"HTTP/1.1 ").split()[1] == b"200"
    assert "Listening on https://" in host.output()


# SIGHUP.


def hang_up(host: Host, text: str) -> None:
    """Let the host read its files again, until it has said so."""
    host.process.send_signal(signal.SIGHUP)
    while text not in host.output():
        assert host.process.poll() is None


def test_reload_uses_the_new_certificate_and_keeps_streams(
    secure: Host, authority: Authority, talk: Talk
) -> None:
    stream = talk(secure)
    fire(talk(secure), "before")
    stream.say("GET", "/sessions/a/events?follow=1")
    assert b'"before"' in stream.line(EVENT)
    authority.issue("localhost")
    hang_up(secure, "New connections are shown")
    later = talk(secure)
    assert later.serial != stream.serial
    fire(later, "after")
    assert b'"after"' in stream.line(EVENT)


def fire(client: Client, name: str) -> None:
    client.say("POST", "/sessions/a/events", json.dumps({"event": name}).encode())
    assert client.line(b"HTTP/1.1 ").split()[1] == b"200"


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_reload_of_a_broken_certificate_keeps_the_old_one(
    secure: Host, pair: Pair, broken: str, talk: Talk
) -> None:
    first = talk(secure).serial
    getattr(pair, broken).write_text("-----BEGIN NONSENSE-----")
    hang_up(secure, "The certificate stays as it was: ")
    assert talk(secure).serial == first
    assert "Traceback" not in secure.output()


def test_reload_of_a_foreign_key_keeps_the_old_one(
    secure: Host, pair: Pair, authority: Authority, talk: Talk
) -> None:
    first = talk(secure).serial
    pair.key.write_bytes(authority.issue("localhost", file="other").key.read_bytes())
    hang_up(secure, "the key is not the key of the certificate")
    assert talk(secure).serial == first


# Files.


def test_world_readable_key_is_warned_of(start_host: StartHost, pair: Pair) -> None:
    pair.key.chmod(0o644)
    host = start_host("--port", "0", *pair.options)
    assert host.port
    host.stop()
    assert f"can read {pair.key}, the key to the certificate: chmod 600" in host.output()


def test_private_key_file_is_not_warned_of(secure: Host) -> None:
    secure.stop()
    assert "can read" not in secure.output()


@pytest.mark.parametrize("given", [0, 2])
def test_certificate_without_key_is_refused(given: int, pair: Pair, tmp_path: Path) -> None:
    done = run(tmp_path, *NODAEMON, *pair.options[given : given + 2])
    text = "sxhost: --tls-cert and --tls-key belong together: give both.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", text)


def damaged(pair: Pair, how: str) -> str:
    """Do something to a pair's files; return what is said of it."""
    if how == "passphrase":
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        return f"{pair.key} has no private key in PEM form without a passphrase"
    file = pair.key if how.startswith("key") else pair.certificate
    if how.endswith("missing"):
        file.unlink()
        return f"{file} cannot be read: no such file or directory"
    file.write_text("nonsense")
    what = "private key" if file == pair.key else "certificate"
    return f"{file} has no {what} in PEM form"


@pytest.mark.parametrize(
    "how", ["missing", "nonsense", "key missing", "key nonsense", "passphrase"]
)
def test_wrong_certificate_file_is_a_readable_error(
    how: str, pair: Pair, tmp_path: Path
) -> None:
    text = damaged(pair, how)
    done = run(tmp_path, *NODAEMON, *pair.options, "--port", "0", "--state-dir", "d")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"sxhost: --tls-cert and --tls-key do not work: {text}")
    assert done.stderr.count("\n") == 1


def test_damaged_certificate_is_refused(pair: Pair) -> None:
    pair.certificate.write_bytes(pair.certificate.read_bytes().replace(b"M", b"N"))
    with pytest.raises(BadPEM, match="damaged"):
        ServerCertificate(*pair)


# The client.


def verify(host: Host, ca: str | None, name: str = "localhost") -> Coroutine[Any, Any, Any]:
    return connect(reactor, f"https://{name}:{host.port}", ca=ca).status()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
@in_reactor
async def test_client_accepts_a_host_of_its_authority(
    secure: Host, authority: Authority, name: str
) -> None:
    port = await deferToThread(lambda: secure.port)
    assert (await verify(secure, str(authority.file), name)).port == port
    await deferToThread(secure.stop)


KNOWN, UNKNOWN = "authority.example", "stranger.example"
TOMORROW = timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "until", "issuer", "message"),
    [
        ("other.example", TOMORROW, KNOWN, "its certificate is for another name"),
        ("localhost", EXPIRED, KNOWN, "its certificate is of nobody known here, or out of"),
        ("localhost", TOMORROW, UNKNOWN, "its certificate is of nobody known here"),
    ],
    ids=["name", "expired", "authority"],
)
def test_client_refuses_another_host(  # noqa: PLR0917 - the cases
    start_host: StartHost,
    tmp_path: Path,
    name: str,
    until: timedelta,
    issuer: str,
    message: str,
) -> None:
    known = Authority(tmp_path, KNOWN)
    signer = known if issuer == KNOWN else Authority(tmp_path, issuer)
    host = start_host("--port", "0", *signer.issue(name, until=until).options)
    url = f"https://localhost:{host.port}"
    done = run(tmp_path, SXHOST, "status", "--url", url, "--ca", str(known.file))
    assert (done.returncode, done.stdout) == (3, "")
    assert f"({url}: {message}" in done.stderr


@in_reactor
async def test_client_uses_the_machines_authorities_by_default(secure: Host) -> None:
    await deferToThread(lambda: secure.port)
    with pytest.raises(HostUnreachable, match="its certificate is of nobody known here"):
        await verify(secure, None)


@pytest.mark.parametrize("content", [None, "", "nonsense"])
def test_ca_file_without_authorities_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadPEM):
        load_trust_root(str(file))
    with pytest.raises(ValueError, match=r"ca\.pem"):
        connect(reactor, "https://localhost", ca=str(file))


@in_reactor
async def test_client_fires_over_tls(secure: Host, authority: Authority) -> None:
    port = await deferToThread(lambda: secure.port)
    client = connect(reactor, f"https://localhost:{port}", ca=str(authority.file))
    assert (await client.fire("a", EventDraft(event="thinking"))).seq == 1
    await deferToThread(secure.stop)


# The command line.


def test_command_accepts_the_authority_of_its_option(
    secure: Host, authority: Authority, tmp_path: Path
) -> None:
    url = f"https://localhost:{secure.port}"
    text = f"Host running on :{secure.port} — 0 sessions, 0 active\n"
    shown = run(tmp_path, SXHOST, "status", "--url", url, "--ca", str(authority.file))
    found = run(tmp_path, SXHOST, "status", SXHOST_URL=url, SXHOST_CA=str(authority.file))
    for done in (shown, found):
        assert (done.returncode, done.stdout, done.stderr) == (0, text, "")


def test_command_refuses_other_authorities(secure: Host, tmp_path: Path) -> None:
    done = run(tmp_path, SXHOST, "status", "--url", f"https://localhost:{secure.port}")
    assert (done.returncode, done.stdout) == (3, "")
    assert "its certificate is of nobody known here" in done.stderr
    wrong = run(tmp_path, SXHOST, "status", "--url", "https://localhost", "--ca", "missing")
    text = "This cannot be asked: missing cannot be read: no such file or directory.\n"
    assert (wrong.returncode, wrong.stderr) == (2, text)
