"""The reference pages are those of the models, and leave no key and no result unsaid."""

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from elexirion.pipelines.json_schema import language_schema
from elexirion.pipelines.key_types import default_text, type_text
from elexirion.pipelines.reference import EXAMPLES, INDEX, PAGES, pages
from elexirion.pipelines.steps.registry import STEP_TYPES
from elexirion.pipelines.steps.step import Step

ROOT = Path(__file__).parents[2]
WRITTEN = pages(ROOT)


@pytest.mark.parametrize("path", WRITTEN, ids=str)
def test_a_page_is_what_the_generator_writes(path: Path) -> None:
    said = "run `python -m elexirion.pipelines.reference`"
    assert (ROOT / path).read_text("utf-8") == WRITTEN[path], said


def test_each_step_type_has_a_page_and_an_example_and_no_other_has() -> None:
    assert {path.stem for path in (ROOT / PAGES).glob("*.md")} == set(STEP_TYPES)
    assert {path.stem for path in (ROOT / EXAMPLES).glob("*.yaml")} == set(STEP_TYPES)


@pytest.mark.parametrize("name", STEP_TYPES)
def test_a_page_says_what_the_step_gives_and_how_it_is_used(name: str) -> None:
    page = WRITTEN[PAGES / f"{name}.md"]
    assert STEP_TYPES[name].result_doc in page and STEP_TYPES[name].result_doc
    assert f"type: {name}" in page.split("## Example")[1]


def test_every_key_of_the_language_has_a_meaning() -> None:
    definitions: dict[str, Any] = language_schema()["$defs"]
    silent = [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, schema in definition.get("properties", {}).items()
        if not schema.get("description") and "$ref" not in schema and key != "type"
    ]
    assert silent == [], "write a docstring below the field"


@pytest.mark.parametrize("name", STEP_TYPES)
def test_a_page_has_every_key_of_its_step(name: str) -> None:
    own = [info.alias or key for key, info in STEP_TYPES[name].model_fields.items()]
    page = WRITTEN[PAGES / f"{name}.md"]
    assert [key for key in own if key not in Step.known_keys() and f"| `{key}` |" not in page] == []


def test_every_link_leads_to_a_page_and_a_heading() -> None:
    headings = {path: set(re.findall(r"^#+ (.+)$", text, re.MULTILINE)) for path, text in WRITTEN.items()}
    anchors = {path: {one.lower().replace(" ", "-") for one in found} for path, found in headings.items()}
    for path, text in WRITTEN.items():
        for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text):
            page = Path(*_normal((path.parent / target).parts)) if target else path
            assert page in WRITTEN, (path, target)
            assert not anchor or anchor in anchors[page], (path, target, anchor)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "whole number ≥ 1, ≤ 9"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"type": "array", "items": {"$ref": "#/$defs/Part"}}, "list of <Part>"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "mapping of true or false"),
        ({"enum": ["a", 1]}, "`a`, `1`"),
        ({}, "anything"),
    ],
)
def test_a_type_reads_as_words(schema: Any, text: str) -> None:
    assert type_text(schema, lambda name: f"<{name}>") == text


def test_a_default_reads_as_a_file_writes_it() -> None:
    assert [default_text({"default": value}) for value in (True, 3, "x", None, [])] == [
        "`true`",
        "`3`",
        "`x`",
        "-",
        "-",
    ]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_the_pages_are_written_below_the_named_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["reference", str(tmp_path)])
    runpy.run_module("elexirion.pipelines.reference", run_name="__main__")
    assert (tmp_path / INDEX).read_text("utf-8") == WRITTEN[INDEX]
    assert len(list((tmp_path / PAGES).iterdir())) == len(STEP_TYPES)


def _normal(parts: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if part == "..":
            found.pop()
        else:
            found.append(part)
    return found
