"""codebase_query: questions about the files of a project, answered from the files alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from elexirion.agents.code.codebase import Codebase, CodeRefused
from elexirion.agents.code.questions import Questions
from elexirion.agents.settings import Settings
from elexirion.agents.steps.in_thread import Stop, in_thread
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused
from elexirion.events.failure import Failure
from elexirion.pipelines.steps.codebase_query import (
    OF_CONTEXT,
    AnalyzeImpact,
    CodeQuery,
    FindDependencies,
    FindDependents,
    FindFiles,
    FindFunctions,
    FindRelated,
)
from pydantic import ValidationError


def runner(settings: Settings) -> StepRunner:
    """The runner of `codebase_query` steps."""
    return CodebaseQueries(settings)


@dataclass(frozen=True, slots=True)
class CodebaseQueries:
    """Runs the rendered config `{path, queries, codebase_context, workspace}`."""

    settings: Settings

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """The answers by the names of the queries; raises StepError."""

        def answer(stop: Stop) -> dict[str, Any]:
            workspace = Workspace.of(work.config, self.settings)
            return answered(work.config, Codebase.below(work.config.get("path"), workspace, stop))

        try:
            return Outcome(await in_thread(answer))
        except (CodeRefused, WorkspaceRefused) as refused:
            raise StepError(Failure(kind="step_error", message=f"codebase_query: {refused}")) from None


def answered(config: Mapping[str, Any], codebase: Codebase) -> dict[str, Any]:
    """The answers by the names of the queries; raises CodeRefused."""
    questions = Questions(codebase)
    queries: Mapping[str, Any] = config.get("queries") or {}
    found: dict[str, Any] = {name: _answer(name, query, questions) for name, query in queries.items()}
    if config.get("codebase_context"):
        found[OF_CONTEXT] = questions.context()
    return found


def _answer(name: str, query: Any, questions: Questions) -> list[Any]:
    try:
        asked = CodeQuery.model_validate(query)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in ("queries", name, *first["loc"]))
        raise CodeRefused(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    try:
        return _answer_to(getattr(asked, asked.question())[0], questions)
    except CodeRefused as refused:
        raise CodeRefused(f"query `{name}`: {refused}") from None


def _answer_to(
    asked: FindFiles | FindFunctions | FindDependencies | FindDependents | FindRelated | AnalyzeImpact,
    questions: Questions,
) -> list[Any]:
    match asked:
        case FindFiles():
            return questions.files(asked)
        case FindFunctions():
            return questions.functions(asked)
        case FindDependencies():
            return questions.dependencies(asked)
        case FindDependents():
            return questions.dependents(asked)
        case FindRelated():
            return questions.related(asked)
        case AnalyzeImpact():
            return questions.impact(asked)
        case _:
            assert_never(asked)
