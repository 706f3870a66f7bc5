"""The rows of the step table that need no model: data, files, code, requests, variables, time and people."""

import json
from datetime import timedelta
from typing import Any

import pytest
from elexirion.client import CommandRejectedError
from elexirion.events.run import ApprovalRequested, TimerSet, VariablesSet
from elexirion.events.step import StepStarted

from tests.e2e.language.runner import Runner
from tests.e2e.language.web import Web


async def test_set_variable(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: variables
        variables: {colour: red}
        steps:
          - {name: many, type: set_variable, variables: {a: 1, b: "{{ colour }}", c: [1, "{{ colour }}"]}}
          - {name: one, type: set_variable, variable: colour, value: {deep: blue}, scope: session}
          - {name: used, type: test_echo, value: "{{ a }} {{ variables.b }} {{ state.c[1] }} {{ colour.deep }}"}
          - name: turns
            type: for_loop
            over: [1, 2]
            steps:
              - {name: own, type: set_variable, scope: loop, variables: {a: "{{ item * 10 }}", mine: "{{ item }}"}}
              - {name: everywhere, type: set_variable, scope: global, variables: {b: "{{ item }}"}}
              - {name: within, type: test_echo, value: "{{ a }} {{ mine }} {{ b }}"}
          - {name: after, type: test_echo, value: "{{ a }} {{ b }} {{ variables.mine | default('gone') }}"}
        """
    )
    assert ended.value("many") == {"a": 1, "b": "red", "c": [1, "red"]}
    assert ended.value("used") == "1 red red blue"
    assert [ended.value(f"turns/{n}/within") for n in (0, 1)] == ["10 1 1", "20 2 2"]
    assert ended.value("after") == "1 2 gone"
    assert [data.scope for data in ended.of(VariablesSet)][:3] == ["global", "session", "loop"]
    assert ended.run.variables == {"a": 1, "b": 2, "c": [1, "red"], "colour": {"deep": "blue"}}


ROWS = [
    {"id": 1, "user": 7, "status": "done", "total": 120, "kind": "book"},
    {"id": 2, "user": 8, "status": "open", "total": 300, "kind": "tool"},
    {"id": 3, "user": 7, "status": "done", "total": 80, "kind": "tool"},
    {"id": 4, "user": 9, "status": "done", "total": 80, "kind": "book"},
]
USERS = [{"id": 7, "name": "Ada"}, {"id": 8, "name": "Bob"}]
TRANSFORMS: dict[str, tuple[str, Any]] = {
    "filter": ("{operation: filter, condition: status == 'done' and total > 100}", [ROWS[0]]),
    "filter_of_field": ("{operation: filter, field: total, condition: total between 80 and 120}",
                        [ROWS[0], ROWS[2], ROWS[3]]),
    "map_mapping": ("{operation: map, field: kind, mapping: {book: media}}",
                    [{**row, "kind": {"book": "media"}.get(str(row["kind"]), row["kind"])} for row in ROWS]),
    "map_expression": ("{operation: map, expression: id * 10}", [10, 20, 30, 40]),
    "aggregate": ("{operation: aggregate, field: total, function: average}", 145.0),
    "aggregate_sum": ("{operation: aggregate, field: total, function: sum}", 580),
    "aggregate_count": ("{operation: aggregate, function: count}", 4),
    "join": ("{operation: join, left_field: user, right_source: '{{ users }}', join_key: id}",
             [{**row, "name": user["name"]}
              for row in ROWS for user in USERS if user["id"] == row["user"]]),
    "group_by": ("{operation: group_by, field: kind}",
                 {"book": [ROWS[0], ROWS[3]], "tool": [ROWS[1], ROWS[2]]}),
    "sort_field": ("{operation: sort, field: total}", [ROWS[2], ROWS[3], ROWS[0], ROWS[1]]),
    "sort_by_desc": ("{operation: sort, by: total, order: desc}", [ROWS[1], ROWS[0], ROWS[2], ROWS[3]]),
    "select": ("{operation: select, fields: [id, kind]}", [{"id": r["id"], "kind": r["kind"]} for r in ROWS]),
    "unique": ("{operation: unique, field: kind}", [ROWS[0], ROWS[1]]),
    "limit": ("{operation: limit, count: 2}", ROWS[:2]),
}  # fmt: skip


async def test_data_transform(runs: Runner) -> None:
    steps = "".join(
        f"  - {{name: {name}, type: data_transform, input_source: '{{{{ rows }}}}', operations: [{operation}]}}\n"
        for name, (operation, _) in TRANSFORMS.items()
    )
    ended = await runs.completed(f"name: rows\nsteps:\n{steps}", {"rows": ROWS, "users": USERS})
    assert {name: ended.value(name) for name in TRANSFORMS} == {name: rows for name, (_, rows) in TRANSFORMS.items()}


async def test_data_transform_gives_its_result_another_name_and_format(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: names
        steps:
          - {name: source, type: test_echo, value: {rows: "{{ inputs.rows }}"}}
          - name: grouped
            type: data_transform
            input_source: "previous_response:source.rows"
            operations: [{operation: group_by, field: kind}]
            output_field: by_kind
          - name: table
            type: data_transform
            input_source: previous_response:by_kind.tool
            operations: [{operation: select, fields: [id, total]}]
            output_format: csv
        """,
        {"rows": ROWS},
    )
    assert ended.value("table").split() == ["id,total", "2,300", "3,80"]


