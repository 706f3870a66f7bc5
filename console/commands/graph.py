"""`elexirion graph`: the step graph of a pipeline file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from elexirion.console.exits import print_json, reported
from elexirion.console.options import AsJson

if TYPE_CHECKING:
    from elexirion.pipelines.schema import Pipeline


class GraphFormat(StrEnum):
    """How a graph is written."""

    text = "text"
    mermaid = "mermaid"
    svg = "svg"


def graph(
    file: Annotated[Path, typer.Argument(help="A pipeline file.")],
    graph_format: Annotated[
        GraphFormat, typer.Option("--format", help="Text for terminals, Mermaid for Markdown pages, SVG for browsers.")
    ] = GraphFormat.text,
    output: Annotated[Path | None, typer.Option(help="Write it to this file instead of stdout.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw the steps of a pipeline: what each waits for, its condition, and the steps inside of loops and branches.

    Examples:

      elexirion graph examples/demo.yaml

      elexirion graph examples/demo.yaml --format svg --output demo.svg
    """
    from elexirion.console.commands.schema import write
    from elexirion.console.pipeline_files import read_one

    with reported(as_json):
        text = _drawn(read_one(file).pipeline, graph_format)
        if output is not None:
            write(output, text)
        elif as_json:
            print_json({"file": str(file), "format": graph_format.value, "graph": text})
        else:
            typer.echo(text, nl=False)


def _drawn(pipeline: Pipeline, graph_format: GraphFormat) -> str:
    from elexirion.pipelines.drawing.mermaid import mermaid_of_graph
    from elexirion.pipelines.drawing.picture import picture_of
    from elexirion.pipelines.drawing.plain_text import text_of_graph
    from elexirion.pipelines.drawing.svg import svg_of_graph

    draw = {
        GraphFormat.text: text_of_graph,
        GraphFormat.mermaid: mermaid_of_graph,
        GraphFormat.svg: svg_of_graph,
    }
    return draw[graph_format](picture_of(pipeline))
