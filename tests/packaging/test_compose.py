"""`docker-compose.yml` and `Dockerfile` fit each other and the command line: what shows without an engine.

`compose-spec.json` beside this file is the schema of the Compose Specification, unchanged: Copyright 2020 The Compose
Specification Authors, under the Apache License 2.0, whose text is this project's LICENSE too.
"""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.packaging.project import ROOMS, ROOT, declared


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


def complaints(compose: dict[str, Any]) -> list[str]:
    """Where the schema of the Compose Specification is violated."""
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text(encoding="utf-8"))
    return sorted(error.json_path for error in Draft7Validator(schema).iter_errors(compose))


def help_of(*command: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("elexirion")
    return subprocess.run([script, *command, "--help"], capture_output=True, text=True, timeout=60)


def test_the_file_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    assert complaints(compose) == []


@pytest.mark.parametrize(
    ("section", "key", "value", "place"),
    [
        ("worker", "helthcheck", {}, "$.services.worker"),
        ("worker", "read_only", ["yes"], "$.services.worker.read_only"),
        ("kafka", "depends_on", {"worker": {"condition": "service_happy"}}, "$.services.kafka.depends_on"),
        ("worker", "env_file", [{"path": ".env", "needed": False}], "$.services.worker.env_file"),
    ],
)
def test_a_mistake_against_the_specification_would_be_found(
    compose: dict[str, Any], section: str, key: str, value: object, place: str
) -> None:
    mistaken = copy.deepcopy(compose)
    mistaken["services"][section][key] = value
    assert complaints(mistaken) == [place]


def test_there_is_one_kafka_two_workers_and_what_watches_them(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"kafka", "worker", "prometheus", "grafana"}
    assert compose["services"]["worker"]["deploy"]["replicas"] == 2


def test_every_service_is_checked_and_started_again(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"


def test_every_image_of_others_is_pinned(compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values() if "build" not in service]
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+$", image)] == []


def test_ports_are_published_on_loopback_alone(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_no_service_has_a_password_or_a_key_in_the_file(compose: dict[str, Any]) -> None:
    secret = re.compile(r"(PASSWORD|SECRET|_KEY|TOKEN)$")
    environments = [service.get("environment", {}) for service in compose["services"].values()]
    assert [name for environment in environments for name in environment if secret.search(name)] == []
    grafana = compose["services"]["grafana"]["environment"]
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true", (
        "else there is admin with the password admin"
    )
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_what_runs_our_code_and_what_watches_it_cannot_write_to_its_image(compose: dict[str, Any]) -> None:
    for name in ("worker", "prometheus", "grafana"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "/tmp" in service["tmpfs"]


def test_what_is_mounted_exists_and_what_is_named_is_declared(compose: dict[str, Any]) -> None:
    mounts = [mount.split(":")[0] for service in compose["services"].values() for mount in service.get("volumes", [])]
    folders = [mount for mount in mounts if mount.startswith(".")]
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    assert {*mounts} - {*folders} == {*compose["volumes"]}


def test_a_worker_keeps_its_files_on_a_volume(compose: dict[str, Any], dockerfile: str) -> None:
    (home,) = re.findall(r"ELEXIRION_HOME=(\S+)", dockerfile)
    assert f"worker-data:{home}" in compose["services"]["worker"]["volumes"]
    assert f"\nWORKDIR {home}\n" in dockerfile


def test_the_health_check_and_prometheus_ask_the_port_that_workers_serve(
    compose: dict[str, Any], dockerfile: str
) -> None:
    worker = compose["services"]["worker"]
    port = worker["environment"]["ELEXIRION_HTTP_PORT"]
    assert f"http://127.0.0.1:{port}/readyz" in worker["healthcheck"]["test"][-1]
    compile(worker["healthcheck"]["test"][-1], "health check", "exec")
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    (found,) = scraped["scrape_configs"][0]["dns_sd_configs"]
    assert (found["names"], str(found["port"])) == (["worker"], port)
    assert f"EXPOSE {port}" in dockerfile


def test_workers_reach_the_broker_at_the_address_it_advertises(compose: dict[str, Any]) -> None:
    kafka, worker = compose["services"]["kafka"], compose["services"]["worker"]
    advertised = kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"INTERNAL://{worker['environment']['ELEXIRION_KAFKA']}" in advertised
    assert worker["depends_on"]["kafka"]["condition"] == "service_healthy"


def test_the_host_reaches_the_broker_on_loopback_alone(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    (port,) = kafka["ports"]
    address, published, inside = port.split(":")
    assert address == "127.0.0.1"
    assert f"HOST://127.0.0.1:{published}" in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"HOST://:{inside}" in kafka["environment"]["KAFKA_LISTENERS"]


def test_every_listener_has_a_protocol(compose: dict[str, Any]) -> None:
    settings = compose["services"]["kafka"]["environment"]
    listeners = {entry.split("://")[0] for entry in settings["KAFKA_LISTENERS"].split(",")}
    protocols = {entry.split(":")[0] for entry in settings["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    assert listeners == protocols


def test_the_log_survives_the_container(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    (mount,) = kafka["volumes"]
    volume, folder = mount.split(":")
    assert volume in compose["volumes"]
    assert kafka["environment"]["KAFKA_LOG_DIRS"] == folder


def test_topics_are_never_created_by_accident(compose: dict[str, Any]) -> None:
    assert compose["services"]["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_no_settings_file_is_needed(compose: dict[str, Any]) -> None:
    assert compose["services"]["worker"]["env_file"] == [{"path": ".env", "required": False}]


def test_the_commands_are_verbs_that_the_command_line_knows(compose: dict[str, Any], dockerfile: str) -> None:
    entrypoint, default = (
        yaml.safe_load(found) for found in re.findall(r"^(?:ENTRYPOINT|CMD) (.+)$", dockerfile, re.MULTILINE)
    )
    assert entrypoint == [*declared()["project"]["scripts"]]
    for command in (default, compose["services"]["worker"]["command"]):
        answer = help_of(*command)
        assert answer.returncode == 0, answer.stderr
        assert f"elexirion {command[0]}" in answer.stdout


def test_a_verb_that_does_not_exist_would_be_noticed() -> None:
    answer = help_of("wroker")
    assert answer.returncode == 2, answer.stderr


def test_the_image_copies_every_room_and_each_source_exists(dockerfile: str) -> None:
    copied = [line.split()[1:-1] for line in re.findall(r"^COPY (?!--from).+$", dockerfile, re.MULTILINE)]
    sources = {source for line in copied for source in line}
    assert {*ROOMS} <= sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{source}" for source in sources} <= {*kept}


def test_the_image_does_not_run_as_root(dockerfile: str) -> None:
    last_stage = dockerfile[dockerfile.rindex("\nFROM ") :]
    assert re.search(r"^USER (?!root|0)", last_stage, re.MULTILINE)


def test_the_image_runs_a_python_that_the_project_declares(dockerfile: str) -> None:
    (version,) = re.findall(r"^ARG PYTHON=(.+)$", dockerfile, re.MULTILINE)
    assert f"Programming Language :: Python :: {version}" in declared()["project"]["classifiers"]
