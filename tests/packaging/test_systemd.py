"""The unit of systemd fits the command line, and the restart policies of unit and compose start a dead worker again."""

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from elexirion.agents.settings import Settings
from elexirion.console.exits import USAGE

from tests.packaging.project import ROOT

UNIT = ROOT / "deploy" / "systemd" / "elexirion-worker.service"


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd have capitals
    parser.read(UNIT)
    return dict(parser["Service"])


def test_a_worker_that_dies_is_started_again_and_one_with_wrong_settings_is_not(service: dict[str, str]) -> None:
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == str(USAGE)
    assert service["ExecStart"].endswith("/elexirion worker")


def test_a_stop_leaves_time_for_a_drain(service: dict[str, str]) -> None:
    assert service["KillSignal"] == "SIGTERM"
    assert float(service["TimeoutStopSec"]) > Settings.model_fields["drain_s"].default


def test_compose_starts_a_dead_worker_again() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert compose["services"]["worker"]["restart"] == "unless-stopped"
    assert compose["services"]["kafka"]["restart"] == "unless-stopped"


def test_systemd_understands_the_unit(tmp_path: Path, service: dict[str, str]) -> None:
    """By its own checker where there is one; its keys are known ones in any case."""
    known = {
        "Type", "ExecStart", "EnvironmentFile", "Restart", "RestartSec", "RestartPreventExitStatus", "KillSignal",
        "KillMode", "TimeoutStopSec", "DynamicUser", "StateDirectory", "WorkingDirectory", "Environment",
        "NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp",
    }  # fmt: skip
    assert service.keys() <= known
    analyze = shutil.which("systemd-analyze")
    if analyze:
        program = service["ExecStart"].split()[0]
        copy = tmp_path / UNIT.name
        copy.write_text(UNIT.read_text("utf-8").replace(program, "/bin/true"), "utf-8")
        done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
