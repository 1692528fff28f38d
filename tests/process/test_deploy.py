"""What ``deploy/`` ships, tried with systemd's own tools, a real nginx and real hosts."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import yaml

from sxhost.config import Settings
from sxhost.daemon.options import Options
from sxhost.http.readiness import READY
from tests.support.places import TOP
from tests.support.proxies import configure_nginx, nginx, shipped_haproxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.hosts import StartHost

DEPLOY = TOP / "deploy"
UNITS = (
    *("sxhost.service", "sxhost.socket", "sxhost-agents.service", "user/sxhost.service"),
    "sxhost@.service",
)
SERVICES = tuple(unit for unit in UNITS if unit.endswith(".service"))
PATIENCE = 60.0
"""Seconds before a test gives up waiting; nothing is timed by it."""


CLEAN = {0, -signal.SIGTERM}
"""Exit codes that are a good end to systemd: Twisted ends itself by the signal it got."""


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def call(*command: str, **environ: str) -> str:
    """Run it to its end, which must be good; what it printed, both outputs in one."""
    done = subprocess.run(
        command,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def fetch(url: str, **headers: str) -> Answer:
    """GET ``url``, whatever proxy the environment names."""
    request = Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    with build_opener(ProxyHandler({})).open(request, timeout=PATIENCE) as reply:
        return Answer(reply.status, reply.headers, reply.read())


def is_healthy(url: str) -> bool:
    return bool(json.loads(fetch(f"{url}/health").body) == {"status": "ok"})


# systemd's units, by systemd's own tools


def exec_start(unit: str) -> list[str]:
    """The words of a unit's ExecStart."""
    found = re.search(r"^ExecStart=(.+)$", text_of(unit), re.MULTILINE)
    assert found
    return shlex.split(found[1])


@pytest.fixture
def forks_hosts() -> bool:
    """How a host starts is what is tested here."""
    return False


@pytest.fixture
def units(tmp_path: Path, twistd: str) -> Path:
    """All units with the twistd of this environment, otherwise as shipped."""
    folder = tmp_path / "units"
    for unit in UNITS:
        path = folder / unit
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            re.sub(r"^ExecStart=\S+", f"ExecStart={twistd}", text_of(unit), flags=re.MULTILINE)
        )
    return folder


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_verifies_the_units(unit: str, units: Path, tmp_path: Path) -> None:
    manager = "--user" if unit.startswith("user/") else "--system"
    text = call(
        "systemd-analyze",
        manager,
        "verify",
        "--man=no",
        str(units / unit),
        XDG_RUNTIME_DIR=str(tmp_path),
    )
    assert text == ""


@pytest.mark.parametrize("unit", ["sxhost-backup.service", "sxhost-backup.timer"])
def test_systemd_verifies_the_units_of_backups(unit: str) -> None:
    assert call("systemd-analyze", "--system", "verify", "--man=no", str(DEPLOY / unit)) == ""


def test_backup_unit_copies_the_hosts_log(
    start_host: StartHost, twistd: str, tmp_path: Path
) -> None:
    host = start_host("--port", "0", "--state-dir", str(tmp_path / "state"))
    assert is_healthy(host.url)
    shell, option, script = exec_start("sxhost-backup.service")
    sxhost = twistd.replace("twistd", "sxhost")
    script = script.replace("/opt/sxhost/bin/sxhost", sxhost).replace("%%", "%")
    script = script.replace("/var/lib/sxhost-backup", str(tmp_path / "copies"))
    (tmp_path / "copies").mkdir()
    environ = {"STATE_DIRECTORY": f"{tmp_path / 'state'}:{tmp_path / 'copies'}"}
    for _ in range(2):  # the next week's replaces it
        said = call(shell, option, script, **environ)
        assert said.startswith(f"Backed up to {tmp_path / 'copies'}/")
    (copy,) = (tmp_path / "copies").iterdir()
    assert re.fullmatch(r"\w+\.db", copy.name)


@pytest.mark.parametrize(
    ("unit", "threshold"),
    [
        *(("sxhost.service", 15), ("sxhost-agents.service", 30), ("user/sxhost.service", 30)),
        *(("sxhost@.service", 15), ("sxhost-backup.service", 20)),
    ],
)
def test_systemd_exposure_level_stays_below_its_bound(unit: str, threshold: int) -> None:
    call(
        "systemd-analyze",
        "security",
        "--offline=yes",
        "--no-pager",
        f"--threshold={threshold}",
        str(DEPLOY / unit),
    )


@pytest.mark.parametrize("unit", SERVICES)
def test_units_start_twistd_in_the_foreground(unit: str) -> None:
    program, *words = exec_start(unit)
    assert Path(program).name == "twistd"
    assert words[:3] == ["--nodaemon", "--pidfile=", "sxhost"]
    assert words[-1] == "$SXHOST_ARGS"


