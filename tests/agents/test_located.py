"""Which steps are certainly over when another one starts, by the file alone."""

import pytest
from elexirion.agents.orchestrator.located import certainly_over, locate

from tests.agents.running import pipeline_of


def echo(name: str, **keys: object) -> dict[str, object]:
    return {"name": name, "type": "test_echo", **keys}


PIPELINE = pipeline_of(
    echo("a"),
    echo("beside", needs=[]),
    {"name": "one", "type": "for_loop", "over": [1, 2], "needs": ["a"], "steps": [echo("x"), echo("y")]},
    {"name": "many", "type": "for_loop", "over": [1, 2], "parallel": True, "steps": [echo("m"), echo("n", needs=[])]},
    {"name": "again", "type": "while_loop", "condition": True, "steps": [echo("w")]},
    {"name": "which", "type": "switch", "expression": 1, "cases": {"x": [echo("cx"), echo("cy")], "z": [echo("cz")]}},
    {"name": "batch", "type": "claude_batch", "items": [1, 2], "step_template": {"type": "test_echo"}},
    on_error=[echo("h"), echo("i")],
)


@pytest.mark.parametrize(
    ("one", "other", "over"),
    [
        ("a", "one", True),
        ("a", "a", False),
        ("one", "a", False),
        ("beside", "one", False),
        ("a", "many/0/m", True),
        ("one/1/y", "many/0/m", True),
        ("one", "one/0/x", False),
        ("one/0/x", "one", False),
        ("one/0/x", "one/0/y", True),
        ("one/0/y", "one/0/x", False),
        ("one/0/y", "one/1/x", True),
        ("one/1/x", "one/0/y", False),
        ("many/0/m", "many/1/n", False),
        ("many/0/m", "many/0/n", False),
        ("again/3/w", "again/11/w", True),
        ("again/11/w", "again/3/w", False),
        ("which/cx", "which/cy", True),
        ("which/cx", "batch/0", True),
        ("batch/0", "batch/1", False),
        ("beside", "h", True),
        ("h", "i", True),
        ("i", "h", False),
        ("h", "a", False),
    ],
)
def test_a_step_is_certainly_over(one: str, other: str, over: bool) -> None:
    assert certainly_over(locate(PIPELINE, one), locate(PIPELINE, other)) is over
