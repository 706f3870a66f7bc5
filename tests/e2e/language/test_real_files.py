"""Files of users whose steps rely on what models say, with models that say it."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from elexirion.events.commands import PipelineReference, RunSource

from tests.console.test_runs_of_files import of_users
from tests.e2e.language.answers import by_step
from tests.e2e.language.runner import Ended, Runner
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction

ORDERS = [
    {"id": 1, "user_id": 7, "total": 250, "status": "completed"},
    {"id": 2, "user_id": 8, "total": 900, "status": "pending"},
    {"id": 3, "user_id": 7, "total": 150, "status": "completed"},
    {"id": 4, "user_id": 9, "total": 120, "status": "completed"},
    {"id": 5, "user_id": 9, "total": 20, "status": "completed"},
]
USERS = [{"id": 7, "name": "Ada", "tier": "gold"}, {"id": 8, "name": "Bob"}, {"id": 9, "name": "Cy", "tier": "silver"}]
PRODUCTS = [
    {"id": 1, "category": "books", "rating": 4.5}, {"id": 2, "category": "electronics", "rating": 4.9},
    {"id": 3, "category": "clothing", "rating": 3.0},
]  # fmt: skip
SHOP = {"orders": ORDERS, "users": USERS, "products": PRODUCTS}


async def _run(runs: Runner, name: str) -> Ended:
    file = of_users(name)
    source = RunSource(file=file.name, folder=str(file.parent), cwd=str(runs.folder))
    handle = await runs.client.start(PipelineReference(pipeline=file.read_text("utf-8"), source=source))
    ended = await runs.end(handle)
    assert ended.run.completed, ended.run.failure
    return ended


@pytest.mark.parametrize("fence", ["%s", "```json\n%s\n```"])
async def test_rows_of_a_model_are_transformed_and_told_to_another(fence: str, runs: Runner, stub: StubServer) -> None:
    said = fence % orjson.dumps(SHOP).decode()
    stub.script(Rule(provider="gemini", answer=Answer(chunks=(said[:50], said[50:]))))
    ended = await _run(runs, "examples__data_transform_example.yaml")
    assert [row["id"] for row in ended.value("filter_high_value_orders")] == [1, 3, 4]
    assert [(row["id"], row["name"]) for row in ended.value("enrich_orders_with_users")] == [
        (1, "Ada"), (3, "Ada"), (4, "Cy"),
    ]  # fmt: skip
    assert {tier: len(rows) for tier, rows in ended.value("group_by_user_tier").items()} == {"gold": 2, "silver": 1}
    assert ended.value("calculate_tier_stats") == 200
    assert [row["category"] for row in ended.value("categorize_products")] == ["tech", "media"]
    prompt = by_step(stub)["generate_report"].asked.prompt
    assert "Gold tier average order value: 200" in prompt
    assert "previous_response" not in prompt
    assert ended.result == ended.value("generate_report")


ANALYSIS = {"quality_score": 6, "issues": ["too long"], "metrics": {"complexity": 3.5, "maintainability": True}}


def _script() -> list[Rule]:
    written = ScriptedFunction(name="Write", arguments={"file_path": "documentation.md", "content": "All is told.\n"})
    analysis = ScriptedFunction(name="comprehensive_analysis", arguments=ANALYSIS)

    def said(contains: str, *texts: str, **more: Any) -> Rule:
        return Rule(contains=contains, answer=Answer(chunks=texts), **more)

    return [
        Rule(contains="Analyze this codebase", answer=Answer(chunks=("Looking. ",), functions=(analysis,))),
        said("Fix all issues", '{"fixed": 1}'),
        Rule(contains="Create comprehensive doc", nth=1, answer=Answer(chunks=("",), functions=(written,))),
        said("Create comprehensive doc", "It is documented."),
        said("Create test suite", '{"coverage": 92}'),
        said("Assess the overall quality", '{"overall_score": 9}'),
        said("Provide final project review", "Fine."),
        said("Prepare deployment", "Ready."),
    ]


async def test_the_example_of_all_options_goes_all_its_ways(runs: Runner, stub: StubServer) -> None:
    runs.file("lib/pipeline/config.ex", "defmodule Config do\nend\n")
    stub.script(*_script())
    ended = await _run(runs, "examples__comprehensive_config_example.yaml")
    asked = {name: call.asked for name, call in by_step(stub).items()}
    first = asked["comprehensive_analysis"]
    assert (first.model, first.functions) == ("gemini-2.5-pro", ["comprehensive_analysis"])
    assert first.options == {"maxOutputTokens": 4096, "temperature": 0.3, "topP": 0.8, "topK": 20}
    assert first.prompt.endswith("defmodule Config do\nend\n")
    assert '"issues": ["too long"]' in asked["implement_fixes"].prompt
    assert (
        asked["implement_fixes"].system == "You are a senior software engineer.\n\nFocus on clean, maintainable code."
    )
    assert set(asked["implement_fixes"].functions) == {"Write", "Edit", "Read", "Bash", "Grep", "Glob"}
    assert asked["quality_assessment"].prompt.endswith("\n92")
    assert asked["quality_assessment"].model == "gemini-2.0-flash"
    assert asked["final_review"].prompt.endswith('{"overall_score": 9}\nAll is told.\n')
    assert asked["final_review"].options["maxOutputTokens"] == 2048
    assert asked["deployment_prep"].prompt.endswith("\nFine.")
    assert ended.value("parallel_tasks") == {"documentation": "It is documented.", "testing": {"coverage": 92}}
    assert ended.result == ended.value("deployment_prep") == "Ready."
    assert {path.name for path in (runs.folder / "outputs").iterdir()} == {
        "analysis.json", "implementation.json", "documentation.md", "test_suite.json", "quality_report.json",
        "final_review.md",
    }  # fmt: skip
    assert _json(runs.folder / "outputs/analysis.json")["quality_score"] == 6


def _json(path: Path) -> Any:
    return orjson.loads(path.read_bytes())
