"""Real proxies in front of a host, each on a socket that listens already."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread

from tests.support.places import TOP

DEPLOY = TOP / "deploy"

PATIENCE = 60.0
"""Seconds before a test gives up waiting; nothing is timed by it."""

SHORT = "300ms"
"""What a client of a hasty proxy gets for a header, a body and an idle connection."""

MAIN = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    include {folder}/site.conf;
}}
"""


def nginx_program() -> str:
    places = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
    found = shutil.which("nginx", path=places)
    assert found, "nginx is needed: apt-get install nginx-light"
    return found


def configure_nginx(
    folder: Path, port: int, upstream: int, within: str = "", page: Path | None = None
) -> list[str]:
    """Write a whole configuration around the shipped site; the command that runs it.

    With `within` clients get so long for everything; a `page` stands at ``/``.
    """
    site = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    if within:
        header, body = "client_header_timeout 10s;", "client_body_timeout 30s;"
        assert header in site
        assert body in site
        site = site.replace(
            header, f"client_header_timeout {within}; keepalive_timeout {within};"
        )
        site = site.replace(body, f"client_body_timeout {within};")
    if page is not None:
        files = f"root {page.parent}; try_files /{page.name} =404; default_type text/html;"
        place = f"location = / {{ {files} }}\n    location / {{"
        site = site.replace("location / {", place)
    for shipped, ours in (("127.0.0.1:8432", port), ("127.0.0.1:7432", upstream)):
        assert site.count(f" {shipped};") == 1
        site = site.replace(shipped, f"127.0.0.1:{ours}")
    folder.mkdir()
    (folder / "site.conf").write_text(site)
    # Root's nginx would give its workers to a user who may not enter this folder.
    user = "" if os.getuid() else "user root;"
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    return [nginx_program(), "-e", "stderr", "-p", str(folder), "-c", f"{folder}/nginx.conf"]


@contextmanager
def nginx(
    folder: Path, upstream: int, within: str = "", page: Path | None = None
) -> Iterator[str]:
    """Run nginx with the shipped site in front of ``upstream``; its URL.

    It inherits a socket that listens already, so that the port is free and nobody waits.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        handle, port = listening.fileno(), listening.getsockname()[1]
        process = subprocess.Popen(
            configure_nginx(folder, port, upstream, within, page),
            env={**os.environ, "NGINX": f"{handle};"},
            pass_fds=[handle],
            stderr=subprocess.PIPE,
        )
    with process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            _, output = process.communicate(timeout=PATIENCE)
            sys.stderr.write(output.decode())


HAPROXY = """
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client {within}
    timeout http-request {within}
    timeout http-keep-alive {within}
    timeout server 30s
    http-reuse always
    {laxly}
frontend front
    bind fd@{handle}
    default_backend back
backend back
    option forwardfor
    server host 127.0.0.1:{upstream}
"""


def haproxy_program() -> str:
    places = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    found = shutil.which("haproxy", path=places)
    assert found, "haproxy is needed: apt-get install haproxy"
    return found


@contextmanager
def haproxy(folder: Path, upstream: int, *, laxly: bool = False) -> Iterator[str]:
    """Run haproxy in front of ``upstream``, on a socket that listens already; its URL."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        option = "option accept-invalid-http-request" if laxly else ""
        text = HAPROXY.format(
            within=SHORT, handle=listening.fileno(), upstream=upstream, laxly=option
        )
        (folder / "haproxy.cfg").write_text(text)
        process = subprocess.Popen(
            [haproxy_program(), "-db", "-f", str(folder / "haproxy.cfg")],
            pass_fds=[listening.fileno()],
            stderr=subprocess.PIPE,
        )
        port = listening.getsockname()[1]
    with process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            _, output = process.communicate(timeout=PATIENCE)
            sys.stderr.write(output.decode())


@contextmanager
def shipped_haproxy(*nodes: int) -> Iterator[str]:
    """Run haproxy as it is shipped, in front of hosts on these ports; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        places = {
            f"NODE_{name}": f"127.0.0.1:{port}"
            for name, port in zip("ABC", nodes, strict=False)
        }
        process = subprocess.Popen(
            [haproxy_program(), "-db", "-f", str(DEPLOY / "cluster" / "haproxy.cfg")],
            env={**os.environ, **places, "BIND": f"fd@{listening.fileno()}"},
            pass_fds=[listening.fileno()],
            stderr=subprocess.PIPE,
        )
        port = listening.getsockname()[1]
    with process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            _, output = process.communicate(timeout=PATIENCE)
            sys.stderr.write(output.decode())


@contextmanager
def tunnel(upstream: int) -> Iterator[int]:
    """Forward a port to another one of this machine, as ``ssh -L`` does; the port."""
    with ExitStack() as held, socket.create_server(("127.0.0.1", 0)) as ear:

        def accept() -> None:
            while True:
                try:
                    client = held.enter_context(ear.accept()[0])
                except OSError:
                    return
                host = held.enter_context(socket.create_connection(("127.0.0.1", upstream)))
                for source, target in ((client, host), (host, client)):
                    Thread(target=copy, args=(source, target), daemon=True).start()

        def copy(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(1 << 16):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        thread = Thread(target=accept)
        thread.start()
        try:
            yield ear.getsockname()[1]
        finally:
            ear.shutdown(socket.SHUT_RDWR)
            thread.join()
