"""`elexirion dlq`: dead letters, listed, shown and sent to their topic again."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from elexirion.console.exits import RUN_FAILED, CommandProblem, note, print_json, reported
from elexirion.console.options import AsJson
from elexirion.console.session import with_client

if TYPE_CHECKING:
    from elexirion.client import Client
    from elexirion.client.dead_letters import Letter
    from elexirion.events.dead_letter import Redriven

    Outcome: TypeAlias = Redriven | CommandProblem

app = typer.Typer(help="Dead letters: records that could not be read.", no_args_is_help=True)

SHOWN_CHARS = 4_000

LetterId = Annotated[str, typer.Argument(metavar="LETTER", help="PARTITION/OFFSET of the letter, or its offset alone.")]
OfTopic = Annotated[str | None, typer.Option("--topic", help="Only records of this topic; its last part will do.")]
ForReason = Annotated[str | None, typer.Option("--reason", help="Only letters whose reason has this text in it.")]


@app.callback()
def dlq() -> None:
    """What could not be read stands on `dead-letters` for 30 days, with its place, its bytes and the reason."""


@app.command(name="list")
def list_letters(
    topic: OfTopic = None,
    reason: ForReason = None,
    waiting: Annotated[bool, typer.Option("--open", help="Only letters that were not redriven.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many, the newest first.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first.

    Example: elexirion dlq list --topic commands --reason version
    """
    found = with_client(lambda client: _found(client, topic, reason, waiting), as_json=as_json)
    shown = found[::-1][:limit]
    if as_json:
        print_json({"letters": [one.document() for one in shown], "total": len(found)})
        return
    _table(shown)
    if len(found) > len(shown):
        note(f"{len(found) - len(shown)} more; --limit says how many are listed")


@app.command()
def show(name: LetterId, as_json: AsJson = False) -> None:
    """Show one dead letter: where its record stood, why it could not be read, and its bytes.

    Example: elexirion dlq show 0/12
    """
    from elexirion.client.dead_letters import letter

    one = with_client(lambda client: letter(client, name), as_json=as_json)
    if as_json:
        print_json(one.document() | _bytes(one))
    else:
        _print(one)


