"""Pipelines of all step types, made at random: each document that a strategy here gives is valid."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

TEXT = st.sampled_from(
    [
        "plain",
        "{{ topic }}",
        "é 😀",
        "two\nlines",
        "on",
        "1.0",
        "12:30",
        " spaces ",
        "{{ topic | upper }} {# c #}",
        "'\"",
    ]
)
PATH = st.sampled_from(["a.json", "./outputs/b.md", "{{ topic }}/c.txt"])
SOURCE = st.sampled_from(["topic", "{{ topic }}", "inputs.topic.rows[0]", "'a' ~ topic"]) | st.lists(TEXT, max_size=2)
CONDITION = st.sampled_from(
    [True, "topic == 'x'", "{{ topic }}", ["topic", {"not": "topic"}], {"or": ["topic.a > 3", {"and": [False]}]}]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.sampled_from([0.5, -1e-3]) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SCHEMA = st.just({"type": "object", "properties": {"n": {"type": "integer"}}})
RETRY = st.fixed_dictionaries({}, optional={"max_attempts": st.integers(1, 9), "backoff": st.just("linear")})
SEGMENT = st.one_of(
    st.fixed_dictionaries({"type": st.just("static"), "content": TEXT}, optional={"template": st.booleans()}),
    st.fixed_dictionaries({"type": st.just("file"), "path": PATH}),
    st.fixed_dictionaries(
        {"type": st.just("previous_response"), "step": st.just("first")},
        optional={"extract": st.just("a.b"), "strict": st.booleans(), "max_length": st.integers(1, 99)},
    ),
)
PROMPT = TEXT | st.lists(SEGMENT, min_size=1, max_size=3)
CLAUDE_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["haiku", "{{ topic }}"]),
        "max_turns": st.integers(1, 9),
        "system_prompt": TEXT,
        "allowed_tools": st.lists(st.sampled_from(["Read", "Bash"]), max_size=2),
        "output_format": st.sampled_from(["text", "json", "stream_json"]),
        "timeout_ms": st.integers(1, 10**6),
        "temperature": st.sampled_from([0.0, 0.5, 1.0]),
        "retry_config": st.fixed_dictionaries({"max_retries": st.integers(0, 5)}),
    },
)
EVERY_STEP: dict[str, Strategy] = {
    "description": TEXT,
    "condition": CONDITION,
    "timeout": st.integers(1, 10**6) | st.just("30s"),
    "timeout_ms": st.integers(1, 10**6),
    "retry": RETRY,
    "continue_on_error": st.booleans(),
    "cache": st.booleans() | st.just({"ttl_seconds": 60}),
    "fallback": st.just(["claude/haiku", {"provider": "gemini", "model": "flash"}]),
    "output_to_file": PATH,
    "output_schema": SCHEMA,
    "streaming": st.booleans(),
    "display": JSON,
}
CLAUDE: dict[str, Strategy] = {
    "claude_options": CLAUDE_OPTIONS,
    "preset": st.sampled_from(["development", "production", "analysis", "chat", "test"]),
    "environment_aware": st.booleans(),
}
BUDGET = st.fixed_dictionaries({}, optional={"temperature": st.just(0.5), "max_output_tokens": st.integers(1, 99)})
TASK: dict[str, Strategy] = {"file": PATH, "claude_options": CLAUDE_OPTIONS, "condition": CONDITION}


def _step(kind: str, needed: dict[str, Strategy], optional: dict[str, Strategy] | None = None) -> Strategy:
    keys = {"type": st.just(kind), **needed}
    more = {key: strategy for key, strategy in EVERY_STEP.items() if key not in keys} | (optional or {})
    return st.fixed_dictionaries(keys, optional=more)


def _one_of_both(kind: str, first: dict[str, Strategy], second: dict[str, Strategy], **optional: Strategy) -> Strategy:
    return _step(kind, first, optional) | _step(kind, second, optional)


OPERATION = st.sampled_from(
    [
        {"operation": "filter", "field": "n", "condition": "n > 1"},
        {"operation": "map", "field": "n", "mapping": {"a": "b"}},
        {"operation": "sort", "field": "n", "order": "desc"},
        {"operation": "aggregate", "field": "n", "function": "sum"},
        {"operation": "group_by", "field": "n"},
        {"operation": "join", "left_field": "n", "right_source": "topic", "join_key": "id"},
        {"operation": "select", "fields": ["n"]},
        {"operation": "unique"},
        {"operation": "limit", "count": 3},
    ]
)

LEAVES: dict[str, Strategy] = {
    "claude": _step("claude", {"prompt": PROMPT}, CLAUDE),
    "claude_smart": _step("claude_smart", {"prompt": PROMPT}, CLAUDE),
    "claude_session": _step(
        "claude_session",
        {"prompt": PROMPT},
        {"session_config": st.sampled_from([{}, {"persist": True}, {"persist": False, "session_name": "s"}])},
    ),
    "claude_extract": _step(
        "claude_extract",
        {"prompt": PROMPT},
        {"extraction_config": st.just({"format": "json", "include_metadata": True})},
    ),
    "claude_robust": _step(
        "claude_robust", {"prompt": PROMPT}, {"retry_config": st.just({"max_retries": 2, "backoff_strategy": "linear"})}
    ),
    "gemini": _step("gemini", {"prompt": PROMPT}, {"model": TEXT, "token_budget": BUDGET, "functions": st.just(["f"])}),
    "gemini_structured": _step(
        "gemini_structured", {"prompt": PROMPT, "extraction_config": st.just({"schema": {"type": "object"}})}
    ).map(lambda step: {key: value for key, value in step.items() if key != "output_schema"}),
    "gemini_instructor": _step("gemini_instructor", {"prompt": PROMPT, "output_schema": SCHEMA}),
    "gemini_function": _step("gemini_function", {"prompt": PROMPT, "functions": st.just(["f"])}),
    "openai": _step("openai", {"prompt": PROMPT}, {"model": TEXT, "temperature": st.just(0.1)}),
    "codebase_query": _step(
        "codebase_query", {"queries": st.just({"q": {"find_files": [{"type": "test"}, {"pattern": "{{ topic }}*"}]}})},
        {"path": PATH, "codebase_context": st.booleans()},
    ),
    "data_transform": _step(
        "data_transform", {"input_source": SOURCE, "operations": st.lists(OPERATION, max_size=3)},
        {"output_field": st.just("rows")},
    ),
    "file_ops": _step("file_ops", {"operation": st.just("list"), "path": PATH}, {"pattern": st.just("*.py")}),
    "http": _step("http", {"url": st.just("https://example.org/{{ topic }}")}, {"json": JSON}),
    "test_echo": _step("test_echo", {}, {"value": JSON, "fail": st.booleans(), "chunks": st.integers(1, 9)}),
}  # fmt: skip
PAUSES: dict[str, Strategy] = {
    "set_variable": _one_of_both(
        "set_variable",
        {"variables": st.dictionaries(st.sampled_from(["u", "v"]), JSON, max_size=2)},
        {"variable": st.just("w"), "value": JSON},
        scope=st.sampled_from(["global", "session", "loop"]),
    ),
    "delay": _one_of_both(
        "delay",
        {"seconds": st.integers(0, 99) | st.sampled_from([0.5, "5m", "{{ topic }}"])},
        {"until": st.just("2026-01-31T08:00:00Z")},
    ),
    "approval": _step("approval", {}, {"message": TEXT, "on_timeout": st.sampled_from(["approve", "reject", "fail"])}),
}


def _template(step: dict[str, Any]) -> Strategy:
    """The step of an item, with or without a name; a claude step also without its type."""
    bare = {key: value for key, value in step.items() if key != "type"}
    return st.sampled_from([step, {**step, "name": "of_item"}, *([bare] if step["type"] == "claude" else [])])


def _tasks(key: str) -> Strategy:
    task = st.fixed_dictionaries({"prompt": PROMPT}, optional=TASK)
    return st.lists(task, min_size=1, max_size=3).map(
        lambda tasks: [{key: f"t{index}", **task} for index, task in enumerate(tasks)]
    )


ITEMS: dict[str, Strategy] = {
    "claude_batch": _one_of_both(
        "claude_batch",
        {"items": SOURCE, "step_template": st.one_of(*LEAVES.values()).flatmap(_template)},
        {"tasks": _tasks("task_id") | _tasks("id")},
        batch_size=st.integers(1, 9),
        max_parallel=st.integers(1, 9),
        parallel=st.booleans(),
        batch_config=st.fixed_dictionaries({}, optional={"consolidate_results": st.booleans()}),
        **CLAUDE,
    ),
    "parallel_claude": _step("parallel_claude", {"parallel_tasks": _tasks("id")}, CLAUDE),
}


def _composites(inner: Strategy) -> Strategy:
    block = st.lists(inner, min_size=1, max_size=3)
    loop = {
        "steps": block,
        "max_iterations": st.integers(1, 9),
    }
    child = st.fixed_dictionaries(
        {"name": st.just("child"), "steps": block, "inputs": st.just({"topic": {"default": "x"}})}
    )
    return st.one_of(
        _one_of_both(
            "for_loop", {"data_source": SOURCE, **loop}, {"over": SOURCE, "as": st.just("row"), **loop},
            parallel=st.booleans(), break_on_error=st.booleans(), break_condition=CONDITION,
        ),
        _step("while_loop", {"condition": CONDITION, **loop}),
        _step("switch", {"expression": SOURCE, "cases": st.dictionaries(TEXT, block, min_size=1, max_size=2)},
              {"default": block}),
        _one_of_both(
            "pipeline", {"pipeline": child | child.map(lambda one: {"workflow": one})}, {"pipeline_file": PATH},
            inputs=st.just({"topic": "{{ topic }}"}),
            config=st.sampled_from([{}, {"max_depth": 3}, {"inherit_context": True, "continue_on_error": False}]),
        ),
    )  # fmt: skip


SIMPLE: Strategy = st.one_of(*LEAVES.values(), *PAUSES.values(), *ITEMS.values())
STEP: Strategy = SIMPLE | _composites(SIMPLE | _composites(SIMPLE))
STEP_KINDS = frozenset([*LEAVES, *PAUSES, *ITEMS, "for_loop", "while_loop", "switch", "pipeline"])

_FIRST = {"name": "first", "type": "test_echo"}
_FUNCTIONS = {"f": {"description": "d", "parameters": {"type": "object"}}}


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    """A workflow with steps of any type; each has a name of its own, and `first` is one of them."""
    steps = draw(st.lists(STEP, min_size=1, max_size=4))
    workflow: dict[str, Any] = {"name": "p", "gemini_functions": _FUNCTIONS, "steps": [_FIRST, *steps]}
    optional = {
        "description": TEXT, "version": st.sampled_from(["1.0", 1.0, 2]), "metadata": st.just({"any": [1]}),
        "inputs": st.just({"topic": {"type": "string", "default": "x"}}), "variables": st.just({"known": 1}),
        "defaults": st.fixed_dictionaries({}, optional={"claude_options": CLAUDE_OPTIONS, "retry": RETRY}),
        "output": st.sampled_from(["first", "first.text", {"a": "{{ first.text }}", "b": "first"}]),
        "on_error": st.lists(SIMPLE, max_size=2), "resource_limits": st.just({"max_cost_usd": 0.5}),
        "then": st.just([{"workflow": {"name": "q", "steps": [{"name": "last", "type": "test_echo"}]}}]),
    }  # fmt: skip
    workflow.update(draw(st.fixed_dictionaries({}, optional=optional)))
    return {**workflow, **_named(workflow, iter(range(10_000)))}


def _named(workflow: dict[str, Any], numbers: Iterator[int]) -> dict[str, Any]:
    return {key: _steps(workflow[key], numbers) for key in ("steps", "on_error") if key in workflow}


def _steps(steps: list[Any], numbers: Iterator[int]) -> list[Any]:
    # Segments take the result of `first`, which a child pipeline needs as well.
    return [_with_name(step, numbers) for step in steps]


def _with_name(step: dict[str, Any], numbers: Iterator[int]) -> dict[str, Any]:
    named = {"name": f"s{next(numbers)}", **step}
    if "steps" in named:
        named["steps"] = _steps(named["steps"], numbers)
    if "cases" in named:
        named["cases"] = {key: _steps(block, numbers) for key, block in named["cases"].items()}
    if "default" in named:
        named["default"] = _steps(named["default"], numbers)
    if "pipeline" in named:
        child = named["pipeline"]
        inner = child.get("workflow", child)
        inner = {**inner, "gemini_functions": _FUNCTIONS, "steps": [_FIRST, *_steps(inner["steps"], numbers)]}
        named["pipeline"] = {"workflow": inner} if "workflow" in child else inner
    return named
