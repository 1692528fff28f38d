"""The package as a user gets it: a wheel, built from the tree and installed afresh."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen
from zipfile import ZipFile

import pytest

from sxhost import __version__
from tests.support.places import TOP

if TYPE_CHECKING:
    from tests.support.hosts import StartHost

TREE = TOP
PATIENCE = 600.0
"""Seconds before an installation is given up; a package index may be far away."""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed; return what it prints."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the tree, so that the tree stays as it is."""
    place = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist")
    tree = shutil.copytree(TREE, place / "tree", ignore=left_out)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", place, tree, cwd=place)
    (built,) = place.glob("*.whl")
    return built


@dataclass(frozen=True)
class Environment:
    """A virtual environment in which the wheel is installed."""

    home: Path

    def program(self, name: str) -> Path:
        return self.home / "venv" / "bin" / name

    def run(self, name: str, *words: str) -> str:
        return run(self.program(name), *words, cwd=self.home)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Install the wheel and what it needs in a fresh environment."""
    home = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", home / "venv", cwd=home)
    into = ("--python", home / "venv" / "bin" / "python")
    pip = (sys.executable, "-m", "pip", "--quiet", "--no-input", *into)
    run(*pip, "install", "--no-compile", wheel, cwd=home)  # half of its time is compiling
    return Environment(home)


def test_wheel_is_named_for_the_version(wheel: Path) -> None:
    assert wheel.name == f"sxhost-{__version__}-py3-none-any.whl"


def test_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    kinds = (
        "*.py",
        "*.sql",
        "*.js",
        "*.css",
        "*.html",
        "*.png",
        "*.svg",
        "*.webmanifest",
        "vendor/*.*",
    )
    files = [path for kind in kinds for path in (TREE / "sxhost").rglob(kind)]
    sources = {str(path.relative_to(TREE)) for path in files if path.suffix != ".ts"}
    data = {"sxhost/prices.json", "sxhost/py.typed", "twisted/plugins/sxhost_plugin.py"}
    assert names == {*sources, *data}


def test_twistd_knows_the_host(installed: Environment) -> None:
    listed = installed.run("twistd", "--help")
    assert re.search("sxhost +See, steer and answer every coding agent[.]", listed)
    options = installed.run("twistd", "sxhost", "--help")
    assert "--port=" in options
    assert "--listen=" in options


def test_installing_leaves_twisted_unchanged(installed: Environment) -> None:
    program = "import twisted, twisted.plugins as p; print(twisted.__version__, p.__file__)"
    version, plugins = installed.run("python", "-c", program).split()
    assert version != ""
    assert plugins.endswith("twisted/plugins/__init__.py")


def test_installed_programs_exist(installed: Environment) -> None:
    assert installed.run("sxhost", "--version") == f"sxhost {__version__}\n"
    assert installed.run("sxhost", "status", "--help").startswith("Usage: sxhost status")
    assert installed.run("sxhost-emit", "--help").startswith("usage: sxhost-emit --type ")


def test_installed_types_are_visible(installed: Environment) -> None:
    program = "import sxhost; print(sxhost.__file__)"
    package = Path(installed.run("python", "-c", program).strip()).parent
    assert package.is_relative_to(installed.home / "venv")
    assert (package / "py.typed").exists()


@pytest.mark.parametrize("words", [("twistd", "-n", "--pidfile=", "sxhost"), ("sxhost",)])
def test_an_installed_host_answers(
    words: tuple[str, ...], installed: Environment, start_host: StartHost
) -> None:
    program = str(installed.program(words[0]))
    host = start_host("--port", "0", command=(program, *words[1:]))
    with urlopen(f"{host.url}/health") as answer:
        assert answer.read() == b'{"status":"ok"}'
