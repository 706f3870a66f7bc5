"""Keys without effect: those that no model knows, and those that are accepted for the sake of older files."""

from typing import Any

from elexirion.pipelines.accepted_keys import ACCEPTED_KEYS, WITHOUT_EFFECT
from elexirion.pipelines.draft import Findings
from elexirion.pipelines.model import Readings
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.schema import Pipeline


def note_keys(raw: Any, prefix: KeyPath, readings: Readings, findings: Findings) -> None:
    """Warn of every key without effect, each at its place."""
    match raw:
        case dict():
            _note_mapping(raw, prefix, readings, findings)
            for key, value in raw.items():
                note_keys(value, (*prefix, key), readings, findings)
        case list():
            for index, value in enumerate(raw):
                note_keys(value, (*prefix, index), readings, findings)
        case _:
            pass


def _note_mapping(raw: dict[str, Any], path: KeyPath, readings: Readings, findings: Findings) -> None:
    model = readings.model_of(raw)
    if model is None:
        return
    known = model.known_keys()
    for key in raw:
        if key in ACCEPTED_KEYS and key not in known:
            findings.warning((*path, key), f"`{key}` is {ACCEPTED_KEYS[key]}")
        elif key not in known:
            findings.warning((*path, key), f"unknown key `{key}` has no effect", findings.near(key, known))
        elif issubclass(model, Pipeline) and key in WITHOUT_EFFECT:
            findings.warning((*path, key), f"`{key}` is {WITHOUT_EFFECT[key]}")
