"""Templates: names, values, functions, errors and bounds."""

from typing import Any

import pytest
from elexirion.pipelines.names import Scope, StepView, scope_as_json, scope_from_json
from elexirion.pipelines.template_errors import (
    TemplateError,
    TemplateInvalid,
    TemplateLimitError,
    TemplateNameError,
)
from elexirion.pipelines.templates import needs_isolation, parse, parse_expression, render
from hypothesis import given
from hypothesis import strategies as st

SCOPE = Scope(
    inputs={"code": "x", "count_of": "3", "who": "input", "items": 5, "nested": {"list": [1, {"k": "v"}]}},
    variables={"level": 2, "who": "variable"},
    global_vars={"site": "s"},
    steps={
        "a": StepView.of('```json\n{"score": 8, "tags": ["x", "y"], "text": "own"}\n```', usage={"tokens": 4}),
        "b-c": StepView.of({"k": 1}),
        "failed": StepView.of(None, status="failed"),
        "sci": StepView.of("1e5"),
        "who": StepView.of("step"),
    },
    run_id="r1",
    workflow_name="w",
    timestamp="20260102T030405Z",
    now="20260102T030406Z",
    previous_response="before",
)


def _render(source: str, scope: Scope = SCOPE) -> Any:
    return render(parse(source), scope)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("no template", "no template"),
        ("{{ code }}", "x"),
        ("{{ inputs.code }}", "x"),
        ("{{ level }}", 2),
        ("{{ variables.level }}", 2),
        ("{{ state.level }}", 2),
        ("{{ global_vars.site }}", "s"),
        ("{{ nested.list[1].k }}", "v"),
        ("{{ nested['list'][0] }}", 1),
        ("{{ steps.a.result }}", '```json\n{"score": 8, "tags": ["x", "y"], "text": "own"}\n```'),
        ("{{ steps.a.data }}", {"score": 8, "tags": ["x", "y"], "text": "own"}),
        ("{{ steps.a.score }}", 8),
        ("{{ a.score }}", 8),
        ("{{ a.tags[1] }}", "y"),
        ("{{ a.usage.tokens }}", 4),
        ("{{ a.status }}", "completed"),
        ("{{ a.success }}", True),
        ("{{ failed.success }}", False),
        ("{{ steps['b-c'].k }}", 1),
        ("{{ steps['b-c'] }}", {"k": 1}),
        ("{{ a.text | length }}", 59),
        ("{{ previous_response }}", "before"),
        ("{{ run.id }} {{ workflow.name }}", "r1 w"),
        ("{{ timestamp }}", "20260102T030405Z"),
        ("{{ now() }}", "20260102T030406Z"),
        ("{{ sci.result }}", "1e5"),
        ("{{ sci.result | upper }}", "1E5"),
        ("{{ previous_response:a.score }}", 8),
        ("{{ previous_response:a:tags.0 }}", "x"),
        ("{{previous_response:b-c}} and {{ previous_response:b-c.k }}", '{"k": 1} and 1'),
        ("{{ 'previous_response:a ? b : c' }}", "previous_response:a ? b : c"),
    ],
)
def test_a_name_has_its_value(source: str, value: object) -> None:
    found = _render(source)
    assert found == value
    assert type(found) is type(value)


def test_a_name_in_a_loop_comes_before_every_other() -> None:
    scope = Scope(inputs={"file": "input", "item": "i"}, iterator="file", item="f1", loop={"item": "f1", "index": 0})
    assert _render("{{ file }} {{ item }} {{ loop.item }} {{ loop.index }}", scope) == "f1 f1 f1 0"


def test_inputs_come_before_variables_and_variables_before_steps() -> None:
    assert _render("{{ who }}") == "input"
    without = Scope(variables=SCOPE.variables, steps=SCOPE.steps)
    assert _render("{{ who }}", without) == "variable"
    assert _render("{{ who }}", Scope(steps=SCOPE.steps)) == "step"


def test_a_name_hides_a_function_but_not_under_another_spelling() -> None:
    with pytest.raises(TemplateError):
        _render("{{ count([1]) }}", Scope(inputs={"count": 3}))
    assert _render("{{ length([1]) }}", Scope(inputs={"count": 3})) == 1


