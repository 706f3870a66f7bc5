"""Python files, parsed and never run."""

import ast
import warnings

from elexirion.agents.code.outline import Function, Import, Outline

_Definition = ast.FunctionDef | ast.AsyncFunctionDef


def outline_of(text: str) -> Outline:
    """Functions and imports in the order of lines; nothing for a text that is no Python."""
    try:
        with warnings.catch_warnings():
            # What the file's own author should hear of is nothing to the worker.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Outline()
    functions: list[Function] = []
    imports: list[Import] = []
    waiting: list[tuple[ast.AST, str | None]] = [(tree, None)]
    while waiting:
        node, within = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                functions.append(_function(node, within))
            case ast.Import():
                imports += [Import(alias.name, node.lineno) for alias in node.names]
            case ast.ImportFrom():
                parts = tuple(alias.name for alias in node.names if alias.name != "*")
                imports.append(Import(node.module or "", node.lineno, parts, node.level))
        inner = _name_within(node, within)
        waiting += [(part, inner) for part in ast.iter_child_nodes(node) if not isinstance(part, ast.expr)]
    return Outline(tuple(sorted(functions, key=lambda f: f.line)), tuple(sorted(imports, key=lambda i: i.line)))


def _name_within(node: ast.AST, within: str | None) -> str | None:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return f"{within}.{node.name}" if within else node.name
    return within


def _function(node: _Definition, within: str | None) -> Function:
    dunder = node.name.startswith("__") and node.name.endswith("__")
    hidden = [part for part in (within or "").split(".") if part.startswith("_")]
    public = (dunder or not node.name.startswith("_")) and not hidden
    annotations = tuple("@" + ast.unparse(decorator) for decorator in node.decorator_list)
    return Function(node.name, node.lineno, public, within, annotations)
