"""AsyncAPI 3.0 document of the topics: what stands on each, who writes it, what it looks like.

`python -m elexirion.events.asyncapi [FILE]` writes it; the checked-in copy is the default. The payloads refer to the
JSON Schema beside it (`json_schema`). Format: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from elexirion.events import catalog
from elexirion.events.json_schema import CHECKED_IN as SCHEMA_FILE
from elexirion.events.topics import LANES, Topics, TopicSpec, topic_specs

CHECKED_IN = Path("docs/schema/asyncapi.yaml")

_ACTIONS = {"commands": "receive", "dead_letters": "send"}
"""What the product does on a channel, where it does not do both."""

_INTERNAL = ("snapshots",)
"""Topics whose values are no records: no contract for others."""

_DEAD_LETTER: dict[str, Any] = {
    "name": "DeadLetter",
    "title": "What could not be read, where it stood, and why",
    "contentType": "application/json",
    "payload": {
        "type": "object",
        "required": ["type", "version", "topic", "partition", "offset", "reason", "size", "value", "encoding"],
        "properties": {
            "type": {"const": "DeadLetter"},
            "version": {"const": 1},
            "topic": {"type": "string"},
            "partition": {"type": "integer", "minimum": 0},
            "offset": {"type": "integer", "minimum": 0},
            "reason": {"type": "string"},
            "size": {"type": "integer", "minimum": 0},
            "value": {"type": "string"},
            "encoding": {"enum": ["utf-8", "base64"]},
        },
    },
}

_REDRIVEN: dict[str, Any] = {
    "name": "DeadLetterRedriven",
    "title": "The letter at that place was sent to its topic again, where it stands now",
    "contentType": "application/json",
    "payload": {
        "type": "object",
        "required": [
            "type", "version", "letter_partition", "letter_offset", "topic", "partition", "offset", "at",
        ],
        "properties": {
            "type": {"const": "DeadLetterRedriven"},
            "version": {"const": 1},
            "letter_partition": {"type": "integer", "minimum": 0},
            "letter_offset": {"type": "integer", "minimum": 0},
            "topic": {"type": "string"},
            "partition": {"type": "integer", "minimum": 0},
            "offset": {"type": "integer", "minimum": 0},
            "at": {"type": "string", "format": "date-time"},
        },
    },
}  # fmt: skip

_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents 1.0 attributes, Kafka protocol binding, binary mode. Other clients may omit them.",
    "properties": {
        "content-type": {"const": "application/json"},
        "ce_specversion": {"const": "1.0"},
        **{name: {"type": "string"} for name in ("ce_type", "ce_id", "ce_source", "ce_subject", "ce_time")},
    },
}


def asyncapi() -> dict[str, Any]:
    """The document, with the default prefix in its addresses."""
    topics = Topics()
    specs = {_channel_id(topics, spec): spec for spec in topic_specs(topics)}
    shown = {id: spec for id, spec in specs.items() if id not in _INTERNAL}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Elexirion",
            "version": "1",
            "description": "Topics and records of pipeline runs. The prefix of all topics is a setting.",
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": "localhost:9092", "protocol": "kafka"}},
        "channels": {id: _channel(id, spec) for id, spec in shown.items()},
        "operations": {name: body for id in shown for name, body in _operations(id)},
        "components": {"messages": _messages(), "schemas": {"CloudEvents": _HEADERS}},
    }


def asyncapi_text() -> str:
    """The document as it stands in its file."""
    return yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120)


def _channel_id(topics: Topics, spec: TopicSpec) -> str:
    return spec.name.removeprefix(topics.prefix).replace("-", "_").replace(".", "_")


def _family(channel_id: str) -> str:
    return "steps" if channel_id.removeprefix("steps_") in LANES else channel_id


def _channel(channel_id: str, spec: TopicSpec) -> dict[str, Any]:
    return {
        "address": spec.name,
        "title": spec.holds,
        "description": f"Key: {spec.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(channel_id)},
        "bindings": {
            "kafka": {"topic": spec.name, "partitions": spec.partitions, "bindingVersion": "0.5.0"},
        },
    }


def _names(channel_id: str) -> list[str]:
    if channel_id == "dead_letters":
        return ["DeadLetter", "DeadLetterRedriven"]
    return [entry.name for entry in catalog.ALL if entry.family == _family(channel_id)]


def _operations(channel_id: str) -> list[tuple[str, dict[str, Any]]]:
    only = _ACTIONS.get(channel_id)
    channel = {"$ref": f"#/channels/{channel_id}"}
    return [
        (f"{action}_{channel_id}", {"action": action, "channel": channel})
        for action in ("send", "receive")
        if only in (None, action)
    ]


def _messages() -> dict[str, Any]:
    records = {entry.name: _message(entry) for entry in catalog.ALL}
    return {**records, "DeadLetter": _DEAD_LETTER, "DeadLetterRedriven": _REDRIVEN}


def _message(entry: catalog.RecordType) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": (entry.model.__doc__ or entry.name).strip().split("\n")[0],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/CloudEvents"},
        "payload": {"$ref": f"{SCHEMA_FILE.name}#/$defs/{entry.name}.record"},
    }


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKED_IN
    target.write_text(asyncapi_text(), encoding="utf-8")
