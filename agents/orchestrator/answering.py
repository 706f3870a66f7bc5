"""Answering all that a decision depends on: what is asked is evaluated once, and may lead to the next question."""

from dataclasses import replace
from typing import Protocol

from elexirion.agents.decide import Facts, Looked, look
from elexirion.agents.evaluated import Answer
from elexirion.agents.plan import RunPlan
from elexirion.agents.questions import LEADING_ON, Question
from elexirion.projections.run_state import RunState


class RunPlans(Protocol):
    """Reads pipelines: their plan, their templates, their output."""

    def plan(self, state: RunState) -> RunPlan:
        """The plan of the run's definition."""
        ...

    async def answer(self, state: RunState, question: Question) -> Answer:
        """Evaluate what a decision about this state depends on."""
        ...

    def quick(self, state: RunState, question: Question) -> bool:
        """Whether the answer takes no process and no other reader: a moment at most."""
        ...


async def answer_all(plans: RunPlans, state: RunState, facts: Facts, known: dict[Question, Answer]) -> Looked:
    """Add to `known` what is missing; afterwards a decision about this very state lacks nothing."""
    plan, facts = plans.plan(state), replace(facts, answers=known)
    while True:
        looked = look(state, plan, facts)
        missing = sorted(looked.asked - known.keys(), key=repr)
        for question in missing:
            known[question] = await plans.answer(state, question)
        if not any(isinstance(question, LEADING_ON) for question in missing):
            return looked
