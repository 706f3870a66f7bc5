"""data_transform as a pipeline file says it: rendered, run, and taken up by later steps."""

from typing import Any

import pytest
from elexirion.agents.data import limited
from elexirion.agents.data.values import DataRefused
from elexirion.agents.steps.port import StepError
from elexirion.pipelines.loader import load
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.template_errors import TemplateError

from tests.agents.running import config_of, pipeline_of, refusal_of, result_of
from tests.pipelines.files import SHARED, errors_of

ORDERS = [
    {"id": 1, "user_id": 10, "total": 120, "status": "completed"},
    {"id": 2, "user_id": 11, "total": 90, "status": "completed"},
    {"id": 3, "user_id": 10, "total": 300, "status": "pending"},
    {"id": 4, "user_id": 12, "total": 250.5, "status": "completed"},
    {"id": 5, "user_id": 99, "total": 400, "status": "completed"},
    {"id": 6, "user_id": 10, "total": 180, "status": "completed"},
]
USERS = [
    {"id": 10, "name": "Ada", "tier": "gold"}, {"id": 11, "name": "Bo", "tier": "gold"},
    {"id": 12, "name": "Cy", "tier": "silver"},
]  # fmt: skip
PRODUCTS = [
    {"category": "books", "rating": 4.5}, {"category": "toys", "rating": 4.9}, {"category": "books", "rating": 3},
]  # fmt: skip
CHEAP, DEAR = {"price": 2, "amount": 3}, {"price": 4, "amount": 5}


async def transformed(rows: Any, *operations: dict[str, Any], scope: Scope | None = None, **keys: Any) -> Any:
    step = {"name": "t", "type": "data_transform", "input_source": rows, "operations": list(operations), **keys}
    return await result_of("data_transform", config_of(pipeline_of(step, variables={"least": 200}), "t", scope))


def filter_of(rows: Any, condition: Any) -> dict[str, Any]:
    operations = [{"operation": "filter", "condition": condition}]
    return {"name": "t", "type": "data_transform", "input_source": rows, "operations": operations}


async def test_the_example_file_gives_what_it_says() -> None:
    path = SHARED / "examples__data_transform_example.yaml"
    if not path.exists():
        pytest.skip("the example files are not here")
    pipeline = load(path.read_text(encoding="utf-8"), str(path)).pipeline
    results: dict[str, Any] = {"generate_sample_data": {"orders": ORDERS, "users": USERS, "products": PRODUCTS}}
    for step in pipeline.steps[1:6]:
        fields = {f: results[s.name] for s in pipeline.steps if s.name in results for f in s.output_fields()}
        scope = Scope(steps={name: StepView.of(value) for name, value in results.items()}, output_fields=fields)
        results[step.name] = await result_of("data_transform", config_of(pipeline, step.name, scope))
    assert [row["total"] for row in results["filter_high_value_orders"]] == [400, 250.5, 180, 120]
    enriched = [(row["id"], row["name"]) for row in results["enrich_orders_with_users"]]
    assert enriched == [(4, "Cy"), (6, "Ada"), (1, "Ada")]
    by_tier = results["group_by_user_tier"]
    assert {tier: [row["id"] for row in rows] for tier, rows in by_tier.items()} == {"silver": [4], "gold": [6, 1]}
    assert results["calculate_tier_stats"] == 150
    assert results["categorize_products"] == [{"category": "toys", "rating": 4.9}, {"category": "media", "rating": 4.5}]


async def test_rows_come_from_an_expression_a_template_or_the_file_itself() -> None:
    scope = Scope(steps={"a": StepView.of('```json\n{"rows": [1, 2]}\n```')})
    for source in ("steps.a.data.rows", "{{ steps.a.data.rows }}", "previous_response:a.rows", "a.rows", [1, 2]):
        step = {"name": "t", "type": "data_transform", "input_source": source, "operations": []}
        pipeline = pipeline_of({"name": "a", "type": "test_echo"}, step)
        assert await result_of("data_transform", config_of(pipeline, "t", scope)) == [1, 2], source


async def test_a_condition_sees_the_fields_first_and_values_of_the_run_below_their_names() -> None:
    rows: list[dict[str, Any]] = [
        {"state": "CA", "total": 300, "count": 2}, {"state": "NY", "total": 300, "count": 3},
        {"state": "CA", "total": 5},
    ]  # fmt: skip
    scope = Scope(variables={"least": 200}, inputs={"n": 1})
    condition = "state == 'CA' and total >= variables.least and count > inputs.n"
    pipeline = pipeline_of(filter_of(rows, condition), variables={"least": 200}, inputs={"n": {"type": "integer"}})
    assert await result_of("data_transform", config_of(pipeline, "t", scope)) == rows[:1]


