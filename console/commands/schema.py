"""`elexirion schema`: the JSON Schema of pipeline files, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from elexirion.console.exits import CommandProblem, note, reported
from elexirion.console.options import AsJson


def schema(
    output: Annotated[Path | None, typer.Option(help="Write it to this file instead of stdout.")] = None,
    strict: Annotated[bool, typer.Option(help="Refuse keys that have no effect, as `validate --strict` does.")] = False,
    as_json: AsJson = False,
) -> None:
    """JSON Schema (2020-12) of the pipeline language, for completion and checks while you write.

    With a language server for YAML, the first line of a pipeline file may name it:

      # yaml-language-server: $schema=pipeline.schema.json

    Examples:

      elexirion schema --output pipeline.schema.json

      elexirion schema --strict
    """
    from elexirion.pipelines.json_schema import language_schema

    text = json.dumps(language_schema(strict=strict), indent=2, ensure_ascii=False) + "\n"
    with reported(as_json):
        if output is None:
            typer.echo(text, nl=False)
        else:
            write(output, text)


def write(path: Path, text: str) -> None:
    """Write a document that was asked for; raises CommandProblem."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CommandProblem("cannot_write", f"{path}: the file cannot be written: {reason}.") from None
    note(f"Written to {path}.")