@app.command()
def redrive(
    names: Annotated[list[str] | None, typer.Argument(metavar="LETTER", help="Letters to send again.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All commands not redriven yet that the filters name.")
    ] = False,
    reason: ForReason = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was redriven before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before more than one is sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the original bytes to `commands` again, once: a letter that was redriven is not sent a second time.

    Worth it after what kept them from being read was mended: a newer version, a higher limit. What still cannot be
    read becomes a dead letter again. A command counts once by its id, however often it is sent.

    Examples:

      elexirion dlq redrive 0/12

      elexirion dlq redrive --all --reason "is not known to this version" --yes
    """
    with reported(as_json):
        if bool(names) == everything:
            raise CommandProblem("usage", "which letters? name them, or say --all", "List them: elexirion dlq list")
    chosen = with_client(lambda client: _chosen(client, names or [], reason), as_json=as_json)
    if not yes:
        _ask(len(chosen), as_json)
    done = with_client(lambda client: _redrive_all(client, chosen, again), as_json=as_json)
    _tell(done, as_json)


async def _chosen(client: Client, names: list[str], reason: str | None) -> list[Letter]:
    from elexirion.client.dead_letters import letters, named

    found = await letters(client, with_bytes=True)
    if names:
        return [named(found, name) for name in names]
    return [one for one in found if not one.redriven and _matches(client, one, "commands", reason)]


def _ask(count: int, as_json: bool) -> None:
    if count < 2:
        return
    with reported(as_json):
        if as_json or not sys.stdin.isatty():
            raise CommandProblem("confirmation", f"{count} letters would be sent again.", "Say --yes to send them.")
    typer.confirm(f"Send {count} letters again?", abort=True, err=True)


async def _found(client: Client, topic: str | None, reason: str | None, waiting: bool) -> list[Letter]:
    from elexirion.client.dead_letters import letters

    found = await letters(client)
    return [one for one in found if _matches(client, one, topic, reason) and not (waiting and one.redriven)]


def _matches(client: Client, one: Letter, topic: str | None, reason: str | None) -> bool:
    of_topic = topic is None or one.buried.topic in (topic, f"{client.topics.prefix}{topic}")
    return of_topic and (reason is None or reason in one.buried.reason)


async def _redrive_all(client: Client, chosen: list[Letter], again: bool) -> list[tuple[str, Outcome]]:
    """Each for itself: one that cannot be sent keeps no other from it. Of a single one the problem is raised."""
    from elexirion.client.dead_letters import NotRedrivableError
    from elexirion.client.dead_letters import redrive as redrive_one

    done: list[tuple[str, Outcome]] = []
    for one in chosen:
        try:
            done.append((one.id, await redrive_one(client, one, again=again)))
        except NotRedrivableError as problem:
            if len(chosen) == 1:
                raise
            done.append((one.id, CommandProblem("not_redriven", str(problem))))
    return done


def _tell(done: list[tuple[str, Outcome]], as_json: bool) -> None:
    failed = sum(isinstance(outcome, CommandProblem) for _, outcome in done)
    if as_json:
        print_json({"redriven": [_outcome(name, outcome) for name, outcome in done], "failed": failed})
    else:
        for name, outcome in done:
            said = outcome.message if isinstance(outcome, CommandProblem) else f"{name} stands at {_where(outcome)} now"
            typer.echo(said, err=isinstance(outcome, CommandProblem))
        if not done:
            typer.echo("no dead letter of a command waits")
    if failed:
        raise typer.Exit(RUN_FAILED)


def _outcome(name: str, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, CommandProblem):
        return {"letter": name, "error": outcome.message}
    return {"letter": name, "topic": outcome.topic, "partition": outcome.partition, "offset": outcome.offset}


def _where(place: Redriven) -> str:
    return f"{place.topic}/{place.partition}/{place.offset}"


def _bytes(one: Letter) -> dict[str, Any]:
    value = one.buried.value
    try:
        shown, encoding = value.decode(), "utf-8"
    except UnicodeDecodeError:
        shown, encoding = base64.b64encode(value).decode(), "base64"
    key = one.key.decode(errors="replace") if one.key is not None else None
    return {"key": key, "value": shown, "encoding": encoding, "whole": one.buried.whole}


def _table(found: list[Letter]) -> None:
    from elexirion.console.run_tables import on_stdout, print_rows
    from rich.text import Text

    rows: list[list[str | Text]] = [
        [one.id, f"{one.buried_at:%Y-%m-%d %H:%M:%S}", Text(_stood(one)), str(one.buried.size),
         "yes" if one.redriven else "-", Text(printable(one.buried.reason, 200))]
        for one in found
    ]  # fmt: skip
    print_rows(("letter", "buried (UTC)", "topic/partition/offset", "bytes", "redriven", "reason"), rows, on_stdout())


def _print(one: Letter) -> None:
    said, again = one.buried, one.redriven
    typer.echo(f"letter    {one.id}, {one.buried_at:%Y-%m-%d %H:%M:%S} UTC")
    typer.echo(f"record    {_stood(one)}, {said.size} bytes")
    typer.echo(f"key       {printable((one.key or b'').decode(errors='backslashreplace'), 200) or '-'}")
    typer.echo(f"reason    {printable(said.reason, 1_000)}")
    typer.echo(f"redriven  {f'{again.at:%Y-%m-%d %H:%M:%S} UTC, to {_where(again)}' if again else '-'}")
    typer.echo(f"\n{printable(said.value.decode(errors='backslashreplace'), SHOWN_CHARS)}")
    if said.size > len(said.value) or len(said.value) > SHOWN_CHARS:
        note(f"The record has {said.size} bytes; the letter holds {len(said.value)}, --json shows them all.")


def _stood(one: Letter) -> str:
    return f"{one.buried.topic}/{one.buried.partition}/{one.buried.offset}"


def printable(text: str, most: int) -> str:
    """Text for a terminal: bounded, and nothing in it moves the cursor or changes a colour."""
    shown = "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text[:most])
    return shown + (" …" if len(text) > most else "")