async def test_now_and_results_of_steps_reach_the_rows() -> None:
    operations = [{"operation": "map", "expression": "[now(), steps.a.score + row, previous_response:a.score]"}]
    step = {"name": "t", "type": "data_transform", "input_source": [1, 2], "operations": operations}
    scope = Scope(steps={"a": StepView.of({"score": 7})}, now="2026-01-02T03:04:05Z")
    config = config_of(pipeline_of({"name": "a", "type": "test_echo"}, step), "t", scope)
    assert await result_of("data_transform", config) == [
        ["2026-01-02T03:04:05Z", 8, 7], ["2026-01-02T03:04:05Z", 9, 7],
    ]  # fmt: skip


async def test_an_option_may_be_a_template() -> None:
    scope = Scope(variables={"least": 2})
    limit = {"operation": "limit", "count": "{{ variables.least }}"}
    assert await transformed([1, 2, 3], limit, scope=scope) == [1, 2]
    with pytest.raises(StepError, match=r"operations.0.limit.count"):
        await transformed([1], limit, scope=Scope(variables={"least": "many"}))


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("total > 100", [0]), ("not total", [1, 2]), ("total == none", [1, 2]), ("total is none", [1, 2]),
        ("user.age >= 30", [0]), ("(total | default(0)) < 1", [1, 2]), ("contains(tags, 'x')", [0]),
        ({"or": ["total > 100", "index == 2"]}, [0, 2]), (["total > 1", {"not": "user.age > 40"}], [0]),
        ("row.total > 100", [0]), ("{{ total }} > 100", [0]), ("total between 100 and 130", [0]), (True, [0, 1, 2]),
        ("isEmpty(nope)", [0, 1, 2]), ("(total ? 'a' : 'b') == 'b'", [1, 2]),
    ],
)  # fmt: skip
async def test_what_is_missing_or_null_in_a_row_is_false(condition: Any, kept: list[int]) -> None:
    rows = [{"total": 120, "user": {"age": 30}, "tags": ["x"]}, {"total": None, "user": None}, {"other": 1}]
    found = await transformed(rows, {"operation": "filter", "condition": condition})
    assert found == [rows[index] for index in kept]


async def test_a_comparison_that_cannot_be_made_names_the_row() -> None:
    step = filter_of([{"a": 1}, {"a": "x"}], "a > 0")
    said = await refusal_of("data_transform", config_of(pipeline_of(step), "t"))
    assert said.startswith("data_transform: operation 1 (filter): row 2: '>' not supported")


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"expression": "price * amount"}, [6, 20]),
        ({"field": "sum", "expression": "price * amount"}, [{**CHEAP, "sum": 6}, {**DEAR, "sum": 20}]),
        (
            {"expression": '{"p": row.price, "q": nope, "x": price > 2 ? "big" : "small"}'},
            [{"p": 2, "q": None, "x": "small"}, {"p": 4, "q": None, "x": "big"}],
        ),
        ({"expression": "{{ price }} each, {{ amount }}"}, ["2 each, 3", "4 each, 5"]),
        ({"expression": "{{ price }}"}, [2, 4]),
        ({"field": "amount", "mapping": {"3": "three"}}, [{**CHEAP, "amount": "three"}, DEAR]),
        ({"field": "a.b", "expression": "index"}, [{**CHEAP, "a": {"b": 0}}, {**DEAR, "a": {"b": 1}}]),
    ],
)  # fmt: skip
async def test_map_gives_a_column_or_the_row_a_new_value(operation: dict[str, Any], expected: Any) -> None:
    assert await transformed([CHEAP, DEAR], {"operation": "map", **operation}) == expected