@pytest.mark.parametrize("unit", ["sxhost-agents.service", "user/sxhost.service"])
def test_unit_options_are_known_to_the_host(unit: str, start_host: StartHost) -> None:
    """A unit's own command line starts a host (on another port)."""
    words = exec_start(unit)[4:-1]
    assert words == ["--port", "7432"]
    assert is_healthy(start_host(words[0], "0").url)


def test_unit_settings_are_read_by_the_host() -> None:
    named = set(re.findall(r"^#?(\w+)=", text_of("sxhost.env"), re.MULTILINE))
    assert named == {"SXHOST_LOG", "SXHOST_ARGS"}
    for unit in SERVICES:
        assert all(f"{name}=" in text_of(unit) for name in named)


# the host under systemd's protocols

INHERIT = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="sxhost.socket")
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_systemd_socket_is_taken_over(start_host: StartHost, twistd: str) -> None:
    words = exec_start("sxhost.service")[1:-1]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        handle, port = listening.fileno(), listening.getsockname()[1]
        command = [sys.executable, "-c", INHERIT, str(handle), twistd, *words]
        host = start_host(command=command, pass_fds=[handle])
    assert host.port == port
    assert is_healthy(host.url)


def test_systemd_is_notified_of_ready_watchdog_and_stopping(start_host: StartHost) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE)
        manager.bind("")  # a free name in the abstract namespace
        name = os.fsdecode(manager.getsockname()).replace("\0", "@", 1)
        environ = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"}
        host = start_host("--port", "0", environ=environ)
        assert manager.recv(4096).startswith(b"READY=1\nSTATUS=")
        assert is_healthy(host.url)
        assert manager.recv(4096) == b"WATCHDOG=1"
        host.process.terminate()
        assert b"STOPPING=1" in iter(lambda: manager.recv(4096), b"")
        assert host.wait() in CLEAN, host.output()


JOURNAL = 'export JOURNAL_STREAM="$(stat -L -c %d:%i /proc/$$/fd/1)"; exec "$@"'


def test_lines_for_systemds_journal_have_their_priority(
    start_host: StartHost, twistd: str
) -> None:
    words = [*exec_start("user/sxhost.service")[1:-2], "0"]
    host = start_host(command=["sh", "-c", JOURNAL, "sh", twistd, *words])
    assert is_healthy(host.url)
    host.stop()
    assert all(re.match(r"<[2-7]>", line) for line in host.output().splitlines())


# nginx


@pytest.fixture
def proxied(tmp_path: Path, start_host: StartHost) -> Iterator[str]:
    """The URL of an nginx in front of a real host."""
    host = start_host("--port", "0", "--allow-host", "127.0.0.1")
    with nginx(tmp_path / "nginx", host.port) as url:
        yield url


def test_nginx_accepts_the_site(tmp_path: Path) -> None:
    sent = call(*configure_nginx(tmp_path / "nginx", 1, 2), "-t")
    assert "test is successful" in sent
    assert "warn" not in sent


def test_request_passes_through_nginx(proxied: str) -> None:
    answer = fetch(f"{proxied}/health")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    assert answer.headers["X-Accel-Buffering"] == "no"


def test_nginx_is_not_taken_for_the_hosts_user(proxied: str, tmp_path: Path) -> None:
    with pytest.raises(HTTPError) as refused:
        fetch(f"{proxied}/status")
    with refused.value as answer:
        assert answer.code == 401
    token = (tmp_path / "state" / "token").read_text(encoding="ascii").strip()
    assert fetch(f"{proxied}/status", Authorization=f"Bearer {token}").status == 200


def read_until(peer: socket.socket, ending: bytes) -> bytes:
    """All that comes up to and with ``ending``, not a byte more."""
    data = b""
    while not data.endswith(ending):
        byte = peer.recv(1)
        assert byte, f"closed after {data!r}"
        data += byte
    return data


class Upstream:
    """A socket in the host's place that shows what nginx sends."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.settimeout(PATIENCE)
        self.port = int(self.listening.getsockname()[1])

    def accept(self) -> tuple[socket.socket, dict[str, str]]:
        """The next connection and the headers of its first request, names in lower case."""
        peer, _ = self.listening.accept()
        peer.settimeout(PATIENCE)
        head = read_until(peer, b"\r\n\r\n")
        fields = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
        return peer, {name.lower(): value for name, value in fields}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    with upstream.listening:
        yield upstream


@pytest.fixture
def front(tmp_path: Path, upstream: Upstream) -> Iterator[http.client.HTTPConnection]:
    """A client's connection to an nginx in front of ``upstream``."""
    with nginx(tmp_path / "nginx", upstream.port) as url:
        address = url.removeprefix("http://")
        with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as client:
            yield client


