"""`elexirion broker …` as people and programs meet it: words, JSON, exit codes."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

import pytest
from elexirion.console.broker.commands import app, broker_app
from elexirion.console.broker.home import Home
from typer.testing import CliRunner

_cli = CliRunner()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    cache = Home.from_environment().cache
    monkeypatch.setenv("ELEXIRION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ELEXIRION_CACHE", str(cache))
    return Home.from_environment()


def test_status_of_no_broker_exits_3_and_says_how_to_start_one() -> None:
    done = _cli.invoke(app, ["status"])
    assert done.exit_code == 3
    assert "elexirion broker start" in done.stdout


def test_status_as_json_is_one_document(home: Home) -> None:
    done = _cli.invoke(app, ["status", "--json"])
    assert done.exit_code == 3
    expected = {"status": "not_running", "port": None, "home": str(home.root), "log": str(home.broker_log)}
    assert json.loads(done.stdout) == expected


def test_a_start_that_is_refused_exits_3_with_kind_message_and_hint() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as holder:
        port = holder.getsockname()[1]
        done = _cli.invoke(app, ["start", "--port", str(port), "--json"])
        spoken = _cli.invoke(app, ["start", "--port", str(port)])
    assert done.exit_code == spoken.exit_code == 3
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "port_busy"
    assert str(port) in error["message"]
    assert error["message"] in spoken.stderr
    assert error["hint"] in spoken.stderr


def test_an_impossible_port_is_a_usage_error() -> None:
    assert _cli.invoke(app, ["start", "--port", "70000"]).exit_code == 2


def test_a_setting_that_is_wrong_is_a_usage_error_naming_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEXIRION_BROKER_PORT", "ninety")
    done = _cli.invoke(app, ["start"])
    assert done.exit_code == 2
    assert "ELEXIRION_BROKER_PORT='ninety'" in done.stderr


def test_stop_without_a_broker_is_no_error() -> None:
    done = _cli.invoke(app, ["stop", "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"status": "not_running"})


def test_what_uses_the_broker_is_stopped_before_it(home: Home) -> None:
    told: list[Home] = []
    done = _cli.invoke(broker_app(before_stop=[told.append]), ["stop"])
    assert done.exit_code == 0
    assert told == [home]


def test_wipe_asks_first_and_a_machine_must_say_yes(home: Home) -> None:
    home.broker.mkdir(parents=True)
    assert _cli.invoke(app, ["wipe"], input="n\n").exit_code == 2
    assert _cli.invoke(app, ["wipe", "--json"]).exit_code == 2
    assert home.broker.exists()

    done = _cli.invoke(app, ["wipe", "--yes", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (0, "wiped")
    assert not home.broker.exists()


@pytest.mark.parametrize("verb", ["start", "stop", "status", "wipe"])
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    done = _cli.invoke(app, [verb, "--help"])
    assert done.exit_code == 0
    assert f"elexirion broker {verb}" in done.stdout
    assert "--json" in done.stdout
