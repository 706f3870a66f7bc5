"""Options that several commands share."""

from typing import Annotated

import typer
from elexirion.events.priority import Priority

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; everything else on stderr.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as `elexirion runs` lists it.")]
RunPriority = Annotated[
    Priority | None,
    typer.Option("--priority", help="Share of a lane that is full; unset: what the pipeline says."),
]