def test_nginx_passes_host_and_authorization_headers(
    front: http.client.HTTPConnection, upstream: Upstream
) -> None:
    front.request("GET", "/", headers={"Host": "agents.example:8443"})
    peer, headers = upstream.accept()
    with peer:
        assert headers["host"] == "agents.example:8443"
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert headers["x-forwarded-proto"] == "http"
        assert "upgrade" not in headers
        assert "connection" not in headers


def test_nginx_does_not_buffer_a_stream(
    front: http.client.HTTPConnection, upstream: Upstream
) -> None:
    front.request("GET", "/events")
    peer, _ = upstream.accept()
    with peer:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        with front.getresponse() as reply:
            for event in (b"data: 1\n", b"data: 2\n"):
                peer.sendall(event)
                assert reply.readline() == event


def test_nginx_passes_a_websocket(
    front: http.client.HTTPConnection, upstream: Upstream
) -> None:
    front.request(
        "GET", "/v1/stream", headers={"Upgrade": "websocket", "Connection": "Upgrade"}
    )
    peer, headers = upstream.accept()
    with peer:
        assert (headers["upgrade"], headers["connection"]) == ("websocket", "upgrade")
        switching = (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
        )
        peer.sendall(switching + b"down")
        front.sock.sendall(b"up")
        assert peer.recv(2) == b"up"
        assert read_until(front.sock, b"down").startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(("size", "status"), [(10 << 20, 200), ((10 << 20) + 1, 413)])
def test_nginx_lets_the_largest_batch_through(
    front: http.client.HTTPConnection, upstream: Upstream, size: int, status: int
) -> None:
    front.putrequest("POST", "/sessions/a/events")
    front.putheader("Content-Length", str(size))
    front.endheaders()
    if status == 200:
        front.send(bytes(size))
        peer, headers = upstream.accept()
        with peer:
            assert headers["content-length"] == str(size)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert front.getresponse().status == status
    else:
        assert front.getresponse().status == status


# the container, without an engine: its own commands


def instruction(name: str) -> list[str]:
    """The JSON words behind the Dockerfile's last instruction of that name."""
    found = re.findall(rf"^(?:\s+)?{name} (\[.*\])$", text_of("Dockerfile"), re.MULTILINE)
    words: list[str] = json.loads(found[-1])
    return words


def replaced(words: list[str], **options: Any) -> list[str]:
    """The command line with other values for some of its options."""
    line = list(words)
    for name, value in options.items():
        line[line.index(f"--{name.replace('_', '-')}") + 1] = str(value)
    return line


def test_container_command_serves_and_is_healthy(
    start_host: StartHost, twistd: str, tmp_path: Path
) -> None:
    program, *words = replaced(instruction("ENTRYPOINT"), port=0)
    assert program == "twistd"
    state = tmp_path / "state"
    host = start_host("--state-dir", str(state), command=[twistd, *words])
    python, option, check = instruction("CMD")
    assert (python, option, check.count("7432")) == ("python", "-c", 1)
    call(sys.executable, option, check.replace("7432", str(host.port)))


def test_commands_in_the_container_find_the_hosts_state(
    start_host: StartHost, twistd: str, tmp_path: Path
) -> None:
    (name, _) = re.findall(r"^ENV (\w+)=(/\S+)$", text_of("Dockerfile"), re.MULTILINE)[0]
    assert "--state-dir" not in instruction("ENTRYPOINT")
    environ = {name: str(tmp_path / "state"), "HOME": str(tmp_path)}
    host = start_host("--port", "0", environ=environ)
    port, command = host.port, twistd.replace("twistd", "sxhost")
    assert f":{port} " in call(command, "status", **environ)
    token = call(command, "token", "show", **environ)
    assert token.startswith("sxhost_admin_")


def test_unhealthy_container_is_detected(upstream: Upstream) -> None:
    _, option, check = instruction("CMD")
    command = [sys.executable, option, check.replace("7432", str(upstream.port))]
    with subprocess.Popen(command) as process:
        peer, _ = upstream.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 503 Stopping\r\nContent-Length: 0\r\n\r\n")
        assert process.wait(PATIENCE) == 1


def test_container_copies_existing_files_and_is_not_root() -> None:
    text = text_of("Dockerfile")
    for source in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        assert all((DEPLOY.parent / name).exists() for name in source.split())
    assert re.findall(r"^USER (\w+)$", text, re.MULTILINE) == ["sxhost"]


# many hosts

NODES = ("a", "b", "c")