async def test_file_ops(runs: Runner) -> None:
    runs.file("workspace/in/a.txt", "one\ntwo\n")
    runs.file("workspace/in/b.txt", "three\n")
    runs.file("workspace/table.csv", "name,grams\nwren,9\nswift,40\n")
    ended = await runs.completed(
        """\
        name: files
        steps:
          - {name: listed, type: file_ops, operation: list, path: in, pattern: "*.txt"}
          - {name: read, type: file_ops, operation: read, path: in/a.txt}
          - {name: write, type: file_ops, operation: write, path: new/c.json, content: {said: "{{ read.text }}"}}
          - {name: copy, type: file_ops, operation: copy, source: in/a.txt, destination: copies/a.txt}
          - {name: pairs, type: file_ops, operation: copy,
             files: [{source: in/a.txt, destination: copies/one.txt}, {source: in/b.txt, destination: copies/two.txt}]}
          - {name: move, type: file_ops, operation: move, source: copies/two.txt, destination: ./outputs/moved.txt}
          - {name: delete, type: file_ops, operation: delete, path: copies/one.txt}
          - {name: json, type: file_ops, operation: convert, source: table.csv, destination: table.json}
          - {name: yaml, type: file_ops, operation: convert, source: table.json, destination: table.yaml}
          - {name: xml, type: file_ops, operation: convert, source: table.json, destination: table.xml}
          - {name: back, type: file_ops, operation: read, path: table.yaml, format: yaml}
          - {name: streamed, type: file_ops, operation: stream_copy, source: in/a.txt, destination: big.txt}
          - {name: loud, type: file_ops, operation: stream_process, source: in/a.txt, destination: loud.txt,
             processor: uppercase}
          - {name: counted, type: file_ops, operation: stream_process, source: in/a.txt, processor: count_lines}
          - {name: checked, type: file_ops, operation: validate, fail_on_invalid: false,
             files: [{path: table.json, format: json}, {path: gone.txt}, {path: in, must_be_dir: true}]}
        """
    )
    assert [file["name"] for file in ended.value("listed")["files"]] == ["a.txt", "b.txt"]
    assert ended.value("read") == "one\ntwo\n"
    workspace = runs.folder / "workspace"
    assert json.loads((workspace / "new/c.json").read_text()) == {"said": "one\ntwo\n"}
    assert (workspace / "copies/a.txt").read_text() == (workspace / "big.txt").read_text() == "one\ntwo\n"
    assert (runs.folder / "outputs/moved.txt").read_text() == "three\n"
    assert not (workspace / "copies/two.txt").exists()
    assert ended.value("delete")["count"] == 1
    assert not (workspace / "copies/one.txt").exists()
    assert json.loads((workspace / "table.json").read_text())[0]["name"] == "wren"
    assert ended.value("back") == json.loads((workspace / "table.json").read_text())
    assert "swift" in (workspace / "table.xml").read_text()
    assert (workspace / "loud.txt").read_text() == "ONE\nTWO\n"
    assert ended.value("counted")["lines"] == 2
    checked = ended.value("checked")
    assert (checked["valid"], [file["valid"] for file in checked["files"]]) == (False, [True, False, True])


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("operation: read, path: ../../secret.txt", "outside the folders"),
        ("operation: write, path: ../elsewhere.txt, content: x", "may not be written"),
        ("operation: write, path: /tmp/elsewhere.txt, content: x", "absolute"),
        ("operation: copy, source: in.txt, destination: ../../in.txt", "may not be written"),
    ],
)
async def test_file_ops_stays_below_its_folders(operation: str, said: str, runs: Runner) -> None:
    runs.file("workspace/in.txt", "in")
    ended = await runs.failed(f"name: outside\nsteps: [{{name: wrong, type: file_ops, {operation}}}]")
    assert ended.run.failure and ended.run.failure.kind == "step_error"
    assert said in ended.run.failure.message
    assert [path.name for path in runs.folder.iterdir()] == ["workspace"]


