"""Older spellings in expressions, rewritten into Jinja outside of string literals.

`previous_response:step.path`, `c ? x : y`, `a between 5 and 9`, `a matches 'x'`.
"""

import re
from collections.abc import Sequence

from elexirion.pipelines.names import FIELDS, OUTPUTS
from elexirion.pipelines.template_errors import TemplateInvalid

_TOKEN = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\d+(?:\.\d+)?|[A-Za-z_]\w*|==|!=|<=|>=|//|\*\*|\s+|.""", re.DOTALL
)
_PREVIOUS = re.compile(r"previous_response:([A-Za-z_]\w*(?:-\w+)*)((?:[.:]\w+)*)")
_NEEDED = re.compile(r"\?|previous_response:|\bbetween\b|\bmatches\b")
_LITERAL = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_EDGES = frozenset(["and", "or", "not", "if", "else"])
_NO_OPERAND = _EDGES | {"in", "is"}


def rewritten(expression: str) -> str:
    """The expression as Jinja reads it; raises TemplateInvalid for `?` without `:`."""
    if not _NEEDED.search(expression):
        return expression
    plain = _outside_literals(expression)
    tokens: list[str] = _TOKEN.findall(plain)
    return _groups(tokens)


def _outside_literals(expression: str) -> str:
    pieces, position = [], 0
    for literal in _LITERAL.finditer(expression):
        pieces += [_PREVIOUS.sub(_previous, expression[position : literal.start()]), literal[0]]
        position = literal.end()
    return "".join([*pieces, _PREVIOUS.sub(_previous, expression[position:])])


def _previous(match: re.Match[str]) -> str:
    parts = [part for part in re.split("[.:]", match[2]) if part]
    root = FIELDS if parts else OUTPUTS
    path = "".join(f"[{part}]" if part.isdigit() else f'["{part}"]' for part in parts)
    return f'{root}["{match[1]}"]{path}'


def _groups(tokens: Sequence[str]) -> str:
    """Bracketed parts first, each rewritten by itself and then one opaque token."""
    level: list[list[str]] = [[]]
    opened: list[str] = []
    for token in tokens:
        if token in _BRACKETS:
            opened.append(token)
            level.append([])
        elif opened and token == _BRACKETS[opened[-1]]:
            inner, opening = level.pop(), opened.pop()
            level[-1].append(opening + _list(inner, in_mapping=opening == "{") + token)
        else:
            level[-1].append(token)
    while opened:
        # Unbalanced: Jinja says so with a better message.
        inner = level.pop()
        level[-1] += [opened.pop(), *inner]
    return _list(level[0], in_mapping=False)


def _list(tokens: list[str], *, in_mapping: bool) -> str:
    return ",".join(_entry(part, in_mapping=in_mapping) for part in _split(tokens, ","))


def _entry(tokens: list[str], *, in_mapping: bool) -> str:
    if in_mapping and ":" in tokens:
        at = tokens.index(":")
        return "".join(tokens[:at]) + ":" + _one(tokens[at + 1 :])
    return _one(tokens)


def _split(tokens: list[str], separator: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _one(tokens: list[str]) -> str:
    if "?" not in tokens:
        return _infix(tokens)
    at = tokens.index("?")
    colon = _matching_colon(tokens, at)
    yes, no = _one(tokens[at + 1 : colon]), _one(tokens[colon + 1 :])
    return f"(({yes.strip()}) if ({_infix(tokens[:at]).strip()}) else ({no.strip()}))"


def _matching_colon(tokens: list[str], at: int) -> int:
    depth = 0
    for index in range(at + 1, len(tokens)):
        if tokens[index] == "?":
            depth += 1
        elif tokens[index] == ":":
            if depth == 0:
                return index
            depth -= 1
    raise TemplateInvalid("`?` without `:`", hint="write `condition ? x : y`")


def _infix(tokens: list[str]) -> str:
    at = next((i for i, token in enumerate(tokens) if _is_infix(tokens, i, token)), None)
    if at is None:
        return "".join(tokens)
    left = max((i + 1 for i in range(at) if tokens[i] in _EDGES), default=0)
    right = _edge(tokens, at + 1)
    if tokens[at] == "between" and right < len(tokens) and tokens[right] == "and":
        high_end = _edge(tokens, right + 1)
        operands = [tokens[left:at], tokens[at + 1 : right], tokens[right + 1 : high_end]]
    elif tokens[at] == "between":
        raise TemplateInvalid("`between` without `and`", hint="write `x between 5 and 9`")
    else:
        high_end = right
        operands = [tokens[left:at], tokens[at + 1 : right]]
    call = f"{tokens[at]}({', '.join(''.join(part).strip() for part in operands)})"
    before = "".join(tokens[:left]) + (" " if left else "")
    return _infix([before, call, " ", *tokens[high_end:]])


def _is_infix(tokens: list[str], at: int, token: str) -> bool:
    if token not in ("between", "matches"):
        return False
    before = next((t for t in reversed(tokens[:at]) if not t.isspace()), "")
    return bool(re.search(r"[\w\])}'\"]$", before)) and before.split(" ")[-1] not in _NO_OPERAND


def _edge(tokens: list[str], start: int) -> int:
    return next((i for i in range(start, len(tokens)) if tokens[i] in _EDGES), len(tokens))
