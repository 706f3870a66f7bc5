"""`elexirion check-log`: what must hold of every log, held against the one that is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from elexirion.console.exits import RUN_FAILED, CommandProblem, print_json, reported
from elexirion.console.options import AsJson
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.projections.history.checker import Findings


def check_log(
    run_id: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only this run.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="An export instead of the topics: export RUN --all --chunks."),
    ] = None,
    all_ended: Annotated[
        bool, typer.Option("--all-ended", help="Nothing is under way any more: what is open is a violation too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the log and check every promise: nothing lost, nothing counted twice, nothing altered.

    Commands have one outcome, runs one end, steps one result; what is refused has no effect; calls and text are
    whole and in order; the hashes in the log are those of its records. Exit code 1 where a promise is broken.

    Examples:

      elexirion check-log

      elexirion check-log --run run-1f0c… --json

      elexirion export run-1f0c… --all --chunks -o run.jsonl; elexirion check-log --from run.jsonl
    """
    found = _of_file(file, run_id, all_ended, as_json) if file else _of_topics(run_id, all_ended, as_json)
    if as_json:
        print_json(_document(found))
    else:
        _print(found)
    if found.violations:
        raise typer.Exit(RUN_FAILED)


def _of_topics(run_id: str | None, all_ended: bool, as_json: bool) -> Findings:
    from elexirion.client.log_check import check_log as check
    from elexirion.console.reading_progress import reading_on_stderr

    with reading_on_stderr() as told:
        return with_client(lambda client: check(client, run_id=run_id, at_rest=all_ended, told=told), as_json=as_json)


def _of_file(file: Path, run_id: str | None, all_ended: bool, as_json: bool) -> Findings:
    from elexirion.client.exported_history import history_of_export
    from elexirion.projections.history.checker import examine

    with reported(as_json):
        if run_id is not None:
            raise CommandProblem("usage", "--run and --from do not go together: an export holds one run.")
        try:
            with file.open("rb") as lines:
                return examine(history_of_export(lines, at_rest=all_ended))
        except OSError as error:
            raise CommandProblem("unreadable_file", f"{file}: {error.strerror or error}") from error
        except ValueError as error:
            hint = "Make it with: elexirion export RUN --all --chunks -o FILE"
            raise CommandProblem("no_export", f"{file}: {error}", hint) from error


def _document(found: Findings) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "clean": not found.violations,
        "violations": [violation.document() for violation in found.violations],
        "open_runs": found.open_runs,
        "waiting_commands": found.waiting_commands,
        "counts": asdict(found.counts),
    }


SHOWN = 100


def _print(found: Findings) -> None:
    from elexirion.console.run_tables import on_stdout, print_rows
    from rich.text import Text

    console = on_stdout()
    if found.violations:
        rows: list[list[str | Text]] = [
            [Text(one.kind, style="red"), one.run_id or "-", str(one.position or "-"), one.place or "-",
             Text(one.message)] for one in found.violations[:SHOWN]
        ]  # fmt: skip
        print_rows(("violation", "run", "position", "topic/partition/offset", "what was found"), rows, console)
        if len(found.violations) > SHOWN:
            console.print(f"and {len(found.violations) - SHOWN} more; --json has all")
        console.print()
        for kind, means in sorted({one.kind: one.means for one in found.violations}.items()):
            console.print(Text.assemble((kind, "bold"), f": {means}"))
        console.print()
    console.print(Text(_summary(found), style="bold"))


def _summary(found: Findings) -> str:
    counts = found.counts
    read = f"{counts.events} events ({counts.accepted} count, {counts.refused} do not) of {counts.runs} runs, "
    read += f"{counts.commands} commands, {counts.chunks} chunks, {counts.dead_letters} dead letters, "
    read += f"{counts.snapshots} snapshots"
    still = [f"{len(found.open_runs)} runs are open" if found.open_runs else "",
             f"{len(found.waiting_commands)} commands wait" if found.waiting_commands else ""]  # fmt: skip
    verdict = f"{len(found.violations)} violations" if found.violations else "no violations"
    return " · ".join(part for part in (verdict, read, *still) if part)
