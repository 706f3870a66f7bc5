"""What a template sees: the values of a run at the moment in which a step is ready."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from elexirion.pipelines.json_text import parsed, text_of
from elexirion.pipelines.template_errors import TemplateNameError

ROOTS = frozenset(
    ["inputs", "variables", "state", "global_vars", "steps", "previous_response", "run", "workflow", "timestamp"]
)
# How `previous_response:name` is written after it was read; no other name begins with an underscore.
OUTPUTS = "_outputs"
FIELDS = "_fields"


@dataclass(frozen=True, slots=True)
class StepView:
    """The result of a step as later steps see it."""

    result: Any = None
    text: str = ""
    data: Any = None
    usage: Mapping[str, Any] | None = None
    status: str = "completed"

    @classmethod
    def of(cls, result: Any, *, usage: Mapping[str, Any] | None = None, status: str = "completed") -> "StepView":
        """The view of a result: text is also parsed as JSON, other values are also written as JSON."""
        data = parsed(result) if isinstance(result, str) else result
        text = "" if result is None else text_of(result)
        return cls(result, text, data, usage, status)

    @property
    def success(self) -> bool:
        return self.status == "completed"

    @property
    def content(self) -> str:
        return self.text


_OWN = ("result", "text", "data", "usage", "status", "success", "content")


class StepFields(Mapping[str, Any]):
    """A step in a template: its own fields first, then those of its data."""

    __slots__ = ("_view",)

    def __init__(self, view: StepView) -> None:
        self._view = view

    def __getitem__(self, key: str) -> Any:
        if key in _OWN:
            return getattr(self._view, key)
        if isinstance(self._view.data, Mapping):
            return self._view.data[key]
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        yield from _OWN
        if isinstance(self._view.data, Mapping):
            yield from (key for key in self._view.data if key not in _OWN)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return self._view.success

    def __str__(self) -> str:
        return self._view.text

    @property
    def view(self) -> StepView:
        return self._view


class _Steps(Mapping[str, Any]):
    """All steps by name, each wrapped only when it is asked for; `others` stand behind them."""

    __slots__ = ("_others", "_views")

    def __init__(self, views: Mapping[str, StepView], others: Mapping[str, Any]) -> None:
        self._views, self._others = views, others

    def __getitem__(self, name: str) -> Any:
        view = self._views.get(name)
        return self._others[name] if view is None else StepFields(view)

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*self._views, *self._others])

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Scope:
    """All names of one evaluation.

    `iterator` names the item of the innermost loop, if there is one; `outer` has the items of the loops
    around it by their iterator names. `sessions` has the history of each session by its name, oldest first.
    `absent` are names that may be missing: in a condition they count as false, and warn.
    """

    inputs: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    global_vars: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, StepView] = field(default_factory=dict)
    run_id: str = ""
    workflow_name: str = ""
    timestamp: str = ""
    now: str = ""
    previous_response: Any = None
    iterator: str | None = None
    item: Any = None
    loop: Mapping[str, Any] | None = None
    error: Any = None
    output_fields: Mapping[str, Any] = field(default_factory=dict)
    outer: Mapping[str, Any] = field(default_factory=dict)
    sessions: Mapping[str, list[dict[str, str]]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    def names(self) -> dict[str, Any]:
        """Every name with its value: iterator, loop, inputs, variables, steps, in this precedence."""
        names: dict[str, Any] = {name: StepFields(view) for name, view in self.steps.items()}
        names.update(self.variables)
        names.update(self.inputs)
        names.update(self._roots())
        names.update(self._of_loop())
        return names

    def lookup(self, name: str) -> Any:
        """One name, without building the others; raises TemplateNameError for a name that is not there."""
        own = self._of_loop()
        if name in own:
            return own[name]
        if name in ROOTS or name in (OUTPUTS, FIELDS) or (name == "error" and self.error is not None):
            return self._root(name)
        for group in (self.inputs, self.variables):
            if name in group:
                return group[name]
        if name in self.steps:
            return StepFields(self.steps[name])
        raise TemplateNameError(name, self.visible())

    def visible(self) -> tuple[str, ...]:
        """The names that a person may write, for hints."""
        return tuple(name for name in self.names() if not name.startswith("_"))

    def _of_loop(self) -> dict[str, Any]:
        if self.loop is None and self.iterator is None:
            return dict(self.outer)
        names: dict[str, Any] = {**self.outer, "item": self.item, "loop": self.loop or {}}
        if self.iterator is not None:
            names[self.iterator] = self.item
        return names

    def _roots(self) -> dict[str, Any]:
        names = {name: self._root(name) for name in (*ROOTS, OUTPUTS, FIELDS)}
        if self.error is not None:
            names["error"] = self.error
        return names

    def _root(self, name: str) -> Any:
        match name:
            case "inputs":
                return self.inputs
            case "variables" | "state":
                return self.variables
            case "global_vars":
                return self.global_vars
            case "steps":
                return _Steps(self.steps, {})
            case "_fields":
                return _Steps(self.steps, self.output_fields)
            case "_outputs":
                return {**self.output_fields, **{key: view.result for key, view in self.steps.items()}}
            case "previous_response":
                return self.previous_response
            case "run":
                return {"id": self.run_id}
            case "workflow":
                return {"name": self.workflow_name}
            case "timestamp":
                return self.timestamp
            case "error" if self.error is not None:
                return self.error
        raise TemplateNameError(name, self.visible())


def child(value: Any, part: str | int) -> Any:
    """An item of a mapping or a list, never an attribute; raises KeyError when it is not there."""
    if isinstance(value, Mapping):
        return value[part] if part in value else value[str(part)]
    if isinstance(value, list | tuple):
        try:
            return value[int(part)]
        except (ValueError, IndexError):
            raise KeyError(part) from None
    raise KeyError(part)


def children(value: Any) -> tuple[str, ...]:
    """Names of the items of a value, for hints."""
    return tuple(str(key) for key in value) if isinstance(value, Mapping) else ()


def scope_as_json(scope: Scope) -> dict[str, Any]:
    """A scope as plain JSON, for an evaluation in another process."""
    plain = {name: getattr(scope, name) for name in Scope.__slots__}
    plain["steps"] = {
        name: {"result": view.result, "text": view.text, "usage": view.usage, "status": view.status}
        for name, view in scope.steps.items()
    }
    return plain


def scope_from_json(plain: Mapping[str, Any]) -> Scope:
    """The scope that `scope_as_json` wrote."""
    steps = {name: _view(view) for name, view in plain["steps"].items()}
    return Scope(**{**plain, "steps": steps})


def _view(plain: Mapping[str, Any]) -> StepView:
    view = StepView.of(plain["result"], usage=plain["usage"], status=plain["status"])
    return StepView(view.result, plain["text"], view.data, view.usage, view.status)
