"""`elexirion validate`: everything that is wrong with pipeline files, at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import USAGE, print_json
from elexirion.console.options import AsJson

if TYPE_CHECKING:
    from elexirion.console.pipeline_files import PipelineFile


def validate(
    files: Annotated[list[Path], typer.Argument(help="Pipeline files.")],
    strict: Annotated[bool, typer.Option(help="Warnings are errors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check pipeline files: each error with file:line:column and a hint; lists the inputs they need.

    Example: elexirion validate examples/*.yaml --strict
    """
    from elexirion.console.pipeline_files import read_file

    found = [read_file(path) for path in files]
    bad = [file for file in found if file.errors or (strict and file.warnings)]
    if as_json:
        print_json({"valid": not bad, "files": [_document(file) for file in found]})
    else:
        for file in found:
            _print(file)
    raise typer.Exit(USAGE if bad else 0)


def _document(file: PipelineFile) -> dict[str, Any]:
    from elexirion.console.pipeline_files import document

    needed = file.loaded.needed_inputs if file.loaded else ()
    return {
        "file": str(file.path),
        "valid": not file.errors,
        "problems": [document(problem) for problem in file.problems],
        "needed_inputs": [{"name": one.name, "line": one.line} for one in needed],
    }


def _print(file: PipelineFile) -> None:
    for problem in file.problems:
        typer.secho(str(problem), err=True, fg="red" if problem.severity == "error" else "yellow")
    if file.loaded is None:
        return
    steps = len(file.loaded.pipeline.steps)
    needed = ", ".join(one.name for one in file.loaded.needed_inputs)
    typer.echo(f"{file.path}: valid, {steps} step{'s' * (steps > 1)}" + (f", needs: {needed}" if needed else ""))
