"""The documents for other people's tools are generated, up to date, and fit what is really on the wire."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml
from elexirion.events import asyncapi, catalog, json_schema
from elexirion.events.topics import Topics, topic_specs
from jsonschema import Draft202012Validator

from tests.events.goldens import FOLDER, file_of

ROOT = Path(__file__).parents[2]
SCHEMAS = json_schema.record_schemas()
# What AsyncAPI 3.0 asks of the objects used here: https://www.asyncapi.com/docs/reference/specification/v3.0.0
REFERENCE = {"type": "object", "required": ["$ref"], "properties": {"$ref": {"type": "string"}}, "maxProperties": 1}
ASYNCAPI = {
    "type": "object",
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"required": ["title", "version"], "properties": {"version": {"type": "string"}}},
        "servers": {"additionalProperties": {"required": ["host", "protocol"]}},
        "channels": {
            "propertyNames": {"pattern": r"^[A-Za-z0-9_]+$"},
            "additionalProperties": {
                "required": ["address", "messages"],
                "properties": {"messages": {"minProperties": 1, "additionalProperties": REFERENCE}},
            },
        },
        "operations": {
            "additionalProperties": {
                "required": ["action", "channel"],
                "properties": {"action": {"enum": ["send", "receive"]}, "channel": REFERENCE},
            }
        },
    },
}


def validator(entry: catalog.RecordType) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{entry.name}.record", "$defs": SCHEMAS["$defs"]})


ALL_RECORDS = Draft202012Validator(SCHEMAS)


def golden(name: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(file_of(catalog.BY_NAME[name]).read_bytes())
    return document


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for item in value.values() for found in references(item)]


def resolve(document: Any, pointer: str) -> Any:
    for part in pointer.removeprefix("/").split("/"):
        document = document[part]
    return document


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMAS)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_each_golden_file_fits_the_schema(path: Path) -> None:
    document = orjson.loads(path.read_bytes())
    validator(catalog.BY_NAME[document["type"]]).validate(document)
    ALL_RECORDS.validate(document)


@pytest.mark.parametrize(
    ("name", "at", "wrong"),
    [
        ("StepScheduled", ("type",), "StepSchedulled"),
        ("StepScheduled", ("version",), 2),
        ("StepScheduled", ("seq",), 0),
        ("StepScheduled", ("run_id",), ""),
        ("StepScheduled", ("data", "attempt"), 0),
        ("StepScheduled", ("data", "lane"), "grok"),
        ("StepScheduled", ("data", "input", "kind"), "elsewhere"),
        ("StepScheduled", ("data", "timeout_s"), -1),
        ("StepFailed", ("data", "failure", "kind"), "bad luck"),
        ("StepCompleted", ("data", "usage", "input_tokens"), -5),
        ("WorkerHeartbeat", ("data", "lanes", 0, "slots"), "ten"),
        ("CommandRejected", ("data", "reason_code"), "because"),
        ("StartRun", ("data", "pipeline"), 7),
    ],
)
def test_a_planted_mistake_does_not_fit(name: str, at: tuple[str | int, ...], wrong: Any) -> None:
    document = golden(name)
    inside: Any = document
    for key in at[:-1]:
        inside = inside[key]
    inside[at[-1]] = wrong
    with pytest.raises(jsonschema.ValidationError):
        validator(catalog.BY_NAME[name]).validate(document)
    with pytest.raises(jsonschema.ValidationError):
        ALL_RECORDS.validate(document)


@pytest.mark.parametrize("entry", catalog.ALL, ids=lambda entry: entry.name)
def test_a_record_without_a_field_it_needs_does_not_fit(entry: catalog.RecordType) -> None:
    needed = SCHEMAS["$defs"][f"{entry.name}.record"]["required"]
    for field in needed:
        document = golden(entry.name)
        del document[field]
        assert not validator(entry).is_valid(document), field


def test_a_command_may_leave_out_its_version_and_time() -> None:
    document = {"type": "CancelRun", "id": "c", "run_id": "r", "data": {}}
    ALL_RECORDS.validate(document)


def test_the_checked_in_schema_is_up_to_date() -> None:
    said = "run `python -m elexirion.events.json_schema`"
    assert (ROOT / json_schema.CHECKED_IN).read_text(encoding="utf-8") == json_schema.schema_text(), said


def test_the_checked_in_asyncapi_document_is_up_to_date() -> None:
    said = "run `python -m elexirion.events.asyncapi`"
    assert (ROOT / asyncapi.CHECKED_IN).read_text(encoding="utf-8") == asyncapi.asyncapi_text(), said


def test_the_asyncapi_document_has_the_structure_of_its_version() -> None:
    jsonschema.validate(yaml.safe_load(asyncapi.asyncapi_text()), ASYNCAPI)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = yaml.safe_load(asyncapi.asyncapi_text())
    found = references(document)
    assert len(found) > len(catalog.ALL)
    for reference in found:
        file, _, pointer = reference.partition("#")
        assert file in ("", json_schema.CHECKED_IN.name)
        assert resolve(SCHEMAS if file else document, pointer)


def test_every_record_type_stands_on_a_channel_and_every_channel_is_a_topic() -> None:
    document = asyncapi.asyncapi()
    shown = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert shown == {entry.name for entry in catalog.ALL} | {"DeadLetter", "DeadLetterRedriven"}
    topics = Topics()
    every = {spec.name for spec in topic_specs(topics)}
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert every - addresses == {topics.snapshots}


def test_each_command_of_a_lane_stands_on_each_lane() -> None:
    channels = asyncapi.asyncapi()["channels"]
    for lane in ("claude", "gemini", "openai", "local"):
        assert set(channels[f"steps_{lane}"]["messages"]) == {"ExecuteStep", "CancelStep"}


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize(
    ("module", "text"), [("json_schema", json_schema.schema_text), ("asyncapi", asyncapi.asyncapi_text)]
)
def test_a_document_is_written_to_the_file_that_is_named(
    module: str, text: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "document"
    monkeypatch.setattr(sys, "argv", [module, str(target)])
    runpy.run_module(f"elexirion.events.{module}", run_name="__main__")
    assert target.read_text(encoding="utf-8") == text()
