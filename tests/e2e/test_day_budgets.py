"""A budget of a day stops the calls of whom it is for, on every worker, and nobody else's."""

from __future__ import annotations

import uuid
from typing import Any

import orjson

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedUsage

BUDGETS = {"tenant:acme": {"tokens": 2500}, "pipeline:watched": {"tokens": 500, "audit": True}}
SETTINGS = {"ELEXIRION_BUDGETS": orjson.dumps(BUDGETS).decode()}
ANSWER = Answer(chunks=("Well.",), usage=ScriptedUsage(input=600, output=400))


def pipeline(name: str, question: str, steps: int) -> dict[str, Any]:
    """Steps one after another, of a thousand tokens each."""
    return {"name": name, "steps": [{"name": f"ask_{n}", "type": "claude", "prompt": question} for n in range(steps)]}


async def test_a_tenant_s_budget_stops_its_calls_and_one_that_is_watched_stops_none(
    cluster: Cluster, stub: StubServer
) -> None:
    stub.answer(ANSWER)
    question = f"What does it cost? {uuid.uuid4().hex}"

    def calls() -> int:
        return sum(question in call.asked.prompt for call in stub.calls())

    async with cluster.tape() as tape, cluster.publisher() as publisher:
        workers = [cluster.start("a", lanes="claude,local", **SETTINGS),
                   cluster.start("b", roles="lanes", lanes="claude", **SETTINGS)]  # fmt: skip
        await cluster.ready(tape, *workers)
        first, second, other = run_id("acme"), run_id("acme"), run_id("other")

        await publisher.start(first, pipeline("story", question, 5), tags={"tenant": "acme"})
        ended = await tape.end_of(first, 60)
        failure = ended.raw["failure"]
        assert (ended.type, failure["kind"], calls()) == ("RunFailed", "budget", 3)
        assert failure["message"].startswith("Budget spent: tenant:acme used 3000 of 2500 tokens on ")

        await publisher.start(second, pipeline("tale", question, 1), tags={"tenant": "acme"})
        assert (await tape.end_of(second, 60)).raw["failure"]["kind"] == "budget"
        await publisher.start(other, pipeline("watched", question, 2), tags={"tenant": "other"})
        await tape.completed(other, 60)
        assert calls() == 5

        await tape.until(lambda: len(_said(tape)) == 2, 20, "both budgets are said to be spent")
        assert _said(tape) == [("tenant:acme", True), ("pipeline:watched", False)]
    assert any("a budget is spent; it is only watched" in worker.last_lines() for worker in workers)


def _said(tape: Tape) -> list[tuple[str, bool]]:
    said = [seen.record.raw for seen in tape.providers if seen.record.type == "DayBudgetExceeded"]
    return [(one["scope"], one["enforced"]) for one in said]
