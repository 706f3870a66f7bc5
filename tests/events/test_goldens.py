"""The wire format, held by golden files: what was written once stays readable, byte for byte."""

import re
from pathlib import Path

import orjson
import pytest
from elexirion.events import catalog
from elexirion.events.codec import decode, encode
from elexirion.events.envelope import UnknownData

from tests.events.goldens import FOLDER, file_of

FILES = sorted(FOLDER.glob("*.json"))


def strays(folder: Path, entries: tuple[catalog.RecordType, ...]) -> list[str]:
    """Golden files of types or versions that the catalogue does not have (any more)."""
    known = {entry.name: entry.version for entry in entries}
    found = []
    for path in sorted(folder.glob("*.json")):
        match = re.fullmatch(r"([A-Za-z]+)\.v(\d+)\.json", path.name)
        if match is None or int(match[2]) > known.get(match[1], 0):
            found.append(path.name)
    return found


@pytest.mark.parametrize("entry", catalog.ALL, ids=lambda entry: entry.name)
def test_each_record_type_has_a_golden_file_of_its_version(entry: catalog.RecordType) -> None:
    assert file_of(entry).exists(), "write it with `python -m tests.events.goldens` and look at it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_file_is_read_and_written_again_byte_for_byte(path: Path) -> None:
    line = path.read_bytes()
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    record = decode(line.rstrip(b"\n"))
    assert (record.type, f"v{record.version}") == (path.name.split(".")[0], path.name.split(".")[1])
    assert not isinstance(record.data, UnknownData)
    assert encode(record) == line.rstrip(b"\n")


@pytest.mark.parametrize("entry", catalog.ALL, ids=lambda entry: entry.name)
def test_the_model_writes_what_its_golden_file_says(entry: catalog.RecordType) -> None:
    document = orjson.loads(file_of(entry).read_bytes())
    data = entry.model.model_validate(document["data"])
    assert data.model_dump(mode="json") == document["data"]


def test_no_golden_file_is_without_its_line_in_the_catalogue() -> None:
    assert strays(FOLDER, catalog.ALL) == []


def test_a_line_taken_out_of_the_catalogue_is_noticed() -> None:
    without = tuple(entry for entry in catalog.ALL if entry.name != "StepCompleted")
    assert strays(FOLDER, without) == ["StepCompleted.v1.json"]


def test_a_version_set_back_in_the_catalogue_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "StepCompleted.v2.json").write_text("{}\n")
    assert strays(tmp_path, catalog.ALL) == ["StepCompleted.v2.json"]


def test_names_models_and_families_of_the_catalogue_are_unique() -> None:
    assert len(catalog.BY_NAME) == len(catalog.BY_MODEL) == len(catalog.ALL)
    groups = [catalog.COMMAND_NAMES, catalog.DECISION_NAMES, catalog.REPORT_NAMES]
    assert sum(map(len, groups)) == len(frozenset().union(*groups))
    assert catalog.TERMINAL_NAMES < catalog.DECISION_NAMES
    assert catalog.CLOSING_REPORT_NAMES < catalog.REPORT_NAMES
