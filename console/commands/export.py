"""`elexirion export`: a run's records as JSON lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from elexirion.console.exits import note
from elexirion.console.options import RunId
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client, Entry


def export(
    run_id: RunId,
    chunks: Annotated[
        bool, typer.Option(help="Also the chunk records still kept, before what closes their execution.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also commands and what does not count, as {refused, record}.")
    ] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file instead of stdout.")] = None,
) -> None:
    """Print a run's accepted records as they stand on the topic, one a line, in log order.

    Folding the lines in another process gives the `context_hash` that the last one carries.

    Example: elexirion export run-1f0c… -o run.jsonl
    """
    lines = with_client(lambda client: _lines(client, run_id, chunks, everything), as_json=False)
    text = "".join(f"{line}\n" for line in lines)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, "utf-8")
        note(f"{len(lines)} records in {output}")


async def _lines(client: Client, run_id: str, chunks: bool, everything: bool) -> list[str]:
    log = await client.read(run_id)
    text = await _chunks(client, run_id) if chunks else {}
    lines: list[str] = []
    for entry in log.entries:
        if entry.of_run:
            lines += [one for id in _closed(entry) for one in text.pop(id, [])]
            lines.append(one_line(entry.value))
        elif everything:
            lines.append(_marked(entry))
    if log.state is not None and not log.state.ended:
        lines += [one for rest in text.values() for one in rest]
    return lines


async def _chunks(client: Client, run_id: str) -> dict[str, list[str]]:
    """The chunk records of each execution, in order."""
    from elexirion.events.codec import UndecodableError, decode
    from elexirion.events.step import StepChunk

    found: dict[str, list[str]] = {}
    async for value in client.chunk_values(run_id):
        try:
            data = decode(value).data
        except UndecodableError:
            continue
        if isinstance(data, StepChunk):
            found.setdefault(data.execution_id, []).append(one_line(value))
    return found


def _closed(entry: Entry) -> list[str]:
    """The executions whose text stands before this record: those it closes."""
    assert entry.record is not None and entry.state is not None
    if entry.state.ended:
        return list(entry.state.executions)
    id = getattr(entry.record.data, "execution_id", None)
    execution = entry.state.executions.get(id) if id else None
    return [execution.id] if execution and not execution.open else []


def _marked(entry: Entry) -> str:
    """A record that is no part of the run, or does not count, with why."""
    try:
        record = json.loads(entry.value)
    except ValueError:
        record = entry.value.decode(errors="replace")
    said = {"refused": entry.refused, "partition": entry.partition, "offset": entry.offset, "record": record}
    return json.dumps(said, ensure_ascii=False)


def one_line(value: bytes) -> str:
    """A record's value as it stands on the topic; one that its writer broke into lines is joined."""
    text = value.decode(errors="replace")
    return text if "\n" not in text else json.dumps(json.loads(text), ensure_ascii=False)
