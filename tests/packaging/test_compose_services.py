"""The services of `docker-compose.yml` that run our code do so without an engine: their command, environment, check.

Only addresses differ from what Compose would start: the test's broker and topics, a folder of the test for the volume,
free ports on loopback for the ports of containers.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kafka_broker import free_port
from tests.packaging.project import ROOT

HEALTHY_WITHIN_S = 30.0
ENDED_WITHIN_S = 60.0
VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>\w+)|\{(?P<name>\w+)(?P<colon>:)?(?:-(?P<default>[^}]*))?\}|(?P<wrong>))"
)


@dataclass(frozen=True, slots=True)
class Container:
    """What an engine would start for one replica of a service, and how it would ask whether it is well."""

    command: list[str]
    check: list[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """It runs inside of the block; whatever is left of it is killed afterwards."""
        with self.log.open("wb") as output:
            process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def healthy(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether its own check succeeds in time; fails at once where the process has ended."""
        until = time.monotonic() + HEALTHY_WITHIN_S
        while time.monotonic() < until:
            assert process.poll() is None, f"ended with {process.returncode}:\n{self.log.read_text()}"
            asked = subprocess.run(self.check, cwd=self.folder, env=self.environment, capture_output=True, timeout=30)
            if asked.returncode == 0:
                return True
            time.sleep(0.2)
        return False


def interpolated(value: Any, environment: Mapping[str, str]) -> Any:
    """The value with the variables of its texts filled in as Compose does."""

    def found(match: re.Match[str]) -> str:
        assert match["wrong"] is None, f"Compose refuses, or this test does not know: {match.string}"
        if match["escaped"]:
            return "$"
        given = environment.get(match["bare"] or match["name"])
        if given is None or (match["colon"] and not given):
            return match["default"] or ""
        return given

    match value:
        case str():
            return VARIABLE.sub(found, value)
        case list():
            return [interpolated(each, environment) for each in value]
        case dict():
            return {key: interpolated(each, environment) for key, each in value.items()}
        case _:
            return value


def services_of_ours() -> dict[str, dict[str, Any]]:
    """The services that are built here."""
    loaded = interpolated(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")), {})
    return {name: service for name, service in loaded["services"].items() if "build" in service}


def image() -> tuple[list[str], dict[str, str]]:
    """Entrypoint and environment of the image."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2].replace("\\\n", " ")
    (entrypoint,) = re.findall(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)
    pairs = [pair for line in re.findall(r"^ENV (.+)$", text, re.MULTILINE) for pair in shlex.split(line)]
    return yaml.safe_load(entrypoint), dict(pair.split("=", 1) for pair in pairs)


def container(service: dict[str, Any], bootstrap: str, prefix: str, folder: Path, log: Path) -> Container:
    """A replica of the service at addresses of this machine."""
    entrypoint, built_in = image()
    environment = built_in | {name: str(value) for name, value in service["environment"].items()}
    port, own_port = environment["ELEXIRION_HTTP_PORT"], str(free_port())
    assert service["healthcheck"]["test"][0] == "CMD"
    check = [word.replace(f":{port}/", f":{own_port}/") for word in service["healthcheck"]["test"][1:]]
    addresses = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ELEXIRION_KAFKA": bootstrap,
        "ELEXIRION_TOPIC_PREFIX": prefix,
        "ELEXIRION_HTTP_PORT": own_port,
        "ELEXIRION_HTTP_HOST": environment["ELEXIRION_HTTP_HOST"].replace("0.0.0.0", "127.0.0.1"),
        "ELEXIRION_HOME": str(folder),
    }
    command = [*entrypoint, *service["command"]]
    return Container(
        [_on_path(command[0], addresses["PATH"]), *command[1:]], [_on_path(check[0], addresses["PATH"]), *check[1:]],
        environment | addresses, folder, log,
    )  # fmt: skip


def _on_path(program: str, path: str) -> str:
    found = shutil.which(program, path=path)
    assert found, f"{program} is not on the PATH"
    return found


def test_there_are_services_of_ours() -> None:
    assert [*services_of_ours()] == ["worker"]


@pytest.mark.parametrize("name", services_of_ours())
def test_a_service_becomes_healthy_by_its_own_check_and_ends_well(name: str, kafka: str, tmp_path: Path) -> None:
    service, prefix, volume = services_of_ours()[name], f"compose-{uuid.uuid4().hex[:8]}.", tmp_path / "volume"
    volume.mkdir()
    replicas = [
        container(service, kafka, prefix, volume, tmp_path / f"{n}.log") for n in range(service["deploy"]["replicas"])
    ]
    with ExitStack() as stack:
        processes = [stack.enter_context(replica.started()) for replica in replicas]
        for replica, process in zip(replicas, processes, strict=True):
            assert replica.healthy(process), replica.log.read_text()
        for replica, process in zip(replicas, processes, strict=True):
            process.send_signal(signal.SIGTERM)
            assert process.wait(ENDED_WITHIN_S) == 0, replica.log.read_text()


def test_a_service_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    ending = Container([sys.executable, "-c", "raise SystemExit(3)"], ["false"], {}, tmp_path, tmp_path / "log")
    with ending.started() as process, pytest.raises(AssertionError, match="ended with 3"):
        ending.healthy(process)


def test_variables_are_filled_in_as_compose_does() -> None:
    text = "$A ${A} ${B:-b} ${B-b} ${C-c} ${C:-c} ${D} $$A"
    assert interpolated([{"x": text}, 1], {"A": "a", "C": ""}) == [{"x": "a a b b  c  $A"}, 1]
    with pytest.raises(AssertionError, match="refuses"):
        interpolated("${A?must be set}", {})