async def test_codebase_query(runs: Runner) -> None:
    runs.file("app/oven.py", "import json\n\n\ndef bake(minutes):\n    return json.dumps(minutes)\n")
    runs.file("app/shop.py", "import oven\n\n\nclass Shop:\n    def sell(self):\n        return oven.bake(20)\n")
    runs.file("app/test_shop.py", "import shop\n\n\ndef test_sell():\n    assert shop.Shop().sell()\n")
    runs.file("app/web/page.ts", "import { x } from './other';\nexport function show(a: number) { return a; }\n")
    ended = await runs.completed(
        """\
        name: code
        steps:
          - name: asked
            type: codebase_query
            path: app
            codebase_context: true
            queries:
              sources: {find_files: {type: source, language: python, exclude_tests: true}}
              functions: {find_functions: {in_file: "{{ file }}"}}
              methods: {find_functions: {name: sell, include_tests: false}}
              by_pattern: {find_functions: {in_file: app/web/page.ts}}
              imports: {find_dependencies: {for_file: app/oven.py}}
              related: {find_related: {for_file: app/shop.py}}
              reached: {analyze_impact: {changed_files: app/oven.py}}
          - {name: first, type: test_echo, value: "{{ asked.functions[0].name }}"}
        """,
        {"file": "app/oven.py"},
    )
    found = ended.value("asked")
    assert found["sources"] == ["app/oven.py", "app/shop.py"]
    assert [(one["name"], one["line"]) for one in found["functions"]] == [("bake", 4)]
    assert [(one["name"], one["file"], one["within"]) for one in found["methods"]] == [("sell", "app/shop.py", "Shop")]
    assert [one["name"] for one in found["by_pattern"]] == ["show"]
    assert [(one["name"], one["kind"]) for one in found["imports"]] == [("json", "standard")]
    assert {one["file"] for one in found["related"]} == {"app/oven.py", "app/test_shop.py"}
    assert [(one["file"], one["distance"]) for one in found["reached"]] == [("app/shop.py", 1), ("app/test_shop.py", 2)]
    assert found["codebase"]
    assert ended.value("first") == "bake"


async def test_http(runs: Runner, web: Web) -> None:
    ended = await runs.completed(
        """\
        name: http
        steps:
          - name: get
            type: http
            url: "http://{{ host }}/things"
            query: {page: 2, tag: [a, b]}
            headers: {x-token: "{{ token }}"}
          - {name: post, type: http, method: post, url: "http://{{ host }}/things", json: {made: "{{ get.body.path }}"}}
          - {name: missing, type: http, url: "http://{{ host }}/missing", expect_status: [404]}
          - {name: used, type: test_echo, value: "{{ steps.post.result.status }} {{ post.body.method }}"}
        """,
        {"host": web.host, "token": "abc"},
    )
    got, posted = ended.value("get"), ended.value("post")
    assert (got["status"], got["headers"]["content-type"]) == (200, "application/json")
    assert got["body"] == {"method": "GET", "path": "/things?page=2&tag=a&tag=b", "token": "abc", "body": ""}
    assert json.loads(posted["body"]["body"]) == {"made": "/things?page=2&tag=a&tag=b"}
    assert ended.value("missing")["status"] == 404
    assert ended.value("used") == "200 POST"


async def test_http_asks_only_hosts_on_the_allow_list(runs: Runner, web: Web) -> None:
    port = web.host.partition(":")[2]
    for url in (f"http://localhost:{port}/", "http://127.0.0.1:9/", "https://example.org/"):
        ended = await runs.failed(f"name: elsewhere\nsteps: [{{name: ask, type: http, url: '{url}'}}]")
        assert ended.run.failure and "http_allowed_hosts" in ended.run.failure.message


