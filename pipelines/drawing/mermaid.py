"""The graph as Mermaid, for Markdown pages: steps with steps inside become subgraphs."""

from collections.abc import Iterator
from itertools import count

from elexirion.pipelines.drawing.picture import Box, Group
from elexirion.pipelines.drawing.shown import shortened

# Mermaid reads these by itself, also within quotes.
_ESCAPED = {character: f"#{ord(character)};" for character in '#"<>&`|\\;{}[]'}


def mermaid_of_graph(groups: tuple[Group, ...]) -> str:
    """A flowchart; ends with a newline."""
    drawing = _Drawing()
    lines = [line for group in groups for line in drawing.titled(group, "  ")]
    return "\n".join(["flowchart TD", *lines]) + "\n"


class _Drawing:
    """Gives every box and group an id of its own, since names may be anything."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def titled(self, group: Group, margin: str) -> Iterator[str]:
        """The group as a subgraph, or its boxes alone where it has no title."""
        if not group.title:
            yield from self._boxes(group, margin)
            return
        yield f'{margin}subgraph g{next(self._numbers)}["{_text(group.title)}"]'
        yield from self._boxes(group, margin + "  ")
        yield f"{margin}end"

    def _boxes(self, group: Group, margin: str) -> Iterator[str]:
        ids = {box.name: f"s{next(self._numbers)}" for box in group.boxes}
        for box in group.boxes:
            yield from self._box(box, ids[box.name], margin)
        for box in group.boxes:
            label = f'|"if {_text(box.condition, 60)}"|' if box.condition else ""
            for need in box.needs:
                yield f"{margin}{ids[need]} -->{label} {ids[box.name]}"

    def _box(self, box: Box, own_id: str, margin: str) -> Iterator[str]:
        label = "<br/>".join(_lines(box))
        if not box.groups:
            yield f'{margin}{own_id}["{label}"]'
            return
        yield f'{margin}subgraph {own_id}["{label}"]'
        for group in box.groups:
            yield from self.titled(group, margin + "  ")
        yield f"{margin}end"


def _lines(box: Box) -> Iterator[str]:
    yield f"<b>{_text(box.name)}</b>"
    yield _text(box.type)
    if box.about:
        yield _text(box.about, 60)
    if box.condition and not box.needs:
        yield f"if {_text(box.condition, 60)}"


def _text(text: str, most: int = 48) -> str:
    return "".join(_ESCAPED.get(character, character) for character in shortened(text, most))
