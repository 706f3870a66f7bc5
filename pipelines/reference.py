"""The reference pages of the language, from the models that read pipeline files and the examples beside them.

`python -m elexirion.pipelines.reference` writes docs/language.md and docs/steps/*.md below the working directory, or
below the folder that is given.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

from elexirion.pipelines.json_schema import language_schema, summary
from elexirion.pipelines.key_types import default_text, referred, type_text
from elexirion.pipelines.steps.registry import STEP_TYPES
from elexirion.pipelines.steps.step import Step

EXAMPLES = Path("examples/steps")
PAGES = Path("docs/steps")
INDEX = Path("docs/language.md")
_GENERATED = "<!-- Written by `python -m elexirion.pipelines.reference`: change the models or the examples instead. -->"
_SEGMENTS = (
    "StaticSegment",
    "FileSegment",
    "PreviousResponseSegment",
    "SessionContextSegment",
    "ClaudeContinueSegment",
)
_PARTS = (
    "InputDeclaration",
    "Defaults",
    "ResourceLimits",
    "FunctionDeclaration",
    "RetryPolicy",
    "CacheOptions",
    "FallbackTarget",
    "ClaudeOptions",
    "RetryConfig",
    "TokenBudget",
)
# What has its place on the index page, by whatever heading.
_OF_INDEX = frozenset([*_SEGMENTS, *_PARTS, "Pipeline", "PipelineFile", "Step", "StepTemplate"])


def pages(root: Path) -> dict[Path, str]:
    """Every page by its path below `root`, where the examples are."""
    definitions: dict[str, Any] = language_schema()["$defs"]
    found = {PAGES / f"{name}.md": _page(name, model, definitions, root) for name, model in sorted(STEP_TYPES.items())}
    return {INDEX: _index(definitions), **found}


def _page(name: str, model: type[Step], definitions: Mapping[str, Any], root: Path) -> str:
    schema = definitions[model.__name__]
    own = {key: value for key, value in schema["properties"].items() if key not in Step.known_keys()}
    parts = [
        f"# {name}",
        _GENERATED,
        cleandoc(model.__doc__ or ""),
        _where(model),
        "## Keys",
        _table(own, schema.get("required", ()), "../language.md"),
        "Keys of [every step](../language.md#every-step) hold as well.",
        *_nested(own, definitions),
        "## Result",
        model.result_doc,
        "## Example",
        f"```yaml\n{(root / EXAMPLES / f'{name}.yaml').read_text('utf-8').rstrip()}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _where(model: type[Step]) -> str:
    lane = f"on the lane `{model.lane}`" if model.lane else "where the run is decided, without a worker"
    limit = model.default_timeout_s
    return f"It runs {lane}; " + (f"its time limit is {limit:g} s by default." if limit else "it has no time limit.")


def _nested(properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """A section for each model within the keys, those within these too, each once."""
    waiting = list(referred(properties))
    seen = set(_OF_INDEX)
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        definition = definitions[name]
        waiting += referred(definition.get("properties", {}))
        yield from _section(name, definition, "../language.md")


def _section(name: str, definition: Mapping[str, Any], index: str) -> Iterator[str]:
    yield f"### {name}"
    yield definition.get("description", "")
    yield _table(definition.get("properties", {}), definition.get("required", ()), index)


def _table(properties: Mapping[str, Any], required: Any, index: str) -> str:
    if not properties:
        return "It has no keys of its own."
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, schema in properties.items():
        default = "**needed**" if key in required else default_text(schema)
        about = " ".join((schema.get("description") or _about_kind(schema)).split())
        cells = (f"`{key}`", type_text(schema, _link_to(index)), default, about)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _about_kind(schema: Mapping[str, Any]) -> str:
    return "Says which kind it is." if "const" in schema else "See there."


def _link_to(index: str) -> Any:
    def link(name: str) -> str:
        if name in ("Step", "StepTemplate"):
            return f"[step]({index}#every-step)"
        if name == "Segment":
            return f"[segments]({index}#segments)"
        if name == "PipelineFile":
            return f"[pipeline]({index}#the-pipeline)"
        return f"[{name}]({index if name in _OF_INDEX else ''}#{name.lower()})"

    return link


def _index(definitions: Mapping[str, Any]) -> str:
    pipeline = definitions["Pipeline"]
    every = {key: schema for key, schema in definitions["ClaudeStep"]["properties"].items() if key in Step.known_keys()}
    every["type"] = {"type": "string", "description": "One of the step types below."}
    parts = [
        "# The pipeline language",
        _GENERATED,
        _ABOUT,
        "## Step types",
        "\n".join(_line(name, model) for name, model in sorted(STEP_TYPES.items())),
        "## The pipeline",
        _table(pipeline["properties"], pipeline["required"], ""),
        "## Every step",
        _table(every, ("name", "type"), ""),
        "## Segments",
        "A prompt is a text, or a list of these parts, joined by newlines.",
        *_sections(_SEGMENTS, definitions),
        "## Parts",
        *_sections(_PARTS, definitions),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sections(names: Iterable[str], definitions: Mapping[str, Any]) -> Iterator[str]:
    for name in names:
        yield from _section(name, definitions[name], "")


_ABOUT = """\
A pipeline is a YAML or JSON file with a `name` and `steps`, below `workflow` or at the root. `elexirion validate`
checks one, `elexirion graph` draws it, `elexirion run --dry-run` tells what it would call, and `elexirion schema`
gives its JSON Schema to editors.

Texts are Jinja2 templates: `{{ inputs.topic }}`, `{{ steps.outline.text }}`, `{{ steps.rating.data.stars }}`. A text
that is one expression keeps the type of its value. Results, inputs and answers of models are data and never rendered.
A condition is an expression without braces, or a tree of `and`, `or`, `not` and lists."""


def _line(name: str, model: type[Step]) -> str:
    return f"- [`{name}`](steps/{name}.md): {summary(model)}"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    for path, text in pages(Path()).items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, "utf-8")
