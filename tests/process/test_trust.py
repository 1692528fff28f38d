"""What a repository may say, and who lets it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sxhost.cli.main import sxhost
from sxhost.telemetry.command import endpoint, read_settings
from sxhost.trust import content_of, is_trusted, revoke, trust, trusted_files
from tests.process.test_tap import ask
from tests.support.daemons import SXHOST, Ended, run

if TYPE_CHECKING:
    from tests.support.hosts import StartHost


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository from elsewhere, which says where telemetry goes."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "below").mkdir()
    return project


def says(project: Path, url: str) -> str:
    """Have it say where telemetry goes; return the path of its file."""
    path = project / "scorpiox-env.txt"
    path.write_text(f"EMIT_SESSION_TRACKING=1\nEMIT_SESSION_API_URL={url}\n")
    return str(path)


# What is kept.


def test_trust_is_for_one_file_content_and_place(
    environ: dict[str, str], project: Path, tmp_path: Path
) -> None:
    path = says(project, "https://c/")
    content = content_of(path)
    assert not is_trusted(environ, path, content)
    trust(environ, path, content)
    assert is_trusted(environ, path, content)
    assert not is_trusted(environ, path, content + b"\n")
    assert not is_trusted(environ, path, content[:-1])
    assert not is_trusted(environ, f"{tmp_path}/scorpiox-env.txt", content)
    assert list(trusted_files(environ)) == [path]
    assert revoke(environ, path)
    assert not revoke(environ, path)
    assert not is_trusted(environ, path, content)
    assert list(trusted_files(environ)) == []


def test_trust_file_is_private(environ: dict[str, str], project: Path) -> None:
    environ["XDG_CONFIG_HOME"] = f"{environ['HOME']}/etc"
    path = says(project, "https://c/")
    before = os.umask(0)
    trust(environ, path, content_of(path))
    os.umask(before)
    copy = Path(f"{environ['HOME']}/etc/sxhost/trusted{path}")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    copy.chmod(0o666)
    assert not is_trusted(environ, path, content_of(path)), "anybody could have written it"


@pytest.mark.parametrize("inner", ["scorpiox-env.txt", "scorpiox-env.txt/x"])
def test_trust_of_one_repository_does_not_replace_another(
    environ: dict[str, str], project: Path, inner: str
) -> None:
    """A directory may be called as a file is."""
    path = says(project, "https://c/")
    trust(environ, path, content_of(path))
    assert not is_trusted(environ, f"{path}/{inner}", b"")
    assert not revoke(environ, f"{path}/{inner}")


def test_project_settings_count_once_trusted(environ: dict[str, str], project: Path) -> None:
    path = says(project, "https://c/")
    assert endpoint(read_settings(environ, str(project))) == ""
    trust(environ, path, content_of(path))
    assert endpoint(read_settings(environ, str(project))) == "https://c/"
    assert endpoint(read_settings(environ)) == "", "for the host they never do"
    says(project, "https://evil/")
    assert endpoint(read_settings(environ, str(project))) == ""


# The command.


def test_trust_command_adds_lists_and_revokes(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(project / "below")

    def said(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(sxhost, ["trust", *words])
        return done.exit_code, done.stdout, done.stderr

    path = f"{project}/scorpiox-env.txt"
    assert said() == (1, "", f"There is nothing to trust in {path}.\n")
    says(project, "https://c/\x1b[2J")
    shown = "EMIT_SESSION_TRACKING=1\nEMIT_SESSION_API_URL=https://c/\\x1b[2J\n"
    assert said() == (0, f"{shown}{path} counts from now on, until it changes.\n", "")
    assert said("--list") == (0, f"{path}\n", "")
    says(project, "https://d/")
    assert said("--list") == (0, f"{path}  (has changed)\n", "")
    assert said(str(project))[0] == 0
    assert said("--list", "--json") == (0, f'{{"path":"{path}","counts":true}}\n', "")
    assert said("--revoke", str(project)) == (0, f"{path} counts no more.\n", "")
    assert said("--revoke") == (1, "", f"{path} was not trusted.\n")
    assert said("--list") == (0, "", "")


def test_trust_that_cannot_be_stored_is_an_error(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    says(project, "https://c/")
    done = CliRunner().invoke(sxhost, ["trust", str(project)])
    assert done.exit_code == 1
    assert "This cannot be remembered: " in done.stderr


# A repository against the host of whoever works in it.


def emit(project: Path, home: Path) -> Ended:
    words = ("emit", "--type=user", "--content=x", "--verbose")
    return run(project, SXHOST, *words, HOME=str(home))


@pytest.mark.parametrize("path", ["stop", "tokens/admin/rotate", "sessions/a/messages"])
def test_trusted_settings_of_a_repository_cannot_drive_the_host(
    start_host: StartHost, project: Path, tmp_path: Path, path: str
) -> None:
    host = start_host("--port", "0")
    home, file = tmp_path / "home", says(project, f"{host.url}/{path}")
    token = (tmp_path / "state" / "token").read_text()
    done = emit(project, home)
    assert done.stderr.endswith(f"{file} is not trusted (sxhost trust)\n")
    trust({"HOME": str(home)}, file, content_of(file))
    done = emit(project, home)
    assert done.stderr == "sxhost-emit: not sent: the collector answered 403\n"
    assert ask(f"{host.url}/health") == '{"status":"ok"}'
    assert (tmp_path / "state" / "token").read_text() == token
    says(project, f"{host.url}/telemetry")
    trust({"HOME": str(home)}, file, content_of(file))
    assert emit(project, home).stderr == "sxhost-emit: sent\n"
