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
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check pipeline files: each error with file:line:column and a hint; lists the inputs they need.

    Files that their steps run (`pipeline_file`) are checked as well, up to ten deep.
    Ends with 0 where every file is valid, else with 2. Nothing is started and no network is used.

    Examples:

      elexirion validate examples/demo.yaml

      elexirion validate examples/*.yaml --strict

      elexirion validate story.yaml --json
    """
    from elexirion.console.pipeline_files import read_file

    found = [read_file(path) for path in files]
    bad = [file for file in found if not _is_valid(file, strict)]
    if as_json:
        said = [_document(file, strict) for file in found]
        print_json({"valid": not bad, "strict": strict, "files": said})
    else:
        for file in found:
            _print(file, strict)
    raise typer.Exit(USAGE if bad else 0)


def _is_valid(file: PipelineFile, strict: bool) -> bool:
    return not file.errors and not (strict and file.warnings)


def _document(file: PipelineFile, strict: bool) -> dict[str, Any]:
    from elexirion.console.pipeline_files import document

    loaded = file.loaded
    return {
        "file": str(file.path),
        "valid": _is_valid(file, strict),
        "errors": len(file.errors),
        "warnings": len(file.warnings),
        "problems": [document(problem) for problem in file.problems],
        "needed_inputs": [{"name": one.name, "line": one.line} for one in loaded.needed_inputs] if loaded else [],
        "name": loaded.pipeline.name if loaded else None,
        "steps": len(loaded.pipeline.steps) if loaded else None,
        "sha256": loaded.sha256 if loaded else None,
    }


def _print(file: PipelineFile, strict: bool) -> None:
    for problem in file.problems:
        typer.secho(str(problem), err=True, fg="red" if problem.severity == "error" else "yellow")
    if file.loaded is None or file.errors:
        return
    if not _is_valid(file, strict):
        count = len(file.warnings)
        typer.echo(f"{file.path}: {count} warning{'s' * (count > 1)}, refused by --strict", err=True)
        return
    steps = len(file.loaded.pipeline.steps)
    needed = ", ".join(one.name for one in file.loaded.needed_inputs)
    typer.echo(f"{file.path}: valid, {steps} step{'s' * (steps > 1)}" + (f", needs: {needed}" if needed else ""))
