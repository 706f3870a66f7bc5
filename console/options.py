"""Options that several commands share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; everything else on stderr.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as `elexirion runs` lists it.")]
