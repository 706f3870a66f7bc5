"""Which expressions may be evaluated within the process: those that cannot take long by their form.

Names, paths, constants, comparisons, and/or/not, bounded arithmetic, and functions and filters whose time is
in proportion to their data. Everything else (statements, loops, `**`, free regular expressions) is isolated.
"""

from elexirion.pipelines.functions import FUNCTION_NAMES
from elexirion.pipelines.regex import is_linear
from jinja2 import nodes

_MAX_NODES = 200
_MAX_NAMES = 32
_FILTERS = frozenset(
    {
        "upper",
        "lower",
        "length",
        "count",
        "default",
        "d",
        "int",
        "float",
        "tojson",
        "join",
        "trim",
        "string",
        "first",
        "last",
        "round",
        "abs",
    }
)
_TESTS = frozenset(
    {
        "defined",
        "undefined",
        "none",
        "string",
        "number",
        "mapping",
        "sequence",
        "boolean",
        "true",
        "false",
        "in",
        "integer",
        "float",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "even",
        "odd",
    }
)
_PLAIN = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Concat,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.Neg,
    nodes.Pos,
)


def is_cheap(tree: nodes.Template) -> bool:
    """Whether the parsed template takes a bounded time on bounded data."""
    found = list(_all(tree))
    names = sum(isinstance(node, nodes.Name) for node in found)
    return len(found) <= _MAX_NODES and names <= _MAX_NAMES and all(_is_cheap(node) for node in found)


def _all(node: nodes.Node) -> list[nodes.Node]:
    return [node, *(inner for part in node.iter_child_nodes() for inner in _all(part))]


def _is_cheap(node: nodes.Node) -> bool:
    match node:
        case nodes.Filter():
            return node.name in _FILTERS and node.node is not None
        case nodes.Test():
            return node.name in _TESTS
        case nodes.Call():
            return _is_cheap_call(node)
        case _:
            return isinstance(node, _PLAIN)


def _is_cheap_call(call: nodes.Call) -> bool:
    if not isinstance(call.node, nodes.Name) or call.node.name not in FUNCTION_NAMES:
        return False
    if call.kwargs or call.dyn_args or call.dyn_kwargs:
        return False
    if call.node.name != "matches":
        return True
    pattern = call.args[1] if len(call.args) == 2 else None
    return isinstance(pattern, nodes.Const) and isinstance(pattern.value, str) and is_linear(pattern.value)