async def test_test_echo(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: echo
        steps:
          - {name: data, type: test_echo, value: {a: ["{{ 1 + 1 }}", "x{{ 1 }}"]}}
          - {name: streamed, type: test_echo, value: one two three, chunks: 3, delay_ms: 30}
          - {name: pieces, type: test_echo, value: whole, chunks: [a, b]}
          - {name: fails, type: test_echo, value: 1, fail: true, error_message: "no {{ data.a[0] }}",
             continue_on_error: true}
          - {name: after, type: test_echo, value: "{{ steps.fails.status }}", output_to_file: told/after.txt}
        """
    )
    assert ended.value("data") == {"a": [2, "x1"]}
    assert ended.value("streamed") == "one two three"
    assert [ended.state.steps[name].chunks for name in ("streamed", "pieces")] == [3, 2]
    assert (ended.step("streamed").duration_s or 0) >= 0.03
    error = ended.step("fails").error
    assert error and error.message.endswith("no 2")
    assert ended.value("after") == "failed"
    assert (runs.folder / "outputs/told/after.txt").read_text() == "failed"


async def test_delay(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: delay
        steps:
          - {name: before, type: test_echo, value: 0.2}
          - {name: by_seconds, type: delay, seconds: "{{ before.result }}"}
          - {name: until, type: delay, until: "2020-01-01T00:00:00Z"}
          - {name: after, type: test_echo, value: "{{ by_seconds.status }} {{ until.status }}"}
        """
    )
    timer, past = ended.of(TimerSet)
    began = next(entry.record.at for entry in ended.entries if entry.record and entry.record.data is timer)
    assert timer.due_at - began == timedelta(seconds=0.2)
    assert past.due_at.year == 2020
    assert ended.state.steps["after"].started_at >= timer.due_at  # type: ignore[operator]
    assert (ended.value("by_seconds"), ended.value("after")) == (None, "completed completed")


APPROVAL = """\
name: approval
steps:
  - {name: draft, type: test_echo, value: a text}
  - {name: ask, type: approval, message: "Publish {{ draft.text }}?"%s}
  - {name: publish, type: test_echo, value: published, condition: ask.decision == 'approved'}
  - {name: say, type: test_echo, value: "{{ ask.decision }} by {{ ask.because }}"}
"""


@pytest.mark.parametrize(("signal", "decision"), [("approve", "approved"), ("reject", "rejected")])
async def test_approval(signal: str, decision: str, runs: Runner) -> None:
    handle = await runs.begin(APPROVAL % "")
    asked = await runs.until(handle, ApprovalRequested)
    assert (asked.message, asked.due_at) == ("Publish a text?", None)
    await runs.signal(handle.run_id, signal)
    ended = await runs.end(handle)
    assert ended.value("say") == f"{decision} by signal"
    assert ended.step("publish").status == ("completed" if decision == "approved" else "skipped")
    assert not [data for data in ended.of(StepStarted) if "/ask" in data.execution_id], "it waits without a worker"


@pytest.mark.parametrize(("on_timeout", "decision"), [("approve", "approved"), ("reject", "rejected")])
async def test_approval_that_nobody_gives(on_timeout: str, decision: str, runs: Runner) -> None:
    ended = await runs.completed(APPROVAL % f", timeout: 200, on_timeout: {on_timeout}")
    assert ended.value("say") == f"{decision} by timeout"


async def test_approval_that_nobody_gives_fails_where_nothing_else_is_said(runs: Runner) -> None:
    ended = await runs.failed(APPROVAL % ", timeout: 200ms")
    assert (ended.run.failed_step, ended.step("publish").status) == ("ask", "not_run")


async def test_several_approvals_are_answered_by_their_names(runs: Runner) -> None:
    handle = await runs.begin(
        """\
        name: several
        steps:
          - name: each
            type: for_loop
            parallel: true
            over: [a, b]
            steps: [{name: ask, type: approval, message: "{{ item }}?"}]
        """
    )
    await runs.until(handle, ApprovalRequested, count=2)
    for name, value in (("approve", None), ("something", None), ("reject", {"step": "each/1/ask"}), ("approve", None)):
        await runs.signal(handle.run_id, name, value)
    ended = await runs.end(handle)
    assert [ended.value(f"each/{n}/ask")["decision"] for n in (0, 1)] == ["approved", "rejected"]
    rejected = [entry.record.raw["reason"] for entry in ended.entries
                if entry.record and entry.record.type == "CommandRejected"]  # fmt: skip
    assert len(rejected) == 2
    assert "each/0/ask, each/1/ask" in rejected[0]


async def test_an_unknown_type_is_refused_by_name(runs: Runner) -> None:
    with pytest.raises(CommandRejectedError, match=r"(?s)Unknown step type.*test_ecko.*test_echo"):
        await runs.ended("name: unknown\nsteps: [{name: a, type: test_ecko, value: 1}]")
