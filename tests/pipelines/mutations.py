"""Valid files made wrong in one place or a few, the same way for the same seed."""

import random
from collections.abc import Callable
from typing import Any

import yaml

TOKENS = (
    "{{", "}}", "{%", "%}", "[", "]", "{", "}", ":", "- ", "#", "'", '"', "|", ">", "&a ", "*a", "!!python/object:x ",
    "<<: ", "\t", "\0", "\ufeff", "\u2028", "😀", "~", "null", "-1", "1e999", "99999999999999999999", "0x", ".inf",
    "{{ steps.nobody.result }}", "{{ item }}", "{{ 'a' * 10 ** 9 }}", "previous_response:x", " ? ", "a" * 300, "%",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 1.5, "", "x", "{{", "{{ nobody.x }}", "{{ item }}", [], {}, [[]], {"": ""}, ["x", 1],
    {"type": "claude"}, {"name": "x", "type": "for_loop", "steps": []}, {"and": []}, {"not": {"not": 3}}, "for_loop",
    {"workflow": {}}, [{"name": "x"}], "12:30", {"type": ["claude"]}, {"steps": 3}, "steps.first", "\n\n",
)  # fmt: skip
KEYS = (
    "name", "type", "steps", "cases", "default", "prompt", "items", "tasks", "step_template", "condition", "needs",
    "pipeline", "config", "inputs", "outputs", "over", "as", "operations", "then", "on_error", "retry", "zz", "",
)  # fmt: skip

Mutation = Callable[[random.Random, str], str]


def mutated(text: str, seed: int) -> str:
    """The text with one to three mutations."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(MUTATIONS)(chance, text)
    return text


def _line_away(chance: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:at] + lines[at + 1 :]) if (at := chance.randrange(len(lines) or 1)) < len(lines) else text


def _line_twice(chance: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    return "".join(lines)


def _line_moved(chance: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = chance.randrange(len(lines))
    lines[at] = chance.choice([" ", "  ", "      ", "\t", "- "]) + lines[at]
    return "".join(lines)


def _token(chance: random.Random, text: str) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(TOKENS) + text[at + chance.randint(0, 5) :]


def _cut(chance: random.Random, text: str) -> str:
    return text[: chance.randint(0, len(text))]


def _tree(chance: random.Random, text: str) -> str:
    """Another value at a random place of the document; text that is no document stays."""
    try:
        document = yaml.safe_load(text)
        places = list(_places(document))
        for holder, key in chance.sample(places, min(len(places), chance.randint(1, 2))):
            _change(chance, holder, key)
        return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, KeyError, IndexError):
        return text


def _places(value: Any) -> Any:
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def _change(chance: random.Random, holder: Any, key: Any) -> None:
    match chance.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[chance.choice(KEYS)] = holder.pop(key)
        case 2 if isinstance(holder, dict):
            holder[chance.choice(KEYS)] = chance.choice(VALUES)
        case _:
            holder[key] = chance.choice(VALUES)


MUTATIONS: tuple[Mutation, ...] = (_line_away, _line_twice, _line_moved, _token, _cut, _tree, _tree, _tree, _tree)
