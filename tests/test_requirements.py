"""The rule that decides between skipping and failing when a tool is missing."""

from pathlib import Path

import pytest

from tests.requirements import VARIABLE, absent, require, required


@pytest.fixture
def no_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def kcat(tmp_path: Path, no_commands: None) -> None:
    command = tmp_path / "kcat"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)


def test_a_present_part_lets_the_test_go_on(kcat: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "kcat")
    require("kcat")


def test_a_missing_part_skips_with_its_reason(no_commands: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "kafka")
    with pytest.raises(pytest.skip.Exception, match="needs kcat: the command kcat is not on the PATH"):
        require("kcat")


def test_a_missing_part_that_is_required_fails(no_commands: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "kafka, kcat")
    with pytest.raises(pytest.fail.Exception, match="kcat is required"):
        require("kcat")


def test_a_part_found_missing_by_the_test_itself_follows_the_same_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs kafka: the broker did not start"):
        absent("kafka", "the broker did not start")
    monkeypatch.setenv(VARIABLE, "kafka")
    with pytest.raises(pytest.fail.Exception, match="the broker did not start"):
        absent("kafka", "the broker did not start")


def test_nothing_is_required_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert required() == frozenset()


def test_a_misspelt_requirement_is_an_error_and_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "kacat")
    with pytest.raises(ValueError, match=r"unknown parts \['kacat'\]"):
        required()
