"""Costly templates in processes with limits."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from elexirion.agents.evaluation import BoundedEvaluator, EvaluationLimitExceeded, EvaluationLimits
from elexirion.agents.step_rendering import condition_holds, render_output, render_step
from elexirion.pipelines.isolated import Isolated
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.template_errors import TemplateError

from tests.pipelines.files import pipeline, steps

SCOPE = Scope(inputs={"xs": list(range(1000)), "t": "a" * 20_000}, steps={"a": StepView.of('{"score": 7}')})
_LOOPS = "{% for x in xs %}{% for y in xs %}{% for z in xs %}{% endfor %}{% endfor %}{% endfor %}"
FOR_EVER = Isolated("template", _LOOPS)
SUM = Isolated("template", "{{ xs | sum }}")


@pytest_asyncio.fixture
async def evaluator() -> AsyncIterator[BoundedEvaluator]:
    # The wall clock is generous: other work on the machine must not decide the outcome.
    pool = BoundedEvaluator(limits=EvaluationLimits(wall_s=60))
    await pool.start()
    yield pool
    await pool.stop()


async def test_a_template_a_condition_and_an_expression_give_their_values(
    evaluator: BoundedEvaluator,
) -> None:
    assert await evaluator.call(SUM, SCOPE) == 499_500
    assert await evaluator.call(Isolated("expression", "xs[:2] | sort"), SCOPE) == [0, 1]
    found = await evaluator.call(Isolated("condition", "a.nope > 5 or a.score > 5"), SCOPE)
    assert found == {"value": True, "warnings": ["`nope` is missing and counts as false"]}


async def test_an_error_of_a_template_is_an_error_and_the_process_goes_on(
    evaluator: BoundedEvaluator,
) -> None:
    with pytest.raises(TemplateError, match="`nope` is unknown"):
        await evaluator.call(Isolated("template", "{{ nope | sort }}"), SCOPE)
    assert await evaluator.call(SUM, SCOPE) == 499_500


@pytest.mark.parametrize(
    ("bound", "isolated"),
    [
        ("time", FOR_EVER),
        ("time", Isolated("condition", "matches(t, '(a|aa)*a*a*a*c$')")),
        ("memory", Isolated("template", "{{ ([t] * 1000) | map('list') | list | length }}")),
        ("output", Isolated("template", "{% for x in xs %}{{ xs }}{% endfor %}")),
    ],
)
async def test_each_bound_cuts_with_its_name(evaluator: BoundedEvaluator, bound: str, isolated: Isolated) -> None:
    with pytest.raises(EvaluationLimitExceeded) as caught:
        await evaluator.call(isolated, SCOPE)
    assert caught.value.bound == bound
    assert await evaluator.call(SUM, SCOPE) == 499_500


async def test_others_are_evaluated_while_one_burns_its_time(evaluator: BoundedEvaluator) -> None:
    burning = asyncio.create_task(evaluator.call(FOR_EVER, SCOPE))
    assert [await evaluator.call(SUM, SCOPE) for _ in range(5)] == [499_500] * 5
    assert not burning.done()
    with pytest.raises(EvaluationLimitExceeded):
        await burning


async def test_a_wait_longer_than_the_wall_clock_allows_is_cut_too() -> None:
    pool = BoundedEvaluator(size=1, limits=EvaluationLimits(cpu_s=60, wall_s=0.3))
    await pool.start(warm=True)
    with pytest.raises(EvaluationLimitExceeded) as caught:
        await pool.call(FOR_EVER, SCOPE)
    assert caught.value.bound == "time"
    await pool.stop()


async def test_a_cancelled_call_leaves_a_pool_that_works() -> None:
    pool = BoundedEvaluator(size=1, limits=EvaluationLimits(cpu_s=60, wall_s=60))
    await pool.start(warm=True)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pool.call(FOR_EVER, SCOPE), 0.2)
    assert await pool.call(SUM, SCOPE) == 499_500
    await pool.stop()


async def test_a_step_is_rendered_with_its_costly_templates_evaluated_apart(
    evaluator: BoundedEvaluator,
) -> None:
    found = pipeline(
        steps("name: a, type: test_echo, condition: 'xs | sort', value: '{{ xs[:3] | sort(reverse=true) }}'")
        + "  output: a.score | string | list\n"
    )
    assert (await condition_holds(evaluator, found, "a", SCOPE)).value
    assert (await render_step(evaluator, found, "a", SCOPE, lambda _path: b"")).config["value"] == [2, 1, 0]
    assert await render_output(evaluator, found, SCOPE) == ["7"]
