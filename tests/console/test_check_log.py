"""`elexirion check-log`: clean logs end with 0, broken promises with 1, and each is told with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.serving import CommandLine

STREAMING = """\
name: streaming
steps:
  - {name: topic, type: set_variable, variables: {topic: lakes}}
  - {name: story, type: claude, prompt: "A story of {{ topic }}."}
"""


@pytest.fixture(scope="module")
def run(served: CommandLine) -> str:
    document = served.json("run", served.file("streaming.yaml", STREAMING), "--offline")
    assert document["status"] == "completed"
    return str(document["run_id"])


@pytest.fixture(scope="module")
def export(served: CommandLine, run: str) -> list[str]:
    return served("export", run, "--all", "--chunks").stdout.splitlines()


def test_a_clean_log_ends_with_zero_and_one_line(served: CommandLine, run: str) -> None:
    called = served("check-log")
    assert called.returncode == 0, called.stdout + called.stderr
    [line] = called.stdout.splitlines()
    assert line.startswith("no violations · ")


def test_one_run_is_checked_and_counted_alone(served: CommandLine, run: str) -> None:
    document = served.json("check-log", "--run", run, "--all-ended")
    assert (document["clean"], document["violations"], document["counts"]["runs"]) == (True, [], 1)
    assert document["counts"]["commands"] == 1
    assert document["counts"]["chunks"] > 1
    assert document["open_runs"] == document["waiting_commands"] == []


def test_an_unknown_run_is_a_usage_error(served: CommandLine, run: str) -> None:
    document = served.json("check-log", "--run", f"{run}x", code=2)
    assert document["error"]["kind"] == "unknown_run"
    assert run in document["error"]["near"]


def test_no_broker_ends_with_three(served: CommandLine) -> None:
    alone = CommandLine(served.folder, {**served.settings, "ELEXIRION_KAFKA": "127.0.0.1:9"})
    assert alone("check-log").returncode == 3


def test_an_export_is_checked_like_the_topics(served: CommandLine, export: list[str], tmp_path: Path) -> None:
    document = served.json("check-log", "--from", _file(tmp_path, export), "--all-ended")
    assert (document["clean"], document["counts"]["runs"]) == (True, 1)


def test_a_changed_export_ends_with_one_and_says_where(served: CommandLine, export: list[str], tmp_path: Path) -> None:
    changed = [line.replace('{"topic":"lakes"}', '{"topic":"ponds"}') for line in export]
    file = _file(tmp_path, changed)
    document = served.json("check-log", "--from", file, code=1)
    [violation] = [one for one in document["violations"] if one["kind"] == "context_hash_differs"]
    assert changed[violation["offset"] - 1].startswith('{"type":"RunCompleted"')
    shown = served("check-log", "--from", file)
    assert shown.returncode == 1
    assert "context_hash_differs" in shown.stdout
    assert violation["means"] in shown.stdout


def test_a_missing_chunk_of_an_export_is_told(served: CommandLine, export: list[str], tmp_path: Path) -> None:
    chunks = [n for n, line in enumerate(export) if line.startswith('{"type":"StepChunk"')]
    kept = [line for n, line in enumerate(export) if n != chunks[1]]
    document = served.json("check-log", "--from", _file(tmp_path, kept), code=1)
    assert {one["kind"] for one in document["violations"]} == {"chunk_missing"}


@pytest.mark.parametrize(
    ("lines", "kind"),
    [(["no JSON"], "no_export"), (['{"type": 1}'], "no_export"), (None, "unreadable_file")],
    ids=["no JSON", "no record", "no file"],
)
def test_what_is_no_export_is_a_usage_error(
    served: CommandLine, tmp_path: Path, lines: list[str] | None, kind: str
) -> None:
    file = tmp_path / "none.jsonl" if lines is None else _file(tmp_path, lines)
    document: Any = served.json("check-log", "--from", file, code=2)
    assert document["error"]["kind"] == kind


def test_an_export_without_commands_says_how_to_make_one_with(served: CommandLine, run: str, tmp_path: Path) -> None:
    lines = served("export", run).stdout.splitlines()
    assert json.loads(lines[0])["type"] == "RunStarted"
    document = served.json("check-log", "--from", _file(tmp_path, lines), code=2)
    assert "--all --chunks" in document["error"]["hint"]


def _file(folder: Path, lines: list[str]) -> Path:
    path = folder / "run.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path