def test_items_come_before_attributes() -> None:
    scope = Scope(inputs={"d": {"items": 1, "keys": 2}, "e": {}})
    assert _render("{{ d.items }} {{ d.keys + 1 }}", scope) == "1 3"
    assert _render("{{ d.items + d.keys }}", scope) == 3
    assert _render("{% for k, v in e.items() %}x{% endfor %}", scope) == ""


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ nested.list }}", [1, {"k": "v"}]),
        ("  {{ level }}\n", 2),
        ("{{ level + 1 }}", 3),
        ("{{ -level }}", -2),
        ("{{- level + 1 -}}", 3),
        ("a {{- level }}", "a2"),
        ("{{ [level, code] }}", [2, "x"]),
        ("{{ {'a': level} }}", {"a": 2}),
        ("{{ a.tags | map('upper') }}", ["X", "Y"]),
        ("{{ none }}", None),
        ("{{ level > 1 }}", True),
        ("is {{ level > 1 }} {{ nested.list }} {{ none }}", 'is true [1, {"k": "v"}] null'),
        ("{{ 'is ' ~ true ~ nested.list }}", 'is true[1, {"k": "v"}]'),
        ("{{ nested | tojson }}", '{"list": [1, {"k": "v"}]}'),
        ("{{ a.tags | join(', ') }}", "x, y"),
        ("{% for t in a.tags %}{{ loop.index }}{{ t }}{% endfor %}", "1x2y"),
        ("{% if level == 2 %}two{% else %}other{% endif %}", "two"),
        ("{% raw %}{{ code }}{% endraw %}{# nothing #}", "{{ code }}"),
        ("{{ level == 2 ? 'two' : 'other' }}", "two"),
        ("{{ level == 1 ? 'one' : level == 2 ? 'two' : 'other' }}", "two"),
        ("{{ {'a': level > 1 ? 1 : 0} }}", {"a": 1}),
        ("{{ (level between 1 and 3) and code matches '^x$' }}", True),
        ("a\n{{ code }}\n", "a\nx\n"),
    ],
)
def test_a_whole_expression_keeps_its_type_and_a_text_reads_as_json(source: str, value: object) -> None:
    found = _render(source)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("add(1, '2')", 3),
        ("subtract(5, 2)", 3),
        ("multiply(count_of, 4)", 12),
        ("divide(9, 2)", 4.5),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("round(2.345, 2)", 2.35),
        ("floor(2.9)", 2),
        ("ceil(2.1)", 3),
        ("min(3, 1, 2)", 1),
        ("max([3, 1, 2])", 3),
        ("length('abc')", 3),
        ("count(a.tags)", 2),
        ("sum([1, 2.5])", 3.5),
        ("average([1, 2])", 1.5),
        ("contains(a.tags, 'x')", True),
        ("contains('abc', 'd')", False),
        ("startsWith('abc', 'ab')", True),
        ("starts_with('abc', 'b')", False),
        ("endsWith('abc', 'bc')", True),
        ("ends_with('abc', 'b')", False),
        ("matches('abc', '^a.c$')", True),
        ("matches('abc', 'x+')", False),
        ("any([0, 1])", True),
        ("all([0, 1])", False),
        ("all(true, 1)", True),
        ("isEmpty('')", True),
        ("is_empty(a.tags)", False),
        ("toLowerCase('AbC')", "abc"),
        ("toUpperCase('AbC')", "ABC"),
        ("trim('  a ')", "a"),
        ("between(5, 5, 9)", True),
        ("between(10, 5, 9)", False),
    ],
)
def test_a_function_gives_its_value(call: str, value: object) -> None:
    assert _render("{{ " + call + " }}") == value


@pytest.mark.parametrize(
    "call", ["divide(1, 0)", "add('x', 1)", "min([])", "length(3)", "add(true, 1)", "round(1, 99)"]
)
def test_a_function_refuses_what_it_cannot_use(call: str) -> None:
    with pytest.raises(TemplateError):
        _render("{{ " + call + " }}")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ cod }}", "`cod` is unknown.*`code`"),
        ("{{ cod | upper }}", "`cod` is unknown.*`code`"),
        ("x {{ a.scor }}", "`scor` is unknown in a.scor.*`score`"),
        ("{{ a.scor + 1 }}", "`scor` is unknown in the step's result.*`score`"),
        ("{{ [nested.lst] }}", "`lst` is unknown.*`list`"),
        ("{{ steps.aa.result }}", "`aa` is unknown"),
        ("{{ nested.list[7] }}", "`7` is unknown"),
        ("{{ inputs.cod }}", "`code`"),
        ("{% if nope %}{% endif %}", "`nope` is unknown"),
    ],
)
def test_an_unknown_name_is_an_error_that_lists_near_names(source: str, message: str) -> None:
    with pytest.raises(TemplateNameError, match=message):
        _render(source)


def test_a_missing_name_may_have_a_default() -> None:
    assert _render("{{ nope | default('d') }}{{ a.nope | default(1) }}{% if nope is defined %}!{% endif %}") == "d1"


@pytest.mark.parametrize(
    "source",
    [
        "{{",
        "{{ a",
        "{% if %}",
        "{{ 1 + }}",
        "{{ foo(1) }}",
        "{{ 1 | foo }}",
        "{{ 1 is foo }}",
        "{{ c ? 1 }}",
        "{{ a between 5 }}",
        "{% include 'x' %}",
        "{% raw %}",
        "{{ range(3) }}",
        "{{ " + "(" * 100 + ")" * 100 + " }}",
        "{{ " + "not " * 5000 + "a }}",
    ],
)
def test_a_template_that_does_not_parse_is_refused(source: str) -> None:
    with pytest.raises(TemplateInvalid):
        parse(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ code.__class__ }}",
        "{{ contains.__globals__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ code | attr('__class__') }}",
        "{{ nested.list.append(3) }}",
        "{{ self }}",
        "{{ length }}",
    ],
)
def test_nothing_leads_out_of_the_sandbox(source: str) -> None:
    with pytest.raises(TemplateError):
        _render(source)


