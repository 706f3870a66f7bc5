"""Files that users of the earlier implementation wrote, as they are: all valid, and run to their end offline.

`test_runs_of_files` runs four of them as well; the one whose steps rely on what a model says is in `e2e/language`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.console.test_runs_of_files import of_users
from tests.serving import SHARED, CommandLine

WITHOUT_EFFECT: dict[str, tuple[str, ...]] = {
    "examples__claude_batch_example.yaml": ("verbose", "debug_mode"),
    "examples__claude_robust_example.yaml": ("debug_mode", "cost_tracking", "telemetry_enabled"),
    "examples__claude_session_example.yaml": ("checkpoint_frequency", "verbose"),
    "examples__comprehensive_config_example.yaml": (
        "checkpoint_enabled", "checkpoint_dir", "verbose", "role", "print",
    ),
    "examples__data_transform_example.yaml": (),
    "examples__simple_test.yaml": (),
    "gemini_only_workflow.yaml": (),
    "test__fixtures__pipelines__nested_processor.yaml": (),
    "test__fixtures__workflows__simple_workflow.yaml": ("checkpoint_enabled", "role"),
    "workflows__explain_code.yaml": (),
}  # fmt: skip
NEEDED = {
    "test__fixtures__pipelines__nested_processor.yaml": {"item_count", "item_name", "multiplier"},
    "workflows__explain_code.yaml": {"code_file"},
}
PARENT = """\
name: parent
steps:
  - name: nested
    type: pipeline
    pipeline_file: nested_processor.yaml
    inputs: {item_name: rivers, item_count: 6, multiplier: 7}
    outputs: [final_count, {path: analysis.metrics.accuracy, as: accuracy}]
"""


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `elexirion validate` says of each file."""
    line = CommandLine(tmp_path_factory.mktemp("validated"), {})
    found = line.json("validate", *(of_users(name) for name in WITHOUT_EFFECT))
    return {Path(file["file"]).name: file for file in found["files"]}


def test_every_file_is_in_the_list() -> None:
    of_users("")
    assert {path.name for path in SHARED.iterdir()} == set(WITHOUT_EFFECT)


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_a_file_is_valid_and_each_key_without_effect_is_told_at_its_line(name: str, validated: dict[str, Any]) -> None:
    said = validated[name]
    assert (said["valid"], said["errors"]) == (True, 0)
    lines = of_users(name).read_text("utf-8").splitlines()
    keys = [line.strip().removeprefix("- ").partition(":")[0] for line in lines]
    expected = {(number, key) for number, key in enumerate(keys, 1) if key in WITHOUT_EFFECT[name]}
    told = {(problem["line"], keys[problem["line"] - 1]) for problem in said["problems"]}
    # A description is known, but not everywhere.
    assert {(number, key) for number, key in told if key != "description"} == expected
    assert all(f"`{keys[problem['line'] - 1]}`" in problem["message"] for problem in said["problems"])
    assert {needed["name"] for needed in said["needed_inputs"]} == NEEDED.get(name, set())


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("examples__claude_batch_example.yaml", {"batch_math_problems", "batch_analysis_tasks", "batch_single_prompt"}),
        (
            "examples__claude_robust_example.yaml",
            {"robust_with_retry", "robust_with_cache_fallback", "robust_with_simplified_fallback",
             "robust_with_emergency_fallback"},
        ),
        ("examples__claude_session_example.yaml", {"session_start", "session_continue", "session_final"}),
    ],
)  # fmt: skip
def test_a_file_runs_offline_to_its_end(name: str, steps: set[str], served: CommandLine) -> None:
    file = of_users(name)
    before = file.read_bytes()
    document = served.json("run", file, "--offline")
    assert (document["status"], document["offline"]) == ("completed", True)
    assert {step["name"]: step["status"] for step in document["steps"] if "/" not in step["name"]} == dict.fromkeys(
        steps, "completed"
    )
    assert all(step["result"] for step in document["steps"])
    assert file.read_bytes() == before


def test_the_tasks_of_the_batches_have_their_results_in_the_order_of_the_file(served: CommandLine) -> None:
    document = served.json("run", of_users("examples__claude_batch_example.yaml"), "--offline")
    results = {step["name"]: step["result"] for step in document["steps"]}
    assert [part["id"] for part in results["batch_math_problems"]["results"]] == [
        "addition",
        "multiplication",
        "division",
    ]
    assert all(part["status"] == "completed" for part in results["batch_single_prompt"]["results"])
    assert results["batch_math_problems"]["text"]


def test_the_example_of_all_options_runs_offline_with_its_prompt_files(served: CommandLine) -> None:
    for path in ("lib/pipeline/config.ex", "workspace/docs/documentation.md"):
        (served.folder / path).parent.mkdir(parents=True, exist_ok=True)
        served.file(path, "What the file says.\n")
    document = served.json("run", of_users("examples__comprehensive_config_example.yaml"), "--offline")
    assert document["status"] == "completed"
    statuses = {step["name"]: step["status"] for step in document["steps"] if "/" not in step["name"]}
    assert statuses.pop("deployment_prep") in ("completed", "skipped"), "by what the model says"
    assert set(statuses.values()) == {"completed"} and len(statuses) == 5
    for name in ("analysis.json", "implementation.json", "documentation.md", "test_suite.json", "final_review.md"):
        assert (served.folder / "outputs" / name).stat().st_size, name


def test_the_nested_file_runs_as_the_child_of_a_parent(served: CommandLine) -> None:
    name = "test__fixtures__pipelines__nested_processor.yaml"
    child = served.folder / "nested_processor.yaml"
    child.write_bytes(of_users(name).read_bytes())
    document = served.json("run", served.file("parent.yaml", PARENT), "--offline")
    assert document["result"] == {"final_count": 42, "accuracy": 0.95}
    assert child.read_bytes() == of_users(name).read_bytes()


def test_the_nested_file_runs_by_itself_with_its_inputs(served: CommandLine) -> None:
    file = of_users("test__fixtures__pipelines__nested_processor.yaml")
    given = ("-i", "item_name=rivers", "-i", "item_count=6", "-i", "multiplier=7")
    document = served.json("run", file, "--offline", *given)
    assert json.dumps(document["result"]) == json.dumps(
        {
            "summary": "Processed rivers successfully", "details": "Final count: 42",
            "metrics": {"accuracy": 0.95, "precision": 0.88},
        }
    )  # fmt: skip
    error = served.json("run", file, "--offline", code=2)["error"]
    assert "item_count" in json.dumps(error)
