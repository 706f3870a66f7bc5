"""Malformed records by seed: what any client may write to any topic."""

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import orjson

from tests.events.goldens import FOLDER

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    10**18,
    "",
    "x",
    "\x00",
    "é" * 300,
    [],
    [[]],
    {},
    {"a": 1},
    "2026-13",
)
"""Values of the wrong kind for nearly any field."""


@cache
def goldens() -> tuple[bytes, ...]:
    """A record of each type and version, as it stands on a topic."""
    return tuple(path.read_bytes().strip() for path in sorted(FOLDER.glob("*.json")))


def malformed(random: Random) -> bytes | None:
    """One malformed record (rarely one that can be read after all)."""
    return random.choice(_KINDS)(random)


def _document(random: Random) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(random.choice(goldens()))
    return document


def _noise(random: Random) -> bytes:
    return random.randbytes(random.randrange(200))


def _tombstone(random: Random) -> None:
    return None


def _other_json(random: Random) -> bytes:
    return orjson.dumps(random.choice([1, "text", [1, 2], None, True, [{"type": "StartRun"}]]))


def _cut(random: Random) -> bytes:
    value = random.choice(goldens())
    return value[: random.randrange(len(value))]


def _flipped(random: Random) -> bytes:
    value = bytearray(random.choice(goldens()))
    for _ in range(random.randint(1, 4)):
        value[random.randrange(len(value))] = random.randrange(256)
    return bytes(value)


def _wrong_envelope(random: Random) -> bytes:
    document = _document(random)
    key = random.choice(["type", "version", "id", "run_id", "at", "seq", "prev", "causation_id", "data"])
    if random.random() < 0.3:
        document.pop(key, None)
    else:
        document[key] = random.choice(ODD)
    return orjson.dumps(document)


def _wrong_data(random: Random) -> bytes:
    document = _document(random)
    if document["data"]:
        key = random.choice(sorted(document["data"]))
        if random.random() < 0.3:
            del document["data"][key]
        else:
            document["data"][key] = random.choice(ODD)
    return orjson.dumps(document)


def _of_another_time(random: Random) -> bytes:
    document = _document(random)
    document["version"] = random.choice([2, 7, 10**9])
    return orjson.dumps(document)


def _of_another_type(random: Random) -> bytes:
    return orjson.dumps(_document(random) | {"type": random.choice(["StepTeleported", "ElixirStarted", "x" * 5_000])})


def _deep(random: Random) -> bytes:
    levels = random.choice([50, 101, 253, 255, 1_023, 1_025, 20_000])
    deep = random.choice([(b'{"a":', b"1", b"}"), (b"[", b"", b"]")])
    nested = deep[0] * levels + deep[1] + deep[2] * levels
    return random.choice(goldens()).replace(b'"data":{', b'"data":{"deep":' + nested + b",", 1)


def _huge(random: Random) -> bytes:
    return random.choice(goldens()).replace(b'"run_id":"', b'"run_id":"' + b"y" * random.choice([200, 70_000]), 1)


_KINDS: tuple[Callable[[Random], bytes | None], ...] = (
    _noise, _tombstone, _other_json, _cut, _flipped, _flipped, _wrong_envelope, _wrong_envelope, _wrong_data,
    _wrong_data, _of_another_time, _of_another_type, _deep, _huge,
)  # fmt: skip
