"""Files stay small, are named after what they hold, and decisions stay on one page."""

import re
from pathlib import Path

from tests.architecture.imports import BELOW, source_files

ROOT = Path(__file__).parents[2]
MOST_LINES = 350
MOST_ADR_LINES = 60
# Names that say nothing about the content, and so collect everything.
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_source_file_is_longer_than_a_reader_can_hold() -> None:
    long = {str(path.relative_to(ROOT)): lines(path) for path in source_files(ROOT) if lines(path) > MOST_LINES}
    assert not long, f"split these by concept, {MOST_LINES} lines at most: {long}"


def test_no_module_has_a_name_that_says_nothing() -> None:
    modules = [*source_files(ROOT), *(ROOT / "tests").rglob("*.py")]
    vague = [str(path.relative_to(ROOT)) for path in modules if VAGUE & {path.stem, *path.relative_to(ROOT).parts}]
    assert not vague, f"name these after the concept they hold: {vague}"


def test_each_room_says_that_it_is_typed() -> None:
    assert [room for room in BELOW if not (ROOT / room / "py.typed").exists()] == []


def test_each_decision_is_one_page() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert records
    long = {path.name: lines(path) for path in records if lines(path) > MOST_ADR_LINES}
    assert not long, f"a decision record is one page, {MOST_ADR_LINES} lines at most: {long}"


def test_decisions_are_numbered_without_gaps_and_titled_alike() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for path in records:
        title = path.read_text(encoding="utf-8").splitlines()[0]
        assert re.fullmatch(rf"# {path.name[:4]}: .+", title), f"{path.name} starts with {title!r}"
