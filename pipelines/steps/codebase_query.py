"""`codebase_query`: questions about the files of a project, answered without a model."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.model import Model, NotNegative, Positive, Text
from elexirion.pipelines.one_or_several import OneOrSeveral
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.uses import Use, templates_in
from pydantic import Field, model_validator

Texts = Text | tuple[Text, ...]


class FindFiles(Model, frozen=True):
    """Files that meet all criteria; the result is a list of their paths."""

    type: Literal["source", "test", "config", "main", "documentation"] | None = None
    pattern: Texts | None = None
    """Patterns such as `src/**/*.{ts,tsx}`; a file meets one of them."""
    exclude_patterns: Texts | None = None
    """Patterns of files that are left out."""
    exclude_tests: bool = False
    """Whether tests are left out."""
    language: Text | None = None
    """python, javascript, typescript, go, elixir, rust or java."""
    extension: Text | None = None
    """The end of the name, with its dot or without."""
    contains: Text | None = None
    """Text within the path."""
    related_to: Text | None = None
    """A file; the result holds what find_related finds for it."""
    modified_since: Text | None = None
    """A date, or a date and time, of ISO 8601."""
    min_size: NotNegative | None = None
    """Smallest size, in bytes."""
    max_size: NotNegative | None = None
    """Largest size, in bytes."""
    size_min: NotNegative | None = None
    """Another name of `min_size`."""
    size_max: NotNegative | None = None
    """Another name of `max_size`."""
    limit: Positive | None = None
    """Most files of the result."""


class FindFunctions(Model, frozen=True):
    """Functions and methods: `{name, file, line, within, public, annotations, language}` each."""

    in_file: Texts | None = None
    """Files or patterns; all source files without it."""
    in_files: Texts | None = None
    """Another name of `in_file`."""
    name: Text | None = None
    """Text within the name."""
    public_only: bool = False
    """Whether private functions are left out."""
    with_annotation: Text | None = None
    """Text within a decorator, an annotation or an attribute."""
    with_decorator: Text | None = None
    """Another name of `with_annotation`."""
    include_tests: bool = True
    """Whether functions of tests count."""
    limit: Positive | None = None
    """Most functions of the result."""


class FindDependencies(Model, frozen=True):
    """What a file imports: `{name, file, kind, line, from, depth}` each; kind is internal, standard or external."""

    for_file: Texts | None = None
    """The file, or several."""
    include_transitive: bool = False
    """Whether what the dependencies import counts as well."""
    max_depth: Positive | None = None
    """How many imports may lie between."""
    include_external: bool = True
    """Whether packages of others count."""
    include_stdlib: bool = True
    """Whether the standard library counts."""


class FindDependents(Model, frozen=True):
    """The files that import a file: `{file, distance, via, test}` each."""

    of_file: Texts | None = None
    """The file, or several."""
    for_file: Texts | None = None
    """Another name of `of_file`."""
    include_transitive: bool = False
    """Whether files that import the dependents count as well."""
    include_tests: bool = True
    """Whether tests count."""
    max_depth: Positive | None = None
    """How many imports may lie between."""


class FindRelated(Model, frozen=True):
    """Tests and subjects, dependencies and dependents of a file: `{file, relations}` each."""

    for_file: Texts | None = None
    """The file, or several."""
    to_file: Texts | None = None
    """Another name of `for_file`."""
    include_tests: bool = True
    """Whether tests count."""


class AnalyzeImpact(Model, frozen=True):
    """What a change of files may reach: `{file, distance, via, test}` each, the nearest first."""

    for_file: Texts | None = None
    """Another name of `changed_files`."""
    changed_files: Texts | None = None
    """The file that changes, or several."""
    max_depth: Positive | None = None
    """How many imports may lie between."""
    include_tests: bool = True
    """Whether tests count."""


class CodeQuery(Model, frozen=True):
    """One question, as a mapping of criteria or a list of such mappings that hold together."""

    find_files: Annotated[tuple[FindFiles, ...], OneOrSeveral()] | None = None
    """Which files there are."""
    find_functions: Annotated[tuple[FindFunctions, ...], OneOrSeveral()] | None = None
    """Which functions there are."""
    find_dependencies: Annotated[tuple[FindDependencies, ...], OneOrSeveral()] | None = None
    """What a file imports."""
    find_dependents: Annotated[tuple[FindDependents, ...], OneOrSeveral()] | None = None
    """Who imports a file."""
    find_related: Annotated[tuple[FindRelated, ...], OneOrSeveral()] | None = None
    """What belongs to a file."""
    analyze_impact: Annotated[tuple[AnalyzeImpact, ...], OneOrSeveral()] | None = None
    """What a change may reach."""

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        asked = [key for key in type(self).model_fields if getattr(self, key) is not None]
        if len(asked) != 1:
            raise ValueError(f"a query is one of {', '.join(type(self).model_fields)}")
        needed = _NEEDED.get(asked[0])
        criteria = self.criteria()
        if needed is not None and not any(criteria.get(key) for key in needed):
            raise ValueError(f"`{asked[0]}` needs `{needed[0]}`")
        return self

    def question(self) -> str:
        """Which of the questions it is."""
        return next(key for key in type(self).model_fields if getattr(self, key) is not None)

    def criteria(self) -> dict[str, Any]:
        """All criteria together; later ones win."""
        merged: dict[str, Any] = {}
        for part in getattr(self, self.question()):
            merged.update(part.model_dump(mode="json", exclude_unset=True))
        return merged


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "find_dependencies": ("for_file",),
    "find_dependents": ("of_file", "for_file"),
    "find_related": ("for_file", "to_file"),
    "analyze_impact": ("for_file", "changed_files"),
}
OF_CONTEXT = "codebase"


class CodebaseQueryStep(Step, frozen=True):
    """Answers `queries`; the result is a mapping from their names to lists, always in the same order.

    Python files are parsed; JavaScript, TypeScript, Go, Elixir, Rust and Java are read line by line with patterns.
    """

    lane: ClassVar[Lane | None] = "local"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = ("path",)
    result_doc: ClassVar[str] = (
        "A list for each name in `queries`: paths for find_files, mappings for the others, as told there. With "
        "`codebase_context` also `codebase`."
    )

    type: Literal["codebase_query"]
    queries: dict[str, CodeQuery] = Field(default_factory=dict)
    """The questions by their names."""
    codebase_context: bool = False
    """Whether the result has an entry `codebase`: kind of project, languages, number of files, main files."""
    path: Text | None = None
    """Folder of the project, from the workspace or the folder of the run; without it the folder of the run."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.queries and not self.codebase_context:
            raise ValueError("`queries` is empty")
        if self.codebase_context and OF_CONTEXT in self.queries:
            raise ValueError(f"no query is called `{OF_CONTEXT}` beside `codebase_context`")
        return self

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        for name, query in self.queries.items():
            for index, part in enumerate(getattr(query, query.question())):
                given = part.model_dump(mode="json", exclude_unset=True)
                yield from templates_in(given, ("queries", name, query.question(), index))

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        queries = {name: {query.question(): query.criteria()} for name, query in self.queries.items()}
        return {
            "path": rendering.value(self.path),
            "queries": rendering.value(queries),
            "codebase_context": self.codebase_context,
        }

    def works_with_files(self, config: Mapping[str, Any]) -> bool:
        return True
