"""Templates: parsed when a file is loaded, rendered when a step is ready.

A text whose braces hold nothing but paths is resolved without Jinja. Data is never read as a template.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jinja2
from elexirion.pipelines.cheap import is_cheap
from elexirion.pipelines.functions import FUNCTIONS
from elexirion.pipelines.names import Scope, child, children
from elexirion.pipelines.references import Reference, check_names, references_of
from elexirion.pipelines.rewriting import rewritten
from elexirion.pipelines.sandbox import Sandbox, bounded_join, plain, text_in_template
from elexirion.pipelines.scanning import Span, spans
from elexirion.pipelines.template_errors import TemplateError, TemplateInvalid, TemplateNameError
from jinja2 import nodes

SANDBOX = Sandbox()
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = re.compile(rf"""{_NAME}(?:\.{_NAME}|\.[0-9]+|\[[0-9]+\]|\['[^'\\]*'\]|\["[^"\\]*"\])*""")
_PART = re.compile(rf"""(?P<name>{_NAME})|(?P<index>[0-9]+)|'(?P<single>[^']*)'|"(?P<double>[^"]*)\"""")
_NOT_NAMES = frozenset(
    ["true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else", "self"]
)
# What evaluating an expression of a file can raise, besides our own errors.
FAILURES = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RuntimeError,
    SyntaxError,
)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class PathPart:
    """`{{ path }}`."""

    path: Path


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template; equal when the source is."""

    source: str
    parts: tuple[str | PathPart, ...] | None = field(compare=False)
    """Literals and paths, when that is all there is; None for a template that needs Jinja."""
    text: str = field(compare=False)
    """The source as Jinja reads it; of one whole expression only what is within the braces."""
    whole: bool = field(compare=False)
    """Whether the text is one expression, whose value keeps its type."""
    isolated: bool = field(compare=False)
    used: tuple[Reference, ...] = field(compare=False)

    def references(self) -> tuple[Reference, ...]:
        return self.used


def is_template(text: str) -> bool:
    """Whether a text holds anything to render."""
    return "{{" in text or "{%" in text or "{#" in text


@lru_cache(maxsize=4096)
def parse(source: str) -> Template:
    """A template; raises TemplateInvalid with the line within the source."""
    found = list(spans(source))
    rewrites = [_rewritten(span, source) for span in found]
    parts = _simple(found, rewrites)
    whole = _whole(found)
    if parts is not None:
        used = dict.fromkeys(Reference(part.path) for part in parts if isinstance(part, PathPart))
        return Template(source, parts, source, whole, False, tuple(used))
    tree = _tree("".join(rewrites))
    inner = next((r for s, r in zip(found, rewrites, strict=True) if s.kind == "expression"), "")
    text = _bare(inner[2:-2]) if whole and _is_one(inner) else "".join(rewrites)
    return Template(source, None, text, whole and _is_one(inner), not is_cheap(tree), references_of(tree))


@lru_cache(maxsize=4096)
def parse_expression(source: str) -> Template:
    """An expression without braces, as a template of this one expression; raises TemplateInvalid."""
    stripped = source.strip()
    if not stripped:
        raise TemplateInvalid("the expression is empty")
    text = rewritten(stripped)
    path = _as_path(text)
    if path is not None:
        return Template(source, (PathPart(path),), text, True, False, (Reference(path),))
    tree = _tree("{{ " + text + " }}")
    body = tree.body
    if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
        raise TemplateInvalid("more than one expression")
    return Template(source, None, text, True, not is_cheap(tree), references_of(tree))


def needs_isolation(template: Template) -> bool:
    """Whether the template may take long, and must run in a process with limits."""
    return template.isolated


def render(template: Template, scope: Scope) -> Any:
    """The value of a template: native for one whole expression, else text; raises TemplateError."""
    try:
        return _render(template, scope)
    except TemplateNameError as error:
        if error.known:
            raise
        raise TemplateNameError(error.name, scope.visible()) from None
    except TemplateError:
        raise
    except FAILURES as error:
        raise TemplateError(_failure(error)) from None


def _render(template: Template, scope: Scope) -> Any:
    if template.parts is not None:
        return _render_parts(template, template.parts, scope)
    if template.whole:
        return plain(run_expression(template.text, SANDBOX, context_of(scope)))
    return _render_text(template, scope)


def run_expression(text: str, sandbox: Sandbox, names: dict[str, Any]) -> Any:
    """The raw value of an expression; may be an undefined value of the sandbox."""
    return _expression(text, sandbox)(names)


def resolve(path: Path, scope: Scope) -> Any:
    """The value of a path, by items only; raises TemplateNameError."""
    value = scope.lookup(str(path[0]))
    for part in path[1:]:
        try:
            value = child(value, part)
        except (KeyError, TypeError):
            raise TemplateNameError(str(part), children(value), ".".join(map(str, path))) from None
    return value


def context_of(scope: Scope) -> dict[str, Any]:
    """All names of a scope over the functions, which come last in precedence."""
    return {**FUNCTIONS, "now": lambda: scope.now or scope.timestamp, **scope.names()}


def _render_parts(template: Template, parts: tuple[str | PathPart, ...], scope: Scope) -> Any:
    if template.whole:
        path = next(part.path for part in parts if isinstance(part, PathPart))
        return plain(resolve(path, scope))
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return bounded_join(_texts(parts, scope))


def _texts(parts: tuple[str | PathPart, ...], scope: Scope) -> Iterator[str]:
    for part in parts:
        yield part if isinstance(part, str) else text_in_template(resolve(part.path, scope))


def _render_text(template: Template, scope: Scope) -> str:
    return bounded_join(_compiled(template.text).generate(context_of(scope)))


@lru_cache(maxsize=1024)
def _compiled(text: str) -> jinja2.Template:
    return SANDBOX.from_string(text)


@lru_cache(maxsize=1024)
def _expression(text: str, sandbox: Sandbox) -> Any:
    return sandbox.compile_expression(text, undefined_to_none=False)


def _rewritten(span: Span, source: str) -> str:
    if span.kind not in ("expression", "statement"):
        return span.text
    try:
        return span.text[:2] + rewritten(span.inner) + span.text[-2:]
    except TemplateInvalid as error:
        line = source.count("\n", 0, source.find(span.text)) + 1
        raise TemplateInvalid(error.message, line, error.hint) from None


def _whole(found: list[Span]) -> bool:
    """Whether there is one expression and nothing but white space around it."""
    significant = [span for span in found if span.kind != "literal" or span.text.strip()]
    return len(significant) == 1 and significant[0].kind == "expression"


def _bare(inner: str) -> str:
    """An expression without the marks of white space control that touch the braces."""
    start = 1 if inner[:1] in ("-", "+") else 0
    end = len(inner) - 1 if inner[-1:] in ("-", "+") else len(inner)
    return inner[start:end].strip()


def _is_one(text: str) -> bool:
    return text.startswith("{{")


def _simple(found: list[Span], rewrites: list[str]) -> tuple[str | PathPart, ...] | None:
    parts: list[str | PathPart] = []
    for span, text in zip(found, rewrites, strict=True):
        if span.kind == "literal":
            parts.append(span.text)
            continue
        path = _as_path(text[2:-2].strip()) if span.kind == "expression" else None
        if path is None:
            return None
        parts.append(PathPart(path))
    return tuple(parts)


def _as_path(text: str) -> Path | None:
    if not _PATH.fullmatch(text):
        return None
    parts: list[str | int] = []
    for match in _PART.finditer(text):
        index = match["index"]
        parts.append(int(index) if index else match["name"] or match["single"] or match["double"] or "")
    return None if parts[0] in _NOT_NAMES else tuple(parts)


def _tree(text: str) -> nodes.Template:
    try:
        tree = SANDBOX.parse(text)
        check_names(tree, frozenset(SANDBOX.filters), frozenset(SANDBOX.tests))
        return tree
    except jinja2.TemplateSyntaxError as error:
        raise TemplateInvalid(f"the template does not parse: {error.message}", error.lineno) from None
    except RecursionError:
        raise TemplateInvalid("the template is nested too deeply") from None


def _failure(error: Exception) -> str:
    return str(error) or type(error).__name__
