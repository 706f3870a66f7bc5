"""Any value of a type of the fold, made of the type alone: what is added to a state is covered without a word here."""

import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from elexirion.events.record_model import RecordModel
from elexirion.events.session import Turn, TurnsSaid
from hypothesis import strategies as st

from tests.events.examples import EXAMPLES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5) | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=4,
)  # fmt: skip

TURN = Turn(user="Grüße?", assistant="世界.")
MORE = (TurnsSaid(turns=(TURN, TURN), execution_id="run-1/a#1"), TurnsSaid(turns=()))

PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Any: JSON,
    str: st.text(max_size=5),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(-1e9, 1e9),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    None: st.none(),
    type(None): st.none(),
}


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of the type; an AssertionError for a kind of type that has no values here yet."""
    if kind in PLAIN:
        return PLAIN[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        return st.builds(kind, **{one.name: any_of(hints[one.name]) for one in fields(kind)})
    if isinstance(kind, type) and issubclass(kind, RecordModel):
        known = [value for value in _models() if type(value) is kind]
        assert known, f"there is no example of {kind}"
        return st.sampled_from(known)
    return _generic(get_origin(kind), get_args(kind), kind)


def _generic(origin: Any, arguments: tuple[Any, ...], kind: Any) -> st.SearchStrategy[Any]:
    if origin is Annotated:
        return any_of(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([any_of(one) for one in arguments])
    if origin is list:
        return st.lists(any_of(arguments[0]), max_size=2)
    if origin is dict:
        return st.dictionaries(any_of(arguments[0]), any_of(arguments[1]), max_size=2)
    if origin is frozenset:
        return st.frozensets(any_of(arguments[0]), max_size=2)
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(any_of(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(any_of, arguments))
    raise AssertionError(f"say here what values {kind} has")


def _models() -> Iterator[RecordModel]:
    """All models within the examples of the records, and those that no record holds."""
    found: list[Any] = [*EXAMPLES.values(), *MORE]
    while found:
        value = found.pop()
        if isinstance(value, RecordModel):
            yield value
            found += [inner for _, inner in value]
        elif isinstance(value, tuple | list):
            found += value
