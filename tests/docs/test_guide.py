"""The pipelines of the guide are valid without a warning, and run to their end without a network."""

import re
from typing import Any

import pytest
from elexirion.pipelines.loader import load

from tests.docs.page import blocks
from tests.serving import ROOT, CommandLine

RESULTS: dict[str, Any] = {
    "letter": None,
    "reviews": 2,
    "patience": {"branch": "3", "result": "enough", "steps": {"enough": "enough"}},
}
PIPELINES = {
    re.findall(r"^name: (\w+)$", block.text, re.MULTILINE)[0]: block.text
    for block in blocks(ROOT / "docs" / "pipelines.md")
    if block.language == "yaml"
}


def test_each_pipeline_has_a_result_to_compare_with() -> None:
    assert PIPELINES.keys() == RESULTS.keys()


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_is_valid_without_a_warning_and_needs_no_input(name: str) -> None:
    loaded = load(PIPELINES[name], "docs/pipelines.md")
    assert [str(warning) for warning in loaded.warnings] == []
    assert loaded.needed_inputs == ()


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_runs_offline(served: CommandLine, name: str) -> None:
    document = served.json("run", served.file(f"guide-{name}.yaml", PIPELINES[name]), "--offline")
    assert document["status"] == "completed"
    assert document["result"] if RESULTS[name] is None else document["result"] == RESULTS[name]