async def test_a_mapping_is_a_record_of_lists_or_groups_or_one_row() -> None:
    record = {"orders": ORDERS, "of": "may"}
    only = {"operation": "filter", "field": "orders", "condition": "total > 300"}
    assert await transformed(record, only) == {"orders": [ORDERS[4]], "of": "may"}
    assert await transformed(record, {**only, "as": "large"}) == {**record, "large": [ORDERS[4]]}
    group = {"operation": "group_by", "field": "status"}
    total = {"operation": "aggregate", "field": "total", "function": "max"}
    assert await transformed(ORDERS, group, total) == {"completed": 400, "pending": 300}
    assert await transformed({"a": 1, "b": 2}, {"operation": "select", "fields": ["b"]}) == [{"b": 2}]
    assert await transformed(ORDERS, {**total, "as": "most"}) == {"most": 400}
    within = {"operation": "sort", "field": "orders", "by": "total", "order": "desc"}
    first = await transformed(record, within, {"operation": "limit", "field": "orders", "count": 1})
    assert first["orders"] == [ORDERS[4]]
    by_user = {"operation": "aggregate", "field": "total", "function": "count", "group_by": "user_id"}
    assert await transformed(ORDERS, by_user) == {"10": 3, "11": 1, "12": 1, "99": 1}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("json", {"x": [{"a": 1}], "y": [{"a": 2}]}), ("list", [{"a": 1}, {"a": 2}]), ("csv", "a\n1\n2\n"),
        ("jsonl", '{"a": 1}\n{"a": 2}\n'), ("yaml", "x:\n- a: 1\ny:\n- a: 2\n"),
    ],
)  # fmt: skip
async def test_the_result_takes_the_form_that_is_asked_for(form: str, expected: Any) -> None:
    rows = [{"a": 1, "g": "x"}, {"a": 2, "g": "y"}]
    operations = [{"operation": "group_by", "field": "g"}, {"operation": "select", "fields": ["a"]}]
    assert await transformed(rows, *operations, output_format=form) == expected


@pytest.mark.parametrize("rows", ["'no JSON'", 5, None, "{{ none }}"])
async def test_what_is_no_rows_is_refused(rows: Any) -> None:
    with pytest.raises(StepError, match="rows are a list"):
        await transformed(rows, {"operation": "sort"})


async def test_expressions_that_may_take_long_give_the_same_in_a_process_with_limits() -> None:
    rows = [{"tags": ["b", "a"], "n": n} for n in range(5)]
    odd = {"operation": "filter", "condition": "n % 2 == 1"}
    joined = {"operation": "map", "field": "tags", "expression": "tags | sort | join('-')"}
    assert await transformed(rows, odd, joined) == [{"tags": "a-b", "n": 1}, {"tags": "a-b", "n": 3}]
    with pytest.raises(StepError, match=r"operation 1 \(filter\): row 1: .*zero"):
        await transformed(rows, {"operation": "filter", "condition": "n % 0 == 1"})


async def test_an_expression_that_does_not_end_is_cut() -> None:
    slow = {"operation": "map", "expression": "(row.xs | map('tojson') | list | join | length) * 10 ** 3"}
    step = {"name": "t", "type": "data_transform", "input_source": [], "operations": [slow]}
    config = config_of(pipeline_of(step), "t")
    with pytest.raises(DataRefused, match="more than 1 s of processor time"):
        await limited.answered({**config, "input": [{"xs": [1] * 20_000}] * 900}, limited.Limits(cpu_s=1))


def test_what_is_wrong_in_the_file_is_said_at_its_place() -> None:
    text = """
workflow:
  name: p
  steps:
    - name: t
      type: data_transform
      input_source: steps.nope.rows
      operations:
        - {operation: frob}
        - {operation: map, field: a}
        - {operation: filter, condition: "a >"}
        - {operation: filter, condition: "noo(a)"}
        - {operation: map, expression: "{% if a %}"}
"""
    said = "\n".join(errors_of(text))
    messages = ["`operation` is one of", "either `mapping` or `expression`", "does not parse"]
    for line, message in enumerate([*messages, "unknown function `noo`", "no statements"], 9):
        assert any(one.startswith(f"{line}:") and message in one for one in said.splitlines()), (line, said)


def test_sources_and_values_of_the_run_are_checked_with_the_file() -> None:
    text = """
workflow:
  name: p
  steps:
    - name: t
      type: data_transform
      input_source: steps.nope.rows
      operations:
        - {operation: join, left_field: a, right_source: "previous_response:none_such.b", join_key: id}
        - {operation: filter, condition: "a > steps.nobody.score"}
"""
    said = errors_of(text)
    assert [one.split(":")[0] for one in said] == ["7", "9", "10"], said
    assert all("does not exist" in one for one in said)


def test_a_value_of_the_run_that_is_missing_is_an_error_when_the_step_is_rendered() -> None:
    with pytest.raises(TemplateError, match="`n` is unknown"):
        config_of(pipeline_of(filter_of([], "a > inputs.n")), "t")
