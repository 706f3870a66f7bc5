"""Records to bytes and back. JSON values, so that any Kafka client can read and write them."""

from datetime import UTC, datetime
from typing import Any

import orjson
from elexirion.events import catalog
from elexirion.events.envelope import Record, UnknownData, utc_text
from elexirion.events.record_model import RecordModel
from elexirion.events.upcast import upcast
from pydantic import ValidationError

Headers = list[tuple[str, bytes]]


class UndecodableError(ValueError):
    """Bytes that are no record; the message says what is wrong with them."""


def encode(record: Record) -> bytes:
    """The value of the Kafka record: one compact JSON object."""
    document: dict[str, Any] = {
        "type": record.type,
        "version": record.version,
        "id": record.id,
        "run_id": record.run_id,
        "at": utc_text(record.at),
    }
    for key in ("seq", "prev", "causation_id", "correlation_id"):
        value = getattr(record, key)
        if value is not None:
            document[key] = value
    if record.offline:
        document["offline"] = True
    document["data"] = record.raw
    return orjson.dumps(document)


def headers(record: Record, source: str) -> Headers:
    """CloudEvents 1.0 attributes of the Kafka protocol binding (binary mode), `source` names the writer."""
    return [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_type", f"elexirion.{record.type}".encode()),
        ("ce_id", record.id.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", record.run_id.encode()),
        ("ce_time", utc_text(record.at).encode()),
    ]


def parse_json(value: bytes) -> Any:
    """JSON to a Python value; raises UndecodableError for anything else, very deep documents included."""
    try:
        return orjson.loads(value)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise UndecodableError(f"not JSON: {error}") from error


def decode(value: bytes | None) -> Record:
    """Bytes to a record; an unknown type or version becomes UnknownData, bad bytes raise UndecodableError."""
    if value is None:
        raise UndecodableError("no value (a tombstone)")
    document = parse_json(value)
    if not isinstance(document, dict):
        raise UndecodableError(f"a JSON object is expected, not {type(document).__name__}")
    return read_document(document)


def read_document(document: dict[str, Any]) -> Record:
    """A parsed envelope to a record; raises UndecodableError naming the wrong field."""
    raw = document.get("data")
    if not isinstance(raw, dict):
        raise UndecodableError("field `data`: an object is expected")
    type_name, version = _text(document, "type"), document.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UndecodableError(f"field `version`: a whole number from 1 on is expected, not {version!r}")
    return Record(
        type=type_name,
        version=version,
        id=_text(document, "id"),
        run_id=_text(document, "run_id"),
        at=_time(document),
        data=_data(type_name, version, raw),
        raw=raw,
        seq=_optional(document, "seq", int),
        prev=_optional(document, "prev", str),
        causation_id=_optional(document, "causation_id", str),
        correlation_id=_optional(document, "correlation_id", str),
        offline=document.get("offline") is True,
    )


def _data(type_name: str, version: int, raw: dict[str, Any]) -> RecordModel | UnknownData:
    entry = catalog.BY_NAME.get(type_name)
    if entry is None:
        return UnknownData(type_name, version)
    try:
        present = upcast(type_name, version, raw, entry.version)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UndecodableError(f"{type_name} v{version}: no data of that version ({error!r})") from error
    if present is None:
        return UnknownData(type_name, version)
    try:
        return entry.model.model_validate(present)
    except ValidationError as error:
        raise UndecodableError(f"{type_name} v{version}: {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """What pydantic found, field by field, without the values (they may hold prompts)."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"`{'.'.join(map(str, item['loc']))}`: {item['msg']}" for item in found[:8])


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise UndecodableError(f"field `{key}`: a text is expected")
    return value


def _time(document: dict[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(_text(document, "at"))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UndecodableError(f"field `at`: an ISO 8601 time is expected ({error})") from error


def _optional(document: dict[str, Any], key: str, kind: type) -> Any:
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UndecodableError(f"field `{key}`: {kind.__name__} is expected")
    return value
