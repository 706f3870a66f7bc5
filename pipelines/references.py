"""The names that a template uses, found without evaluating it."""

from dataclasses import dataclass

from elexirion.pipelines.functions import FUNCTION_NAMES
from elexirion.pipelines.near import did_you_mean
from elexirion.pipelines.template_errors import TemplateInvalid
from jinja2 import nodes

Path = tuple[str | int, ...]
_REFUSED = (
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.Extends,
    nodes.Block,
    nodes.Macro,
    nodes.CallBlock,
    nodes.ScopedEvalContextModifier,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A used name with the path below it; `optional` where the template has an answer for its absence."""

    path: Path
    optional: bool = False


def references_of(tree: nodes.Template) -> tuple[Reference, ...]:
    """Every name of the outer scope that the tree reads, each path once."""
    local = {name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")}
    optional = _optional(tree)
    found: dict[Path, Reference] = {}
    called = {id(call.node) for call in tree.find_all(nodes.Call)}
    for path in _paths(tree, called):
        if str(path[0]) not in local:
            found[path] = Reference(path, any(path[: len(known)] == known for known in optional))
    return tuple(found.values())


def check_names(tree: nodes.Template, filters: frozenset[str], tests: frozenset[str]) -> None:
    """Raises TemplateInvalid for an unknown function, filter or test, and for statements that are not accepted."""
    for node in tree.find_all(nodes.Node):
        match node:
            case nodes.Filter() if node.name not in filters:
                raise _unknown("filter", node.name, filters, node.lineno)
            case nodes.Test() if node.name not in tests:
                raise _unknown("test", node.name, tests, node.lineno)
            case nodes.Call(node=nodes.Name() as name) if name.name not in FUNCTION_NAMES:
                raise _unknown("function", name.name, FUNCTION_NAMES, node.lineno)
            case _ if isinstance(node, _REFUSED):
                what = type(node).__name__.lower()
                raise TemplateInvalid(f"`{what}` is not accepted in templates", node.lineno)


def _unknown(kind: str, name: str, known: frozenset[str], line: int) -> TemplateInvalid:
    return TemplateInvalid(f"unknown {kind} `{name}`", line, did_you_mean(name, known))


def _paths(node: nodes.Node, called: set[int]) -> list[Path]:
    path = _path(node)
    if path is not None:
        return [] if id(node) in called and len(path) == 1 else [_without_method(path, node, called)]
    return [found for part in node.iter_child_nodes() for found in _paths(part, called)]


def _without_method(path: Path, node: nodes.Node, called: set[int]) -> Path:
    return path[:-1] if id(node) in called else path


def _path(node: nodes.Node) -> Path | None:
    """The path of `a.b["c"][0]`; None for every other expression, and for a path with computed parts."""
    match node:
        case nodes.Name(ctx="load"):
            return (node.name,)
        case nodes.Getattr():
            above = _path(node.node)
            return None if above is None else (*above, node.attr)
        case nodes.Getitem(arg=nodes.Const(value=str() | int() as part)):
            above = _path(node.node)
            return None if above is None else (*above, part)
        case _:
            return None


def _optional(tree: nodes.Template) -> set[Path]:
    """Paths that the template asks about (`is defined`) or has a default for."""
    asked = [test.node for test in tree.find_all(nodes.Test) if test.name in ("defined", "undefined")]
    asked += [f.node for f in tree.find_all(nodes.Filter) if f.name in ("default", "d") and f.node is not None]
    paths = (_path(node) for node in asked)
    return {path for path in paths if path is not None}
