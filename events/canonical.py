"""Canonical JSON and hashes: one value, one byte string, one SHA-256, in every process."""

import hashlib
from typing import Any

import orjson


def canonical_json(value: Any) -> bytes:
    """Compact UTF-8 JSON with sorted keys; the input of every hash in the log."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return sha256_hex(canonical_json(value))


def text_hash(text: str) -> str:
    """SHA-256 of the UTF-8 bytes of `text`."""
    return sha256_hex(text.encode())