def test_data_is_never_read_as_a_template() -> None:
    scope = Scope(inputs={"evil": "{{ secret }}"}, variables={"secret": "s"}, steps={"a": StepView.of("{{ secret }}")})
    assert _render("{{ evil }}", scope) == "{{ secret }}"
    assert _render("x {{ a.text }} {{ evil | trim }}", scope) == "x {{ secret }} {{ secret }}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10**9 }}",
        "{{ [1] * 10000000 }}",
        "{{ 10 ** 100000 }}",
        "{{ 'a' | center(10**9) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a\n' | indent(100000000) }}",
        "{{ code | replace('', 'y' * 200000) | replace('y', 'y' * 200000) }}",
        "{{ 'a' * 200000 ~ 'a' * 200000 }}",
        "x{{ 'a' * 200000 }}{{ 'a' * 200000 }}",
    ],
)
def test_what_would_take_memory_or_time_is_cut_within_the_process(source: str) -> None:
    with pytest.raises(TemplateLimitError):
        _render(source)


def test_a_text_of_more_than_256_kb_is_cut() -> None:
    scope = Scope(inputs={"big": "x" * 200_000})
    assert _render("{{ big }}", scope) == scope.inputs["big"]
    with pytest.raises(TemplateLimitError):
        _render("{{ big }} {{ big }}", scope)


@pytest.mark.parametrize(
    "source",
    [
        "{{ a.b }} and {{ c }}",
        "{{ a.score > 7 and not b.done }}",
        "{{ contains(a.tags, 'x') or length(a.tags) == 3 }}",
        "{{ name | default('x') | upper }}",
        "{{ 'a' ~ b ~ c }}",
        "{{ a + 1 }}",
        "{{ matches(a, '^[a-z]$') }}",
        "{{ matches(a, '^(yes|no) [0-9]{1,4}$') }}",
        "{{ x if y else z }}",
    ],
)
def test_an_ordinary_template_needs_no_process_of_its_own(source: str) -> None:
    assert not needs_isolation(parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "{% for x in xs %}{{ x }}{% endfor %}",
        "{{ xs | sort }}",
        "{{ 2 ** n }}",
        "{{ matches(a, b) }}",
        "{{ matches(a, '.*x.*') }}",
        "{{ matches(a, 'a?a?a?a?a?a?a?a?a?aaaaaaaaa') }}",
        "{{ matches(a, '(a|aa){16}c') }}",
        "{{ a.items() }}",
        "{{ " + " ~ ".join(["a"] * 100) + " }}",
    ],
)
def test_a_template_that_may_take_long_needs_one(source: str) -> None:
    assert needs_isolation(parse(source))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a*)*b", "(a|b+)*c", "((a+){2})+", "(a)\\1", "(", "a{2,1}", "x" * 2000])
def test_a_pattern_that_could_run_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(TemplateError):
        _render("{{ matches('aaa', p) }}", Scope(inputs={"p": pattern}))


def test_the_names_of_a_template_are_known_without_rendering() -> None:
    source = "{% for f in files %}{{ f.name }}{{ steps.a.x }}{% endfor %}{{ b['c'][0] | upper }}{{ d.keys() }}"
    assert [reference.path for reference in parse(source).references()] == [
        ("files",),
        ("steps", "a", "x"),
        ("b", "c", 0),
        ("d",),
    ]


@given(st.recursive(st.none() | st.booleans() | st.integers(), st.lists, max_leaves=5) | st.text(max_size=20))
def test_a_value_comes_through_both_ways_of_rendering_unchanged(value: object) -> None:
    scope = Scope(inputs={"v": value}, steps={"s": StepView.of(value)})
    for source in ("{{ v }}", "{{ (v) }}", "{{ v if true else 1 }}", "{{ inputs['v'] }}", "{{ s.result }}"):
        assert _render(source, scope) == value
    assert _render("-{{ v }}-", scope) == _render("-{{ (v) }}-", scope)


@given(st.text(alphabet="{}%#ab .|'\"()[]?:-+~=1", max_size=30))
def test_any_text_is_a_template_or_is_refused(source: str) -> None:
    try:
        template = parse(source)
        render(template, Scope(inputs={"a": 1, "b": "x"}))
    except TemplateError:
        return
    assert template.source == source


@given(st.text(max_size=20))
def test_a_text_without_braces_is_itself(source: str) -> None:
    if "{" not in source:
        assert _render(source) == source


def test_a_scope_goes_through_json_and_back() -> None:
    assert scope_from_json(scope_as_json(SCOPE)) == SCOPE


def test_an_expression_stands_without_braces() -> None:
    assert render(parse_expression("level + 1"), SCOPE) == 3
    with pytest.raises(TemplateInvalid):
        parse_expression("a }} {{ b")
