"""The table of serving options: each member reaches twistd's parser, click and `Settings`."""

from __future__ import annotations

import sys
from operator import attrgetter
from pathlib import Path
from subprocess import run
from typing import get_args

import click
import pytest
from twisted.python import usage

from sxhost.cli.main import sxhost
from sxhost.config import LogLevelName, Settings
from sxhost.daemon.options import Options
from sxhost.daemon.serving_options import SERVING_OPTIONS, ServingOption
from sxhost.logs import LEVELS

IDS = [option.name for option in SERVING_OPTIONS]
CHECKED = [option for option in SERVING_OPTIONS if option.type.expected]
SETTINGS_FIELDS = {option.sets for option in SERVING_OPTIONS if option.sets}
MADE_OF_SEVERAL = {"listen", "limits", "tokens", "tls", "uid"}


def parsed(*words: str) -> Settings:
    options = Options()
    options.parseOptions(words)
    settings: Settings = options["settings"]
    return settings


@pytest.mark.parametrize("option", SERVING_OPTIONS, ids=IDS)
def test_twistd_and_click_offer_the_option_with_one_description(option: ServingOption) -> None:
    (offered,) = (p for p in sxhost.params if f"--{option.name}" in p.opts)
    assert isinstance(offered, click.Option)
    assert offered.help == option.description
    assert (offered.is_flag, offered.multiple) == (option.is_flag, option.repeatable)
    assert offered.opts[1:] == ([f"-{option.short}"] if option.short else [])
    twistd = Options()
    suffix = "" if option.is_flag else "="
    assert f"{option.name}{suffix}" in twistd.longOpt
    assert twistd.docs[option.name] == option.description


def test_neither_offers_options_that_are_in_no_table() -> None:
    twistd = {name.rstrip("=") for name in Options().longOpt}
    assert twistd == {*IDS, "help", "version"}
    ours = {name.lstrip("-") for p in sxhost.params for name in p.opts if name[:2] == "--"}
    assert ours == {*IDS, "addr", "daemon", "version"}


def test_every_setting_has_an_option() -> None:
    plain = {name for name in SETTINGS_FIELDS if not name.startswith("limits.")}
    assert plain | MADE_OF_SEVERAL == set(Settings.__struct_fields__)


@pytest.mark.parametrize("option", CHECKED, ids=[option.name for option in CHECKED])
def test_an_invalid_text_is_refused_in_a_sentence(
    option: ServingOption, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed(f"--{option.name}=no such")
    sentence = f"sxhost: --{option.name} {option.type.expected}, not 'no such'.\n"
    assert (caught.value.code, capsys.readouterr().err) == (2, sentence)


@pytest.mark.parametrize("option", SERVING_OPTIONS, ids=IDS)
def test_the_default_written_out_sets_what_is_set_without_it(option: ServingOption) -> None:
    if option.default:
        assert parsed(f"--{option.name}={option.default}") == parsed()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("durability", "process", "process"),
        ("policy", "/p", Path("/p")),
        ("stall-after", "2.5", 2.5),
        ("agent-root", "/a", (Path("/a"),)),
        ("allow-host", "ADA", ("ada",)),
        ("allow-origin", "https://ada:1", ("https://ada:1",)),
    ],
)
def test_a_given_text_sets_its_field(name: str, text: str, value: object) -> None:
    (option,) = (option for option in SERVING_OPTIONS if option.name == name)
    assert attrgetter(option.sets)(parsed(f"--{name}={text}")) == value


def test_log_levels_are_those_of_the_loggers() -> None:
    assert get_args(LogLevelName) == LEVELS


def test_a_description_fits_into_the_help_of_twistd() -> None:
    assert all(name in usage.Options.__str__(Options()) for name in IDS)


def test_the_table_imports_no_twisted() -> None:
    program = (
        "import sys, sxhost.daemon.serving_options as m; sys.exit('twisted' in sys.modules)"
    )
    run([sys.executable, "-c", program], check=True)