def settings_of(script: str) -> Settings:
    """The settings that the twistd in a shell's script gets, which it must take."""
    text = script.replace("\\\n", " ").replace("$$", "$").partition("--pidfile= sxhost ")[2]
    words = shlex.split(text)
    options = Options()
    options.parseOptions(["postgresql://db/x" if "$" in word else word for word in words])
    settings: Settings = options["settings"]
    return settings


def test_a_numbered_unit_is_one_of_many() -> None:
    words = " ".join(exec_start("sxhost@.service")[4:-1]).replace("%i", "7433")
    settings = settings_of(f"--pidfile= sxhost {words}")
    assert "7433" in settings.listen[0]
    assert settings.engine
    assert settings.drain == 5
    assert "StateDirectory=sxhost/%i\n" in text_of("sxhost@.service"), "each has its own"


def test_compose_file_starts_three_nodes_behind_haproxy() -> None:
    stack = yaml.safe_load(text_of("cluster/compose.yaml"))
    services = stack["services"]
    for name in NODES:
        settings = settings_of(services[name]["entrypoint"][-1])
        assert settings.is_active_node
        assert settings.require_durability == "replicas"
        place = services[name]["networks"]["front"]["ipv4_address"]
        assert services["haproxy"]["environment"][f"NODE_{name.upper()}"] == f"{place}:7432"
    mounted = [volume for of in services.values() for volume in of.get("volumes", ())]
    for volume in mounted:
        source = volume.partition(":")[0]
        known = source in stack["volumes"] or (DEPLOY / "cluster" / source).is_file()
        assert known, volume
    published = [ports for of in services.values() if (ports := of.get("ports"))]
    assert published == [["127.0.0.1:7432:7432"]], "on this machine alone, and not the database"
    assert stack["networks"]["database"] == {"internal": True}
    build = services["a"]["build"]
    assert (DEPLOY / "cluster" / build["context"] / build["dockerfile"]).is_file()
    assert f"ARG {next(iter(build['args']))}=" in text_of("Dockerfile")


def test_the_replicas_name_is_the_one_that_commits_wait_for() -> None:
    standby = yaml.safe_load(text_of("cluster/compose.yaml"))["services"]["standby"]
    found = re.findall(
        r"synchronous_standby_names = '(\w+)'", text_of("cluster/replication.sh")
    )
    assert f"application_name={found[0]}" in standby["entrypoint"][-1]
    assert "synchronous_standby_names= " in standby["entrypoint"][-1], (
        "it waits for none itself"
    )


def test_kubernetes_example_fits_together() -> None:
    found = {one["kind"]: one for one in yaml.safe_load_all(text_of("cluster/kubernetes.yaml"))}
    deployment = found["Deployment"]["spec"]
    pod = deployment["template"]
    label = pod["metadata"]["labels"]
    assert (
        deployment["selector"]["matchLabels"] == label == found["Service"]["spec"]["selector"]
    )
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == label
    (container,) = pod["spec"]["containers"]
    settings = settings_of(container["command"][-1])
    assert settings.is_active_node
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert f"tcp:{ports['http']}:" in settings.listen[0]
    assert found["Service"]["spec"]["ports"][0]["targetPort"] in ports
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("readiness", "liveness")}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "readiness": READY,
        "liveness": "/health",
    }
    for probe in probes.values():
        assert probe["httpHeaders"][0]["value"] in settings.hosts, "else it is refused"
    assert pod["spec"]["terminationGracePeriodSeconds"] > settings.drain + 10
    mounted = {volume["name"] for volume in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    assert f"uid {pod['spec']['securityContext']['runAsUser']} " in text_of("Dockerfile")


def test_haproxy_asks_whoever_is_ready(start_host: StartHost, tmp_path: Path) -> None:
    hosts = [
        start_host("--port", "0", "--store", "memory:", "--state-dir", str(tmp_path / name))
        for name in "ab"
    ]
    with shipped_haproxy(*(host.port for host in hosts)) as url:
        assert {who_serves(url) for _ in range(8)} == {"a", "b"}
        hosts[0].process.kill()
        hosts[0].wait()
        assert {who_serves(url) for _ in range(8)} == {"b"}


def who_serves(url: str) -> str:
    """Ask for something that needs no token; the name of the node that has answered."""
    answer = fetch(f"{url}/health")
    assert answer.status == 200
    return str(answer.headers["X-Sxhost-Node"])


# what a reader is told


def shipped_files() -> set[str]:
    paths = (path for path in DEPLOY.rglob("*") if path.is_file())
    return {str(path.relative_to(DEPLOY)) for path in paths} - {"README.md"}


def test_every_deploy_file_says_how_to_install_it() -> None:
    readme = text_of("README.md")
    for name in shipped_files():
        head = [line for line in text_of(name).splitlines()[:4] if line.startswith("# ")]
        assert len(head) >= 2, name
        assert f"`{name}`" in readme
