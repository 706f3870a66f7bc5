"""An export is the run: folded anywhere it has the run's hash, and no byte of it can change unseen."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from elexirion.client.exported import fold_exported
from elexirion.projections.context import context_hash

from tests.serving import ROOT, CommandLine

TWO_MODELS = """\
name: two models
steps:
  - {name: topic, type: set_variable, variables: {topic: lakes}}
  - {name: facts, type: gemini, prompt: "Facts about {{ topic }}."}
  - {name: story, type: claude, prompt: "A story of {{ steps.facts.text }}"}
"""
FOLD = """
import sys
from elexirion.client.exported import fold_exported
from elexirion.projections.context import context_hash
print(context_hash(fold_exported(open(sys.argv[1], "rb"))))
"""


@pytest.fixture(scope="module")
def document(served: CommandLine) -> Any:
    return served.json("run", served.file("two models.yaml", TWO_MODELS), "--offline")


@pytest.fixture(scope="module")
def exported(served: CommandLine, document: Any) -> list[bytes]:
    return served("export", document["run_id"]).stdout.encode().splitlines()


def test_the_start_stands_first_and_the_end_last(exported: list[bytes]) -> None:
    types = [json.loads(line)["type"] for line in exported]
    assert types[0] == "RunStarted"
    assert types[-1] == "RunCompleted"
    assert "CommandReceived" not in types


def test_folding_it_in_a_fresh_process_gives_the_hash_that_the_run_carries(
    served: CommandLine, document: Any, exported: list[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "run.jsonl"
    assert served("export", document["run_id"], "-o", file).returncode == 0
    folded = subprocess.run([sys.executable, "-c", FOLD, file], capture_output=True, text=True, cwd=ROOT, check=True)
    carried = json.loads(exported[-1])["data"]["context_hash"]
    assert folded.stdout.strip() == carried == document["context_hash"]
    assert served.json("show", document["run_id"])["context_hash"] == carried


def test_one_changed_byte_of_any_record_changes_the_hash(exported: list[bytes], document: Any) -> None:
    assert _hash(exported) == document["context_hash"]
    for index, line in enumerate(exported[:-1]):
        # The last letter of the data that is part of a value, and not of what holds the record together.
        changed = _with_one_letter_changed(line)
        assert _hash([*exported[:index], changed, *exported[index + 1 :]]) != document["context_hash"], line


def test_chunks_stand_before_what_closes_their_execution(served: CommandLine, document: Any) -> None:
    lines = served("export", document["run_id"], "--chunks").stdout.encode().splitlines()
    assert json.loads(lines[-1])["type"] == "RunCompleted"
    assert _hash(lines) == document["context_hash"]
    records = [json.loads(line) for line in lines]
    for closing in (record for record in records if record["type"] == "StepCompleted"):
        before = records[: records.index(closing)]
        text = "".join(
            record["data"]["text"]
            for record in before
            if record["type"] == "StepChunk" and record["data"]["execution_id"] == closing["data"]["execution_id"]
        )
        assert hashlib.sha256(text.encode()).hexdigest() == closing["data"]["text_sha256"]


def test_commands_and_refused_records_are_marked(served: CommandLine, document: Any) -> None:
    lines = [json.loads(line) for line in served("export", document["run_id"], "--all").stdout.splitlines()]
    assert lines[0]["record"]["type"] == "CommandReceived"
    assert next(line for line in lines if "record" not in line)["type"] == "RunStarted"


def _hash(lines: list[bytes]) -> str:
    return context_hash(fold_exported(lines))


def _with_one_letter_changed(line: bytes) -> bytes:
    document = json.loads(line)
    name, value = next((name, value) for name, value in document["data"].items() if isinstance(value, str))
    document["data"][name] = value[:-1] + ("x" if value[-1] != "x" else "y")
    return json.dumps(document).encode()
